"""Ray Data with two workers: the table and the negatives of one process, and what happens when things go wrong."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from engines_page import run_block

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
from una_fast import Augmenter, InputError, OptionError, PhraseRule, StorageError, fit  # noqa: E402
from una_fast import ray as on_ray  # noqa: E402
from una_fast.draw_keys import rows_of_text  # noqa: E402

pytestmark = pytest.mark.xdist_group("ray")

CORPUS = [
    f"the cat number {i % 7} sat on mat {i % 11} in New York"
    if i % 3
    else f"a dog ran to mat {i} of New York"
    for i in range(300)
]
PHRASES = ["new york", "the cat"]


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    """Ray on this machine, with two workers."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def dataset_of(sentences: list[Any], blocks: int) -> Any:
    """A dataset of so many blocks, with the number of each row."""
    table = pa.table({"id": range(len(sentences)), "text": pa.array(sentences)})
    step = -(-len(sentences) // blocks)
    return ray.data.from_arrow([table.slice(start, step) for start in range(0, len(sentences), step)])


LISTED, FOUND = {"phrases": PHRASES}, {"phrases": PhraseRule(min_df=3)}


@pytest.mark.parametrize(
    ("blocks", "shuffled", "options"),
    [(1, False, {}), (2, False, LISTED), (7, False, {}), (2, True, {}), (7, True, LISTED), (7, False, FOUND)],
)
def test_the_table_is_that_of_one_process(
    blocks: int, shuffled: bool, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "WORTH_A_SHUFFLE", 0 if shuffled else 1 << 40)
    assert on_ray.fit(dataset_of(CORPUS, blocks), parts=5, **options) == fit(CORPUS, **options)


def test_whatever_ray_reads(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"text": CORPUS, "other": CORPUS}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in CORPUS))
    (tmp_path / "a.txt").write_text("\n".join(CORPUS))
    expected = fit(CORPUS, min_df=2, tokenizer="word")
    for read, name in [("read_parquet", "a.parquet"), ("read_json", "a.jsonl"), ("read_text", "a.txt")]:
        dataset = getattr(ray.data, read)(str(tmp_path / name))
        table = on_ray.fit(dataset, min_df=2, tokenizer="word", ray_remote_args={"num_cpus": 1})
        assert table == expected, read
    with pytest.raises(OptionError, match="no column 'txt', or several; its columns are 'text'"):
        on_ray.fit(ray.data.read_json(str(tmp_path / "a.jsonl")), column="txt")


def test_counts_are_frozen_without_a_table_in_memory(tmp_path: Path) -> None:
    counter = on_ray.count(dataset_of(CORPUS, 3), memory_limit="16MiB", temp_dir=tmp_path)
    assert counter.freeze_to(tmp_path / "table.safetensors").digest == fit(CORPUS).digest


@pytest.mark.parametrize(
    ("blocks", "row_column", "by_path"), [(1, "id", True), (7, "id", False), (7, None, True)]
)
def test_negatives_are_those_of_one_process(
    blocks: int, row_column: str | None, by_path: bool, tmp_path: Path
) -> None:
    table = fit(CORPUS, phrases=PHRASES)
    path = tmp_path / "table.safetensors"
    table.save(path)
    made = dataset_of([*CORPUS, None], blocks).map_batches(
        on_ray.Negatives,
        fn_constructor_kwargs={
            "table": path if by_path else table,
            "row_column": row_column,
            "seed": 5,
            "epoch": 1,
        },
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=2),
    )
    rows = sorted(made.take_all(), key=lambda row: row["id"])
    keys = None if row_column else rows_of_text(CORPUS)
    expected = Augmenter(table, seed=5).augment(CORPUS, rows=keys, epoch=1)
    assert [row["negative"] for row in rows] == [*expected, None]


def test_a_worker_uses_the_cores_that_ray_gives_to_it() -> None:
    class Threads(on_ray.Negatives):  # here, or a worker would look for this file
        """Tells the threads of its worker beside the negatives."""

        def __call__(self, batch: pa.Table) -> pa.Table:
            made = super().__call__(batch)
            return made.append_column("threads", pa.array([self._augmenter.threads] * len(made)))

    table = fit(CORPUS)
    for options, threads in [({}, 1), ({"num_cpus": 2}, 2), ({"num_cpus": 0.5}, 1)]:
        made = dataset_of(CORPUS, 4).map_batches(
            Threads,
            fn_constructor_kwargs={"table": table, "row_column": "id"},
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=1),
            **options,
        )
        rows = sorted(made.take_all(), key=lambda row: row["id"])
        assert {row["threads"] for row in rows} == {threads}
        assert [row["negative"] for row in rows] == Augmenter(table).augment(CORPUS)
    assert on_ray.fit(dataset_of(CORPUS, 3), ray_remote_args={"num_cpus": 2}) == table
    assert on_ray.Negatives(table)._augmenter.threads == 1  # in no worker


ON_TWO_NODES = """
import sys

import pyarrow as pa
import ray
from ray.cluster_utils import Cluster

import una_fast
import una_fast.ray

text, path = [f"the cat number {i % 7} sat on mat {i % 11}" for i in range(300)], sys.argv[1]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
cluster.add_node(num_cpus=2)
ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
ray.data.DataContext.get_current().enable_progress_bars = False
blocks = [pa.table({"id": range(n, n + 50), "text": text[n : n + 50]}) for n in range(0, 300, 50)]
dataset = ray.data.from_arrow(blocks)
table = una_fast.ray.fit(dataset)
assert table == una_fast.fit(text)
table.save(path)


class Negatives(una_fast.ray.Negatives):
    def __call__(self, batch):
        made = super().__call__(batch)
        return made.append_column("node", pa.array([ray.get_runtime_context().get_node_id()] * len(made)))


made = dataset.map_batches(
    Negatives,
    fn_constructor_kwargs={"table": path, "row_column": "id"},
    batch_format="pyarrow",
    batch_size=None,
    num_cpus=1.5,  # so that a node has room for one of them
    compute=ray.data.ActorPoolStrategy(size=2),
)
rows = sorted(made.take_all(), key=lambda row: row["id"])
assert [row["negative"] for row in rows] == una_fast.Augmenter(table).augment(text)
print("nodes:", len({row["node"] for row in rows}))
ray.shutdown()
cluster.shutdown()
"""


def test_two_nodes_are_as_one_process(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    command = [sys.executable, "-c", ON_TWO_NODES, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.endswith("nodes: 2\n"), done.stderr


def kills_its_process_once(marker: str) -> Callable[[str], list[str]]:
    def cut(sentence: str) -> list[str]:
        if sentence.endswith("299 of new york"):  # in the middle of the work
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return sentence.split()

    return cut


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    text = [*CORPUS, "a dog ran to mat 299 of New York"]
    table = on_ray.fit(dataset_of(text, 4), tokenizer=kills_its_process_once(str(marker)))
    assert marker.exists()
    assert table == fit(text, tokenizer=kills_its_process_once(str(marker)))


def test_faults_are_told_in_one_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"the dataset has no column 'txt': its columns are \['id', 'text'\]"
    ):
        on_ray.fit(dataset_of(CORPUS, 2), column="txt")
    with pytest.raises(OptionError, match="tokenizer"):
        on_ray.fit(dataset_of(CORPUS, 2), tokenizer="words")
    with pytest.raises(InputError, match="the corpus is empty"):
        on_ray.fit(dataset_of([" ", None], 1))
    bad = ray.data.from_arrow([pa.table({"text": [b"fine"]}), pa.table({"text": [b"fine", b"\xff"]})])
    with pytest.raises(InputError, match="column 'text': sentence 1: invalid UTF-8") as caught:
        on_ray.fit(bad)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="column 'id' holds int64, not strings"):
        on_ray.fit(dataset_of(CORPUS, 2), column="id")


def test_a_node_without_the_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"on the node .*: each node needs the file, or give the table"):
        on_ray.Negatives(tmp_path / "missing.safetensors")
    made = dataset_of(CORPUS, 2).map_batches(
        on_ray.Negatives,
        fn_constructor_kwargs={"table": "missing.safetensors"},
        batch_format="pyarrow",
        concurrency=1,
    )
    with pytest.raises(Exception, match="each node needs the file"):
        made.take_all()


def test_the_page_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_block("ray")
