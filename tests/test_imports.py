"""What may import what: the rooms by their contracts, the first frame by what it loads."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "transformers", "safetensors", "numba", "plotext", "numpy", "gguf"}


def loaded(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter holds after some code."""
    report = "import json, sys; print(json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{code}\n{report}"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return set(json.loads(done.stdout))


def test_the_contracts_between_the_rooms_hold():
    command = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("module", ["tui.cli", "tui.app", "tui.launch", "tui.drawing"])
def test_the_first_frame_loads_nothing_heavy(module):
    assert not loaded(f"import {module}") & HEAVY


def test_the_command_line_does_not_load_the_app_before_it_is_asked_for():
    assert not loaded("import tui.cli") & {"textual", "rich"}


def test_the_core_loads_no_terminal_and_nothing_heavy():
    found = loaded("import inspect_core")
    assert not found & {"textual", "rich", "plotext", "click", "tui", "themes", "torch", "numpy"}


def test_the_jobs_and_the_tree_load_nothing_heavy():
    code = "import inspect_core.work.jobs, inspect_core.work.backend, inspect_core.structure.branch"
    assert not loaded(code) & (HEAVY | {"textual", "rich"})


def test_the_core_can_compare_without_torch_or_a_terminal():
    found = loaded("import inspect_core.delta.table, inspect_core.delta.compare")
    assert "numpy" in found
    assert not found & {"torch", "transformers", "textual", "rich", "plotext", "gguf"}
