"""The tables of the screen: neurons of a site, and sites; columns of text, without a widget."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspect_core.text import clean
from tui import format as fmt
from tui.palette import Palette

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspect_core.activations.neurons import ActivationReport, NeuronTable
    from tui.activations.state import ViewState

SHOWS = {"shift": "words", "union": "words", "mass": "mass", "mass_change": "mass",
         "count": "count", "tag_distance": "by tags"}  # fmt: skip
"""The column that shows what an order sorts by, where that is not the distance."""

LEAST_WORD = 9
"""Cells of a column of words; narrower ones are left out."""

MOST_WORD = 24

Cell = tuple[str, Style]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: above it.
        width: cells.
        cell: text and style for a row, by what the row stands for.
        left: whether it is aligned to the left.
    """

    title: str
    width: int
    cell: Callable[[int], Cell]
    left: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: its columns, and what each row stands for.

    Attributes:
        columns: from the left.
        at: a neuron or a site for each row.
        empty: what is said where there is no row.
    """

    columns: tuple[Column, ...]
    at: tuple[int, ...]
    empty: str = ""

    def header(self) -> Strip:
        """The line of titles."""
        style = Style(bold=True)
        cells = [_fit(column.title, column.width, column.left) for column in self.columns]
        return Strip([Segment(f"{cell} ", style) for cell in cells])

    def line(self, row: int, selected: bool) -> Strip:
        """One row; the highlight covers its number alone, so that all else keeps its colour."""
        parts = []
        for number, column in enumerate(self.columns):
            text, style = column.cell(self.at[row])
            over = Style(reverse=True, bold=True) if selected and number == 1 else Style()
            parts.append(Segment(_fit(text, column.width, column.left), style + over))
            parts.append(Segment(" "))
        return Strip(parts)


def neuron_rows(state: "ViewState", palette: Palette, width: int, query: str = "") -> Rows:
    """The neurons of the chosen site, in the chosen order.

    Args:
        state: what is on show.
        palette: colours and glyphs.
        width: cells that the table has.
        query: keep those whose strongest words hold it.
    """
    from inspect_core.activations.ranking import ranking

    table = state.report.sites[state.site].neurons
    found = ranking(table, state.order, state.hide_rare).tolist()
    if query:
        needle = query.casefold()
        found = [u for u in found if any(needle in side[u].casefold() for side in table.top_word)]
    empty = "no neuron with such a word" if query else "every neuron is rare: h shows them"
    return Rows(_neuron_columns(state, palette, width), tuple(found), empty)


def _neuron_columns(state: "ViewState", palette: Palette, width: int) -> tuple[Column, ...]:
    from inspect_core.activations.records import STATES

    report = state.report
    table = report.sites[state.site].neurons
    styles = palette.styles
    plain, quiet = styles["module"], styles["muted"]
    alone = is_alone(report)
    by = "original" if state.order == "original" else "distance"
    rare, states, marks = table.rare, table.state, marks_of(table, palette, by)

    def note(unit: int) -> Cell:
        if unit in marks:
            return marks[unit], styles["tunable"]
        return (palette.glyphs.note, styles["note"]) if rare[unit] else (" ", quiet)

    def pair(values: "NDArray[np.int64]") -> Callable[[int], Cell]:
        def cell(unit: int) -> Cell:
            before, after = (fmt.count(int(side[unit])) for side in values)
            return (after if alone else f"{before} {_to(palette)} {after}", plain)

        return cell

    def mass(unit: int) -> Cell:
        before, after = (fmt.number(float(side[unit])) for side in table.mass)
        return (after if alone else f"{before} {_to(palette)} {after}", plain)

    def state_word(unit: int) -> Cell:
        if alone:
            return ("dead", quiet) if table.count[1][unit] == 0 else ("", plain)
        word = STATES[int(states[unit])]
        return word, quiet if word in ("shared", "dead") else styles["delta"]

    def word(side: int) -> Callable[[int], Cell]:
        return lambda unit: (clean(table.top_word[side][unit], MOST_WORD), plain)

    two = 5 if alone else 13
    wanted = [
        Column("", 1, note),
        Column("neuron", 6, lambda unit: (str(unit), plain)),
    ]
    if not alone:
        distance = table.original if by == "original" else table.distance
        wanted.append(Column(by, 8, _distances(distance, palette)))
    rest = [Column("words", two, pair(table.length))]
    if not alone:
        rest.append(Column("state", 6, state_word, left=True))
    rest += [Column("count", two, pair(table.count)), Column("mass", 7 if alone else 17, mass)]
    if table.tag_distance is not None and not alone:
        rest.append(Column("by tags", 8, _distances(table.tag_distance, palette)))
    # First what the rows are sorted by: what does not fit is left out from the end.
    rest.sort(key=lambda column: column.title != SHOWS.get(state.order))
    sides = 1 if alone else 2
    kept = _that_fit(wanted, rest, width - sides * (LEAST_WORD + 1))
    room = width - sum(column.width + 1 for column in kept)
    long = min(MOST_WORD, room // sides - 1)
    if long >= LEAST_WORD:
        titles = ("strongest word",) if alone else ("word before", "word after")
        if long < len("word before"):
            titles = ("word",) if alone else ("before", "after")
        for side, title in zip((1,) if alone else (0, 1), titles, strict=True):
            kept.append(Column(title, long, word(side), left=True))
    return tuple(kept)


def marks_of(table: "NeuronTable", palette: Palette, by: str) -> dict[int, str]:
    """The neurons that moved most and least, with their marks; as in the pictures."""
    from tui.activations.figures import facts

    most, least = facts.marked_units(table, by)
    marks = facts.marks_of(palette)
    return dict.fromkeys(least, marks.least) | dict.fromkeys(most, marks.most)


def site_rows(report: "ActivationReport", palette: Palette, width: int) -> Rows:
    """The sites, with what moved in each."""
    from inspect_core.activations.movement import site_movement

    sites = [site.neurons for site in report.sites]
    plain = palette.styles["module"]
    alone = is_alone(report)
    means = [site_movement(table).mean for table in sites]
    largest = max([mean for mean in means if not isnan(mean)], default=1.0) or 1.0

    def bar(at: int) -> Cell:
        if isnan(means[at]):
            return " ", plain
        share = means[at] / largest
        return fmt.bar(share, palette.ascii_only), palette.bar_style(share)

    def counted(state: int) -> Callable[[int], Cell]:
        return lambda at: (f"{int((sites[at].state == state).sum()):,}", plain)

    wanted = [Column("", 1, bar)]
    rest = [] if alone else [Column("distance", 8, lambda at: (fmt.number(means[at]), plain))]
    rest.append(Column("neurons", 7, lambda at: (f"{sites[at].units:,}", plain)))
    rest += [
        Column(word, 6, counted(number))
        for number, word in ((3, "shared"), (1, "new"), (2, "gone"), (0, "dead"))
        if not alone or word == "dead"
    ]
    kept = _that_fit(wanted, rest, width - 21)
    room = max(10, min(60, width - 1 - sum(column.width + 1 for column in kept)))
    name = Column("module", room, lambda at: (clean(sites[at].site, room), plain), left=True)
    return Rows((kept[0], name, *kept[1:]), tuple(range(len(sites))), "no module")


def most_moved(report: "ActivationReport") -> int:
    """The site whose neurons moved most; the first where nothing is compared."""
    from inspect_core.activations.movement import site_movement

    means = [site_movement(site.neurons).mean for site in report.sites]
    known = [at for at, mean in enumerate(means) if not isnan(mean)]
    return max(known, key=means.__getitem__, default=0)


def is_alone(report: "ActivationReport") -> bool:
    """Whether there is one stage alone, so that nothing is compared."""
    from tui.activations.figures.facts import has_reference

    return not has_reference(report)


def summary_words(table: "NeuronTable", alone: bool, hidden: bool) -> str:
    """How many neurons are what, and how far they moved: for the line of status."""
    import numpy as np

    from inspect_core.activations.movement import site_movement
    from inspect_core.activations.records import STATES

    counts = np.bincount(table.state, minlength=4).tolist()
    rare = int((table.rare & (table.state != 0)).sum())
    if alone:
        parts = [_plural(table.units, "neuron"), f"{counts[0]:,} dead"]
    else:
        parts = [f"{_plural(table.units, 'neuron')}: {counts[3]:,} shared"]
        parts += [f"{counts[at]:,} {STATES[at]}" for at in (1, 2, 0)]
        parts.insert(0, f"mean distance {fmt.number(site_movement(table).mean)}")
    return "  ".join([*parts, f"{rare:,} rare{' (hidden)' if hidden and rare else ''}"])


def _distances(values: "NDArray[np.float64]", palette: Palette) -> Callable[[int], Cell]:
    def cell(unit: int) -> Cell:
        value = float(values[unit])
        if isnan(value):
            return "-", palette.styles["muted"]
        return f"{fmt.bar(value, palette.ascii_only)} {value:.3f}", palette.bar_style(value)

    return cell


def _that_fit(wanted: list[Column], rest: list[Column], width: int) -> list[Column]:
    """The columns that are wanted, and of the rest as many as fit, from the left."""
    kept = list(wanted)
    room = width - sum(column.width + 1 for column in kept)
    for column in rest:
        room -= column.width + 1
        if room < 0:
            break
        kept.append(column)
    return kept


def _fit(text: str, width: int, left: bool) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > width:
        return set_cell_size(text, width)
    blank = " " * (width - cell_len(text))
    return text + blank if left else blank + text


def _plural(count: int, name: str) -> str:
    return f"{count:,} {name}" + ("s" if count != 1 else "")


def _to(palette: Palette) -> str:
    return ">" if palette.ascii_only else "→"
