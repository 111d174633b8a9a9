"""Parts of tensors, and tensors put together, as tensors: nothing is read or copied for them.

A view is a `TensorInfo` like any other, so whatever reads, compares or draws tensors does the
same with rows of one, with one expert of many, or with a matrix stored the other way round.
A view is None where it cannot be had: inside the blocks of a quantised tensor.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import prod

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo


def narrow(info: TensorInfo, dim: int, first: int, last: int) -> TensorInfo | None:
    """Indices `first` .. `last` of one dimension.

    Args:
        info: a tensor that is stored in one.
        dim: the dimension.
        first: the first index.
        last: one past the last index.

    Raises:
        ValueError: the range is not inside the dimension.
    """
    if not 0 <= first <= last <= info.shape[dim]:
        raise ValueError(f"{first}-{last} of dimension {dim} of {info.shape}")
    shape = (*info.shape[:dim], last - first, *info.shape[dim + 1 :])
    return _view(info, shape, _strides(info), first * _strides(info)[dim])


def rows(info: TensorInfo, first: int, last: int) -> TensorInfo | None:
    """Rows `first` .. `last`; of a 1-D tensor, values."""
    return narrow(info, 0, first, last)


def member(info: TensorInfo, index: int) -> TensorInfo | None:
    """One of the tensors that a tensor holds along its first dimension."""
    strides = _strides(info)
    if not 0 <= index < info.shape[0]:
        raise ValueError(f"{index} of {info.shape}")
    return _view(info, info.shape[1:], strides[1:], index * strides[0])


def every(info: TensorInfo, dim: int, first: int, step: int) -> TensorInfo | None:
    """Every `step`-th index of a dimension, from `first` on."""
    strides = list(_strides(info))
    size = len(range(first, info.shape[dim], step))
    shape = (*info.shape[:dim], size, *info.shape[dim + 1 :])
    start = first * strides[dim]
    strides[dim] *= step
    return _view(info, shape, tuple(strides), start)


def split(info: TensorInfo, sizes: Sequence[int]) -> TensorInfo | None:
    """The first dimension as several: row `i * sizes[1] + j` becomes `[i, j]`.

    Raises:
        ValueError: the sizes do not make up the dimension.
    """
    if prod(sizes) != info.shape[0]:
        raise ValueError(f"{sizes} of {info.shape}")
    strides = _strides(info)
    inner = [prod(sizes[at + 1 :]) * strides[0] for at in range(len(sizes))]
    return _view(info, (*sizes, *info.shape[1:]), (*inner, *strides[1:]), 0)


def permuted(info: TensorInfo, order: Sequence[int]) -> TensorInfo | None:
    """The dimensions in another order."""
    strides = _strides(info)
    shape = tuple(info.shape[dim] for dim in order)
    return _view(info, shape, tuple(strides[dim] for dim in order), 0)


def transposed(info: TensorInfo) -> TensorInfo | None:
    """The last two dimensions exchanged."""
    last = len(info.shape) - 1
    return permuted(info, (*range(last - 1), last, last - 1))


def joined(
    name: str, pieces: Sequence[TensorInfo], shape: tuple[int, ...] | None = None
) -> TensorInfo | None:
    """Tensors whose values follow each other as one tensor.

    Args:
        name: what to call it.
        pieces: at least one, all of one dtype.
        shape: its shape; by default the pieces stacked along the first dimension.

    Returns:
        The one tensor; without parts where the pieces lie in the file as they follow each
        other. None if the dtypes differ.

    Raises:
        ValueError: the shape does not hold as many values.
    """
    first = pieces[0]
    if any(piece.dtype != first.dtype for piece in pieces):
        return None
    if shape is None:
        shape = (sum(piece.shape[0] if piece.shape else 1 for piece in pieces), *first.shape[1:])
    if prod(shape) != sum(piece.numel for piece in pieces):
        raise ValueError(f"{shape} of {len(pieces)} pieces")
    runs: list[TensorInfo] = []
    for piece in [one for each in pieces for one in each.parts or (each,)]:
        last = runs[-1] if runs else None
        if last is not None and _follows(last, piece):
            numel = last.numel + piece.numel
            runs[-1] = last._replace(shape=(numel,), stop=piece.stop)
        else:
            runs.append(piece)
    if len(runs) == 1 and runs[0].strides is None:
        return runs[0]._replace(name=name, shape=shape)
    if len(pieces) == 1 and shape == first.shape:
        return first._replace(name=name)
    nbytes = sum(piece.nbytes for piece in runs)
    return TensorInfo(name, first.dtype, shape, -1, 0, nbytes, None, tuple(runs))


def _follows(one: TensorInfo, other: TensorInfo) -> bool:
    plain = one.strides is None and other.strides is None and not (one.parts or other.parts)
    return plain and one.shard == other.shard and one.stop == other.start


def _strides(info: TensorInfo) -> tuple[int, ...]:
    if info.parts:
        raise ValueError(f"{info.name} is stored in several")
    if info.strides is not None:
        return info.strides
    return _in_order(info.shape)


def _in_order(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of values that lie in order without gaps."""
    sizes = list(accumulate(reversed(shape[1:]), lambda a, b: a * b, initial=1)) if shape else []
    return tuple(reversed(sizes))


def _view(
    info: TensorInfo, shape: tuple[int, ...], strides: tuple[int, ...], first: int
) -> TensorInfo | None:
    """Values of a tensor from element `first` on, in the given steps."""
    dtype = DTYPES[info.dtype]
    numel = prod(shape)
    if dtype.bits % 8 or (
        dtype.block > 1 and not _whole_blocks(dtype.block, shape, strides, first)
    ):
        return None
    start = info.start + dtype.nbytes(first)
    if not numel:
        return info._replace(shape=shape, start=start, stop=start, strides=None)
    ordered = zip(shape, strides, _in_order(shape), strict=True)
    if all(size == 1 or stride == step for size, stride, step in ordered):
        stop = start + dtype.nbytes(numel)
        return info._replace(shape=shape, start=start, stop=stop, strides=None)
    reach = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    # Of a quantised tensor the last row is a whole one; of others the last value.
    stop = start + dtype.nbytes(-(-(reach + 1) // dtype.block) * dtype.block)
    return info._replace(shape=shape, start=start, stop=stop, strides=strides)


def _whole_blocks(block: int, shape: tuple[int, ...], strides: tuple[int, ...], first: int) -> bool:
    """Whether a view of quantised values has no block of them cut."""
    if not shape or shape[-1] % block or strides[-1] != 1:
        return False
    return first % block == 0 and all(stride % block == 0 for stride in strides[:-1])
