"""scikit-learn's own tests, aimed at our classes, under the oldest release that is supported: `make sklearn-floor`.

That release goes into a folder of its own, with the numpy and scipy of its days, and before all others on the path.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FLOOR = ("scikit-learn==1.5.0", "scipy==1.13.1", "numpy==2.0.2")


def run_their_tests(folder: Path, path: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the tests in scikit-learn's wheel with ours in place of its classes, in a folder without tests.

    Args:
        folder: Where to run.
        path: Folders to import from, first of all.
        options: Of `subprocess.run`.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-p", "sklearn_plugin"]
    command += ["-p", "no:cacheprovider", "--pyargs", "sklearn.feature_extraction.tests.test_text"]
    path = [*path, str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    return subprocess.run(command, check=False, cwd=folder, env=environment, text=True, **options)


def main() -> int:
    """Install and test."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        if subprocess.run([*pip, "--target", folder, *FLOOR], check=False).returncode != 0:
            print(f"not tested: no wheels of {', '.join(FLOOR)} for Python {sys.version.split()[0]}")
            return 0 if sys.version_info >= (3, 13) else 1
        return run_their_tests(Path(folder), [folder]).returncode


if __name__ == "__main__":
    sys.exit(main())
