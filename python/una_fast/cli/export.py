"""`una-fast export`: a table for pandas, polars, DuckDB and spreadsheets."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from una_fast import shared_options as same
from una_fast.encode import backend_of, plain_copy
from una_fast.errors import OptionError
from una_fast.extras import require
from una_fast.files import check_apart, replacing, storage_errors, write_text
from una_fast.options import Options, add_options, option

if TYPE_CHECKING:
    import pyarrow as pa

    from una_fast.table import TermTable

REFERENCE = {"term_idf.csv": "idf", "term_count.csv": "count", "term_tfidfmax.csv": "max"}
"""The reference's files, and what stands in them; its column is called Scores_ and this."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Options):
    """The options of `una-fast export`."""

    table: Path = option(help="A table made by una-fast fit.", group="text", positional=True)
    output: Path = option(
        same.OUTPUT,
        "Its suffix tells: .parquet, .csv or .json; with --static and --reference a folder, made if need be.",
        default=MISSING,
        metavar="FILE",
    )
    tokenizer_json: Path | None = option(
        None,
        "With .json and --static: the tokenizer.json of a model, or a folder that holds one. A .json has the idf of "
        "each of its tokens, as SparseStaticEmbedding.from_json of sentence-transformers reads it.",
        group="output",
        metavar="FILE",
    )
    static: bool = option(
        False,
        "Write a static encoder of the tokens of --tokenizer-json, in which nothing is trained: a folder that "
        "sentence-transformers loads, and train starts from.",
        group="output",
    )
    dim: int = option(256, "With --static: width of the vectors.", group="output", least=1, below=1 << 16)
    seed: int = option(same.SEED, "With --static: the key of the draws.", group="output")
    reference: bool = option(False, "Write the reference's three CSV files.", group="output")
    json: bool = option(same.JSON)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "export",
        help="write a table as Parquet, CSV, the reference's three CSV files, or a static encoder",
        usage="una-fast export TABLE --output FILE [options]",
        description="Write a table as Parquet or CSV: term, df, best_count, best_length, idf, score, by rank; or the "
        "idf of a model's tokens as JSON. With --static, write a static encoder (una_fast.static_embedding). With "
        "--reference, write the three files that UNA's reference implementation reads, each with a header and a term "
        "a line, by rank: term_idf.csv (Keys, Scores_idf), term_count.csv (Keys, Scores_count: the document "
        "frequency) and term_tfidfmax.csv (Keys, Scores_max).",
    )
    add_options(parser, ExportOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Loads, converts, writes."""
    from una_fast.table import TermTable

    options = ExportOptions.from_arguments(args)
    if options.reference and options.static:
        raise OptionError("--static and --reference are two kinds of output: give one of them")
    if options.reference:
        return _export_reference(TermTable.load(options.table), options)
    check_apart([options.table], {"--output": options.output})
    if options.static:
        return _export_static(options)
    if options.output.suffix == ".json":
        return _export_idf(options)
    if options.tokenizer_json is not None:
        raise OptionError(
            "--tokenizer-json is for --static, and for an --output that ends in .json, not for "
            f"{options.output.name!r}"
        )
    write = _writer(options.output)
    table = TermTable.load(options.table)
    rows = table.to_arrow()
    with replacing(options.output) as path:
        write(rows, str(path))
    _tell(options, len(table), "terms")
    return 0


def _tell(options: ExportOptions, count: int, what: str, files: str = "") -> None:
    """Prints what was written."""
    if options.json:
        print(json.dumps({what: count, "output": str(options.output)}))
    else:
        print(f"{count:,} {what} in {files}{options.output}")


def _export_idf(options: ExportOptions) -> int:
    """The idf of tokens, by token. Special tokens stand in every text: theirs is 0."""
    from una_fast.static import idf_of_tokens
    from una_fast.table import TermTable

    path = _tokenizer_file(options, "an --output that ends in .json", "the tokens of a model are weighed")
    table = TermTable.load(options.table)
    backend = plain_copy(backend_of(path, "--tokenizer-json"))
    idf = idf_of_tokens(table, backend)
    special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    vocabulary = sorted(backend.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    weights = {token: 0.0 if token in special else float(idf[number]) for token, number in vocabulary}
    with replacing(options.output) as fresh:
        write_text(fresh, json.dumps(weights, ensure_ascii=False, indent=0) + "\n")
    _tell(options, len(weights), "tokens")
    return 0


def _export_static(options: ExportOptions) -> int:
    """A static encoder, saved as sentence-transformers saves its own."""
    from una_fast.static import static_embedding
    from una_fast.table import TermTable

    path = _tokenizer_file(options, "--static", "each of its tokens gets a vector")
    made = static_embedding(TermTable.load(options.table), path, dim=options.dim, seed=options.seed)
    made.save_pretrained(options.output)
    _tell(options, len(made.vectors), "vectors")
    return 0


def _tokenizer_file(options: ExportOptions, what: str, why: str) -> Path:
    """The file of --tokenizer-json, which is needed."""
    path = options.tokenizer_json
    if path is None:
        raise OptionError(f"{what} needs --tokenizer-json: {why}")
    if path.is_dir():
        path /= "tokenizer.json"
    check_apart([options.table, path], {"--output": options.output})
    return path


def _export_reference(table: TermTable, options: ExportOptions) -> int:
    folder = options.output
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    columns = {"idf": table.idf.tolist(), "count": table.df.tolist(), "max": table.score.tolist()}
    for file, column in REFERENCE.items():
        rows = list(zip(table.terms, columns[column], strict=True))
        with replacing(folder / file) as path:
            _write_pairs(rows, f"Scores_{column}", path)
    _tell(options, len(table), "terms", f"{', '.join(REFERENCE)} in ")
    return 0


def _write_pairs(rows: list[tuple[str, float]], heading: str, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["Keys", heading])
        writer.writerows(rows)


def _writer(output: Path) -> Callable[[pa.Table, str], None]:
    if output.suffix not in (".parquet", ".csv"):
        raise OptionError(f"--output must end in .parquet, .csv or .json, not {output.name!r}")
    pyarrow = require("export", "pyarrow", "pyarrow.csv", "pyarrow.parquet")
    writers = {".parquet": pyarrow.parquet.write_table, ".csv": pyarrow.csv.write_csv}
    return cast("Callable[[pa.Table, str], None]", writers[output.suffix])
