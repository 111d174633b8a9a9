"""Layers worked out, alone and against each other."""

import math

import numpy as np
import pytest

from inspect_core.control import Control
from inspect_core.geometry import cka
from inspect_core.geometry.agreement import data_overlap
from inspect_core.geometry.cka import linear_cka, linear_cka_matrix
from inspect_core.geometry.closer import layer_detail, principal_plane
from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.measure import measure_space
from inspect_core.geometry.neighbours import nearest
from inspect_core.geometry.pairs import compare_layers
from inspect_core.geometry.representations import MEAN, Representations

COUNT = 400


def space(*layers, labels=()):
    names = tuple(f"layer.{k}" for k in range(len(layers)))
    return Representations("toy", names, layers, labels, np.arange(len(layers[0])), MEAN)


@pytest.fixture(scope="module")
def heaps():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], [250, 150])
    apart = np.stack([truth * 12.0, truth * 0.0, truth * 0.0], axis=1)
    points = (apart + rng.standard_normal((COUNT, 3))).astype(np.float32)
    noise = rng.standard_normal((COUNT, 5)).astype(np.float32)
    label = tuple("no" if one else "yes" for one in truth)
    return space(points, noise, labels=(("answer", label), ("same", ("x",) * COUNT)))


def test_numbers_of_two_layers(heaps):
    seen = []
    found, layers = measure_space(heaps, Measured(), Control(seen.append))
    first, second = found.layers
    assert (first.name, first.points, first.clusters) == ("layer.0", COUNT, 2)
    assert first.dimension.value == pytest.approx(3, rel=0.3)
    assert first.labels[0].rand == 1.0 and first.labels[0].nearest == 1.0
    assert first.labels[0].overlap > 0.99
    assert abs(second.labels[0].rand) < 0.1 and second.labels[0].overlap < 0.65
    assert "one label" in first.labels[1].why and math.isnan(first.labels[1].rand)
    assert [one.done for one in seen] == [0, 1, 2]
    assert layers[0].peaks is not None


@pytest.mark.parametrize("count", [0, 1, 2, 9, 17, 25])
def test_too_few_points_say_so_and_lose_nothing(heaps, count):
    few = space(heaps.values[0][:count], labels=(("answer", heaps.labels[0][1][:count]),))
    found, layers = measure_space(few, Measured())
    numbers = found.layers[0]
    assert numbers.points == count
    assert numbers.clusters == 0 and math.isnan(numbers.core)
    assert f"{count} distinct point{'' if count == 1 else 's'}, and" in numbers.why
    assert "rough" in found.notes[0]
    assert layer_detail(few, layers[0]).plane.shape == (count, 2)


def test_constant_nan_and_repeated_rows(heaps):
    values = heaps.values[0].copy()
    values[5] = values[4]
    values[7, 1] = np.nan
    constant = np.ones_like(values)
    found, layers = measure_space(space(values, constant, np.full_like(values, np.nan)), Measured())
    first, second, third = found.layers
    assert (first.points, first.repeated, first.nonfinite) == (COUNT - 2, 1, 1)
    assert (second.points, second.repeated) == (1, COUNT - 1) and second.why
    assert (third.points, third.nonfinite) == (0, COUNT) and third.why
    assert any("NaN" in note for note in found.notes)
    overlap, alike = compare_layers(layers, layers, 10)
    assert overlap[0, 0] == 1.0
    assert np.isnan(overlap[:, 1:]).all() and np.isnan(alike).all()


def test_layers_against_each_other(heaps):
    rng = np.random.default_rng(1)
    moved = [values + 0.3 * rng.standard_normal(values.shape) for values in heaps.values]
    moved[1][11] = moved[1][10]
    other = space(*moved)
    one, two = (measure_space(each, Measured())[1] for each in (heaps, other))
    overlap, alike = compare_layers(one, two, 10)
    index = [nearest(np.float64(each), 10).index for each in (heaps.values[0], moved[0])]
    assert overlap[0, 0] == data_overlap(*index, 10)
    # A text that is a repeat in one layer counts in neither.
    kept = np.delete(np.arange(COUNT), 11)
    index = [nearest(np.float64(each[kept]), 10).index for each in (heaps.values[0], moved[1])]
    assert overlap[0, 1] == data_overlap(*index, 10)
    for a in range(2):
        for b in range(2):
            wanted = linear_cka(np.float64(heaps.values[a]), moved[b])
            assert alike[a, b] == pytest.approx(wanted, rel=1e-12)
    own, itself = compare_layers(one, one, 10)
    assert (np.diagonal(own) == 1).all() and np.allclose(np.diagonal(itself), 1)
    assert (own == own.T).all()


@pytest.mark.parametrize("held", [1, 3000, 1 << 28])
def test_cka_of_all_pairs_in_blocks(held, monkeypatch):
    monkeypatch.setattr(cka, "HELD", held)
    rng = np.random.default_rng(2)
    layers = [rng.standard_normal((20, units)) for units in (3, 30, 7)]
    found = linear_cka_matrix([lambda one=one: one for one in layers])
    for a in range(3):
        for b in range(3):
            assert found[a, b] == pytest.approx(linear_cka(layers[a], layers[b]), rel=1e-12)


def test_a_layer_closer(heaps):
    _, layers = measure_space(heaps, Measured())
    asked = []

    def sentences(numbers):
        asked.append(list(numbers))
        return [f"text {number}" for number in numbers]

    found = layer_detail(heaps, layers[0], sentences)
    assert [one.size for one in found.clusters] == [250, 150]
    assert found.clusters[0].labels[0] == (("yes", 250),)
    assert all(number < 250 for number in asked[0]) and len(found.clusters[0].examples) == 5
    assert found.explained[0] > 0.9
    side = found.plane[:, 0] > found.plane[:, 0].mean()
    assert side[:250].all() != side[250:].all()


@pytest.mark.parametrize("shape", [(50, 6), (6, 50)])
def test_the_plane_is_that_of_the_singular_values(shape):
    points = np.random.default_rng(3).standard_normal(shape) * np.arange(1, shape[1] + 1)
    plane, explained = principal_plane(points)
    u, s, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(plane), np.abs(u[:, :2] * s[:2]), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(explained, (s**2 / (s**2).sum())[:2], rtol=1e-9)
