"""scikit-learn's own tests, aimed at our classes, under the oldest release that is supported: `make sklearn-floor`.

That release goes into a folder of its own, with the numpy and scipy of its days, and before all others on the path.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FLOOR = ("scikit-learn==1.5.0", "scipy==1.13.1", "numpy==2.0.2")


def main() -> int:
    """Install and test."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        if subprocess.run([*pip, "--target", folder, *FLOOR], check=False).returncode != 0:
            print(
                f"not tested: {', '.join(FLOOR)} have no wheel for Python {sys.version.split()[0]}, or none was found"
            )
            return 0 if sys.version_info >= (3, 13) else 1
        path = os.pathsep.join([folder, str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "sklearn_plugin",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore",
        ]
        command += ["--pyargs", "sklearn.feature_extraction.tests.test_text"]
        return subprocess.run(
            command, check=False, cwd=folder, env={**os.environ, "PYTHONPATH": path}
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
