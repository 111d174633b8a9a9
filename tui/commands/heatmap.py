"""`lamella diff --heatmap`: layers across, parameter kinds down, printed or as a file."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.style import Style
from textual.color import Color

from inspect_core.errors import UsageError
from inspect_core.new_file import write_new
from inspect_core.results.comparison import Comparison
from inspect_core.results.heat_text import HeatFormat, heatmap_text
from inspect_core.results.heatmap import Heatmap, by_steps, side_by_side
from inspect_core.results.scale import ScaleKind
from inspect_core.text import clean
from tui.commands.diff_sense import PICTURES
from tui.commands.output import BOLD, Output
from tui.figures.overview import View, overview_lines
from tui.look import TerminalFilter
from tui.terminal import Look, choose_theme

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.delta.metrics import Metric

TEXTS: dict[str, HeatFormat] = {".json": "json", ".csv": "csv", ".tsv": "tsv", ".md": "md"}

PIPE_COLUMNS = 120
"""Columns where the output is no terminal."""

MOST_HEIGHT = 0
"""One line a kind: what is printed scrolls away."""


def heatmap_of_all(
    comparisons: Sequence[Comparison], metric: "Metric", layers: bool = False
) -> Heatmap:
    """The heatmap of one comparison, or of several models against one base.

    Args:
        comparisons: of one base.
        metric: what to show.
        layers: of several, give each model a row and merge the kinds (the checkpoints of a
            run), instead of a section for each model.
    """
    if len(comparisons) > 1 and layers:
        return by_steps(comparisons, metric)
    return side_by_side(comparisons, metric)


def require_form(form: str | None, output: Path | None) -> None:
    """Refuse early what `write_heatmap` could not write.

    Raises:
        UsageError: the file's suffix is of no format.
    """
    suffix = output.suffix.lower() if output is not None else ""
    if output is not None and form in (None, "table") and suffix not in (*PICTURES, *TEXTS):
        endings = ", ".join([*PICTURES, *TEXTS])
        raise UsageError(
            "what to write is told by the ending", where=str(output), hint=f"use {endings}"
        )


def write_heatmap(
    heatmap: Heatmap,
    *,
    scale: ScaleKind = "robust",
    form: str | None = None,
    output: Path | None = None,
    look: Look | None = None,
) -> None:
    """Print a heatmap, or write it to a new file.

    Args:
        heatmap: what to show.
        scale: how values are spread over the colours.
        form: `json`, `csv`, `tsv` or `md`; None and `table` go by the suffix of `output`.
        output: a new file: a picture (.svg, .png), or one of the formats; None prints.
        look: how to draw it.

    Raises:
        UsageError: the file is there already, or its suffix is none of those.
    """
    require_form(form, output)
    suffix = output.suffix.lower() if output is not None else ""
    chosen = form if form != "table" else None
    if output is not None and suffix in PICTURES and chosen is None:
        from tui.picture import picture

        theme, _ = choose_theme(look or Look())
        write_new(output, [picture(heatmap, scale, theme, suffix.removeprefix("."))])
        return
    text_form = chosen or TEXTS.get(suffix)
    if text_form is None:
        print_heatmap(heatmap, scale, look)
        return
    text = heatmap_text(heatmap, cast("HeatFormat", text_form))
    if output is None:
        sys.stdout.write(text)
    else:
        write_new(output, [text.encode()])


def print_heatmap(heatmap: Heatmap, scale: ScaleKind = "robust", look: Look | None = None) -> None:
    """Draw a heatmap in the colours that the terminal has, at its width."""
    output = Output(look)
    width = output.width or PIPE_COLUMNS
    # The terminal's own foreground is the one that its background was chosen for.
    palette = replace(output.palette, styles={**output.palette.styles, "module": Style()})
    view = View(heatmap.metric, scale, palette, width)
    lines, _ = overview_lines(heatmap.sections, view, MOST_HEIGHT)
    output.line((output.cut(clean(heatmap.title), width), BOLD))
    theme, _ = choose_theme(look or Look())
    told = TerminalFilter(theme, output.palette.depth, output.ascii_only)
    for strip in lines:
        _print(strip.crop(0, width), output, told, Color(*output.palette.background))


def _print(strip: "Strip", output: Output, told: TerminalFilter, background: Color) -> None:
    segments = told.apply(list(strip), background)
    output.line(*[(segment.text, segment.style or Style()) for segment in segments])
