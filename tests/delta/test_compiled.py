"""Compiled code is kept on disk only as long as all that is compiled into it stays the same."""

import subprocess
import sys

from inspect_core.delta import compiled

SCRIPT = """
import sys
from pathlib import Path
from inspect_core.delta import compiled
sys.path.insert(0, sys.argv[1])
compiled._HERE = Path(sys.argv[1])
compiled.source_digest.cache_clear()
import outer_kernels
print(outer_kernels.outer(1), sum(outer_kernels.outer.stats.cache_hits.values()))
"""
INNER = """
from inspect_core.delta.compiled import jit

@jit()
def inner(x):
    return x + {number}
"""
OUTER = """
from inspect_core.delta.compiled import jit
from inner_kernels import inner

@jit()
def outer(x):
    return inner(x)
"""


def run(folder) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_changed_callee_is_compiled_anew(tmp_path):
    (tmp_path / "outer_kernels.py").write_text(OUTER)
    (tmp_path / "inner_kernels.py").write_text(INNER.format(number=1))
    assert run(tmp_path) == "2 0"
    assert run(tmp_path) == "2 1"  # kept
    (tmp_path / "inner_kernels.py").write_text(INNER.format(number=10))
    assert run(tmp_path) == "11 0"


def test_the_digest_covers_every_module_with_compiled_code():
    from pathlib import Path

    sources = {path.name for pattern in compiled._SOURCES for path in compiled._HERE.glob(pattern)}
    using = {
        path.name
        for path in Path(compiled.__file__).parent.glob("*.py")
        if "@jit(" in path.read_text()
    }
    assert using and using <= sources
