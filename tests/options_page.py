"""Writes docs/options.md from the fields of the configurations: `make options`."""

from pathlib import Path

from una_fast.cli.augment import AugmentOptions
from una_fast.cli.evaluate import EvaluateOptions
from una_fast.cli.experiment import ExperimentOptions
from una_fast.cli.export import ExportOptions
from una_fast.cli.fit import FitOptions
from una_fast.cli.inspect import InspectOptions
from una_fast.cli.merge import MergeOptions
from una_fast.options import Options, markdown_table
from una_fast.paraphrase_config import ParaphraseConfig
from una_fast.quickstart.flow import QuickstartOptions
from una_fast.train_config import TrainConfig

PAGE = Path(__file__).parent.parent / "docs" / "options.md"

SECTIONS: dict[str, type[Options]] = {
    "train": TrainConfig,
    "fit": FitOptions,
    "merge": MergeOptions,
    "augment": AugmentOptions,
    "inspect": InspectOptions,
    "export": ExportOptions,
    "paraphrase": ParaphraseConfig,
    "evaluate": EvaluateOptions,
    "experiment": ExperimentOptions,
    "quickstart": QuickstartOptions,
}

HEAD = """\
# Options

The options of each command. On the command line `batch_size` is `--batch-size`; those of `train` are also the names of
`TrainConfig` and of TOML files. "none" gives an option that may be left out no value. This page is made from the code
by `make options`.
"""


def page() -> str:
    """The page as it ought to be."""
    sections = [f"\n## una-fast {name}\n\n{markdown_table(cls)}\n" for name, cls in SECTIONS.items()]
    return "".join([HEAD, *sections])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
