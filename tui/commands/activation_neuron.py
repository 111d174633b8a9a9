"""One neuron, and several stages, printed for people."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.activations.neurons import RARE, NeuronDetail, NeuronTable, Share, Strong
from inspect_core.activations.records import SIDES, several_rows, why_undefined
from inspect_core.results.tables import Sheet, SheetColumn, Value
from tui import format as fmt
from tui.commands.output import BOLD, Output, cells_of
from tui.commands.sheet import print_sheet
from tui.commands.table import Column, Row, Table

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport
    from inspect_core.activations.several import SeveralReport
    from tui.commands.activations import Asked

WORD_CELLS = 24
"""Of a word and its tag."""

BEFORE_WORD = 24
"""Characters of a sentence that are kept before the word."""

_COUNT, _MEAN, _SHARE = "activations", "mean", "of mass"


def print_neuron(
    detail: NeuronDetail, report: "ActivationReport", alone: bool, output: Output
) -> None:
    """Print the strongest words of a neuron, the sentences around them, its tags and labels.

    Args:
        detail: the neuron.
        report: what it is part of.
        alone: whether there is no reference.
        output: where to.
    """
    output.line((f"neuron {detail.unit} of {output.cut(detail.site)}", BOLD))
    output.line((report.rule, "muted"))
    table = next((s.neurons for s in report.sites if s.neurons.site == detail.site), None)
    if table is not None:
        _print_numbers(table, detail.unit, alone, output)
    for side, words in enumerate(detail.words):
        if alone and side == 0:
            continue
        output.line()
        mark = "" if alone else f"{SIDES[side]}: "
        output.line(f"{mark}{output.cut(report.titles[side])}")
        _print_words(words, output)
        more = 0 if table is None else int(table.length[side, detail.unit]) - len(words)
        if more > 0:
            output.line((f"{more:,} more word{'' if more == 1 else 's'}", "muted"))
    for title, shares in (("tag", detail.tags), *detail.labels):
        if shares:
            output.line()
            print_sheet(_shares(shares, output.cut(title, 40), alone), output)


def _print_numbers(table: NeuronTable, unit: int, alone: bool, output: Output) -> None:
    """What the table of the module says of a neuron."""
    arrow = " -> " if output.ascii_only else " → "
    sides = (1,) if alone else (0, 1)

    def told(values: Sequence[str], what: str) -> str:
        return f"{arrow.join(values)} {what}"

    parts = [
        told([f"{table.length[side, unit]:,}" for side in sides], "words"),
        told([f"{table.count[side, unit]:,}" for side in sides], "activations"),
        told([fmt.number(float(table.mass[side, unit])) for side in sides], "mass"),
    ]
    if not alone:
        why = why_undefined(table, unit)
        parts.insert(0, why or f"distance {fmt.number(float(table.distance[unit]))}")
        if table.tag_distance is not None and not math.isnan(table.tag_distance[unit]):
            parts.insert(1, f"by tags {fmt.number(float(table.tag_distance[unit]))}")
    output.line(", ".join(parts))


def _print_words(words: Sequence[Strong], output: Output) -> None:
    if not words:
        output.line(("never activated", "note"))
        return
    rows = [
        Row(
            f"{one.word} ({one.tag})" if one.tag else one.word,
            {
                _COUNT: f"{one.count:,}", _MEAN: fmt.number(one.mean),
                _SHARE: fmt.percent(one.share),
            },
            _around(one, output),
            state="muted",
        )
        for one in words
    ]  # fmt: skip
    columns = [
        Column(title, max([len(title), *(cells_of(row.cells[title]) for row in rows)]), rank)
        for title, rank in ((_COUNT, 2), (_MEAN, 0), (_SHARE, 1))
    ]
    table = Table(output, "word", columns, [output.cut(row.name, WORD_CELLS) for row in rows])
    table.head()
    table.rows(rows)


def _around(one: Strong, output: Output) -> str:
    """The sentence; on a terminal, which cuts it, from a little before the word on."""
    at = one.sentence.lower().find(one.word.lower())
    if output.width is None or at <= BEFORE_WORD:
        return one.sentence
    return ("..." if output.ascii_only else "…") + one.sentence[at - BEFORE_WORD :]


def _shares(shares: Sequence[Share], heading: str, alone: bool) -> Sheet:
    before = () if alone else (
        SheetColumn("mass_before", "share", "of mass before"),
        SheetColumn("count_before", "count", "activations", 2),
    )  # fmt: skip
    columns = (
        SheetColumn("name", "name", heading), *before,
        SheetColumn("mass_after", "share", "of mass" if alone else "of mass after"),
        SheetColumn("count_after", "count", "activations", 1),
    )  # fmt: skip
    rows: list[tuple[Value, ...]] = [
        (one.name, *(() if alone else (one.mass[0], one.count[0])), one.mass[1], one.count[1])
        for one in shares
    ]
    return Sheet("tag", columns, rows)


def print_several(report: "SeveralReport", asked: "Asked", output: Output) -> None:
    """Print three stages and more: mean distances by module, then the neurons that moved most.

    Args:
        report: what was measured.
        asked: which rows.
        output: where to.
    """
    for at, title in enumerate(report.titles):
        texts = f"  {report.samples[at]:,} texts" if report.samples[at] else ""
        facts = f"{texts}  {report.tokens[at]:,} tokens"
        output.line((f"{at + 1} {output.cut(title)}", BOLD), (facts, "muted"))
    output.line((f"{report.rule}; distance of stages by their numbers", "muted"))
    output.line()
    between = [f"{one + 1} to {other + 1}" for one, other in report.pairs]
    if asked.by != "neuron":
        columns = (
            SheetColumn("site", "name", "module"),
            *[SheetColumn(words, "number", words, at) for at, words in enumerate(between)],
        )
        rows: list[tuple[Value, ...]] = [
            (site.site, *[moved.mean for moved in site.moved]) for site in report.sites
        ]
        print_sheet(Sheet("module", columns, rows), output)
    if asked.by != "module":
        _print_moved(report, between, asked, output)


def _print_moved(
    report: "SeveralReport", between: Sequence[str], asked: "Asked", output: Output
) -> None:
    keys = [f"distance_{one + 1}_{other + 1}" for one, other in report.pairs]
    last = len(report.titles)
    columns = (
        SheetColumn("unit", "name", "neuron"),
        *[SheetColumn(words, "number", words, at) for at, words in enumerate(between)],
        SheetColumn("count", "text", "activations", 2),
        SheetColumn("top", "text", "strongest", 1),
    )
    arrow = " -> " if output.ascii_only else " → "
    moved: list[tuple[Value, ...]] = []
    for row in several_rows(report, not asked.show_rare, asked.top_rows or 10):
        words = [str(row[f"word_{stage + 1}"] or "-") for stage in range(last)]
        shown = arrow.join([output.cut(word, 14) for word in words])
        counts = arrow.join([f"{row[f'count_{stage + 1}']:,}" for stage in range(last)])
        moved.append((f"{row['site']}:{row['unit']}", *[row[key] for key in keys], counts, shown))
    output.line()
    if moved:
        print_sheet(Sheet("neuron", columns, moved), output)
    else:
        output.line((f"no neuron has {RARE} activations in each stage that activates it", "note"))
