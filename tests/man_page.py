"""Writes the manual page that the wheel installs: `make options`, under Python 3.11, whose argparse lays it out."""

import os
import re
from pathlib import Path

PAGE = (
    Path(__file__).parent.parent
    / "python"
    / "una_fast.data"
    / "data"
    / "share"
    / "man"
    / "man1"
    / "una-fast.1"
)

_HEAD = '.TH UNA\\-FAST "1" "" "una\\-fast" "User Commands"'


def page() -> str:
    """The page as it ought to be."""
    os.environ["COLUMNS"] = "100"
    from argparse_manpage.manpage import Manpage

    from una_fast.cli import parser

    made = re.sub(r"\A\.TH.*", lambda _: _HEAD, str(Manpage(parser())))
    name = ".SH NAME\nuna\\-fast \\- train sentence encoders with generated hard negatives\n"
    return made.replace(".SH NAME\nuna\\-fast\n", name).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
