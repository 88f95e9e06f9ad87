"""The blocks of docs/engines.md, to be run by the tests of each engine."""

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "engines.md"


def run_block(name: str) -> None:
    """Runs the block under that name, in the working folder; it asserts what it says."""
    text = PAGE.read_text(encoding="utf-8")
    [block] = re.findall(rf"^<!-- {name} -->\n```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    exec(block, {"__name__": "__main__"})
