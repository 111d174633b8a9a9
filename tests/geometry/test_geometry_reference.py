"""Four layers of a mixture of Gaussians, as the published analysis gives them."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from inspect_core.geometry.agreement import adjusted_rand, data_overlap, label_overlap, numbered
from inspect_core.geometry.density import knn_density
from inspect_core.geometry.dimension import gride, two_nn
from inspect_core.geometry.neighbours import nearest
from inspect_core.geometry.peaks import density_peaks
from inspect_core.geometry.points import distinct_points

FOLDER = Path(__file__).parents[1] / "reference" / "geometry"
INPUT = np.load(FOLDER / "mixtures.npz")
STEPS = np.load(FOLDER / "mixtures.steps.npz")
EXPECTED = json.loads((FOLDER / "mixtures.expected.json").read_text())
LAYERS = (1, 2, 3, 4)
USED = 4
"""The scale whose dimension the published analysis takes: n1 = 16."""


@cache
def layer(number):
    points = distinct_points(INPUT[f"layer{number}"])
    neighbours = nearest(points.values, 600)
    dimensions = gride(neighbours)
    density = knn_density(neighbours, dimensions[USED].value, 16)
    return neighbours, dimensions, density


@cache
def labels(column):
    return numbered(INPUT[column].tolist())


def same_partition(one, other):
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@pytest.mark.parametrize("number", LAYERS)
def test_distances(number):
    found = layer(number)[0].distance[:, [0, 1, 15, 31, 63]]
    np.testing.assert_allclose(found, STEPS[f"layer{number}.distance"], rtol=1e-12)


@pytest.mark.parametrize("number", LAYERS)
def test_dimensions_and_their_errors_at_every_scale(number):
    found = layer(number)[1]
    assert [one.near for one in found] == [1, 2, 4, 8, 16, 32]
    for name, key in (("value", "ids"), ("error", "ids_err"), ("scale", "rs")):
        values = [getattr(one, name) for one in found]
        np.testing.assert_allclose(values, STEPS[f"layer{number}.{key}"], rtol=1e-9)
    assert two_nn(layer(number)[0]) == found[0]
    wanted = EXPECTED[f"layer{number}"]["id_2NN"]
    assert found[0].value == pytest.approx(wanted, rel=0.02)  # a fit to the cumulative there


@pytest.mark.parametrize("number", LAYERS)
def test_density(number):
    wanted = STEPS[f"layer{number}.log_den"]
    np.testing.assert_allclose(layer(number)[2].log, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("number", LAYERS)
def test_clusters_core_and_centres(number):
    neighbours, _, density = layer(number)
    found = density_peaks(neighbours, density)
    assert same_partition(found.cluster, STEPS[f"layer{number}.assign"])
    assert same_partition(found.halo, STEPS[f"layer{number}.assign_halo"])
    assert sorted(found.centre.tolist()) == sorted(STEPS[f"layer{number}.centers"].tolist())
    assert (np.diff(np.bincount(found.cluster)) <= 0).all()
    published = EXPECTED["ORIG_clusters"]
    at = number - 1
    assert found.count == published["nclus-0shot-z1.6-k16"][at]
    assert found.core_share == pytest.approx(published["core_point_fraction-0shot"][at], abs=1e-12)
    for column, key in (("subjects", "subjects"), ("answers", "letters")):
        ours = adjusted_rand(found.cluster, labels(column))
        assert ours == pytest.approx(published[f"{key}-ari-0shot-z1.6-k16"][at], abs=1e-9)


@pytest.mark.parametrize("number", LAYERS)
def test_saddles(number):
    """As far above the peak as published; the published ones are logarithms of the density."""
    neighbours, _, density = layer(number)
    found = density_peaks(neighbours, density)
    wanted = STEPS[f"layer{number}.log_den_bord"]
    places = {centre: k for k, centre in enumerate(STEPS[f"layer{number}.centers"].tolist())}
    order = [places[centre] for centre in found.centre.tolist()]
    wanted = wanted[np.ix_(order, order)]
    touch = found.saddle >= 0
    shift = found.height[0] - density.log[found.centre[0]]
    np.testing.assert_allclose(found.saddle[touch] - shift, wanted[touch], atol=1e-9)
    # Where two do not touch, or are the same, theirs is at or below the lowest density.
    assert (wanted[~touch] + shift < 1e-9).all()


@pytest.mark.parametrize("number", LAYERS)
@pytest.mark.parametrize("z", ["0.5", "1.0", "1.6", "2.0", "3.0"])
def test_how_many_clusters_are_significant(number, z):
    neighbours, _, density = layer(number)
    wanted = EXPECTED[f"layer{number}"]["n_clusters_by_Z"][z]
    assert density_peaks(neighbours, density, float(z)).count == wanted


@pytest.mark.parametrize("number", LAYERS)
def test_label_overlap(number):
    index = layer(number)[0].index
    for column, key in (("subjects", "subjects"), ("answers", "letters")):
        found = label_overlap(index, labels(column), share=0.3)
        wanted = EXPECTED["ORIG_overlaps"][f"{key}-0shot-0.3"][number - 1]
        assert found == pytest.approx(wanted, abs=1e-9)
    for balanced, key in ((True, "weighted"), (False, "unweighted")):
        found = label_overlap(index, labels("subjects"), 30, balanced=balanced)
        wanted = EXPECTED[f"layer{number}"][f"label_overlap_k30_{key}_subjects"]
        assert found == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("number", LAYERS[:-1])
def test_data_overlap(number):
    found = data_overlap(layer(number)[0].index, layer(number + 1)[0].index, 30)
    wanted = EXPECTED["data_overlap_adjacent_layers"][f"layer{number}-layer{number + 1}"]
    assert found == pytest.approx(wanted["ORIG_data_overlap_k30"], abs=1e-9)
