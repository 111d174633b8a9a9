"""One neuron in depth: what it listens to before and after."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.strip import Strip

from inspect_core.activations.records import STATES, why_undefined
from inspect_core.text import clean
from tui import format as fmt
from tui.activations.figures.bar_table import Column, bar_table, known, percent
from tui.activations.figures.facts import NO_REFERENCE, NO_TAGS
from tui.activations.figures.sentences import marked_sentence
from tui.figures.captions import notice, title_line
from tui.figures.parts import Lines, cut, line, side_by_side, wrap
from tui.figures.wrapping import padded
from tui.palette import Palette
from tui.plots import bars

if TYPE_CHECKING:
    from inspect_core.activations.neurons import NeuronDetail, NeuronTable, Share, Strong

WIDE = 100
"""From this width on the sentences of the two sides stand beside each other."""

HALVES = 64
"""From this width on the words do; without bars and tags where they have no room."""

FULL = 48
"""From this width on words have tags and bars."""

MOST_FEATURES = 10
"""Tags, or values of a label, that are listed; those with most mass."""

MOST_SENTENCES = 8
"""Sentences of each side."""

SIDES = (("before", "fold"), ("after", "tunable"))
"""Name and style of the sides."""

TAG, COUNT, MEAN, SHARE = 6, 6, 7, 7
"""Cells of the columns of words."""


def neuron_lines(
    detail: "NeuronDetail",
    titles: tuple[str, str],
    palette: Palette,
    width: int,
    height: int,
    table: "NeuronTable | None" = None,
) -> Lines:
    """See `draw_neuron`."""
    compared = titles[0] != titles[1] or detail.words[0] != detail.words[1]
    lines = [title_line(f"neuron {detail.unit}", clean(detail.site), palette, width)]
    if compared:
        for (name, style), title in zip(SIDES, titles, strict=True):
            text = f"  {clean(title, width - 9)}"
            lines.append(line((f"{name:<6}", palette.styles[style]), text))
    else:
        lines += notice(NO_REFERENCE, palette, width)
    if table is not None and 0 <= detail.unit < table.units:
        text = own_words(table, detail.unit, compared)
        lines += [line(part) for part in wrap(text, width)]
    most = MOST_FEATURES if height >= 30 else MOST_FEATURES // 2
    lines.append(line(""))
    if detail.tags:
        lines += _features("tags", detail.tags, compared, palette, width, most)
    else:
        lines += [line((NO_TAGS, palette.styles["muted"])), line("")]
    for name, rows in detail.labels:
        lines += _features(clean(name), rows, compared, palette, width, most)
    numbers = (0, 1) if compared else (1,)
    lines += _both(
        [partial(_words, detail, side, compared, palette) for side in numbers], width, HALVES
    )
    lines += [one for note in detail.notes for one in notice(clean(note), palette, width)]
    around = [partial(_sentences, detail.words[side], side, compared, palette) for side in numbers]
    return [*lines, *_both(around, width, WIDE)]


def own_words(table: "NeuronTable", unit: int, compared: bool) -> str:
    """The numbers of a neuron: distance, lengths, activations, mass, state."""
    lengths = [f"{length:,}" for length in table.length[:, unit].tolist()]
    counts = [f"{count:,}" for count in table.count[:, unit].tolist()]
    masses = [fmt.number(mass) for mass in table.mass[:, unit].tolist()]
    named = (("words", lengths), ("activations", counts), ("mass", masses))
    if not compared:
        return ",  ".join([f"{name} {sides[1]}" for name, sides in named])
    why = why_undefined(table, unit)
    distance = fmt.number(float(table.distance[unit])) + (f" ({why})" if why else "")
    told = [f"distance {distance}", STATES[int(table.state[unit])]]
    if table.tag_distance is not None:
        told.insert(1, f"by tags {fmt.number(float(table.tag_distance[unit]))}")
    told += [f"{name} {before} before, {after} after" for name, (before, after) in named]
    return ";  ".join(told)


def _both(blocks: "Sequence[Callable[[int], Lines]]", width: int, wide: int) -> Lines:
    """Blocks drawn beside each other, or below each other where it is narrow."""
    if len(blocks) == 1 or width < wide:
        return [one for block in blocks for one in block(width)]
    half = (width - 3) // 2
    return side_by_side(blocks[0](half), blocks[1](half), half + 3)


def _features(
    title: str,
    rows: "Sequence[Share]",
    compared: bool,
    palette: Palette,
    width: int,
    most: int,
) -> Lines:
    """Share of the activation mass by tag or label, both sides on one scale."""
    shown = rows[:most]
    columns = [
        Column(
            f"mass {SIDES[side][0]}" if compared else "mass",
            [row.mass[side] for row in shown],
            SIDES[side][1],
            [fmt.count(row.count[side]) for row in shown],
        )
        for side in ((0, 1) if compared else (1,))
    ]
    lines = bar_table(title, [row.name for row in shown], columns, palette, width)
    if len(rows) > most:
        text = f"{palette.glyphs.more} and {len(rows) - most:,} more"
        lines.append(line((text, palette.styles["muted"])))
    return [*lines, line("")]


def _words(
    detail: "NeuronDetail", side: int, compared: bool, palette: Palette, width: int
) -> Lines:
    """The strongest words of one side; those that both sides have among them are marked."""
    rows, name = detail.words[side], SIDES[side][0]
    title = f"words {name}" if compared else "strongest words"
    if not rows:
        text = f"{title}: none, the neuron is not activated"
        return [line((text, palette.styles["note"])), line("")]
    full = width >= FULL
    tagged = TAG if full and any(row.tag for row in rows) else 0
    other = {row.word for row in detail.words[1 - side]} if compared else set()
    fixed = 2 + tagged + COUNT + MEAN + SHARE
    word = max(6, min(30, width - fixed - (12 if full else 0)))
    bar = max(3, min(24, width - fixed - word - 1))
    head = f"{cut(title, word + 2 + tagged):<{word + 2 + tagged}}"
    head += f"{'count':>{COUNT}}{'mean':>{MEAN}}{'mass':>{SHARE}}"
    shares = [known(row.share) for row in rows]
    longest = max(shares, default=0.0) or 1.0
    drawn = bars([share / longest for share in shares], bar, palette.styles[SIDES[side][1]],
                 palette.ascii_only)  # fmt: skip
    lines = [line((head, palette.styles["muted"]))]
    for row, cells in zip(rows, drawn, strict=True):
        both = palette.glyphs.same if row.word in other else " "
        start = line(
            (f"{both} ", palette.styles["note"]),
            (padded(row.word, word), palette.styles["module"]),
            (padded(f" {row.tag}", tagged) if tagged else "", palette.styles["type"]),
            (f"{fmt.count(row.count):>{COUNT}}", palette.styles["muted"]),
            f"{fmt.number(row.mean):>{MEAN}}{percent(row.share):>{SHARE}} ",
        )
        lines.append(Strip.join([start, cells]) if full else start)
    if other & {row.word for row in rows}:
        mark = f"{palette.glyphs.same} among those of both"
        lines.append(line((mark, palette.styles["muted"])))
    return [*lines, line("")]


def _sentences(
    rows: "Sequence[Strong]", side: int, compared: bool, palette: Palette, width: int
) -> Lines:
    """The sentences of the strongest words; each once."""
    told: dict[str, Strong] = {}
    for row in rows:
        if row.sentence.strip():
            told.setdefault(row.sentence, row)
    if not told:
        return []
    title = f"sentences {SIDES[side][0]}" if compared else "sentences"
    title += ": one for each word, in the order of mass, with its strongest activation"
    lines = [line((part, palette.styles["muted"])) for part in wrap(title, width)]
    for row in list(told.values())[:MOST_SENTENCES]:
        text = marked_sentence(row.sentence, row.word, palette, width - 8)
        for first, part in zip([True, *[False] * len(text)], text, strict=False):
            number = f"{fmt.number(row.best):>6}  " if first else " " * 8
            lines.append(Strip.join([line((number, palette.styles["muted"])), part]))
    return [*lines, line("")]
