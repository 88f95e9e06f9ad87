"""datatrove's pipelines with several tasks and workers: the table and the negatives of one process."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines_page import run_block

pytest.importorskip("datatrove")
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.io import get_datafolder
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

from una_fast import ArtifactError, Augmenter, InputError, OptionError, StorageError, TermTable, fit
from una_fast.datatrove import AddNegatives, CountTerms, MergeCounts

CORPUS = [
    f"the cat number {i % 7} sat on mat {i % 11} in New York\na dog ran"
    if i % 3
    else f"a dog ran to mat {i} of New York"
    for i in range(120)
]
LINES = [line for text in CORPUS for line in text.split("\n")]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder of six files, the documents numbered."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for file in range(6):
        rows = [{"text": CORPUS[i], "id": f"doc {i}", "row": i} for i in range(file, len(CORPUS), 6)]
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def run(
    steps: list[Any], tmp_path: Path, name: str, tasks: int, workers: int = 1, depends: Any = None
) -> Any:
    return LocalPipelineExecutor(
        steps,
        tasks=tasks,
        workers=workers,
        logging_dir=str(tmp_path / "logs" / name),
        depends=depends,
        start_method="fork",
    )


@pytest.mark.parametrize("tasks", [1, 2, 6])
@pytest.mark.parametrize("options", [{}, {"phrases": ["new york"], "tokenizer": "word"}], ids=["", "phrases"])
@pytest.mark.parametrize("lines", [False, True])
def test_the_table_is_that_of_one_process(
    corpus: Path, tmp_path: Path, tasks: int, options: dict[str, Any], lines: bool
) -> None:
    counting = run(
        [JsonlReader(str(corpus)), CountTerms(str(tmp_path / "counts"), lines=lines, **options)],
        tmp_path,
        "count",
        tasks,
        workers=2,
    )
    merging = run(
        [MergeCounts(str(tmp_path / "counts"), tmp_path / "table", min_df=2, memory_limit="16MiB")],
        tmp_path,
        "merge",
        1,
        depends=counting,
    )
    merging.run()
    assert TermTable.load(tmp_path / "table") == fit(LINES if lines else CORPUS, min_df=2, **options)


def documents(texts: list[str] = CORPUS) -> Iterator[Document]:
    return (Document(text=text, id=f"doc {i}", metadata={"row": i}) for i, text in enumerate(texts))


def test_documents_are_passed_on(tmp_path: Path) -> None:
    passed = list(CountTerms(str(tmp_path), threads=1).run(documents(), 0, 1))
    assert [document.text for document in passed] == CORPUS
    assert [
        document.text for document in MergeCounts(str(tmp_path), tmp_path / "t").run(documents())
    ] == CORPUS


def test_negatives_are_those_of_one_process(corpus: Path, tmp_path: Path) -> None:
    table = fit(CORPUS)
    table.save(tmp_path / "table")
    made = {}
    for tasks, row_key in [(1, "row"), (3, "row"), (2, None)]:
        steps = [
            JsonlReader(str(corpus)),
            AddNegatives(tmp_path / "table", row_key=row_key, seed=3, epoch=2, views=2),
            JsonlWriter(str(tmp_path / f"out {tasks}"), compression=None),
        ]
        run(steps, tmp_path, f"add {tasks}", tasks, workers=2).run()
        files = (tmp_path / f"out {tasks}").glob("*.jsonl")
        rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        made[tasks] = [row["metadata"] for row in sorted(rows, key=lambda row: row["metadata"]["row"])]
    for view in range(2):
        expected = Augmenter(table, seed=3).augment(CORPUS, epoch=2, view=view)
        assert [row[f"negative_{view + 1}"] for row in made[1]] == expected
        assert [row[f"negative_{view + 1}"] for row in made[3]] == expected
    by_text = list(AddNegatives(tmp_path / "table", seed=3, epoch=2, views=2).run(documents(CORPUS[::-1])))
    assert [d.metadata["negative_1"] for d in by_text[::-1]] == [row["negative_1"] for row in made[2]]


def test_counts_on_another_file_system(tmp_path: Path) -> None:
    folder = get_datafolder("memory://counts")
    for rank in range(2):
        list(CountTerms(folder).run(documents(CORPUS[rank::2]), rank, 2))
    assert folder.list_files() == ["00000-of-00002.counts", "00001-of-00002.counts"]
    list(MergeCounts(folder, tmp_path / "table").run())
    assert TermTable.load(tmp_path / "table") == fit(CORPUS)


def test_counts_that_are_missing_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "counts"
    for rank in (0, 2):
        list(CountTerms(str(folder)).run(documents(), rank, 3))
    merge = MergeCounts(str(folder), tmp_path / "table")
    with pytest.raises(
        InputError, match=r"1 of 3 tasks have no counts: '00001-of-00003.counts' is the first"
    ):
        list(merge.run())
    list(CountTerms(str(folder)).run(documents(), 1, 2))
    with pytest.raises(
        InputError, match="of one run of CountTerms are needed, and there are '00000-of-00003"
    ):
        list(merge.run())
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(InputError, match="and there are none"):
        list(merge.run())
    (folder / "00000-of-00001.counts").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match=r"00000-of-00001\.counts: no safetensors file"):
        list(merge.run())
    assert not (tmp_path / "table").exists()


def test_what_cannot_be_done_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="tokenizer"):
        CountTerms(str(tmp_path), tokenizer="words")
    with pytest.raises(InputError, match=r"documents 'doc 0' to 'doc 1': .*NUL"):
        list(CountTerms(str(tmp_path)).run(documents(["fine", "n\0l"])))
    assert not list(tmp_path.glob("*.counts"))
    with pytest.raises(OptionError, match="for an executor of one task, not of 2"):
        list(MergeCounts(str(tmp_path), tmp_path / "table").run(None, 0, 2))
    with pytest.raises(StorageError, match="missing"):
        list(AddNegatives(tmp_path / "missing").run(documents()))
    fit(CORPUS).save(tmp_path / "table")
    with pytest.raises(InputError, match="the document 'doc 0' has no 'number' in its metadata"):
        list(AddNegatives(tmp_path / "table", row_key="number").run(documents()))
    with pytest.raises(OptionError, match="the document 'doc 0' has 'row' in its metadata already"):
        list(AddNegatives(tmp_path / "table", output="row").run(documents()))


def test_the_page_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_block("datatrove")
