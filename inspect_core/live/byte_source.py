"""Bytes of a live model's tensors: copied a piece at a time, when they are asked for."""

from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from inspect_core.checkpoint.byte_source import Stamp
from inspect_core.errors import CheckpointError, FilesChanged
from inspect_core.live.tensors import LiveTensors, numel_of
from inspect_core.structure.module_tables import said_by_torch

if TYPE_CHECKING:
    from inspect_core.checkpoint.tensor_info import TensorInfo

RELOAD = "press R to read it as it is now"


class LiveBytes:
    """The tensors of a live model, one after the other; see `ByteSource`.

    Reading only looks: values go through `detach`, no graph, hook or gradient is touched.

    Args:
        tensors: where they are.
        infos: what was said of each of those that hold values here, by its place in `tensors`,
            in the order of their offsets.
        title: a short name of the model, safe to show.
        number: of the model.
    """

    def __init__(
        self, tensors: LiveTensors, infos: "dict[int, TensorInfo]", title: str, number: int
    ) -> None:
        self.path = Path(f"live model {number}")
        self.stamp: Stamp | None = tensors.stamp._replace(ino=number)
        self._tensors = tensors
        self._title = title
        self._indices = list(infos)
        self._infos = list(infos.values())
        self._starts = [info.start for info in self._infos]

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` with the bytes from `offset` on.

        Raises:
            FilesChanged: a tensor is gone, or another one is in its place.
            CheckpointError: it has no values, or its device does not give them.
        """
        rest = buffer.cast("B")
        at = bisect_right(self._starts, offset) - 1
        while rest:
            info = self._infos[at]
            first = offset - info.start
            taken = min(info.stop - offset, len(rest))
            if taken > 0:
                self._read(self._indices[at], info, first, rest[:taken])
                rest, offset = rest[taken:], offset + taken
            at += 1

    def check_unchanged(self) -> None:
        """Raise FilesChanged if the model was changed in place."""
        if (
            self.stamp is None
            or self._tensors.stamp_now()._replace(ino=self.stamp.ino) != self.stamp
        ):
            raise FilesChanged(
                "the model was changed since it was listed: is it being trained?",
                where=self._title,
                hint=RELOAD,
            )

    def close(self) -> None:
        """Nothing is held open."""

    def _read(self, index: int, info: "TensorInfo", first: int, out: memoryview) -> None:
        if info.unread:
            raise CheckpointError(info.unread, where=info.name)
        tensor = self._tensors.tensor(index)
        width = 0 if tensor is None else said_by_torch(tensor, "element_size")()
        if tensor is None or numel_of(tensor) * width != info.stop - info.start:
            raise FilesChanged(
                "this tensor is gone, or has another shape", where=info.name, hint=RELOAD
            )
        try:
            with torch._C.DisableTorchFunctionSubclass():  # of a subclass: as a plain tensor
                plain = said_by_torch(tensor, "detach")()
            start, stop = first // width, -(-(first + len(out)) // width)
            if (start * width, stop * width) == (first, first + len(out)):
                _copy(plain, start, stop, torch.frombuffer(out, dtype=torch.uint8))
            else:  # a range that cuts values in two
                whole = torch.empty((stop - start) * width, dtype=torch.uint8)
                _copy(plain, start, stop, whole)
                cut = first - start * width
                torch.frombuffer(out, dtype=torch.uint8).copy_(whole[cut : cut + len(out)])
        except RuntimeError as error:  # out of the device's memory, a device that is lost, ...
            raise CheckpointError(f"cannot be read: {error}", where=info.name) from None


def _copy(tensor: torch.Tensor, start: int, stop: int, out: torch.Tensor) -> None:
    """Copy values `start` .. `stop` of a tensor, in order, as bytes; no more than those move."""
    if tensor.is_contiguous():
        out.copy_(_as_bytes(tensor.reshape(-1)[start:stop]))
        return
    # Whole rows at once; the rows that are cut are copied like smaller tensors.
    row, width = tensor[0].numel(), tensor.element_size()
    done = start
    while done < stop:
        at, inside = divmod(done, row)
        rows = 0 if inside else (stop - done) // row
        end = done + rows * row if rows else min(stop, (at + 1) * row)
        piece = out[(done - start) * width : (end - start) * width]
        if rows:
            piece.copy_(_as_bytes(tensor[at : at + rows].contiguous().reshape(-1)))
        else:
            _copy(tensor[at], inside, end - at * row, piece)
        done = end


def _as_bytes(flat: torch.Tensor) -> torch.Tensor:
    # A single value of a slice keeps the slice's step, which a view as bytes does not take.
    if flat.stride(0) != 1:
        flat = flat.new_empty(flat.numel()).copy_(flat)
    flat = flat.resolve_conj().resolve_neg()
    return flat.view(torch.uint8)
