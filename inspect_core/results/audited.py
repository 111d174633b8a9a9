"""What an audit found, as plain values."""

from dataclasses import dataclass
from typing import Literal, get_args

from inspect_core.results.comparison import Side

Expected = Literal["frozen", "trained"]
Verdict = Literal["identical", "rounded", "changed", "unproven"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""Same bits; other bits that rounding to the narrower dtype explains (asked for, or expected to
train); more than that; nothing can be said."""


@dataclass(frozen=True, slots=True)
class AuditedTensor:
    """One tensor that a pattern names, and what was found.

    Attributes:
        name: exact name in the model; of a removed tensor, in the reference.
        reference_name: exact name in the reference; None where there is no partner.
        expected: what it should have been.
        verdict: what it is.
        reason: why nothing can be said, or what else to know; foreign text inside.
        dtype: in the model; of a removed tensor, in the reference.
        reference_dtype: in the reference; None where there is no partner.
        numel: values of it.
        changed: positions whose values differ; None where they were not compared.
        beyond: those of them that rounding to the narrower dtype does not explain.
        rel_l2: norm of the difference over that of the reference; None where undefined.
        max_abs: largest difference; None where undefined.
        nonfinite: positions where either side is NaN or infinite, which no other number counts;
            None where they were not compared, or need not be as the bits are the same.
    """

    name: str
    reference_name: str | None
    expected: Expected
    verdict: Verdict
    reason: str
    dtype: str
    reference_dtype: str | None
    numel: int
    changed: int | None = None
    beyond: int | None = None
    rel_l2: float | None = None
    max_abs: float | None = None
    nonfinite: int | None = None

    @property
    def as_expected(self) -> bool | None:
        """Whether it is what it should be; None where nothing can be said."""
        if self.verdict == "unproven":
            return None
        return (self.verdict == "changed") == (self.expected == "trained")


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        model: the new one.
        reference: the base.
        rounding: whether frozen tensors may differ by rounding.
        tensors: those that the patterns name: what is not as expected, the most changed first;
            then what could not be proven; then the others; each in the model's order.
        doubts: why what was opened may not be what a program loads, or is not all of it: then
            nothing is proven of what is loaded.
    """

    model: Side
    reference: Side
    rounding: bool
    tensors: tuple[AuditedTensor, ...]
    doubts: tuple[str, ...] = ()

    @property
    def broken(self) -> list[AuditedTensor]:
        """Those that are not what they should be."""
        return [tensor for tensor in self.tensors if tensor.as_expected is False]

    @property
    def unproven(self) -> list[AuditedTensor]:
        """Those of which nothing can be said."""
        return [tensor for tensor in self.tensors if tensor.as_expected is None]

    @property
    def held(self) -> bool:
        """Whether every tensor is proven to be what it should be."""
        proven = all(tensor.as_expected for tensor in self.tensors)
        return proven and bool(self.tensors) and not self.doubts
