"""What a checkpoint says of a tensor before one byte of it is read."""

from dataclasses import dataclass
from math import prod
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class DType:
    """A storage dtype.

    Attributes:
        name: the name in the file's format, or the one that people know: `BF16`, `Q4_K`.
        bits: storage size of one block.
        comparable: whether values can be read and compared; others are listed only.
        block: values that are stored together and only together; 1 unless quantised.
        decoded: what the values of a block are read as, `F32`; empty if they are stored as
            they are.
    """

    name: str
    bits: int
    comparable: bool
    block: int = 1
    decoded: str = ""

    def nbytes(self, numel: int) -> int:
        """Bytes that `numel` values take in a file."""
        return numel * self.bits // (8 * self.block)


SAFETENSORS_DTYPES: dict[str, DType] = {
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
"""Every dtype of the safetensors format, by its name in the header."""

GGML_QUANTS: dict[str, DType] = {
    name: DType(name, 8 * block_bytes, comparable, block, "F32" if comparable else "")
    for name, block, block_bytes, comparable in [
        ("Q4_0", 32, 18, True), ("Q4_1", 32, 20, True), ("Q5_0", 32, 22, True),
        ("Q5_1", 32, 24, True), ("Q8_0", 32, 34, True), ("Q2_K", 256, 84, True),
        ("Q3_K", 256, 110, True), ("Q4_K", 256, 144, True), ("Q5_K", 256, 176, True),
        ("Q6_K", 256, 210, True), ("Q8_K", 256, 292, False), ("IQ2_XXS", 256, 66, True),
        ("IQ2_XS", 256, 74, True), ("IQ3_XXS", 256, 98, True), ("IQ1_S", 256, 50, True),
        ("IQ4_NL", 32, 18, True), ("IQ3_S", 256, 110, True), ("IQ2_S", 256, 82, True),
        ("IQ4_XS", 256, 136, True), ("IQ1_M", 256, 56, True), ("TQ1_0", 256, 54, True),
        ("TQ2_0", 256, 66, True), ("MXFP4", 32, 17, True), ("NVFP4", 64, 36, True),
        ("Q1_0", 128, 18, False),
    ]
}  # fmt: skip
"""Quantised dtypes of GGUF files, by ggml's names: blocks of values with scales of their own."""

LIVE_DTYPES: dict[str, DType] = {
    "NF4": DType("NF4", 4, False), "FP4": DType("FP4", 4, False),
    "COMPLEX128": DType("COMPLEX128", 128, False), "OTHER": DType("OTHER", 0, False),
}  # fmt: skip
"""What only tensors of a live model have: the packings of bitsandbytes, and all else together."""

DTYPES: dict[str, DType] = SAFETENSORS_DTYPES | GGML_QUANTS | LIVE_DTYPES
"""Every dtype that a tensor may have, by name."""


class TensorInfo(NamedTuple):
    """Name, type and place of one tensor.

    Attributes:
        name: the exact name in the checkpoint; foreign text.
        dtype: a key of `DTYPES`.
        shape: sizes, outermost first; `()` is a scalar.
        shard: index into the checkpoint's shards.
        start: first byte in that shard's file.
        stop: one past the last byte.
        strides: elements from one index to the next, dimension by dimension, where the values
            do not lie in order without gaps (PyTorch's views); None where they do.
        parts: tensors of one dtype whose values follow each other and make up this one, where
            it is stored in several (see `views`); then `shard`, `start` and `strides` say
            nothing, and `stop` is its size in bytes. Empty for what is stored in one.
        unread: why its values cannot be had, whatever its dtype; empty where they can.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    shard: int
    start: int
    stop: int
    strides: tuple[int, ...] | None = None
    parts: "tuple[TensorInfo, ...]" = ()
    unread: str = ""

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values, in order and without gaps."""
        if self.strides is None:
            return self.stop - self.start
        return DTYPES[self.dtype].nbytes(self.numel)
