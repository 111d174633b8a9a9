"""A model folder is no place for numba's settings: they could name code to run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPARE = """
import os
from inspect_core.delta.kernel import warm_up
warm_up()
from numba import njit
njit(lambda x: x + 1)(1)  # every compilation looks again
from numba.core import config
print(config.CACHE_DIR, config.DEBUG, os.path.exists("c"))
"""


@pytest.mark.parametrize(
    "text", ["cache_dir: c\n", "debug: 1\n", "[1, 2]\n", "1: 2\n", "{", 'cpu_name: "\\e]0;x\\a"\n']
)
def test_settings_of_the_current_folder_are_not_read(tmp_path, text):
    (tmp_path / ".numba_config.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", COMPARE], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["0", "False"], "no cache folder, no debugging, nothing written"


def test_the_users_own_environment_counts(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", COMPARE], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path / "mine")},
    )  # fmt: skip
    assert done.stdout.split()[0] == str(tmp_path / "mine")


def test_numba_imported_before_reads_nothing_from_now_on(tmp_path):
    program = "import numba\n" + COMPARE
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".numba_config.yaml").write_text("[1]\n")
    changed = program.replace("njit(lambda", "os.chdir('sub')\nnjit(lambda")
    done = subprocess.run(
        [sys.executable, "-c", changed], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
