"""Whether the tests of the core can fail: mutants of its code, a fixed sample, and how many of them the tests notice.

    cargo install cargo-mutants
    python tests/mutants.py [--each 3] [--seed 1] [--list]

The sample is so many mutants of each room of the core, drawn by the seed. Left out are hints to the machine, whose
mutants are as good as the code but for time and memory, and the slow twins, which are tests themselves.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent

LEFT_OUT_FILES = re.compile(r"/(naive|arch|error|memory|lib)\.rs$")

LEFT_OUT = re.compile(
    r"\b(prefetch|fetch\w*|hint|guess\w*|memory\w*|most_memory|shrink\w*|afford\w*|try_reserve\w*|try_with_capacity|for_memory|"
    r"give_back\w*|unseen|alone|in_place_of|is_short|set_aside|use_reserve|use_system|is_large|fmt|source|grow)\b"
)
"""Functions that say when, or with how much memory, something happens, and not what; and the words of messages."""

TESTS = ("--lib", "--test=law", "--test=exactness", "--test=memory", "--test=artifact")

GOAL = 0.9


def sampled(each: int, seed: int) -> list[str]:
    """The names of the mutants."""
    listed = subprocess.run(
        ["cargo", "mutants", "--list", "--json", "--package=una-core"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    by_room: dict[str, list[str]] = defaultdict(list)
    for mutant in json.loads(listed.stdout):
        lines = (ROOT / mutant["file"]).read_text().splitlines()[: mutant["span"]["start"]["line"]]
        if any(line.startswith("#[cfg(not(") for line in lines[-4:]):
            continue  # code for other systems than this one
        function = (mutant.get("function") or {}).get("function_name", "")
        if not (LEFT_OUT_FILES.search(mutant["file"]) or LEFT_OUT.search(function)):
            room = Path(mutant["file"]).relative_to("rust/una-core/src").parts[0]
            by_room[room].append(mutant["name"])
    rng = random.Random(seed)
    return [name for _, names in sorted(by_room.items()) for name in rng.sample(names, min(each, len(names)))]


def main() -> int:
    """Runs the sample, lists the survivors; 1 where the score is below the goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=3, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="name them, and no more")
    parser.add_argument("--in-place", action="store_true", help="change this checkout, not a copy")
    args = parser.parse_args()
    names = sampled(args.each, args.seed)
    if args.list:
        print("\n".join(names))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "cargo",
            "mutants",
            "--package=una-core",
            "--profile=mutants",
            "--no-times",
            f"--output={folder}",
        ]
        command += ["--timeout=60", *(f"--re=^{re.escape(name)}$" for name in names)]
        command += ["--in-place"] if args.in_place else []
        subprocess.run([*command, "--", *TESTS], cwd=ROOT, check=False)
        found = json.loads((Path(folder) / "mutants.out" / "outcomes.json").read_text())
    # It tries those that delete a field whatever the names asked for; they count where they are in the sample.
    summaries = {
        outcome["scenario"]["Mutant"]["name"]: outcome["summary"]
        for outcome in found["outcomes"]
        if outcome["scenario"] != "Baseline" and outcome["scenario"]["Mutant"]["name"] in names
    }
    missed = [name for name, summary in summaries.items() if summary == "MissedMutant"]
    unviable = sum(summary == "Unviable" for summary in summaries.values())
    tried = len(summaries) - unviable
    score = 1 - len(missed) / max(tried, 1)
    print(f"{tried} mutants, {unviable} more that do not compile; {score:.1%} noticed")
    print(*(f"not noticed: {name}" for name in missed), sep="\n")
    return int(not tried or score < GOAL)


if __name__ == "__main__":
    sys.exit(main())
