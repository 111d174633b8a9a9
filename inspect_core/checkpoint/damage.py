"""Warnings that mean damage or doubt, and a warning for values that nobody here can read."""

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo


class Damage(str):
    """A warning that says that parts of the model are missing or broken; foreign text inside."""

    __slots__ = ()


class Remark(str):
    """A line that is good to know and is as it should be mostly; foreign text inside."""

    __slots__ = ()


class Doubt(str):
    """A warning that what is shown may not be what a program loads; foreign text inside."""

    __slots__ = ()


def listed_only(tensors: Mapping[str, TensorInfo]) -> list[str]:
    """Name the quantised dtypes that are listed, while their values cannot be compared.

    Without scales that lie elsewhere, or a packing that only their library knows, such values
    mean nothing. A C64 means what it says: `diff` names such a tensor when it meets one.
    """
    counts = Counter(map(attrgetter("dtype"), tensors.values()))
    warnings = []
    for name, count in counts.items():
        dtype = DTYPES[name]
        if not dtype.comparable and (dtype.block > 1 or dtype.bits <= 8):
            what = "1 tensor of {} is" if count == 1 else f"{count:,} tensors of {{}} are"
            warnings.append(f"{what.format(name)} listed, not compared: its values are not read")
    return warnings
