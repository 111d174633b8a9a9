"""Lines and blocks that all figures are made of."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspect_core.text import clean
from tui import format as fmt
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.adapters.exact.behind import FactorFacts
    from inspect_core.delta.summary import Summary

Lines = list[Strip]


def line(*parts: str | tuple[str, Style]) -> Strip:
    """One line of styled text; foreign text must have been cleaned."""
    return Strip(
        [Segment(*part) if isinstance(part, tuple) else Segment(part, Style()) for part in parts]
    )


MOST_DECADES = 12
"""Decades of a histogram, so that it fits beside a heatmap."""


def heading(title: str, note: str, palette: Palette, width: int) -> Strip:
    """The first line of a detail: what it is, and in a quieter colour what kind."""
    name = cut(title, max(width // 2, width - len(note) - 2, 10))
    return line((name, Style(bold=True)), "  ", (note, palette.styles["muted"]))


def note_lines(notes: Sequence[str], palette: Palette, width: int) -> Lines:
    """What to know, in full, in the colour of a note; what adapters do in theirs."""
    lines = []
    for note in notes:
        style = palette.styles["delta" if note.startswith(f"{palette.glyphs.delta} ") else "note"]
        lines += [line((part, style)) for part in wrap(note, width)]
    return lines


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines at spaces."""
    return textwrap.wrap(text, max(10, width), break_long_words=True) or [""]


def fitted(lines: Lines, palette: Palette, width: int) -> Lines:
    """Lines no wider than the pane, and in ASCII where nothing else may be drawn."""
    if palette.ascii_only:
        lines = [Strip([_in_ascii(segment) for segment in strip]) for strip in lines]
    return [strip.crop(0, width) if strip.cell_length > width else strip for strip in lines]


def _in_ascii(segment: Segment) -> Segment:
    text = segment.text
    if text.isascii():
        return segment
    shown = "".join(c if c.isascii() else "~" if c == "…" else "?" * cell_len(c) for c in text)
    return Segment(shown, segment.style)


def side_by_side(left: Lines, right: Lines, width: int) -> Lines:
    """Two blocks side by side, the left one `width` cells wide."""
    rows = max(len(left), len(right))
    blank = Strip.blank(width)
    joined = []
    for row in range(rows):
        start = left[row].crop(0, width - 1).adjust_cell_length(width) if row < len(left) else blank
        joined.append(Strip.join([start, right[row]]) if row < len(right) else start)
    return joined


def not_shown(number: int, palette: Palette, what: str = "rows") -> Strip:
    """The line that says what did not fit."""
    text = f"{palette.glyphs.more} {number} more {what} do not fit here"
    return line((text, palette.styles["muted"]))


def cut(text: str, width: int) -> str:
    """A label of at most `width` characters, its middle cut."""
    return text if len(text) <= width else clean(text, width)


def factor_lines(facts: "FactorFacts", palette: Palette) -> Lines:
    """What is known of a change from its factors alone, one a line."""
    rows = [
        ("L2", fmt.number(facts.l2)),
        ("mean", fmt.number(facts.mean)),
        ("largest s", fmt.number(facts.largest)),
        ("rank", str(facts.rank)),
        ("eff. rank", fmt.number(facts.effective_rank)),
    ]
    return [line((f"{name:<12}", palette.styles["muted"]), value) for name, value in rows]


def statistics_lines(summary: "Summary", delta: bool, palette: Palette) -> Lines:
    """The numbers of a delta, or of values, one a line."""
    number, percent = fmt.number, fmt.percent
    if delta:
        rows = [
            ("relative L2", number(summary.rel_l2)),
            ("mean |d|", number(summary.mean_abs)),
            ("max |d|", number(summary.largest)),
            ("L2", number(summary.l2)),
            ("cosine", _cosine(summary.cosine)),
            ("angle", f"{number(summary.angle)} rad"),
            ("changed", percent(summary.changed_fraction)),
        ]
    else:
        rows = [
            ("mean", number(summary.mean)),
            ("std", number(summary.std)),
            ("mean |w|", number(summary.mean_abs)),
            ("max |w|", number(summary.largest)),
            ("L2", number(summary.l2)),
            ("not zero", percent(summary.changed_fraction)),
        ]
    rows.append(("elements", fmt.count(summary.numel)))
    lines = [line((f"{name:<12}", palette.styles["muted"]), value) for name, value in rows]
    if summary.left_out:
        text = f"{fmt.count(summary.left_out)} NaN/inf left out"
        lines.append(line((text, palette.styles["note"])))
    if summary.histogram is not None:
        lines += _histogram(summary, "|d|" if delta else "|w|", palette)
    return lines


def _histogram(summary: "Summary", what: str, palette: Palette) -> Lines:
    from inspect_core.delta.histogram import histogram_by_decade

    assert summary.histogram is not None
    decades = histogram_by_decade(summary.histogram)
    if not decades:
        return []
    low, high = max(min(decades), max(decades) - MOST_DECADES + 1), max(decades)
    counts = [decades.get(decade, 0) for decade in range(low, high + 1)]
    most = max(counts)
    marks = "".join(fmt.bar(c / most, palette.ascii_only) if c else " " for c in counts)
    shown = (marks, palette.styles["tunable"])
    return [line((f"{what:<4}", palette.styles["muted"]), f"1e{low} ", shown, f" 1e{high + 1}")]


def _cosine(value: float | None) -> str:
    """A cosine near 1 as what is missing to 1: the digits that matter."""
    if value is None:
        return "n/a"
    return f"1 - {fmt.number(1.0 - value)}" if 0.999 < value < 1.0 else f"{value:.4g}"
