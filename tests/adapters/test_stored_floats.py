"""Rounding and neighbours, against torch's and numpy's own numbers of each format."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.adapters.merges.stored_floats import FORMATS, adjacent, nearest, units

TORCH = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


def all_numbers(name):
    """Every finite number of a 16-bit format from zero on, ascending."""
    bits = torch.arange(1 << 15, dtype=torch.int32).to(torch.int16)
    found = bits.view(TORCH[name]).double().numpy()
    return found[np.isfinite(found)]


@pytest.mark.parametrize("name", ["BF16", "F16"])
def test_every_number_is_its_own_nearest_and_its_unit_leads_to_the_next(name):
    numbers, form = all_numbers(name), FORMATS[name]
    for signed in (numbers, -numbers):
        np.testing.assert_array_equal(nearest(signed, form), signed)
    np.testing.assert_array_equal(numbers[:-1] + units(numbers[:-1], form), numbers[1:])
    assert adjacent(numbers[:-1], numbers[1:], form).all()
    assert adjacent(-numbers[1:], -numbers[:-1], form).all()
    assert not adjacent(numbers[:-2], numbers[2:], form).any()
    least = numbers[1]
    assert not adjacent(np.array([-least]), np.array([least]), form).any()
    assert adjacent(np.array([0.0]), np.array([-least]), form).all()


@pytest.mark.parametrize("name", ["BF16", "F16"])
def test_halves_go_to_the_even_neighbour_and_what_is_next_to_them_does_not(name):
    numbers, form = all_numbers(name), FORMATS[name]
    low, high = numbers[:-1], numbers[1:]
    middle = low + (high - low) / 2.0
    even = np.where(np.arange(len(low)) % 2 == 0, low, high)
    np.testing.assert_array_equal(nearest(middle, form), even)
    np.testing.assert_array_equal(nearest(np.nextafter(middle, 0.0), form), low)
    np.testing.assert_array_equal(nearest(np.nextafter(middle, np.inf), form), high)


def test_one_rounding_is_not_two():
    """Through float32 this value becomes a tie of bfloat16, and the tie goes to the even side."""
    value = 1.0 + 2.0**-8 + 2.0**-40
    twice = torch.tensor([value], dtype=torch.float64).float().bfloat16().item()
    assert nearest(np.array([value]), FORMATS["BF16"])[0] == 1.0 + 2.0**-7
    assert twice == 1.0


@given(st.floats(allow_nan=False), st.sampled_from(["F16", "F32"]))
@settings(deadline=None)
def test_nearest_is_numpy_s_own_rounding(value, name):
    kind = {"F16": np.float16, "F32": np.float32}[name]
    with np.errstate(all="ignore"):
        expected = float(kind(value))
    assert float(nearest(np.array([value]), FORMATS[name])[0]) == expected


def test_what_is_too_large_becomes_infinite_and_nan_stays():
    for name, form in FORMATS.items():
        if math.isinf(form.overflow) and name != "F64":
            edge = form.largest + float(units(np.array([form.largest]), form)[0]) / 2.0
            found = nearest(np.array([edge, np.nextafter(edge, 0.0), -math.inf, math.nan]), form)
            assert found[0] == math.inf, "half a unit over the largest is a tie to the even side"
            assert found[1] == form.largest
            assert found[2] == -math.inf
            assert math.isnan(found[3])


def test_units_of_float64():
    values = np.array([0.0, 5e-324, 1.0, 1.5, 2.0, 1e300])
    np.testing.assert_array_equal(units(values, FORMATS["F64"]), np.spacing(values))
