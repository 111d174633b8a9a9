"""The numbers that a float format has: which is nearest, and how far it is to the next one."""

import numpy as np
from numpy.typing import NDArray

from inspect_core.adapters.exact.balanced import Matrix
from inspect_core.delta.rounding import FORMATS, FloatFormat

__all__ = ["FORMATS", "adjacent", "nearest", "units"]


def nearest(values: Matrix, form: FloatFormat) -> Matrix:
    """Values rounded to a format once, to nearest, ties to even; float64, any shape.

    In units of the last place a value is an integer of that many bits and a rest: scaling by a
    power of two is exact, so one `rint` rounds normal and subnormal numbers alike.
    """
    if form.mantissa_bits == 52:
        return values
    with np.errstate(all="ignore"):
        unit = units(values, form)
        found: Matrix = np.rint(values / unit) * unit
        over = np.abs(found) > form.largest
    if over.any():
        found[over] = np.copysign(form.overflow, found[over])
    lost = ~np.isfinite(values)
    if lost.any():
        found[lost] = values[lost]
    return found


def units(values: Matrix, form: FloatFormat) -> Matrix:
    """The unit in the last place of each value: the distance to the next larger in size.

    Of a subnormal number, and of zero, it is the smallest number of the format.
    """
    exponent = np.frexp(values)[1].astype(np.int64) - 1
    exponent[values == 0.0] = form.least_exponent
    np.maximum(exponent, form.least_exponent, out=exponent)
    found: Matrix = np.ldexp(1.0, (exponent - form.mantissa_bits).astype(np.int32))
    return found


def adjacent(one: Matrix, other: Matrix, form: FloatFormat) -> NDArray[np.bool_]:
    """Whether two numbers of a format are the same or neighbours in it.

    The distance from a number to the next one away from zero is its unit, so that of neighbours
    is the unit of the smaller; just above a power of two that is twice what it is below.
    """
    smaller = np.minimum(np.abs(one), np.abs(other))
    found: NDArray[np.bool_] = np.abs(one - other) <= units(smaller, form)
    return found
