"""What a checkpoint says of a tensor before one byte of it is read."""

from dataclasses import dataclass
from math import prod
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class DType:
    """A storage dtype of the safetensors format.

    Attributes:
        name: the format's own name, e.g. `BF16`.
        bits: storage size of one element.
        comparable: whether values can be read and compared; others are listed only.
    """

    name: str
    bits: int
    comparable: bool


DTYPES: dict[str, DType] = {
    name: DType(name, bits, comparable)
    for name, bits, comparable in [
        ("F64", 64, True), ("F32", 32, True), ("F16", 16, True), ("BF16", 16, True),
        ("F8_E4M3", 8, True), ("F8_E5M2", 8, True),
        ("I64", 64, True), ("I32", 32, True), ("I16", 16, True), ("I8", 8, True),
        ("U64", 64, True), ("U32", 32, True), ("U16", 16, True), ("U8", 8, True),
        ("BOOL", 8, True),
        ("C64", 64, False), ("F8_E8M0", 8, False), ("F8_E4M3FNUZ", 8, False),
        ("F8_E5M2FNUZ", 8, False), ("F6_E2M3", 6, False), ("F6_E3M2", 6, False),
        ("F4", 4, False),
    ]
}  # fmt: skip
"""Every dtype of the format, by its name in the header."""


class TensorInfo(NamedTuple):
    """Name, type and place of one tensor.

    Attributes:
        name: the exact name in the checkpoint; foreign text.
        dtype: a key of `DTYPES`.
        shape: sizes, outermost first; `()` is a scalar.
        shard: index into the checkpoint's shards.
        start: first byte in that shard's file.
        stop: one past the last byte.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    shard: int
    start: int
    stop: int

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return self.stop - self.start
