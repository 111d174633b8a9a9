"""What `lamella activations` prints for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from inspect_core.activations.movement import site_movement
from inspect_core.activations.neurons import (
    GONE,
    NEW,
    RARE,
    FeatureShare,
    NeuronTable,
    SiteReport,
)
from inspect_core.activations.ranking import MARKED, ORDERS, marked, new_and_gone, ranking
from inspect_core.activations.records import STATES, why_undefined
from inspect_core.results.tables import Sheet, SheetColumn, Value
from tui.commands.activation_files import hidden, order_of
from tui.commands.output import BOLD, Output
from tui.commands.sheet import print_sheet

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport
    from tui.commands.activations import Asked

MOST_ROWS = 40
"""Neurons of each module that a printed table lists, unless it is told otherwise."""

MOST_SHARES = 30
"""Tags of a module that are printed; files have all."""

LONE = "newly active / gone silent, by mass"
"""Neurons that one side alone activates."""

WORD_CELLS = 18
"""Of a word in a table of neurons."""


def print_report(report: "ActivationReport", asked: "Asked", alone: bool, output: Output) -> None:
    """Print a report.

    Args:
        report: what was measured.
        asked: which rows; without `by` the modules, and of the one that moved most the neurons
            that moved most and least.
        alone: whether there is no reference.
        output: where to.
    """
    _print_heading(report, asked, alone, output)
    output.line()
    if asked.by == "neuron":
        for site in report.sites:
            _print_neurons(site.neurons, asked, alone, output)
    elif asked.by in ("tag", "label"):
        for site in report.sites:
            _print_features(site, asked.by, output)
    else:
        print_sheet(_modules(report, alone), output, bars=not alone)
        if asked.by is None:
            output.line()
            _print_extremes(_most_moved(report, alone), asked, alone, output)
    if asked.by in (None, "neuron"):
        _print_hidden(report, asked, output)


def _print_heading(report: "ActivationReport", asked: "Asked", alone: bool, output: Output) -> None:
    before, after = report.titles
    if not alone:
        output.line((f"--- {output.cut(before)}", BOLD), (_read(report, 0), "muted"))
    output.line(
        (f"{'' if alone else '+++ '}{output.cut(after)}", BOLD), (_read(report, 1), "muted")
    )
    side = "what the modules read" if asked.inputs else "what the modules give"
    output.line((f"{report.rule}; {side}", "muted"))


def _read(report: "ActivationReport", side: int) -> str:
    samples, tokens = report.samples[side], report.tokens[side]
    texts = f"{samples:,} text{'' if samples == 1 else 's'}  " if samples else ""
    return f"  {texts}{tokens:,} tokens"


def _modules(report: "ActivationReport", alone: bool) -> Sheet:
    """A row for each module: where knowledge moved."""
    tagged = any(site.neurons.tag_distance is not None for site in report.sites) and not alone
    moved = () if alone else (
        SheetColumn("distance", "number", "mean distance"),
        *([SheetColumn("tags", "number", "by tags", 1)] if tagged else []),
        SheetColumn("of", "count", "of neurons", 4),
    )  # fmt: skip
    columns = (
        SheetColumn("site", "name", "module"), *moved, SheetColumn("units", "count", "neurons", 2),
        *[SheetColumn(word, "count", word, 3) for word in _states(alone).values()],
    )  # fmt: skip
    rows = [_module(site.neurons, alone, tagged) for site in report.sites]
    return Sheet("module", columns, rows)


def _states(alone: bool) -> dict[int, str]:
    """The states that can be told; alone, what is on both sides is just active."""
    words = dict(sorted(STATES.items(), reverse=True))
    if not alone:
        return words
    return {at: "active" if word == "shared" else word for at, word in words.items()
            if word in ("shared", "dead")}  # fmt: skip


def _module(table: NeuronTable, alone: bool, tagged: bool) -> tuple[Value, ...]:
    moved = site_movement(table)
    numbers: list[Value] = [] if alone else [
        moved.mean, *([site_movement(table, tags=True).mean] if tagged else []), moved.neurons
    ]  # fmt: skip
    states = [int((table.state == state).sum()) for state in _states(alone)]
    return (table.site, *numbers, table.units, *states)


def _most_moved(report: "ActivationReport", alone: bool) -> NeuronTable:
    """The module of the largest mean distance; alone, the last."""
    tables = [site.neurons for site in report.sites]
    if alone:
        return tables[-1]
    means = [site_movement(table).mean for table in tables]
    if np.isnan(means).all():
        return tables[-1]
    return tables[int(np.nanargmax(means))]


def _print_extremes(table: NeuronTable, asked: "Asked", alone: bool, output: Output) -> None:
    """The neurons of one module that moved most and least, then the new and gone ones.

    Alone, those of most mass.
    """
    count = asked.top_rows or MARKED
    if alone or asked.sort is not None:
        order = order_of(asked, alone)
        units = ranking(table, order, not asked.show_rare)[:count].tolist()
        if not units:
            _print_too_few(table, alone, output)
            return
        heading = f"{output.cut(table.site)}: by {ORDERS[order]}"
        print_sheet(_neurons(table, units, heading, asked, alone, output), output, bars=True)
        return
    by = "original" if asked.original else "distance"
    most, least = marked(table, count, by, not asked.show_rare)
    lone = new_and_gone(table, count, not asked.show_rare)
    if not most and not least:
        _print_too_few(table, alone, output)
    elif not most:
        output.line((f"{output.cut(table.site)}: none moved", "note"))
    lists = (("moved most", most), ("moved least", [*reversed(least)]), (LONE, lone))
    for words, units in lists:
        if units:
            heading = f"{output.cut(table.site)}: {words}"
            print_sheet(_neurons(table, units, heading, asked, alone, output), output, bars=True)
            output.line()


def _print_too_few(table: NeuronTable, alone: bool, output: Output) -> None:
    many = f"{RARE} activations{'' if alone else ' on both sides'}"
    told = f"{output.cut(table.site)}: no neuron has {many}"
    output.line((f"{told}; more texts or --rule top give more, --all lists what there is", "note"))


def _print_neurons(table: NeuronTable, asked: "Asked", alone: bool, output: Output) -> None:
    units = ranking(table, order_of(asked, alone), not asked.show_rare)
    shown = units[: asked.top_rows or MOST_ROWS].tolist()
    if not shown:
        _print_too_few(table, alone, output)
        return
    heading = output.cut(table.site)
    print_sheet(_neurons(table, shown, heading, asked, alone, output), output, bars=True)
    if len(shown) < len(units):
        output.line((f"{len(units) - len(shown):,} more are not listed; see --top-rows", "muted"))
    output.line()


def _neurons(
    table: NeuronTable,
    units: Sequence[int],
    heading: str,
    asked: "Asked",
    alone: bool,
    output: Output,
) -> Sheet:
    """Neurons of one module as a sheet for people."""
    distance = table.original if asked.original else table.distance
    lone = bool(((table.state[units] == NEW) | (table.state[units] == GONE)).all())
    mass = table.mass[:, units].max(axis=0) if lone else table.mass[1, units]
    title = "TX-Ray's" if asked.original else "distance"
    tagged = table.tag_distance is not None and not alone
    moved = () if alone else (
        SheetColumn("distance", "number", title),
        *([SheetColumn("tags", "number", "by tags", 4)] if tagged else []),
    )  # fmt: skip
    columns = (
        SheetColumn("unit", "name", heading), *moved,
        SheetColumn("length", "text", "words", 3), SheetColumn("count", "text", "activations", 5),
        SheetColumn("mass", "number", "mass" if alone or lone else "mass after", 0 if alone else 2),
        SheetColumn("top", "text", "strongest", 1), SheetColumn("note", "words"),
    )  # fmt: skip
    rows = []
    for unit, own in zip(units, mass.tolist(), strict=True):
        numbers: list[Value] = [] if alone else [float(distance[unit])]
        if tagged and table.tag_distance is not None:
            numbers.append(float(table.tag_distance[unit]))
        rows.append(
            (
                f"neuron {unit}", *numbers,
                _both([f"{value:,}" for value in table.length[:, unit]], alone, output),
                _both([f"{value:,}" for value in table.count[:, unit]], alone, output),
                own,
                _both([_word(side[unit], output) for side in table.top_word], alone, output),
                _remark(table, unit, alone),
            )
        )  # fmt: skip
    return Sheet("neuron", columns, rows)


def _both(sides: Sequence[str], alone: bool, output: Output) -> str:
    if alone or sides[0] == sides[1]:
        return sides[1]
    return (" -> " if output.ascii_only else " → ").join(sides)


def _word(word: str, output: Output) -> str:
    return output.cut(word, WORD_CELLS) if word else "-"


def _remark(table: NeuronTable, unit: int, alone: bool) -> str:
    if not alone and (why := why_undefined(table, unit)):
        return why
    return "rare" if bool(table.rare[unit]) else ""


def _print_features(site: SiteReport, by: str, output: Output) -> None:
    """How often tags or labels occur, against the mass that they make."""
    name = output.cut(site.neurons.site)
    groups = [("tag", site.tags)] if by == "tag" else list(site.labels)
    told = "no tags: give --tags-column or --tagger" if by == "tag" else "no labels: give --label"
    if not any(shares for _, shares in groups):
        output.line((f"{name}: {told}", "note"))
        return
    for title, shares in groups:
        print_sheet(_features(shares[:MOST_SHARES], f"{name}: {output.cut(title, 40)}"), output)
        if len(shares) > MOST_SHARES:
            output.line((f"{len(shares) - MOST_SHARES:,} more are not listed", "muted"))
        output.line()


def _features(shares: Sequence[FeatureShare], heading: str) -> Sheet:
    columns = (
        SheetColumn("name", "name", heading),
        SheetColumn("frequency_before", "share", "of words before", 2),
        SheetColumn("frequency_after", "share", "after", 3),
        SheetColumn("mass_before", "share", "of mass before", 1),
        SheetColumn("mass_after", "share", "of mass after"),
    )
    rows = [(one.name, *one.frequency, *one.mass) for one in shares]
    return Sheet("tag", columns, rows)


def _print_hidden(report: "ActivationReport", asked: "Asked", output: Output) -> None:
    left = hidden(report, asked)
    if left:
        few = f"fewer than {RARE} activations"
        output.line((f"{left:,} neurons with {few} are not listed; --all lists them", "muted"))
