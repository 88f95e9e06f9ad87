"""`una-fast export`: a table for pandas, polars, DuckDB and spreadsheets."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from una_fast.errors import MissingExtraError, OptionError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "export",
        help="write a table as Parquet or CSV",
        description="Write a table as Parquet or CSV: term, df, best_count, best_length, idf, score, by rank.",
    )
    parser.add_argument("table", metavar="TABLE", help="a table made by una-fast fit")
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FILE", help="its suffix tells: .parquet or .csv"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Loads, converts, writes."""
    from una_fast.table import TermTable

    write = _writer(args.output)
    table = TermTable.load(args.table)
    rows = table.to_arrow()
    _replace(args.output, lambda path: write(rows, path))
    print(f"{len(table):,} terms in {args.output}")
    return 0


def _writer(output: Path) -> Callable[[pa.Table, str], None]:
    if output.suffix not in (".parquet", ".csv"):
        raise OptionError(f"--output must end in .parquet or .csv, not {output.name!r}")
    try:
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("export needs pyarrow: pip install 'una-fast[arrow]'") from error
    return pyarrow.parquet.write_table if output.suffix == ".parquet" else pyarrow.csv.write_csv


def _replace(output: Path, write: Callable[[str], None]) -> None:
    """Writes under a temporary name, and renames once the file is whole."""
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".una-fast-") as folder:
            temporary = os.path.join(folder, output.name)
            write(temporary)
            os.replace(temporary, output)
    except OSError as error:
        raise StorageError(error.errno, error.strerror, str(output)) from error
