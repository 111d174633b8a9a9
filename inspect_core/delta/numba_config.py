"""Keeps numba from reading its settings from the folder that lamella is started in.

numba looks for `.numba_config.yaml` in the current folder, also at every compilation, and what
it says can name a cache whose files are pickles: in a stranger's model folder that is code.
Settings in the environment (`NUMBA_...`) are the user's own and still count.
"""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType

from inspect_core.errors import LamellaError

_MODULE = "numba.core.config"
_NAME = ".numba_config.yaml"
_NOWHERE = os.path.join(os.devnull, _NAME)  # noqa: PTH118 - below a device there are no files


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads numba's settings with another name for their file."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Compile the source; compiled code that is kept has the name in it."""
        source = self.get_data(self.path)
        changed = source.replace(repr(_NAME).encode(), repr(_NOWHERE).encode())
        if changed == source and os.path.lexists(_NAME):
            what = f"a {_NAME} lies in the current folder, and could make numba run code"
            raise LamellaError(what, hint="start lamella in another folder")
        # There is nothing left to read, and the reader of it takes 20 ms to import.
        changed = changed.replace(b"\n    import yaml\n", b"\n    raise ImportError\n")
        return compile(changed, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds numba's settings for `_Loader`, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """See the class."""
        if fullname != _MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


def ignore_config_file() -> None:
    """Let numba read no file of settings, from its import on; call before it."""
    loaded = sys.modules.get(_MODULE)
    if loaded is not None:  # somebody imported numba before us: at least not from now on
        loaded._config_fname = _NOWHERE  # type: ignore[attr-defined]
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
