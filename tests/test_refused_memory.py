"""Out of memory: an answer or a MemoryError, whatever the limit; `refused_memory` has the calls, and the long run."""

import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("limits on address space are of Linux here", allow_module_level=True)

from refused_memory import calls, outcome

N_TERMS = 150_000
LIMITS = [2, 9, 26, 60]
"""MiB: from far too few for most calls to enough for many."""


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_no_limit_ends_a_process_or_hangs_it(tmp_path: Path) -> None:
    found = {}
    for name, call in calls(tmp_path, N_TERMS).items():
        found[name] = {mib: outcome(call, mib) for mib in LIMITS}
    wrong = {
        name: outcomes for name, outcomes in found.items() if set(outcomes.values()) - {"answered", "refused"}
    }
    assert not wrong
    every = [outcome for outcomes in found.values() for outcome in outcomes.values()]
    assert min(every.count("refused"), every.count("answered")) > 15, "limits that show something"
