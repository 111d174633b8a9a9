"""Which device compares weights, when the user leaves it open."""

import os
import platform

from inspect_core.errors import UsageError

LEAST_FREE_BYTES = 2 << 30
"""A GPU with less free memory is left to whoever uses it."""


def gpu_likely() -> bool:
    """Whether this machine may have a GPU that torch can use; asks no library."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    return os.path.exists("/dev/nvidia0") or os.path.exists("/dev/kfd")  # noqa: PTH110


def best_device() -> str:
    """`cuda` or `mps` where torch finds one with room, else `cpu`. Imports torch."""
    import torch

    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        return "cuda" if free >= LEAST_FREE_BYTES else "cpu"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def require_device(device: str) -> None:
    """Refuse a device that torch cannot use; imports torch for all but the CPU.

    Raises:
        UsageError: torch cannot use it, or knows no such device.
    """
    if device == "cpu":
        return
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n", 1)[0]
        raise UsageError(
            f"torch cannot use the device {device!r} ({reason})", hint="use --device cpu"
        ) from None
