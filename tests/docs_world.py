"""The files that README and docs speak of, small: text, pairs, models under the names that the pages give them."""

import gzip
import json
import random
from pathlib import Path

MODULE = '''"""A tokenizer of one's own."""


def cut(sentence: str) -> list[str]:
    """Runs of other than white space."""
    return sentence.lower().split()
'''


def make_world(folder: Path) -> None:
    """Fills a folder."""
    from paraphrase_support import tiny_pegasus
    from training_support import make_sentences, tiny_bert, write_lines

    folder.mkdir(parents=True, exist_ok=True)
    sentences = make_sentences(400, seed=1)
    others = make_sentences(400, seed=2)
    draw = random.Random(0)
    scored = [f"{a}\t{b}\t{draw.random() * 5:.1f}" for a, b in zip(sentences[:60], others, strict=False)]
    write_lines(folder / "sentences.txt", sentences)
    write_lines(folder / "corpus.txt", sentences)
    write_lines(
        folder / "corpus.jsonl", [json.dumps({"id": i, "text": text}) for i, text in enumerate(sentences)]
    )
    questions = [json.dumps({"question": a, "answer": b}) for a, b in zip(sentences, others, strict=True)]
    write_lines(folder / "questions.jsonl", questions)
    write_lines(folder / "paraphrases.txt", others)
    write_lines(folder / "pairs.tsv", [f"{a}\t{b}" for a, b in zip(sentences, others, strict=True)])
    write_lines(folder / "scored.tsv", scored)
    write_lines(folder / "names.txt", ["the old captain", "guitar"])
    (folder / "my_module.py").write_text(MODULE, encoding="utf-8")
    (folder / "corpus").mkdir()
    for number in range(4):
        packed = "\n".join(sentences[number::4]).encode()
        (folder / "corpus" / f"{number}.gz").write_bytes(gzip.compress(packed, mtime=0))
    bench = folder / "senteval" / "STS" / "STSBenchmark"
    bench.mkdir(parents=True)
    for name, count, seed in (("sts-dev.csv", 1500, 5), ("sts-test.csv", 1379, 7)):
        left, right = (
            [draw.choice(made) for _ in range(count)] for made in (sentences, make_sentences(400, seed))
        )
        gold = [min(5, len({*a.split()} & {*b.split()})) for a, b in zip(left, right, strict=True)]
        rows = zip(gold, left, right, strict=True)
        write_lines(bench / name, [f"g\tf\ty\t0\t{value:.3f}\t{a}\t{b}" for value, a, b in rows])
    tiny_bert(folder / "bert-base-uncased", positions=512)
    model = tiny_bert(folder / "all-MiniLM-L6-v2")
    (model / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (model / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (model / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    tiny_pegasus(folder / "tuner007" / "pegasus_paraphrase")
