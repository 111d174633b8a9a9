"""Marks between axes are where they were put, with plotext and without."""

import builtins
import sys
import threading

import numpy as np
import pytest
from rich.style import Style

from tui import plots

RED, BLUE, GREY = Style(color="red"), Style(color="#0102fe", bold=True), Style(dim=True)
FRAME = plots.Frame(((0, "0"), (9, "1.0")), ((0, "1"), (20, "30"), (59, "1000")), GREY)


@pytest.fixture(params=["plotext", "fallback"])
def drawer(request, monkeypatch):
    """Drawing with plotext, and where it cannot be imported."""
    plots._plotext.cache_clear()
    if request.param == "fallback":
        real = builtins.__import__

        def blocked(name, *args, **more):
            if name.partition(".")[0] == "plotext":
                raise ImportError(name)
            return real(name, *args, **more)

        monkeypatch.setitem(sys.modules, "plotext", None)
        monkeypatch.setattr(builtins, "__import__", blocked)
    yield request.param
    plots._plotext.cache_clear()


def layer(points, mark="x", style=RED, joined=False):
    xs, ys = np.array(points, np.float64).T
    return plots.Marks(xs, ys, mark, style, joined)


def cells(strips, left=0):
    """Character and style of each cell that is not blank, by column and line from the bottom."""
    found = {}
    for row, strip in enumerate(reversed(strips)):
        column = -left
        for segment in strip:
            for char in segment.text:
                if char != " " and column >= 0:
                    found[column, row] = (char, segment.style)
                column += 1
    return found


def test_marks_are_where_they_were_put(drawer):
    points = [(0, 0), (59, 9), (20, 4), (33, 9), (59, 0)]
    strips = plots.marks([layer(points)], FRAME, 60, 10)
    assert [strip.cell_length for strip in strips] == [64] * 12
    found = cells(strips[:10], FRAME.gutter)
    assert found == dict.fromkeys(points, ("x", RED))


def test_the_axes_have_their_labels(drawer):
    strips = plots.marks([layer([(3, 3)])], FRAME, 60, 10)
    texts = [strip.text for strip in strips]
    assert texts[0].startswith("1.0┤") and texts[9].startswith("  0┤") and texts[5][3] == "│"
    assert texts[11].split() == ["1", "30", "1000"]
    assert [texts[10][4 + at] for at in (0, 20, 59)] == ["┬"] * 3
    assert strips[0]._segments[0].style == GREY


def test_the_later_mark_is_seen(drawer):
    strips = plots.marks([layer([(5, 5)]), layer([(5, 5)], "o", BLUE)], None, 20, 10)
    assert cells(strips) == {(5, 5): ("o", BLUE)}


def test_what_is_outside_or_no_number_is_not_drawn(drawer):
    points = [(-1, 3), (60, 3), (3, 10), (3, -0.1), (np.nan, 3), (3, np.inf)]
    assert not cells(plots.marks([layer(points)], None, 60, 10))
    assert [s.cell_length for s in plots.marks([], None, 7, 3)] == [7] * 3


def test_fine_marks_are_dots_and_share_a_cell(drawer):
    corners = [(0, 0), (0.1, 0.2), (19, 9)]
    found = cells(plots.marks([layer(corners, plots.FINE)], None, 20, 10))
    assert set(found) == {(0, 0), (19, 9)}
    dots = {at: (ord(char) - 0x2800).bit_count() for at, (char, _) in found.items()}
    assert dots == {(0, 0): 2, (19, 9): 1}


@pytest.mark.parametrize("mark", ["*", plots.FINE])
def test_a_joined_line_has_no_gap(drawer, mark):
    found = cells(plots.marks([layer([(0, 0), (30, 9), (59, 2)], mark, joined=True)], None, 60, 10))
    assert {column for column, _ in found} == set(range(60))
    assert {row for _, row in found} == set(range(10))


def test_one_point_alone_can_be_joined(drawer):
    assert set(cells(plots.marks([layer([(2, 1)], joined=True)], None, 5, 3))) == {(2, 1)}


def test_axes_in_ascii(drawer):
    frame = plots.Frame(FRAME.left, FRAME.below, GREY, ascii_only=True)
    assert all(strip.text.isascii() for strip in plots.marks([layer([(3, 3)])], frame, 60, 10))


def test_a_bar_is_as_long_as_its_share(drawer):
    texts = [strip.text for strip in plots.bars([0, 0.5, 1, 0.0001, 3, np.nan, -1], 16, RED, False)]
    assert [text.rstrip() for text in texts] == ["", "█" * 8, "█" * 16, "▏", "█" * 16, "", ""]
    assert {len(text) for text in texts} == {16}
    ascii_bars = plots.bars([0, 0.5, 1], 4, RED, True)
    assert [strip.text for strip in ascii_bars] == ["    ", "##  ", "####"]
    assert [strip.text for strip in plots.bars([1.0], 1, RED, False)] == ["█"]
    assert plots.bars([], 9, RED, False) == []


def test_eighths_of_a_cell(drawer):
    texts = [strip.text for strip in plots.bars([k / 8 for k in range(9)], 1, RED, False)]
    assert "".join(texts) == " ▏▎▍▌▋▊▉█"


def test_no_figure_is_left_for_the_next(drawer):
    pixels = [[(9, 9, 9)] * 30 for _ in range(10)]
    before = [strip._segments for strip in plots.half_blocks(pixels)]
    chart = [strip._segments for strip in plots.marks([layer([(3, 3)])], FRAME, 60, 10)]
    assert [strip._segments for strip in plots.half_blocks(pixels)] == before
    assert [strip._segments for strip in plots.marks([layer([(3, 3)])], FRAME, 60, 10)] == chart


def test_threads_draw_their_own_plots():
    wanted = [{(k, k): ("x", RED)} for k in range(8)]
    found = [None] * len(wanted)

    def draw(at):
        found[at] = cells(plots.marks([layer([(at, at)])], None, 20, 10))

    threads = [threading.Thread(target=draw, args=(at,)) for at in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted


def test_more_styles_than_a_byte_counts(drawer):
    styles = [Style(color=f"#{k:06x}") for k in range(300)]
    layers = [layer([(k % 60, k // 60)], "x", style) for k, style in enumerate(styles)]
    found = cells(plots.marks(layers, None, 60, 10))
    assert [found[k % 60, k // 60][1] for k in range(300)] == styles
