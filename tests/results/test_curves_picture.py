"""Curves of a landscape as SVG and PNG."""

import math
from io import BytesIO
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from inspect_core.geometry.dimension import Dimension
from inspect_core.geometry.landscape import (
    LabelNumbers,
    LandscapeReport,
    LayerNumbers,
    Measured,
    Space,
    SpacePair,
)
from themes import load_theme as theme
from tui.curves_picture import curves_picture, draw_curves_picture
from tui.picture_files import Drawing, Shape, Stroke, _pieces, png, svg

NAN = math.nan
WHY = "n/a: 3 distinct points, and 16 neighbours are needed"


def layer(name: str, value: float, columns: tuple[str, ...]) -> LayerNumbers:
    known = math.isfinite(value)
    dimension = Dimension(16, 32, value, value / 20, 1.0, "" if known else WHY)
    share = value / 40
    labels = tuple(LabelNumbers(c, share, share, share, "" if known else WHY) for c in columns)
    count = int(value) if known else 0
    return LayerNumbers(name, 50, 0, 0, dimension, (dimension,), count, share, labels,
                        "" if known else WHY)  # fmt: skip


def report(*values: list[float], columns: tuple[str, ...] = ("mood",), title: str = "space"):
    spaces = tuple(
        Space(f"{title} {at}", tuple(layer(f"layers.{n}", v, columns) for n, v in enumerate(own)))
        for at, own in enumerate(values)
    )
    pairs = tuple(
        SpacePair(0, at, np.eye(len(values[0]), len(own)), np.eye(len(values[0]), len(own)))
        for at, own in enumerate(values)
    )
    return LandscapeReport(spaces, pairs, columns, 50, "last token", Measured())


def texts_of(drawing: Drawing) -> list[str]:
    return [label.text for label in drawing.labels]


def strokes(drawing: Drawing, width: float) -> list[Stroke]:
    return [mark for mark in drawing.marks if isinstance(mark, Stroke) and mark.width == width]


@pytest.mark.parametrize("name", ["lamella-dark", "lamella-light"])
def test_a_picture_says_all_on_its_own(name):
    drawing = draw_curves_picture(report([5.0, 9.0, 7.0], [6.0, 4.0, 8.0]), theme(name))
    found = texts_of(drawing)
    for text in ("space 0", "space 1", "intrinsic dimension", "density peaks",
                 "mood: adjusted Rand index", "3 layers, layers.0 to layers.2"):  # fmt: skip
        assert text in found
    assert len({text for text in found if text.startswith("mood: ")}) == 3
    # Each line has a dash and a colour of its own: it is known without the one or the other.
    looks = {(stroke.color, stroke.dash) for stroke in strokes(drawing, 1.6)}
    assert len(looks) == 2 and len({c for c, _ in looks}) == len({d for _, d in looks}) == 2
    for mark in drawing.marks:
        for x, y in mark.points:
            assert 0 <= x <= drawing.width and 0 <= y <= drawing.height


def test_a_layer_without_a_value_leaves_a_gap_and_its_reason():
    whole = draw_curves_picture(report([5.0, 6.0, 7.0, 8.0, 9.0]), theme("lamella-dark"))
    broken = draw_curves_picture(report([5.0, 6.0, NAN, 8.0, 9.0]), theme("lamella-dark"))
    legend = 1
    panels = len(strokes(whole, 1.6)) - legend
    assert len(strokes(broken, 1.6)) - legend == 2 * panels
    assert f"{WHY} (1 layer)" in texts_of(broken) and "n/a" not in texts_of(broken)


@pytest.mark.parametrize("values", [
    [[NAN, NAN]], [[5.0]], [[NAN]], [[]], [[5.0, 6.0], [5.0]], [[0.0, 0.0]], [[1e-9, 1e9]],
    [[float(at % 7) for at in range(130)]] * 9,
])  # fmt: skip
def test_odd_reports_have_a_picture(values):
    for columns in ((), ("mood",), ("a", "b", "c")):
        found = report(*values, columns=columns)
        text = curves_picture(found, theme("lamella-light"), "svg").decode()
        assert "nan" not in text.replace("NaN", "") and ElementTree.fromstring(text) is not None
    picture = Image.open(BytesIO(curves_picture(found, theme("lamella-light"), "png")))
    assert picture.width > 400 and len(picture.getcolors(1 << 24)) > 3


def test_a_strangers_names_are_only_text():
    odd = "<script>\x1b[2J\u202e&\"'" + "x" * 400
    found = report([5.0, 6.0], columns=(odd,), title=odd)
    text = curves_picture(found, theme("lamella-dark"), "svg").decode()
    assert "<script" not in text and not any(char in text for char in "\x1b\u202e")
    assert ElementTree.fromstring(text) is not None
    assert curves_picture(found, theme("lamella-dark"), "png")


def test_values_are_told_where_they_are_pointed_at():
    drawing = draw_curves_picture(report([5.0, 9.0]), theme("lamella-dark"))
    tips = [mark.tip for mark in drawing.marks if isinstance(mark, Shape) and mark.tip]
    assert "space 0, layers.1: intrinsic dimension 9 ± .450" in tips
    assert "<title>space 0, layers.1" in svg(drawing)


def test_dashes_cover_what_they_should():
    pieces = _pieces(((0.0, 0.0), (10.0, 0.0), (10.0, 10.0)), (4.0, 2.0))
    lengths = [sum(math.dist(a, b) for a, b in pairwise(piece)) for piece in pieces]
    assert lengths == pytest.approx([4, 4, 4, 2])
    assert pieces[1][0] == (6.0, 0.0) and pieces[2] == [(10.0, 2.0), (10.0, 6.0)]
    assert _pieces(((0.0, 0.0), (1.0, 0.0)), ()) == [[(0.0, 0.0), (1.0, 0.0)]]


def test_strokes_and_shapes_are_in_a_png():
    marks = [
        Stroke(((2, 2), (18, 2)), (255, 0, 0), 2.0),
        Shape(((4, 8), (12, 8), (8, 16)), (0, 0, 255)),
    ]
    picture = Image.open(BytesIO(png(Drawing(20, 20, (0, 0, 0), [], [], marks))))
    assert picture.getpixel((20, 4)) == (255, 0, 0) and picture.getpixel((16, 22)) == (0, 0, 255)
