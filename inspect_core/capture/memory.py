"""How much memory there is, and a refusal in time where a model does not fit."""

from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError

if TYPE_CHECKING:
    import torch

_ROOM = 1.1
"""What a pass needs beside the weights, as a factor."""

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)
"""Limit, use and details of a container's memory, version 2 and version 1."""


def free_bytes(meminfo: str = "/proc/meminfo") -> int | None:
    """Bytes of memory that can still be had; None where the system does not say.

    What the limit of a container leaves counts where that is less.
    """
    found = [_available(meminfo), *(_left(*files) for files in _CGROUPS)]
    return min((one for one in found if one is not None), default=None)


def free_on(device: "torch.device") -> int | None:
    """Free bytes of a device; None where it does not say."""
    import torch

    if device.type == "cpu":
        return free_bytes()
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return None


def fits(needed: int, free: int) -> bool:
    """Whether weights of so many bytes leave room to run."""
    return needed * _ROOM <= free


def refuse_too_large(needed: int, free: int | None, title: str, where: str = "memory") -> None:
    """Stop before a model is read that does not fit.

    Args:
        needed: bytes of its weights, and of what is made on the way.
        free: bytes; None where they are not known.
        title: of the model.
        where: what is too small, for the message.

    Raises:
        UsageError: it does not fit.
    """
    if free is None or fits(needed, free):
        return
    raise UsageError(
        f"too large to run: it needs {_shown(needed * _ROOM)} of {where}, {_shown(free)} are free",
        where=title,
        hint="free some, use a machine with more, or run a smaller model of the family",
    )


def _shown(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit in ("B", "kB") else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError


def _available(meminfo: str) -> int | None:
    for line in _lines(meminfo):
        if line.startswith("MemAvailable:"):
            return _number(line.split()[1]) * 1024
    return None


def _left(limit: str, used: str, details: str) -> int | None:
    """What a container's limit leaves; what its files in memory take can be had back."""
    most, now = _lines(limit), _lines(used)
    if not most or not now or not most[0].strip().isdigit():
        return None
    cached = 0
    for line in _lines(details):
        if line.startswith(("inactive_file ", "total_inactive_file ")):
            cached = max(cached, _number(line.split()[1]))
    return max(0, _number(most[0]) - max(0, _number(now[0]) - cached))


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("ascii", "replace").splitlines()
    except OSError:
        return []
