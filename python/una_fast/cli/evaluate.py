"""`una-fast evaluate`: score an encoder on the STS tasks."""

import argparse
import json
import sys
from pathlib import Path

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a sentence encoder on the seven STS tasks",
        description="Spearman correlation x100 of cosine and gold on the STS tasks of SentEval.",
    )
    parser.add_argument("model", help="folder or hub name of the encoder")
    parser.add_argument(
        "--data", required=True, type=Path, help="folder with SentEval's STS/ and SICK/ in it"
    )
    parser.add_argument(
        "--tasks", nargs="+", metavar="TASK", help="STS12 ... STS16, STS-B, SICK-R, STS-B-dev"
    )
    parser.add_argument(
        "--pooling", choices=("auto", "cls", "mean"), default="auto", help="auto asks the model"
    )
    parser.add_argument("--max-length", type=int, metavar="N", help="tokens read of a sentence")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="sentences at a time (64)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (auto)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score the encoder and print the table, or everything as JSON."""
    from una_fast.evaluation import evaluate_sts, load_encoder

    encoder = load_encoder(args.model, pooling=args.pooling, device=args.device, max_length=args.max_length)
    report = evaluate_sts(
        encoder, args.data, tasks=args.tasks, batch_size=args.batch_size, progress=sys.stderr.isatty()
    )
    print(json.dumps(report.to_dict()) if args.json else report)
    return 0
