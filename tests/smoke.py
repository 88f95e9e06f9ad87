"""What a wheel must do on any machine, with numpy alone: import, count, save, make negatives, run as a command."""

import subprocess
import sys
import tempfile
from pathlib import Path

import una_fast

SENTENCES = ["the cat sat on the mat", "a dog sat on the cat", "the dog barked"]

KNOWN = "4e5bfb801a33"
"""How the digest of their table begins, everywhere."""


def main() -> None:
    """Assert it all."""
    assert "torch" not in sys.modules
    table = una_fast.fit(SENTENCES)
    assert [term.term for term in table.top(3)] == ["barked", "a", "mat"]
    assert table.digest.startswith(KNOWN), table.digest
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.table"
        table.save(path)
        loaded = una_fast.TermTable.load(path)
        assert loaded == table
        one, two = (
            una_fast.Augmenter(loaded, radius=2, seed=3, threads=n).augment(SENTENCES) for n in (1, 2)
        )
        assert one == two == ["the cat sat on the a", "mat dog sat cat the dog", "the dog barked"], one
        text = Path(folder) / "text.txt"
        text.write_text("\n".join(SENTENCES), encoding="utf-8")
        command = [sys.executable, "-m", "una_fast", "fit", str(text), "-o", str(Path(folder) / "b.table")]
        subprocess.run(command, check=True)
        assert una_fast.TermTable.load(Path(folder) / "b.table") == table
    print(f"una-fast {una_fast.__version__} works on {sys.version.split()[0]}, {sys.platform}")


if __name__ == "__main__":
    main()
