"""Rectangles and texts as a file: one description, written as SVG or as PNG."""

from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from itertools import pairwise
from math import hypot
from typing import TYPE_CHECKING, Literal

from themes import Rgb

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

SIZE = 12
"""Pixels of the letters."""

MOST_SIDE = 30_000
"""Pixels of the longest picture that is drawn."""

PNG_SCALE = 2
"""Pixels of a PNG for each of the drawing, for letters that are sharp."""


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle, in pixels; what it says when it is pointed at, in an SVG."""

    x: float
    y: float
    width: float
    height: float
    color: Rgb
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text: `x` is where it starts, ends or has its middle, `y` its baseline."""

    x: float
    y: float
    text: str
    color: Rgb
    size: int = SIZE
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points, in pixels; `dash`: lengths of what is drawn and left in turn."""

    points: tuple[Point, ...]
    color: Rgb
    width: float = 1.0
    dash: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """A filled polygon; what it says when it is pointed at, in an SVG."""

    points: tuple[Point, ...]
    color: Rgb
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything in a picture, from back to front; no text in it is foreign any more."""

    width: int
    height: int
    background: Rgb
    boxes: list[Box]
    labels: list[Label]
    marks: list[Stroke | Shape] = field(default_factory=list)


def svg(drawing: Drawing) -> str:
    """A drawing as SVG: shapes and text alone, no script, no style sheet, nothing to fetch."""
    width, height = drawing.width, drawing.height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
        f'<rect width="{width}" height="{height}" fill="{_hex(drawing.background)}"/>\n'
    ]
    for box in drawing.boxes:
        if box.color == drawing.background and not box.tip:
            continue
        place = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
        tip = f"<title>{escape(box.tip)}</title>" if box.tip else ""
        parts.append(f'<rect {place} fill="{_hex(box.color)}">{tip}</rect>\n')
    parts += [_svg_mark(mark) for mark in drawing.marks]
    for label in drawing.labels:
        place = f'x="{label.x:g}" y="{label.y:g}" font-size="{label.size}"'
        how = f'text-anchor="{label.anchor}" fill="{_hex(label.color)}" pointer-events="none"'
        parts.append(f"<text {place} {how}>{escape(label.text)}</text>\n")
    return "".join([*parts, "</svg>\n"])


def _svg_mark(mark: Stroke | Shape) -> str:
    points = " ".join([f"{x:.6g},{y:.6g}" for x, y in mark.points])
    if isinstance(mark, Shape):
        tip = f"<title>{escape(mark.tip)}</title>" if mark.tip else ""
        return f'<polygon points="{points}" fill="{_hex(mark.color)}">{tip}</polygon>\n'
    dash = " ".join([f"{length:g}" for length in mark.dash])
    how = f'fill="none" stroke="{_hex(mark.color)}" stroke-width="{mark.width:g}"'
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{points}" {how}{dashed}/>\n'


def png(drawing: Drawing) -> bytes:
    """A drawing as PNG, with the font that Pillow brings."""
    from PIL import Image, ImageDraw, ImageFont

    longest = max(drawing.width, drawing.height)
    scale = min(PNG_SCALE, max(0.05, MOST_SIDE / longest))
    size = max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale))
    image = Image.new("RGB", size, drawing.background)
    canvas = ImageDraw.Draw(image)
    for box in drawing.boxes:
        left, top = round(box.x * scale), round(box.y * scale)
        right, bottom = round((box.x + box.width) * scale), round((box.y + box.height) * scale)
        if right > left and bottom > top:
            canvas.rectangle((left, top, right - 1, bottom - 1), fill=box.color)
    for mark in drawing.marks:
        _draw_mark(canvas, mark, scale)
    sizes = {label.size for label in drawing.labels}
    fonts = {s: ImageFont.load_default(max(1.0, s * scale)) for s in sizes}
    for label in drawing.labels:
        _write(canvas, label, fonts[label.size], scale)
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _write(
    canvas: "ImageDraw", label: Label, font: "FreeTypeFont | ImageFont", scale: float
) -> None:
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor]
    # The font knows no mark for a cut, and would draw a box.
    text = label.text.replace("…", "...").replace("·", ".")
    try:
        wide = canvas.textlength(text, font=font)
    except UnicodeEncodeError:  # Pillow without FreeType knows Latin-1 alone
        text = text.encode("ascii", "replace").decode()
        wide = canvas.textlength(text, font=font)
    top = label.y * scale - label.size * scale
    canvas.text((label.x * scale - share * wide, top), text, fill=label.color, font=font)


def _draw_mark(canvas: "ImageDraw", mark: Stroke | Shape, scale: float) -> None:
    if isinstance(mark, Shape):
        canvas.polygon([(x * scale, y * scale) for x, y in mark.points], fill=mark.color)
        return
    width = max(1, round(mark.width * scale))
    for piece in _pieces(mark.points, mark.dash):
        scaled = [(x * scale, y * scale) for x, y in piece]
        canvas.line(scaled, fill=mark.color, width=width, joint="curve")


def _pieces(points: tuple[Point, ...], dash: tuple[float, ...]) -> list[list[Point]]:
    """What is drawn of a dashed line; all of it without dashes."""
    if not dash or len(points) < 2:
        return [list(points)]
    found: list[list[Point]] = []
    at, left = 0, dash[0]
    piece = [points[0]]
    for start, end in pairwise(points):
        length = hypot(end[0] - start[0], end[1] - start[1])
        gone = 0.0
        while length - gone > left:
            gone += left
            share = gone / length
            corner = (
                start[0] + share * (end[0] - start[0]),
                start[1] + share * (end[1] - start[1]),
            )
            if at % 2 == 0:
                found.append([*piece, corner])
            piece, at = [corner], at + 1
            left = dash[at % len(dash)]
        left -= length - gone
        piece.append(end)
    return [*found, piece] if at % 2 == 0 else found


def _hex(color: Rgb) -> str:
    return f"#{color[0]:02x}{color[1]:02x}{color[2]:02x}"
