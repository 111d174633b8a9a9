"""TX-Ray's values, on two tables of its format: as they are defined, and as its code gives them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from inspect_core.activations.compare import both, compare_stages
from inspect_core.activations.hellinger import distances, hellinger, unions
from inspect_core.activations.neurons import GONE, NEW, SHARED, ActivationReport
from inspect_core.activations.originals import mass_curve, original_hellinger
from inspect_core.activations.ranking import top_and_least
from inspect_core.activations.sides import matched
from inspect_core.activations.stage import Stage
from inspect_core.activations.tables import open_table

TXRAY = Path(__file__).parents[1] / "reference" / "txray"
EXPECTED = json.loads((TXRAY / "hellinger.expected.json").read_text())
UNIT = json.loads((TXRAY / "hellinger_unit.expected.json").read_text())


def traces(name: str) -> list[dict]:
    return json.loads((TXRAY / f"{name}.traces.json").read_text())[0]["traces"]


@pytest.fixture(scope="module")
def stages() -> tuple[Stage, Stage]:
    return open_table(str(TXRAY / "model_a.tsv")), open_table(str(TXRAY / "model_b.tsv"))


@pytest.fixture(scope="module")
def report(stages: tuple[Stage, Stage]) -> ActivationReport:
    return compare_stages(*stages)


@pytest.mark.parametrize("by", ["mass", "mean", "count"])
@pytest.mark.parametrize("feature", ["inputs", "POS"])
def test_the_distance_is_that_of_its_definition(
    stages: tuple[Stage, Stage], feature: str, by: str
) -> None:
    sides = matched(*stages)
    numbers = sides.words if feature == "inputs" else sides.tags
    assert numbers is not None
    given = both((stages[0].sites[0].words, stages[1].sites[0].words), numbers)
    distance, length = distances(*given, by), unions(*given)
    expected = EXPECTED[f"PROPER_hellinger_{feature}_{by}"]
    assert len(expected) == 10
    for unit, values in expected.items():
        assert distance[int(unit)] == pytest.approx(values["distance"], rel=1e-12)
        assert length[int(unit)] == values["length"]


def test_the_report_has_the_repaired_values_and_the_published_ones(
    report: ActivationReport,
) -> None:
    table = report.sites[0].neurons
    assert table.tag_distance is not None
    for unit in map(int, EXPECTED["ORIG_hellinger"]):
        words = EXPECTED["PROPER_hellinger_inputs_mass"][str(unit)]
        tags = EXPECTED["PROPER_hellinger_POS_mass"][str(unit)]
        published = EXPECTED["ORIG_hellinger"][str(unit)]
        assert table.distance[unit] == pytest.approx(words["distance"], rel=1e-12)
        assert table.tag_distance[unit] == pytest.approx(tags["distance"], rel=1e-12)
        assert table.original[unit] == pytest.approx(published["distance"], rel=1e-12)
        assert table.union[unit] == published["length"]


def test_neurons_of_one_side_alone_are_told_apart(report: ActivationReport) -> None:
    state = report.sites[0].neurons.state
    assert np.flatnonzero(state == SHARED).tolist() == EXPECTED["shared_neurons"]
    assert np.flatnonzero(state == GONE).tolist() == EXPECTED["only_in_a"]
    assert np.flatnonzero(state == NEW).tolist() == EXPECTED["only_in_b"]


def test_top_and_least_are_in_the_published_order(report: ActivationReport) -> None:
    most, least = top_and_least(report.sites[0].neurons, by="original")
    assert (most, least) == (EXPECTED["ORIG_top10"], EXPECTED["ORIG_least10"])
    by_definition = EXPECTED["PROPER_hellinger_inputs_mass"]
    ranked = sorted(by_definition, key=lambda unit: -by_definition[unit]["distance"])
    assert top_and_least(report.sites[0].neurons, n=4)[0] == [int(unit) for unit in ranked[:4]]


def test_distance_against_length_is_what_the_published_plot_has(report: ActivationReport) -> None:
    table = report.sites[0].neurons
    (trace,) = traces("hellinger_length")
    shared = table.state == SHARED
    assert table.union[shared].tolist() == trace["x"]
    assert table.original[shared] == pytest.approx(trace["y"], rel=1e-12)


def test_lengths_are_what_the_published_plot_has(report: ActivationReport) -> None:
    table = report.sites[0].neurons
    before, after, *lines = traces("length_shift_token")
    alive = [np.flatnonzero(count) for count in table.count]
    assert table.length[0][alive[0]].tolist() == before["x"]
    assert table.length[1][alive[1]].tolist() == after["x"]
    shifts = table.length[:, table.state == SHARED].T.tolist()
    colours = ["reduced" if one > two else "increased" for one, two in shifts if one != two]
    drawn = [(line["x"], line["marker_color"]) for line in lines]
    moved = [shift for shift in shifts if shift[0] != shift[1]]
    assert [line for line in drawn if line[0][0] != line[0][1]] == list(
        zip(moved, colours, strict=True)
    )


def test_masses_are_what_the_published_plot_has(report: ActivationReport) -> None:
    table = report.sites[0].neurons
    drawn = {trace["name"]: trace["y"] for trace in traces("mass_activation")}
    assert mass_curve(table.mass[0]) == pytest.approx(drawn["unsup"], rel=1e-12)
    assert mass_curve(table.mass[1]) == pytest.approx(drawn["zshot"], rel=1e-12)


@pytest.mark.parametrize("case", sorted(UNIT.keys() - {"mutates_inputs"}))
def test_the_published_function_on_small_cases(case: str) -> None:
    given = UNIT[case]
    distance, length = original_hellinger(given["p"], given["q"])
    assert length == given["ORIG"][1]
    assert distance == pytest.approx(given["ORIG"][0], abs=1e-12, nan_ok=True)


def test_nothing_is_added_to_what_is_compared() -> None:
    p, q = {"a": 1.0}, {"b": 1.0}
    original_hellinger(p, q)
    hellinger(p, q)
    assert (p, q) == ({"a": 1.0}, {"b": 1.0})
    assert UNIT["mutates_inputs"]["p_after"] != p


@pytest.mark.parametrize(
    ("case", "distance"),
    [
        ("identical", 0.0),
        ("disjoint", 1.0),
        ("readme", math.sqrt(0.5)),
        ("one_empty", math.nan),
        ("both_empty", math.nan),
        ("negative", 1.0),  # {a: -0.5, b: 1.5} against {a: 1}: the positive parts are disjoint
        ("unnormalised", math.sqrt(0.5)),
    ],
)
def test_small_cases_as_they_are_defined(case: str, distance: float) -> None:
    found = hellinger(UNIT[case]["p"], UNIT[case]["q"])
    assert found == pytest.approx(distance, nan_ok=True)


def test_negative_activations_leave_a_distance_to_every_neuron(
    tmp_path: Path, stages: tuple[Stage, Stage]
) -> None:
    behaviour = "hellinger_negative_activations.original_behaviour.json"
    published = json.loads((TXRAY / behaviour).read_text())
    assert all(math.isnan(distance) for distance, _ in published.values())
    lowered = []
    for name in ("model_a.tsv", "model_b.tsv"):
        head, *rows = (TXRAY / name).read_text().splitlines()
        cells = [row.split("\t") for row in rows]
        lines = [
            "\t".join([word, tag, str(float(value) - 0.6), unit])
            for word, tag, value, unit in cells
        ]
        (tmp_path / name).write_text("\n".join([head, *lines]))
        lowered.append(open_table(str(tmp_path / name)))
    assert (lowered[0].sites[0].words.mass < 0).any()
    table = compare_stages(*lowered).sites[0].neurons
    shared = [int(unit) for unit in published]
    assert not np.isnan(table.distance[shared]).any()
    assert ((table.distance[shared] >= 0) & (table.distance[shared] <= 1)).all()
    assert table.union[shared].tolist() == [length for _, length in published.values()]
    assert np.isnan(table.original[shared]).any()
