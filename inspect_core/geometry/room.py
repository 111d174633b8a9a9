"""Room for representations: in memory as long as they are few, beyond that in hidden files."""

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from inspect_core.errors import LamellaError

IN_MEMORY = 512 << 20
"""Bytes of the arrays that are held in memory, of one space."""


class Room:
    """Gives arrays; the first ones lie in memory, later ones in files without a name.

    A file is removed from its folder as soon as it is mapped: its bytes are free again once the
    array goes, however the process ends.

    Args:
        most: bytes in memory.
        folder: where files are made; None for the user's cache folder.
    """

    def __init__(self, most: int = IN_MEMORY, folder: Path | None = None) -> None:
        self._left = most
        self._folder = folder

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros.

        Raises:
            LamellaError: the disk is full.
        """
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=object)) * kind.itemsize
        if size <= self._left:
            self._left -= size
            return np.zeros(shape, kind)
        return np.frombuffer(self._mapped(size), kind).reshape(shape)

    def _mapped(self, size: int) -> mmap.mmap:
        from inspect_core.work.cache_folder import cache_folder

        folder = self._folder or cache_folder("geometry") or Path(tempfile.gettempdir())
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".rows.", dir=folder)
            try:
                os.unlink(name)  # noqa: PTH108 - right after it is open
                _take(descriptor, size)
                return mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or str(error)
            raise LamellaError(
                f"no room for {size / 1e6:,.0f} MB of representations: {why}",
                where=str(folder),
                hint="take fewer texts or layers, or set XDG_CACHE_HOME to a larger disk",
            ) from None


def _take(descriptor: int, size: int) -> None:
    """Make a file so long. Where the system can, the disk is full now and not while it is used."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)
