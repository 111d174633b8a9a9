"""A command that prints leaves at once: with all that it printed, and its exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from tui.demo import demo_pair

FULL = Path("/dev/full")


def run(*arguments, stdout=subprocess.PIPE):
    command = [sys.executable, "-m", "tui", *arguments]
    return subprocess.run(
        command, check=False, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60
    )


def test_all_output_arrives_and_the_exit_code_is_the_commands() -> None:
    base, model = map(str, demo_pair())
    found = run("diff", base, model, "--exit-code")
    assert found.returncode == 1
    assert found.stdout.endswith("\n")
    assert "values compared" in found.stdout
    assert run("diff", base, base, "--exit-code").returncode == 0


@pytest.mark.parametrize("arguments", [("tree", "/no/such/model"), ("diff",), ("check", "-x")])
def test_problems_are_said_and_counted(arguments) -> None:
    found = run(*arguments)
    assert found.returncode == 2
    assert found.stderr.strip()
    assert not found.stdout


@pytest.mark.skipif(not FULL.exists(), reason="the system has no such device")
def test_an_output_that_is_full_is_no_success() -> None:
    with FULL.open("w") as full:
        found = run("tree", str(demo_pair()[0]), stdout=full)
    assert found.returncode == 2
    assert "No space left" in found.stderr
