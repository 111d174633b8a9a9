"""Functions that numba compiles, kept on disk as long as nothing that is in them changes."""

import contextlib
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from inspect_core.delta.numba_config import ignore_config_file

ignore_config_file()

from numba import njit  # noqa: E402 - only now

_HERE = Path(__file__).parent
_SOURCES = ("compiled.py", "widening.py", "histogram.py", "summary.py", "*kernels.py")
"""What compiled code is made of: functions, and the constants that are frozen in it."""


def jit(**options: Any) -> Any:
    """`numba.njit` without the GIL, and kept on disk."""

    def compiled(function: Any) -> Any:
        try:
            kept = njit(nogil=True, cache=True, error_model="numpy", **options)(function)
        except RuntimeError:  # nowhere to keep what is compiled: a read-only box without a home
            return njit(nogil=True, error_model="numpy", **options)(function)
        _stamp(kept)
        return kept

    return compiled


def _stamp(kept: Any) -> None:
    """Make what is kept good for all sources, not only for the file that the function is in.

    numba looks at that file alone: after a change of a function that is compiled into another
    one it would go on to give the numbers of before.
    """
    with contextlib.suppress(AttributeError):  # a later numba; a test tells
        file = kept._cache._cache_file
        file._source_stamp = (file._source_stamp, source_digest())


@cache
def source_digest() -> bytes:
    """16 bytes for the text of all sources."""
    made = blake2b(digest_size=16)
    for path in sorted(path for pattern in _SOURCES for path in _HERE.glob(pattern)):
        made.update(path.name.encode() + b"\0" + path.read_bytes())
    return made.digest()
