"""A bound on values that are in a file once and in its tensors many times."""

from inspect_core.checkpoint.contents import Contents, LeftOut
from inspect_core.checkpoint.locate import some_names
from inspect_core.checkpoint.tensor_info import TensorInfo

MAX_ALL_REPEATED_BYTES = 4 << 30
"""Bytes that all tensors of a checkpoint together may have beyond those in its files: a hundred
bytes of a pickle can claim a gigabyte, so 50 KB could keep a reader busy for hours."""


def bound_repeats(headers: list[Contents]) -> list[Contents]:
    """Leave out tensors that repeat their values, once all together repeat too many.

    Args:
        headers: what each file of one checkpoint says.

    Returns:
        The same, without those tensors and with a warning for each file that had some.
    """
    rest = MAX_ALL_REPEATED_BYTES
    bounded = []
    for header in headers:
        left_out: list[TensorInfo] = []
        for tensor in header.tensors:
            more = 0 if tensor.strides is None else tensor.nbytes - (tensor.stop - tensor.start)
            if more > rest:
                left_out.append(tensor)
            elif more > 0:
                rest -= more
        bounded.append(_without(header, left_out) if left_out else header)
    return bounded


def _without(header: Contents, left_out: list[TensorInfo]) -> Contents:
    names = {tensor.name for tensor in left_out}
    told = [
        LeftOut(tensor.name, f"it repeats its values to {tensor.nbytes:,} bytes")
        for tensor in left_out
    ]
    count = "1 tensor is" if len(told) == 1 else f"{len(told):,} tensors are"
    first = some_names([f"{name}: {reason}" for name, reason in told])
    warnings = (f"{count} left out ({first})", *header.warnings)
    kept = [tensor for tensor in header.tensors if tensor.name not in names]
    return header._replace(tensors=kept, warnings=warnings, left_out=(*header.left_out, *told))
