"""What tests share: the folder of real data, if there is one, and how hypothesis runs."""

import gzip
import os
import signal
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason for a law to fail: no example is timed.
settings.register_profile("una_fast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("una_fast")

# A job that a script has put into the background is started with Ctrl-C ignored, and so would all that it starts be.
signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = Path(os.environ.get("UNA_FAST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def read_data() -> Callable[..., list[str]]:
    """Reads the first lines of a file of the data folder, or skips the test where it is missing."""

    def read(name: str, limit: int | None = None) -> list[str]:
        path = DATA / name
        if not path.is_file():
            pytest.skip(f"needs {name} in the data folder (UNA_FAST_DATA)")
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            return [line.rstrip("\n") for line in islice(lines, limit)]

    return read
