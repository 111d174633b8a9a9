"""The pictures of activations, without an app: they fit, they are safe, no state is a blank."""

import re
from dataclasses import replace

import numpy as np
import pytest
import reports_made as made

from inspect_core.activations.neurons import FeatureShare
from themes import load_theme
from tui.activations.figures import KINDS, draw_view
from tui.activations.figures.layers import kinds_of
from tui.activations.state import ViewState
from tui.palette import Depth, make_palette

SIZES = [(30, 8), (46, 14), (80, 24), (120, 40), (200, 60)]
LOOKS = [(False, Depth.TRUE), (False, Depth.ANSI), (False, Depth.NONE), (True, Depth.NONE)]
BAD = "\x1b[31m\x07\u202e漢字[/]\r\n"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(params=LOOKS, ids=["truecolor", "16", "none", "ascii"])
def palette(request):
    return make_palette(load_theme("lamella-dark"), request.param[0], depth=request.param[1])


def drawn(state, palette, width=100, height=30):
    """The lines of a view, which are as wide as they must be and hold nothing unsafe."""
    strips = draw_view(state, palette, width, height)
    assert 0 < len(strips) <= height
    assert {strip.cell_length for strip in strips} == {width}
    lines = [strip.text for strip in strips]
    assert not any(CONTROL.search(line) for line in lines)
    assert all(segment.style is not None for strip in strips for segment in strip)
    if palette.ascii_only:
        assert all(line.isascii() for line in lines)
    return lines


def text_of(state, palette, width=100, height=30):
    return "\n".join(drawn(state, palette, width, height))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_every_view_fits(palette, kind, size):
    report = made.report(300, 4, labels=("label",), kinds=("b.{}.out", "b.{}.attn"))
    drawn(ViewState(report, 1, unit=5, kind=kind), palette, *size)


@pytest.mark.parametrize("kind", KINDS)
def test_tiny_panes_say_so(palette, kind):
    for size in ((1, 1), (12, 40), (80, 3)):
        drawn(ViewState(made.report(10, 2), kind=kind), palette, *size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hide", [False, True])
def test_without_a_reference_is_no_blank(palette, kind, hide):
    report = made.report(200, 3, compared=False, labels=("label",))
    text = text_of(ViewState(report, hide_rare=hide, unit=3, kind=kind), palette)
    assert "no reference" in text and "--ref" in text
    assert len([line for line in text.split("\n") if line.strip()]) > 8
    assert "reduced" not in text and "nan" not in text.lower()


@pytest.mark.parametrize("kind", KINDS)
def test_without_sites(palette, kind):
    report = replace(made.report(5, 1), sites=())
    assert "no module" in text_of(ViewState(report, kind=kind), palette)


def with_table(report, **columns):
    """The report with other columns of its first site."""
    first = report.sites[0]
    table = replace(first.neurons, **columns)
    return replace(report, sites=(replace(first, neurons=table), *report.sites[1:]))


def all_dead(units=6):
    zeros = np.zeros((2, units), np.int64)
    nothing = np.full(units, np.nan)
    return with_table(
        made.report(units, 1), distance=nothing, tag_distance=nothing, union=zeros[0],
        length=zeros, tag_length=zeros, count=zeros, mass=zeros.astype(float), original=nothing,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["overview", "lengths", "mass", "layers"])
def test_all_dead(palette, kind):
    text = text_of(ViewState(all_dead(), kind=kind, unit=1), palette)
    assert "no neuron" in text
    if kind != "layers":
        assert "0 neurons activated" in text and "6 dead" in text


@pytest.mark.parametrize("kind", KINDS)
def test_no_neuron_of_both_sides(palette, kind):
    report = made.report(8, 2)
    for site in report.sites:
        site.neurons.count[0, ::2] = site.neurons.count[1, 1::2] = 0
        site.neurons.length[0, ::2] = site.neurons.length[1, 1::2] = 0
        site.neurons.mass[0, ::2] = site.neurons.mass[1, 1::2] = 0
        site.neurons.distance[:] = np.nan
    text = text_of(ViewState(report, kind=kind, unit=1), palette)
    if kind == "overview":
        assert "0 shared" in text and "no neuron is activated on both sides" in text
    if kind == "lengths":
        assert "0 reduced" in text and "new (at 0)" in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("units", [1, 2, 5])
def test_few_neurons(palette, kind, units):
    drawn(ViewState(made.report(units, 1), kind=kind, unit=0), palette)
    drawn(ViewState(made.report(units, 1), kind=kind, unit=units + 7), palette)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -5.0, 0.0, 1e300, 1e-300])
def test_odd_numbers(palette, kind, value):
    report = made.report(40, 2)
    report.sites[0].neurons.mass[:, ::3] = value
    report.sites[0].neurons.distance[::4] = np.nan
    report = replace(
        report,
        sites=(
            replace(
                report.sites[0],
                tags=(FeatureShare("A", (0.5, 0.5), (value, value)),
                      FeatureShare("B", (0.5, 0.5), (0.1, value))),
            ),
            *report.sites[1:],
        ),
    )  # fmt: skip
    drawn(ViewState(report, kind=kind, unit=3), palette)


@pytest.mark.parametrize("kind", KINDS)
def test_rare_neurons_are_counted_and_can_be_hidden(palette, kind):
    report = made.report(80, 2)
    report.sites[0].neurons.count[:] = 3
    shown = text_of(ViewState(report, kind=kind), palette)
    hidden = text_of(ViewState(report, kind=kind, hide_rare=True), palette)
    if kind == "overview":
        assert "fewer than 20 activations: 80" in shown and "hidden" not in shown
    if kind in ("overview", "lengths", "mass"):
        assert "hidden" in hidden


def test_the_overview_marks_ten_and_ten_and_the_chosen_one(palette):
    report = made.report(400, 1)
    table = report.sites[0].neurons
    from inspect_core.activations.ranking import top_and_least

    most, least = top_and_least(table)
    chosen = next(u for u in range(400) if u not in {*most, *least} and table.distance[u] > 0)
    text = text_of(ViewState(report, unit=chosen), palette, 160, 50)
    up, down, here = "^v@" if palette.ascii_only else "▲▼◆"
    assert text.count(up) == 11  # one is in the legend
    assert palette.ascii_only or text.count(down) == 11
    assert text.count(here) == 2 and f"neuron {chosen}" in text
    named = sum(f" {unit} " in text for unit in (*most, *least))
    assert named >= 12
    assert "10 that moved most" in text and "10 that moved least" in text


def test_the_overview_counts_what_became_of_neurons(palette):
    report = made.report(100, 1)
    table = report.sites[0].neurons
    table.count[:] = 30
    table.count[0, :4], table.count[1, 3:9] = 0, 0
    text = text_of(ViewState(report), palette)
    assert "99 neurons activated, 91 shared, 3 new, 5 gone, 1 dead" in text


def test_few_neurons_are_larger_dots(palette):
    fine = re.compile("[\u2801-\u28ff]")
    few, many = (
        text_of(ViewState(made.report(units, 1), kind="mass"), palette) for units in (60, 900)
    )
    if not palette.ascii_only:
        assert "•" in few and not fine.search(few) and fine.search(many)
    else:
        assert few.count("o") > 30


def test_the_original_distance_has_its_own_name(palette):
    text = text_of(ViewState(made.report(100, 1), order="original"), palette)
    assert "TX-Ray" in text


def test_lengths_are_counted_by_where_they_lie(palette):
    report = made.report(50, 1)
    table = report.sites[0].neurons
    table.count[:] = 99
    table.length[:] = np.array([[10], [20]])
    table.length[1, :7], table.length[1, 7:9] = 5, 10
    text = text_of(ViewState(report, kind="lengths"), palette, 150, 40)
    for words in ("7 reduced (below the line)", "2 equal (on it)", "41 increased (above it)"):
        assert words in text
    assert "tags before (across)" in text


def test_masses_are_aligned_by_neuron(palette):
    """Of two neurons that trade places the order is that of the mass before."""
    report = made.report(2, 1)
    table = report.sites[0].neurons
    table.count[:], table.length[:] = 50, 9
    table.mass[:] = [[1000.0, 1.0], [1.0, 1000.0]]
    lines = drawn(ViewState(report, kind="mass", unit=1), palette, 80, 24)
    before, after = "&@" if palette.ascii_only else "◇◆"
    top, bottom = (next(k for k, line in enumerate(lines) if m in line) for m in (after, before))
    assert top < bottom and lines[top].rindex(after) == lines[bottom].rindex(before) > 70
    assert f"before 1  {after} after 1.0e3" in "\n".join(lines)


def test_no_tags_say_how_to_have_them(palette):
    report = made.report(50, 1, tags=0)
    for kind in ("tags", "lengths"):
        assert "press A, tag column or tagger" in text_of(ViewState(report, kind=kind), palette)


def test_new_and_gone_tags_are_kept(palette):
    site = replace(
        made.site(9), tags=(FeatureShare("OLD", (0.5, 0.0), (0.4, 0.0)),
                            FeatureShare("NEW", (0.0, 0.5), (0.0, 0.25))),
    )  # fmt: skip
    text = text_of(ViewState(replace(made.report(9, 1), sites=(site,)), kind="tags"), palette)
    assert "words before" in text and "new +25.0" in text and "gone -40.0" in text


def test_more_tags_than_fit_are_counted(palette):
    report = made.report(9, 1, tags=17, labels=("l",))
    lines = drawn(ViewState(report, kind="tags"), palette, 80, 14)
    assert any(re.search(r"\d+ more of 17", line) for line in lines)
    assert any(line.startswith("neg") for line in lines)


def test_layers_are_lines_by_kind_and_the_largest_is_named(palette):
    report = made.report(60, 5, kinds=("m.{}.out", "m.{}.attn.0"))
    for site in report.sites:
        site.neurons.count[:] = np.maximum(site.neurons.count, 20)
    report.sites[3].neurons.distance[:] = 0.97
    text = text_of(ViewState(report, 2, kind="layers"), palette)
    assert "m.{n}.out" in text and "m.{n}.attn.0" in text and "tags of the first" in text
    assert "largest: .970 m.3.out" in text


def test_layers_of_rare_neurons_are_drawn_and_said(palette):
    report = made.report(30, 3)
    for site in report.sites:
        site.neurons.count[:] = 5
    assert "by activations" in text_of(ViewState(report, kind="layers"), palette)


def test_one_layer_is_a_bar(palette):
    text = text_of(ViewState(made.report(60, 1), kind="layers"), palette)
    assert "encoder.layer.0" in text


def test_a_layer_without_a_distance_leaves_a_gap(palette):
    report = made.report(60, 6)
    report.sites[2].neurons.distance[:] = np.nan
    drawn(ViewState(report, kind="layers"), palette)
    report.sites[0].neurons.distance[:] = np.nan
    drawn(ViewState(report, 0, kind="layers"), palette)


def test_kinds_of_modules():
    names = ["h.0.attn.1", "h.10.attn.1", "lm_head", "h.2.attn.1#2", "7", "h.99999999999999.attn"]
    kinds = {kind.name: kind for kind in kinds_of(names)}
    assert kinds["h.{n}.attn.1"].numbers == (0, 10) and kinds["h.{n}.attn.1"].sites == (0, 1)
    assert kinds["{n}"].numbers == (7,)
    assert not any(5 in kind.sites for kind in kinds.values())


@pytest.mark.parametrize("kind", KINDS)
def test_foreign_text_is_made_safe(palette, kind):
    report = made.report(60, 3, labels=("label",))
    site = report.sites[0]
    tags = tuple(replace(share, name=f"{BAD}{k}" * 30) for k, share in enumerate(site.tags))
    names = tuple(BAD for _ in range(60))
    table = replace(site.neurons, site=BAD * 50, top_word=(names, names))
    sites = (replace(site, neurons=table, tags=tags, labels=((BAD, tags[:3]),)), *report.sites[1:])
    state = ViewState(replace(report, sites=sites), kind=kind, unit=7)
    for size in ((40, 12), (100, 30)):
        drawn(state, palette, *size)


def test_nothing_is_said_by_colour_alone():
    """With and without colours the same characters are drawn."""
    palettes = [make_palette(load_theme("lamella-dark"), depth=d) for d in (Depth.TRUE, Depth.NONE)]
    report = made.report(300, 4, labels=("label",))
    for kind in KINDS:
        state = ViewState(report, 1, unit=5, kind=kind)
        texts = [drawn(state, palette) for palette in palettes]
        assert texts[0] == texts[1]


def test_every_mark_that_is_drawn_stands_in_the_legend(palette):
    report = made.report(120, 1)
    table = report.sites[0].neurons
    table.count[:, :2] = [[0, 50], [50, 0]]
    states = table.state
    chosen = int(np.flatnonzero(states == 3)[0])
    up, _, here, before = "^v@&" if palette.ascii_only else "▲▼◆◇"

    def legend_of(kind):
        return text_of(ViewState(report, kind=kind, unit=chosen), palette, 120, 40)

    assert f"{here} chosen" in legend_of("lengths")
    for mark, word, state in (("+", "new", 1), ("-", "gone", 2)):
        assert f"{mark} {(states == state).sum()} {word} (at 0)" in legend_of("lengths")
    assert f"{before} before" in legend_of("mass") and f"{here} after" in legend_of("mass")
    overview = legend_of("overview")
    assert "+ new" in overview and "- gone" in overview and f"{up} the 10" in overview
    assert "of 120 neurons" in legend_of("layers")
