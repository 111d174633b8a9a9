"""The pictures of a landscape, without an app: they fit, they are safe, no state is a blank."""

import math
import re
from dataclasses import replace

import landscapes_made as made
import numpy as np
import pytest

from themes import load_theme
from tui.figures.chart import apart
from tui.geometry.figures import draw_curves, draw_layer, draw_matrix
from tui.geometry.figures.lines import round_above, round_below
from tui.geometry.figures.matrix_cells import places, pooled
from tui.geometry.figures.naming import (
    CLUSTER_MARKS,
    LABEL_MARKS,
    named_axis,
    short_layer,
    space_look,
)
from tui.geometry.figures.plane import REST, by_cluster, by_label, scatter
from tui.geometry.measures import MEASURES, offered, series_of
from tui.geometry.state import GeometryState
from tui.palette import Depth, make_palette

SIZES = [(30, 8), (46, 14), (80, 24), (120, 40), (200, 60)]
LOOKS = [(False, Depth.TRUE), (False, Depth.ANSI), (False, Depth.NONE), (True, Depth.NONE)]
BAD = "\x1b[31m\x07\u202e漢字[/]\r\n"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(params=LOOKS, ids=["truecolor", "16", "none", "ascii"])
def palette(request):
    return make_palette(load_theme("lamella-dark"), request.param[0], depth=request.param[1])


@pytest.fixture
def colors():
    return make_palette(load_theme("lamella-dark"))


def checked(strips, palette, width, height=None):
    """The lines of a picture, which are as wide as they must be and hold nothing unsafe."""
    assert strips and (height is None or len(strips) <= height)
    assert {strip.cell_length for strip in strips} == {width}
    lines = [strip.text for strip in strips]
    assert not any(CONTROL.search(line) for line in lines)
    assert all(segment.style is not None for strip in strips for segment in strip)
    if palette.ascii_only:
        assert all(line.isascii() for line in lines)
    return "\n".join(lines)


def curves(state, palette, width=100, height=30):
    return checked(draw_curves(state, palette, width, height), palette, width, height)


def matrix(state, palette, width=100, height=30):
    return checked(draw_matrix(state, palette, width, height), palette, width, height)


def layer(state, detail, palette, width=100, height=30):
    return checked(draw_layer(state, detail, palette, width, height), palette, width)


# Curves


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("size", SIZES)
def test_every_measure_fits(palette, measure, size):
    report = made.report(8, 3, unknown=(2, 7), notes=("few texts: numbers are rough",))
    curves(GeometryState(report, measure, layer=3, space=1), palette, *size)


@pytest.mark.parametrize("draw", [curves, matrix])
def test_tiny_panes_say_so(palette, draw):
    for size in ((1, 1), (12, 40), (80, 3)):
        draw(GeometryState(made.report(5)), palette, *size)


@pytest.mark.parametrize("draw", [curves, matrix])
def test_nothing_measured_is_said(palette, draw):
    report = made.report(3)
    for spaces in ((), (replace(report.spaces[0], layers=()),)):
        assert "no layer was measured" in draw(
            GeometryState(replace(report, spaces=spaces, pairs=())), palette
        )


@pytest.mark.parametrize("layers", [1, 2, 102])
@pytest.mark.parametrize("measure", ["dimension", "clusters", "cka"])
def test_any_number_of_layers(palette, layers, measure):
    state = GeometryState(made.report(layers), measure, layer=layers - 1)
    text = curves(state, palette)
    assert f"({layers} of {layers})" in text
    curves(state, palette, 40, 12)


def test_the_cursor_names_the_layer_and_all_values(colors):
    report = made.report(8, 2)
    at = report.spaces[0].layers[4].dimension
    other = report.spaces[1].layers[4].dimension
    text = curves(GeometryState(report, layer=4), colors)
    line = next(line for line in text.split("\n") if "encoder.layer.3" in line)
    assert "(5 of 8)" in line
    assert f"{at.value:.3g} ±" in line and f"{other.value:.3g} ±" in line
    assert text.count("┊") >= 10


def test_indices_that_are_not_there_are_the_nearest(palette):
    report = made.report(4)
    state = GeometryState(report, layer=99, space=9, column=9, pair=9, across=-5)
    assert "(4 of 4)" in curves(state, palette)
    matrix(state, palette)
    layer(state, made.detail(), palette)


def test_gaps_have_their_reasons(palette):
    text = curves(GeometryState(made.report(8, 2, unknown=(2, 3)), layer=2), palette)
    assert "n/a at 2 layers of MiniLM: 12 distinct points, and 16 neighbours are needed" in text
    assert re.search(r"encoder\.layer\.1.*n/a", text)


def test_no_value_at_all_is_said_with_the_reason(palette):
    report = made.report(3, 1, unknown=(0, 1, 2))
    for measure in ("dimension", "core", "rand", "clusters"):
        text = curves(GeometryState(report, measure), palette)
        assert "no layer has a value" in text and "16 neighbours are needed" in text


def test_no_labels_and_no_reference_say_what_to_do(palette):
    report = made.report(5, 1, columns=())
    assert offered(report) == ("dimension", "clusters", "core")
    assert "name label columns" in curves(GeometryState(report, "rand"), palette)
    assert "--ref BASE" in curves(GeometryState(report, "cka"), palette)


def test_names_of_any_length_and_kind(palette):
    report = made.report(4, 2, columns=(BAD * 30,), title="a" * 200)
    spaces = tuple(
        replace(
            space,
            layers=tuple(replace(one, name=BAD + "x" * 200 + f".{at}.") for at, one in
                         enumerate(space.layers)),
        )
        for space in report.spaces
    )  # fmt: skip
    report = replace(report, spaces=spaces, notes=(BAD * 50,))
    for measure in MEASURES:
        state = GeometryState(report, measure, colored="labels")
        curves(state, palette, 80, 24)
        matrix(state, palette, 80, 24)
    detail = made.detail(labels=(BAD, "b" * 200, ""), name=BAD * 40)
    clusters = tuple(replace(one, examples=(BAD * 200, "", "w" * 900)) for one in detail.clusters)
    text = layer(state, replace(detail, clusters=clusters, notes=(BAD,)), palette, 80, 24)
    assert "(empty)" in text


def test_values_beyond_a_share_and_below_zero(palette):
    report = made.report(4, 2)
    for value in (-0.3, 1.0 + 1e-9, 5.0, 1e300, math.inf, 0.0):
        space = report.spaces[0]
        odd = tuple(
            replace(one, core=value, labels=tuple(replace(n, rand=value) for n in one.labels),
                    dimension=replace(one.dimension, value=value, error=math.inf))
            for one in space.layers
        )  # fmt: skip
        changed = replace(report, spaces=(replace(space, layers=odd), report.spaces[1]))
        for measure in ("core", "rand", "dimension"):
            curves(GeometryState(changed, measure), palette)


def test_equal_values_are_seen_to_be_of_several(palette):
    report = made.report(6, 1)
    twice = replace(report, spaces=(report.spaces[0], replace(report.spaces[0], title="other")))
    mark = "@" if palette.ascii_only else "◈"
    assert curves(GeometryState(twice, "core"), palette).count(mark) >= 7
    assert mark not in curves(GeometryState(report, "core"), palette).replace("@ enc", "").replace(
        "@ emb", ""
    )


def test_no_line_goes_over_a_mark(palette):
    """A steep line of a later space passes where an earlier one has its marks."""
    report = made.report(12, 2)
    values = ([0.25, 0.75] * 6, [0.1, 0.9] * 6)
    spaces = tuple(
        replace(space, layers=tuple(replace(one, core=value) for one, value in
                                    zip(space.layers, of, strict=True)))
        for space, of in zip(report.spaces, values, strict=True)
    )  # fmt: skip
    state = GeometryState(replace(report, spaces=spaces), "core", layer=2)
    lines = curves(state, palette, 40, 30).split("\n")
    marks = "ox" if palette.ascii_only else "●■"
    assert sum(line.count(mark) for line in lines[2:-4] for mark in marks) == 24


def test_spaces_with_other_layers(palette):
    report = made.report(6, 1)
    short = made.report(3, 1).spaces[0]
    two = replace(report, spaces=(report.spaces[0], replace(short, title="small")), pairs=())
    assert "no such layer" in curves(GeometryState(two, layer=5), palette)


def test_no_two_spaces_look_alike(colors):
    looks = [space_look(number, colors) for number in range(36)]
    assert len({(mark, str(style)) for mark, style in looks}) == 36


def test_pairs_are_drawn_against_the_first_space():
    report = made.report(4, 3)
    kept = series_of(report, "shared")
    assert [one.space for one in kept] == [1, 2]
    assert kept[0].values == pytest.approx([0.7] * 4)
    small = replace(report.pairs[3], overlap=np.full((2, 3), 0.5))
    found = series_of(replace(report, pairs=(small,)), "shared")[0]
    assert found.values[:2] == (0.5, 0.5) and math.isnan(found.values[2]) and found.whys[2]


@pytest.mark.parametrize("value", [1e-9, 0.03, 1, 1.2, 7.7, 9.9, 10, 123456.0])
def test_axes_end_at_round_numbers(value):
    assert value <= round_above(value) <= 10 * value
    assert 0 <= round_below(value) < value


@pytest.mark.parametrize(
    ("name", "short"),
    [("h.0.attn.1", "0"), ("embeddings", "embeddings"), ("model.norm", "norm"), ("", "?"),
     ("漢字", "??"), ("encoder.layer.11.output", "11"), ("layers.3 output", "3")],
)  # fmt: skip
def test_short_names_of_layers(name, short):
    assert short_layer(name) == short


# Matrices


@pytest.mark.parametrize("kind", ["overlap", "cka"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layers", [1, 8, 41, 102])
def test_every_matrix_fits(palette, kind, size, layers):
    state = GeometryState(
        made.report(layers, unknown=(0,) if layers > 1 else ()), layer=layers // 2, across=1,
        pair=2, matrix=kind,
    )  # fmt: skip
    matrix(state, palette, *size)


def test_a_matrix_names_its_cell_and_the_most_alike(palette):
    text = matrix(GeometryState(made.report(8), layer=3, across=5, pair=2), palette)
    assert "encoder.layer.2" in text and "encoder.layer.4" in text and ".258" in text
    assert "encoder.layer.2 is most like encoder.layer.2: .700" in text
    assert "[.26]" in text and "pair 3 of 3" in text


def test_a_space_with_itself_is_most_like_another_layer(palette):
    text = matrix(GeometryState(made.report(8), layer=3), palette)
    assert "encoder.layer.2 is most like encoder.layer.1" in text


def test_a_matrix_of_which_nothing_is_known(palette):
    report = made.report(3)
    unknown = replace(report.pairs[0], overlap=np.full((3, 3), np.nan))
    text = matrix(GeometryState(replace(report, pairs=(unknown,))), palette)
    assert "not known for these two" in text
    assert "no pair" in matrix(GeometryState(replace(report, pairs=())), palette)


def test_cells_of_several_layers_are_means():
    values = np.arange(16.0).reshape(4, 4)
    values[0, 0] = np.nan
    found = pooled(values, places(4, 2), places(4, 4))
    assert found.tolist() == [[4.0, 3.0, 4.0, 5.0], [10.0, 11.0, 12.0, 13.0]]
    values[:2, 0] = np.nan
    assert math.isnan(pooled(values, places(4, 2), places(4, 4))[0, 0])


# A layer


@pytest.mark.parametrize("colored", ["clusters", "labels"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits(palette, colored, size):
    state = GeometryState(made.report(8), layer=4, colored=colored)
    layer(state, made.detail(300, 5), palette, *size)


@pytest.mark.parametrize("points", [0, 1, 2])
@pytest.mark.parametrize("clusters", [0, 1])
def test_few_points(palette, points, clusters):
    state = GeometryState(made.report(3, unknown=(1,)), layer=1)
    text = layer(state, made.detail(points, clusters), palette)
    if not clusters or not points:
        assert "16 neighbours are needed" in text


def test_points_without_spread(palette):
    detail = made.detail(50, 2)
    for value in (0.0, 1e308, math.nan):
        odd = replace(detail, plane=np.full((50, 2), value), explained=(math.nan, 0.0))
        layer(GeometryState(made.report(3)), odd, palette)


def test_no_labels_are_said_where_they_are_asked_for(palette):
    detail = replace(made.detail(50, 2), labels=())
    text = layer(GeometryState(made.report(3, columns=()), colored="labels"), detail, palette)
    assert "no labels: by cluster" in text


def test_more_labels_than_marks_are_counted(palette):
    labels = [f"noun.{k:018}" for k in range(45)]
    detail = replace(made.detail(450), labels=(tuple(labels * 10),))
    text = layer(GeometryState(made.report(8), layer=4, colored="labels"), detail, palette)
    assert re.search(r"and \d+ more", text) and "others 200 of 20 labels" in text
    groups = by_label(labels * 10)
    assert len(groups.names) == len(LABEL_MARKS)
    assert groups.rest == 450 - sum(groups.sizes) and groups.hidden == 45 - len(groups.names)


def test_a_page_tells_of_each_cluster(palette):
    detail = made.detail(400, 3)
    text = layer(GeometryState(made.report(8), layer=4), detail, palette, 130, 40)
    assert "3 clusters of 400 points" in text and "left out: 3 repeated" in text
    for number, cluster in enumerate(detail.clusters):
        assert f"{number + 1} {cluster.size:,} points" in text
    assert "a text near peak 2" in text and "neg" in text and "halo" in text
    assert "component 1, 23.0% of the variance" in text


def test_a_cluster_that_touches_no_other(palette):
    assert "alone" in layer(GeometryState(made.report(8)), made.detail(90, 1), palette)


def test_a_cell_shows_its_commonest_group_and_no_halo_over_it(colors):
    plane = np.array([[0, 0], [0, 0], [0, 0], [0, 0], [9, 9.0]])
    groups = replace(
        by_label(["a", "a", "b", "b", "b"]), of=np.array([0, 0, 1, REST, REST]), names=("a", "b")
    )
    text = "\n".join(strip.text for strip in scatter(plane, groups, colors, 11, 5))
    assert sorted(text.replace(" ", "").replace("\n", "")) == ["a", "·"]
    assert text.split("\n")[-1].startswith("a")


def test_the_halo_is_of_no_cluster():
    detail = made.detail(100, 4)
    groups = by_cluster(detail)
    assert groups.rest == int((detail.cluster == -1).sum())
    assert sum(groups.sizes) + groups.rest == 100
    many = by_cluster(replace(detail, clusters=detail.clusters * 20))
    assert len(many.names) == len(CLUSTER_MARKS) and many.hidden == 80 - len(CLUSTER_MARKS)


@pytest.mark.parametrize("cells", [12, 30, 60, 76, 200])
@pytest.mark.parametrize("layers", [1, 2, 8, 34, 102])
def test_names_at_an_axis_stand_clear_of_each_other(cells, layers):
    axis = named_axis(tuple(short_layer(name) for name in made.names(layers)))
    ticks = axis.ticks(cells)
    assert ticks and all(0 <= place < cells for place, _ in ticks)
    assert apart(ticks, cells, None) or len(ticks) == 1
    if cells >= 60:
        assert ticks[0][1] in ("0", "embeddings", "embed")
        assert layers < 8 or len(ticks) >= 6


@pytest.mark.parametrize("draw", [curves, matrix])
def test_without_plotext(palette, draw, monkeypatch):
    monkeypatch.setattr("tui.plots._plotext", lambda: None)
    state = GeometryState(made.report(8), layer=3)
    draw(state, palette)
    layer(state, made.detail(), palette)
