"""What newcomers, CI and the Makefile are told stays one story."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUN_COMMAND = "pip install '.[train]' && una-fast quickstart"
TEST_COMMAND = "pip install '.[dev]' && pytest -n auto"


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def checks() -> list[str]:
    """The targets `make check` stands for, as the Makefile lists them."""
    (listed,) = re.findall(r"^CHECKS := (.*)$", read("Makefile"), flags=re.MULTILINE)
    return [*listed.split(), "test-python"]


@pytest.mark.parametrize("command", [RUN_COMMAND, TEST_COMMAND])
def test_the_readme_has_the_two_commands_on_lines_of_their_own(command: str) -> None:
    assert command in read("README.md").splitlines()


def test_the_bare_machine_run_types_the_command_of_the_readme() -> None:
    script = read(".ci/run")
    assert TEST_COMMAND in script.splitlines()
    assert "make check-rest" in script.splitlines()
    assert script.startswith("#!/usr/bin/env bash\n")
    assert sys.platform == "win32" or (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_bare_machine_run_is_sound_shell() -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


def test_ci_runs_every_check_by_its_target() -> None:
    workflow = read(".github/workflows/ci.yml")
    for check in checks():
        assert f"- run: make {check}\n" in workflow


def test_no_check_is_spelled_out_twice() -> None:
    for path in (".github/workflows/ci.yml", ".ci/run"):
        assert not re.search(r"\b(?:cargo (?:clippy --w|test|bench|doc)|ruff|mypy)\b", read(path)), path


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", read("README.md")):
        assert (ROOT / target).exists(), target


def test_what_is_tested_is_what_was_installed() -> None:
    """The source folder holds no compiled module unless `maturin develop` put it there."""
    if find_spec("una_fast._core") is None:
        pytest.fail("una_fast._core is missing: pip install '.[dev]' before pytest")
