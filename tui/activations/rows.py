"""The tables of the screen: neurons of a site, and sites; columns of text, without a widget."""

from collections.abc import Callable
from math import isnan
from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui import format as fmt
from tui.palette import Palette
from tui.short_paths import short_path
from tui.tables import Cell, Column, Rows, that_fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspect_core.activations.neurons import ActivationReport, NeuronTable
    from tui.activations.state import ViewState

SHOWS = {"shift": "words", "union": "words", "mass": "mass", "mass_change": "mass",
         "count": "count", "tag_distance": "by tags", "new_gone": "mass"}  # fmt: skip
"""The column that shows what an order sorts by, where that is not the distance."""

LEAST_WORD = 9
"""Cells of a column of words; narrower ones are left out."""

MOST_WORD = 24


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
    """Mark and number, then what the rows are sorted by; of the others what fits, then words."""
    report = state.report
    table = report.sites[state.site].neurons
    plain = palette.styles["module"]
    alone = is_alone(report)
    by = "original" if state.order == "original" else "distance"
    numbers = _numbers(table, palette, alone, by)
    first = SHOWS.get(state.order, numbers[0].title)
    wanted = [
        Column("", 1, _note(table, palette, by)),
        Column("neuron", 6, lambda unit: (str(unit), plain)),
        *[column for column in numbers if column.title == first],
    ]
    rest = [column for column in numbers if column.title != first]
    sides = (1,) if alone else (0, 1)
    kept = that_fit(wanted, rest, width - len(sides) * (LEAST_WORD + 1))
    room = width - sum(column.width + 1 for column in kept)
    long = min(MOST_WORD, room // len(sides) - 1)
    if long >= LEAST_WORD:
        titles = ("strongest word",) if alone else ("word before", "word after")
        if long < len("word before"):
            titles = ("word",) if alone else ("before", "after")
        for side, title in zip(sides, titles, strict=True):
            kept.append(Column(title, long, _word(table, side, long, palette), left=True))
    return tuple(kept)


def _numbers(table: "NeuronTable", palette: Palette, alone: bool, by: str) -> list[Column]:
    """The columns of numbers, the most telling first."""
    from inspect_core.activations.records import STATES

    styles = palette.styles
    plain, quiet = styles["module"], styles["muted"]
    states = table.state

    def both(texts: list[str]) -> Cell:
        return (texts[1] if alone else f" {_to(palette)} ".join(texts), plain)

    def pair(values: "NDArray[np.int64]") -> Callable[[int], Cell]:
        return lambda unit: both([fmt.count(int(side[unit])) for side in values])

    def mass(unit: int) -> Cell:
        return both([fmt.number(float(side[unit])) for side in table.mass])

    def state_word(unit: int) -> Cell:
        if alone:
            return ("dead", quiet) if table.count[1][unit] == 0 else ("", plain)
        word = STATES[int(states[unit])]
        return word, quiet if word in ("shared", "dead") else styles["delta"]

    two = 5 if alone else 13
    columns = [
        Column("words", two, pair(table.length)),
        Column("count", two, pair(table.count)),
        Column("mass", 7 if alone else 17, mass),
    ]
    if alone:
        return columns
    distance = table.original if by == "original" else table.distance
    columns.insert(0, Column(by, 8, _distances(distance, palette)))
    columns.insert(2, Column("state", 6, state_word, left=True))
    if table.tag_distance is not None:
        columns.append(Column("by tags", 8, _distances(table.tag_distance, palette)))
    return columns


def _note(table: "NeuronTable", palette: Palette, by: str) -> Callable[[int], Cell]:
    """What is said of a neuron in one cell: it moved, is new or gone, or is rare."""
    marks, rare = unit_marks(table, palette, by), table.rare
    nothing = " ", palette.styles["muted"]
    few = palette.glyphs.note, palette.styles["note"]
    return lambda unit: marks.get(unit) or (few if rare[unit] else nothing)


def _word(table: "NeuronTable", side: int, room: int, palette: Palette) -> Callable[[int], Cell]:
    style = palette.styles["module"]
    return lambda unit: (clean(table.top_word[side][unit], room), style)


def unit_marks(table: "NeuronTable", palette: Palette, by: str) -> dict[int, Cell]:
    """The neurons that moved most and least, the new and the gone ones; as in the pictures."""
    from inspect_core.activations.neurons import NEW
    from inspect_core.activations.ranking import marked, new_and_gone
    from tui.activations.figures.facts import marks_of

    marks, styles, states = marks_of(palette), palette.styles, table.state
    most, least = marked(table, by=by)
    found = {
        unit: (marks.new if states[unit] == NEW else marks.gone, styles["type"])
        for unit in new_and_gone(table)
    }
    found |= dict.fromkeys(least, (marks.least, styles["delta"]))
    return found | dict.fromkeys(most, (marks.most, styles["note"]))


def site_rows(report: "ActivationReport", palette: Palette, width: int) -> Rows:
    """The sites, with what moved in each."""
    from inspect_core.activations.movement import site_movement

    sites = [site.neurons for site in report.sites]
    plain = palette.styles["module"]
    alone = is_alone(report)
    moved = [site_movement(table) for table in sites]
    means = [one.mean for one in moved]
    largest = max([mean for mean in means if not isnan(mean)], default=1.0) or 1.0

    def bar(at: int) -> Cell:
        if isnan(means[at]):
            return " ", plain
        share = means[at] / largest
        return fmt.bar(share, palette.ascii_only), palette.bar_style(share)

    def counted(state: int) -> Callable[[int], Cell]:
        return lambda at: (f"{int((sites[at].state == state).sum()):,}", plain)

    wanted = [Column("", 1, bar)]
    if alone:
        rest = [Column("neurons", 7, lambda at: (f"{sites[at].units:,}", plain))]
    else:
        of = [
            f"{one.neurons:,} of {table.units:,}" for one, table in zip(moved, sites, strict=True)
        ]
        rest = [
            Column("distance", 8, lambda at: (fmt.number(means[at]), plain)),
            Column("mean of", max(7, *map(len, of)), lambda at: (of[at], plain)),
        ]
    rest += [
        Column(word, 6, counted(number))
        for number, word in ((3, "shared"), (1, "new"), (2, "gone"), (0, "dead"))
        if not alone or word == "dead"
    ]
    kept = that_fit(wanted, rest, width - 21)
    room = max(10, min(60, width - 1 - sum(column.width + 1 for column in kept)))
    name = Column("module", room, lambda at: (short_path(sites[at].site, room), plain), left=True)
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
    from tui.activations.figures.facts import rare_count

    counts = np.bincount(table.state, minlength=4).tolist()
    rare = rare_count(table)
    if alone:
        parts = [_plural(table.units, "neuron")]
    else:
        moved = site_movement(table)
        parts = [f"mean distance {fmt.number(moved.mean)} of {moved.neurons:,} of {table.units:,}"]
    if rare:
        parts.append(f"{rare:,} rare{' hidden' if hidden else ''}")
    told = (0,) if alone else (1, 2, 0)
    return "  ".join([*parts, *[f"{counts[at]:,} {STATES[at]}" for at in told if counts[at]]])


def _distances(values: "NDArray[np.float64]", palette: Palette) -> Callable[[int], Cell]:
    def cell(unit: int) -> Cell:
        value = float(values[unit])
        if isnan(value):
            return "-", palette.styles["muted"]
        return f"{fmt.bar(value, palette.ascii_only)} {fmt.number(value):>5}", palette.bar_style(
            value
        )

    return cell


def _plural(count: int, name: str) -> str:
    return f"{count:,} {name}" + ("s" if count != 1 else "")


def _to(palette: Palette) -> str:
    return ">" if palette.ascii_only else "→"
