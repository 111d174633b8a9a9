"""The ranks of many tensors, a line each: where a LoRA was placed, and how large it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.strip import Strip

from inspect_core.text import clean
from tui import format as fmt
from tui.figures.figure import Figure, Plot
from tui.figures.parts import Lines, cut, fitted, heading, line, not_shown, note_lines
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.work.spectra import TensorSpectrum

RANK, EFFECTIVE, STABLE, TOP = 6, 9, 8, 8
"""Characters of the columns."""

MOST_LINES = 300
"""Tensors that are listed; the pane scrolls, but not for ever."""

TOP_VALUES = 8
"""The energy in so many of the largest values is shown: the usual rank of a LoRA."""


def ranks_figure(
    title: str,
    note: str,
    found: Sequence["TensorSpectrum"],
    total: int,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
) -> Figure:
    """A table of ranks; what did not change is one line.

    Args:
        title: the row's path, safe to show.
        note: what kind it is, safe to show.
        found: the spectra so far.
        total: how many there will be.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines of the pane; it scrolls.
    """
    above = note_lines(notes, palette, width)
    shown = [one for one in found if one.spectrum is None or not one.spectrum.is_zero]
    ending = _ending(found, shown, total, palette)
    scrolls = len(above) + len(shown) + len(ending) + 2 > height
    if scrolls:  # what is said of all of them stays in sight; the bar takes a column
        width -= 1
        note, above, ending = f"{note}  (tab, page down: more below)", [*above, *ending], []
    name_width = max(10, width - RANK - EFFECTIVE - STABLE - TOP - 1)
    start, end = shared([clean(one.name) for one in shown])
    outer = cut(f"{start}*{end}" if start or end else "", name_width)
    head = f"{outer:<{name_width}}{'rank':>{RANK}}{'effective':>{EFFECTIVE + 1}}"
    head += f"{'stable':>{STABLE}}{f'top {TOP_VALUES}':>{TOP}}"
    lines = [heading(title, note, palette, width), *above]
    lines.append(line((head, palette.styles["muted"])))
    top, room = len(lines), MOST_LINES
    lines += [_row(one, (len(start), len(end)), name_width, palette) for one in shown[:room]]
    if len(shown) > room:
        lines.append(not_shown(len(shown) - room, palette, "tensors"))
    lines += ending
    plot = Plot(
        top=top,
        left=0,
        height=min(room, len(shown)),
        width=2 * name_width + 1,  # its middle, where the cursor is, is the blank after a name
        rows=min(room, len(shown)),
        columns=1,
        says=lambda row, column: _says(shown[row]),
        target=lambda row, column: shown[row].name,
    )
    return Figure(fitted(lines, palette, width), (plot,) if shown else ())


def shared(names: Sequence[str]) -> tuple[str, str]:
    """What all names begin with and end with, in whole parts; both empty for fewer than two."""
    if len(names) < 2:
        return "", ""
    parts = [name.split(".") for name in names]
    most = min(map(len, parts)) - 1  # something of each name is left
    start = _same(parts, most)
    end = _same([part[::-1] for part in parts], most - start)
    first = parts[0]
    return "".join(f"{part}." for part in first[:start]), "".join(
        f".{part}" for part in first[len(first) - end :]
    )


def _same(parts: list[list[str]], most: int) -> int:
    """How many first parts are the same in all, at most so many."""
    columns = enumerate(zip(*parts, strict=False))
    return next((at for at, column in columns if at >= most or len(set(column)) > 1), most)


def _row(one: "TensorSpectrum", outer: tuple[int, int], width: int, palette: Palette) -> Strip:
    spectrum, name = one.spectrum, clean(one.name)
    name = name[outer[0] : len(name) - outer[1]]
    if spectrum is None:
        label = f"{cut(name, width):<{width}} "
        return line(
            (label, palette.styles["muted"]), (clean(one.refusal, 60), palette.styles["note"])
        )
    rank = "?" if spectrum.rank is None else str(spectrum.rank)
    rank += "+" if spectrum.rank_is_bound and spectrum.rank else ""
    energy = spectrum.top_energy
    top = float(energy[min(TOP_VALUES, len(energy)) - 1]) if len(energy) else None
    return line(
        f"{cut(name, width):<{width}}",
        (f"{rank:>{RANK}}", palette.styles["tunable"]),
        f"{fmt.number(spectrum.effective_rank):>{EFFECTIVE + 1}}"
        f"{fmt.number(spectrum.stable_rank):>{STABLE}}{fmt.percent(top):>{TOP}}",
    )


def _ending(
    found: Sequence["TensorSpectrum"],
    shown: Sequence["TensorSpectrum"],
    total: int,
    palette: Palette,
) -> Lines:
    muted = palette.styles["muted"]
    lines = []
    same = len(found) - len(shown)
    if same:
        lines.append(line((f"{same} of {len(found)} did not change: rank 0", muted)))
    if len(found) < total:
        lines.append(line((f"{len(found)} of {total} so far", palette.styles["note"])))
    elif any(one.spectrum is not None and one.spectrum.rank_is_bound for one in shown):
        lines.append(line(("+ at least; ? within the rounding noise", muted)))
    return lines


def _says(one: "TensorSpectrum") -> str:
    from tui.figures.spectrum import rank_words

    words = clean(one.refusal, 200) if one.spectrum is None else rank_words(one.spectrum)
    return f"{clean(one.name, 80)}   {clean(words, 200)}"
