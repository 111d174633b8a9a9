"""A parameter whose values are not here: what was counted of them, and nothing else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.figures.figure import Figure
from tui.figures.parts import fitted, heading, line, note_lines, statistics_lines, wrap
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.delta.summary import Summary

NO_VALUES = "a saved result has no values: this is what was counted of them"


def statistics_figure(
    title: str,
    kind: str,
    summary: "Summary | None",
    notes: Sequence[str],
    palette: Palette,
    width: int,
) -> Figure:
    """The numbers of one delta.

    Args:
        title: the parameter, safe to show.
        kind: shape and dtype, safe to show.
        summary: what was counted; None where it was not compared.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
    """
    lines = [heading(title, kind, palette, width), *note_lines(notes, palette, width), line("")]
    if summary is not None:
        lines += statistics_lines(summary, True, palette)
        lines += [line(""), *[line((t, palette.styles["muted"])) for t in wrap(NO_VALUES, width)]]
    return Figure(fitted(lines, palette, width))
