"""Which float dtypes are narrower than which: what rounding a tensor to fewer bits explains."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Side = Literal["model", "reference"]


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """A binary float format, as far as rounding to it goes (to nearest, ties to even).

    Attributes:
        width: narrower formats have a smaller one; those of equal width explain nothing of
            each other (BF16 and F16).
        mantissa_bits: explicit ones.
        least_exponent: of its normal numbers.
        largest: its largest finite value.
        overflow: what a larger value becomes: infinite, or the largest (some programs write NaN
            there, which counts as explained too).
    """

    width: int
    mantissa_bits: int
    least_exponent: int
    largest: float
    overflow: float = math.inf

    @property
    def row(self) -> NDArray[np.float64]:
        """The fields that a kernel rounds by: mantissa bits, exponent, largest, overflow."""
        fields = (self.mantissa_bits, self.least_exponent, self.largest, self.overflow)
        return np.array(fields, np.float64)


FORMATS: dict[str, FloatFormat] = {
    "F64": FloatFormat(64, 52, -1022, float(np.finfo(np.float64).max)),
    "F32": FloatFormat(32, 23, -126, float(np.finfo(np.float32).max)),
    "F16": FloatFormat(16, 10, -14, 65504.0),
    "BF16": FloatFormat(16, 7, -126, (2.0 - 2.0**-7) * 2.0**127),
    "F8_E4M3": FloatFormat(8, 3, -6, 448.0, overflow=448.0),
    "F8_E5M2": FloatFormat(8, 2, -14, 57344.0),
}
"""The float dtypes that are compared. F64 is rounded to F32 first, as torch does it."""


def narrow_side(model_dtype: str, reference_dtype: str | None) -> Side | None:
    """Which side is in a narrower float dtype; None where neither is, or one is no float."""
    if model_dtype == reference_dtype:
        return None
    ours, theirs = FORMATS.get(model_dtype), FORMATS.get(reference_dtype or "")
    if ours is None or theirs is None or ours.width == theirs.width:
        return None
    return "model" if ours.width < theirs.width else "reference"
