"""The picture that comes back is the pixels that went in, with plotext and without."""

import builtins
import sys
import threading

import numpy as np
import pytest

from tui import plots

SIZES = [(2, 1), (2, 2), (2, 200), (4, 7), (6, 1), (20, 80), (40, 120), (80, 3), (2, 61)]
"""Pixel rows (two a line) and columns."""


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


def picture(rows, columns, seed=0, colors=None):
    rng = np.random.default_rng(seed)
    if colors is None:
        values = rng.integers(0, 256, (rows, columns, 3))
    else:
        values = np.array(colors)[rng.integers(0, len(colors), (rows, columns))]
    return [[tuple(map(int, pixel)) for pixel in row] for row in values]


def read(strips):
    """The pixels of half-blocks: each cell's foreground above its background."""
    rows = []
    for strip in strips:
        upper, lower = [], []
        for segment in strip:
            assert set(segment.text) == {plots.HALF_BLOCK}
            upper += [tuple(segment.style.color.triplet)] * len(segment.text)
            lower += [tuple(segment.style.bgcolor.triplet)] * len(segment.text)
        rows += [upper, lower]
    return rows


@pytest.mark.parametrize("size", SIZES)
def test_pixels_come_back(drawer, size):
    pixels = picture(*size)
    strips = plots.half_blocks(pixels)
    assert [strip.cell_length for strip in strips] == [size[1]] * (size[0] // 2)
    assert read(strips) == pixels


@pytest.mark.parametrize("colors", [[(0, 0, 0)], [(0, 0, 0), (255, 255, 255)], [(16, 20, 27)]])
def test_runs_of_one_colour_come_back(drawer, colors):
    pixels = picture(12, 30, colors=colors)
    assert read(plots.half_blocks(pixels)) == pixels


def test_an_outlier_pixel_is_where_it_was(drawer):
    pixels = [[(9, 9, 9)] * 50 for _ in range(20)]
    pixels[13][41] = (200, 100, 50)
    assert read(plots.half_blocks(pixels)) == pixels


def test_the_missing_library_is_said(drawer):
    assert bool(plots.fallback_note()) == (drawer == "fallback")


def test_no_pixels_are_no_lines(drawer):
    assert plots.half_blocks([]) == []
    assert [strip.cell_length for strip in plots.half_blocks([[], []])] == [0]


def test_two_threads_draw_their_own_pictures():
    wanted = [picture(20, 40 + k, seed=k) for k in range(6)]
    found = [None] * len(wanted)

    def draw(at):
        found[at] = read(plots.half_blocks(wanted[at]))

    threads = [threading.Thread(target=draw, args=(at,)) for at in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted
