"""Heatmaps as pictures: every cell where it belongs, in its colour; names are only text."""

import itertools
import re
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from app_made import HOSTILE, layers, write_model
from app_running import running
from overview_made import section
from PIL import Image

from inspect_core.delta.metrics import METRICS
from inspect_core.results.heatmap import (
    ABSENT,
    NOT_FINITE,
    SAME,
    UNCOMPARED,
    UNDEFINED,
    VALUE,
    Heatmap,
)
from themes import BUNDLED, load_theme
from tui.palette import LEVELS, make_palette
from tui.picture import CELL, draw, picture
from tui.picture_files import PNG_SCALE, SIZE, png, svg

THEME = load_theme("lamella-dark")
PALETTE = make_palette(THEME)
VALUES = np.array([[0.0, 0.25, 0.5, 1.0], [1.0, 0.5, 0.125, 0.25]])


def heatmap(*sections, title="ft vs base"):
    return Heatmap(title, METRICS["rel_l2"], sections)


def of(values=VALUES, title="encoder", kinds=("q.weight", "k.weight"), **more):
    return section(kinds, map(str, range(values.shape[1])), title, values, **more)


def cells_of(drawing):
    """The boxes of cells: those that say something."""
    return [box for box in drawing.boxes if box.tip]


def test_every_cell_has_the_colour_of_its_value():
    cells = cells_of(draw(heatmap(of()), "linear", THEME))
    assert len(cells) == VALUES.size
    for box, value in zip(cells, VALUES.ravel(), strict=True):
        level = round(value * (LEVELS - 1))
        assert box.color == (PALETTE.sequential[level] if value else PALETTE.same)
        assert "relative L2" in box.tip


def test_both_sections_are_side_by_side_on_one_scale():
    drawing = draw(heatmap(of(VALUES), of(VALUES[:, :2] / 2, "decoder")), "linear", THEME)
    cells = cells_of(drawing)
    encoder, decoder = cells[:8], cells[8:]
    assert {box.y for box in encoder} == {box.y for box in decoder}
    assert min(box.x for box in decoder) > max(box.x + box.width for box in encoder)
    assert decoder[2].color == PALETTE.sequential[round(0.5 * (LEVELS - 1))]
    words = [label.text for label in drawing.labels]
    assert {"encoder", "decoder", "ft vs base"} < set(words)
    assert sum("relative L2" in word for word in words) == 1


def test_nothing_overlaps_and_nothing_is_outside():
    wide = of(np.ones((3, 90)), "a", kinds=("x", "y", "a.very.long.name.of.a.kind" * 3))
    drawing = draw(heatmap(wide, of(), of(title="c")), "robust", THEME)
    places = {(box.x, box.y) for box in cells_of(drawing)}
    assert len(places) == 90 * 3 + 16
    for box in drawing.boxes:
        assert box.x >= 0 and box.x + box.width <= drawing.width
        assert box.y >= 0 and box.y + box.height <= drawing.height


def test_titles_side_by_side_do_not_touch():
    title = "checkpoint-{}: outside the layers"
    parts = [section(["norm"], [""], title.format(k), [[1.0]]) for k in (100, 200, 300)]
    drawing = draw(heatmap(*parts), "robust", THEME)
    starts = sorted(label.x for label in drawing.labels if "outside" in label.text)
    least = len(title.format(100)) * SIZE * 0.6
    assert all(b - a > least for a, b in itertools.pairwise(starts)), starts


def test_states_are_told_apart_and_explained():
    states = [[ABSENT, UNCOMPARED, UNDEFINED, SAME, VALUE, NOT_FINITE]]
    values = np.array([[np.nan, np.nan, np.nan, 0.0, 1.0, np.nan]])
    drawing = draw(heatmap(of(values, kinds=("q",), states=states)), "linear", THEME)
    words = {label.text for label in drawing.labels}
    assert any("not there" in word and "not compared" in word for word in words)
    assert {"n/a", "no change"} <= words
    # Those that are not coloured have a mark.
    (top,) = {box.y for box in cells_of(drawing)}
    marks = [label.text for label in drawing.labels if top < label.y < top + CELL]
    assert {"-", "·", "!"} < set(marks)
    assert any("! NaN or inf" in word for word in words)
    tips = [box.tip for box in cells_of(drawing)]
    assert tips[-1].endswith("NaN or inf")


def test_what_is_beyond_the_scale_is_marked():
    values = np.full((2, 12), 0.1)
    values[1, 3] = 9.0
    words = [label.text for label in draw(heatmap(of(values)), "robust", THEME).labels]
    assert words.count("^") == 1
    assert any("^ beyond, up to 9" in word for word in words)


@pytest.mark.parametrize("name", [*HOSTILE, "</text><script>alert(1)</script>", "]]>&x;\"'"])
def test_foreign_names_are_only_text(name):
    sections = section([name, "k"], [name, "1"], name, np.ones((2, 2)))
    text = svg(draw(heatmap(sections, title=name), "robust", THEME))
    root = ElementTree.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags == {"svg", "rect", "text", "title"}
    assert not re.search(r"<script|href|url\(|@import|\x1b|\x9b|\u202e", text)
    assert all(ord(c) >= 32 or c == "\n" for c in text)
    attributes = {key for element in root.iter() for key in element.attrib}
    assert not {key for key in attributes if key.startswith("on") or "href" in key}
    assert png(draw(heatmap(sections, title=name), "robust", THEME))


@pytest.mark.parametrize("theme", BUNDLED)
def test_a_png_shows_what_the_drawing_says(theme):
    found = load_theme(theme)
    drawing = draw(heatmap(of()), "linear", found)
    image = Image.open(BytesIO(picture(heatmap(of()), "linear", found, "png")))
    assert image.size == (drawing.width * PNG_SCALE, drawing.height * PNG_SCALE)
    assert image.getpixel((0, 0)) == drawing.background
    for box in cells_of(drawing):
        middle = (box.x + box.width / 2) * PNG_SCALE, (box.y + box.height / 2) * PNG_SCALE
        assert image.getpixel(tuple(map(int, middle))) == box.color


def test_the_same_heatmap_is_the_same_file():
    for form in ("svg", "png"):
        one, other = (picture(heatmap(of()), "log", THEME, form) for _ in range(2))
        assert one == other


@pytest.mark.parametrize("sections", [(), (of(np.full((2, 3), np.nan)),), (of(np.zeros((2, 3))),)])
def test_nothing_to_show_is_a_picture_too(sections):
    for form in ("svg", "png"):
        assert picture(heatmap(*sections), "robust", THEME, form)


def test_names_in_other_letters_are_no_trouble():
    names = section(["模型.权重", "слой", "ف"], ["0", "1"], "θ", np.ones((3, 2)))
    assert png(draw(heatmap(names), "robust", THEME))
    assert "模型" in svg(draw(heatmap(names), "robust", THEME))


def test_a_very_large_heatmap_is_still_a_picture_of_bounded_size():
    large = of(np.ones((1, 3000)), kinds=("w",))
    image = Image.open(BytesIO(picture(heatmap(large), "linear", THEME, "png")))
    assert max(image.size) <= 30_000


@pytest.mark.parametrize("name", ["map.png", "seen.map.svg"])
async def test_the_overview_on_show_is_exported(tmp_path, name):
    base = write_model(tmp_path / "base" / "model.safetensors", layers())
    model = write_model(tmp_path / "model" / "model.safetensors", layers(l2=0.5))
    path = tmp_path / name
    async with running(model, base) as run:
        await run.press("e")
        await run.shows("Write to a new file")
        run.app.screen.query_one("#export-input").value = str(path)
        await run.press("enter")
        await run.until(path.exists, "the picture")
        await run.shows("written")
    if path.suffix == ".png":
        assert Image.open(path).width > 100
    else:
        text = path.read_text()
        assert "layers" in text and "relative L2" in text


async def test_a_long_suggestion_shows_its_beginning_and_is_typed_over(tmp_path):
    from tui.screens.export import ExportPrompt

    async with running(write_model(tmp_path / "model.safetensors", layers())) as run:
        answers = []
        run.app.push_screen(ExportPrompt("begin-" + 40 * "long-" + ".svg"), answers.append)
        await run.shows("begin-long-")
        await run.press("a", "b", "enter")
        assert answers == ["ab"]


async def test_a_matrix_is_no_such_picture(tmp_path, monkeypatch):
    model = write_model(tmp_path / "model.safetensors", layers())
    monkeypatch.chdir(tmp_path)  # with a long path the message would be wrapped
    path = Path("map.png")
    async with running(model) as run:
        await run.inspect("norm.weight")
        await run.until(lambda: run.app.detail.details, "its matrix")
        await run.press("e")
        await run.shows("Write to a new file")
        run.app.screen.query_one("#export-input").value = str(path)
        await run.press("enter")
        await run.shows("only an overview can be such a picture")
    assert not path.exists()
