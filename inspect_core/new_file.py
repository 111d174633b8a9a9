"""Writing a file that is there whole or not at all, and never over another one."""

import os
from collections.abc import Iterable
from pathlib import Path

from inspect_core.errors import UsageError

_TAKEN, _ELSEWHERE = "choose another name", "choose another place"


def require_new(path: Path) -> None:
    """Refuse early what `write_new` would refuse after minutes of work.

    Raises:
        UsageError: something of this name is there already, or its folder is not.
    """
    if os.path.lexists(path):
        raise UsageError("is there already", where=str(path), hint=_TAKEN)
    if not path.parent.is_dir():
        raise UsageError("its folder is not there", where=str(path), hint=_ELSEWHERE)


def write_new(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file that is not there yet; nothing is left behind where that fails.

    Args:
        path: the file.
        parts: its content, piece by piece.

    Raises:
        UsageError: it is there, or cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            file.writelines(parts)
        os.link(fresh, path)  # unlike a rename it does not replace what is there
    except FileExistsError:
        raise UsageError("is there already", where=str(path), hint=_TAKEN) from None
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "no possible file name"
        raise UsageError(f"cannot be written: {why}", where=str(path), hint=_ELSEWHERE) from None
    finally:
        fresh.unlink(missing_ok=True)
