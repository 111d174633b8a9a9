"""A plan in the detail pane: what is trained, what it takes, what each entry hits."""

from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspect_core.plan.plan import Freeze, Place, Precision, Step
from inspect_core.plan.preview import Hits, PlanTotals, Preview
from inspect_core.text import clean
from tui import format as fmt
from tui.figures.parts import Lines, cut, fitted, heading, line, note_lines, side_by_side, wrap
from tui.palette import Palette
from tui.plan_words import PlanView, entry_words, layers_in_short, short_paths, step_words

MOST_STRIP = 64
"""Layers that have a mark each; of more the numbers are told."""

MOST_ROWS = 200
"""Entries of a plan that are listed."""

SIDE_BY_SIDE = 76
"""From this width on, the memory is beside the counts."""

COUNTS_WIDTH = 36

EMPTY = (
    "Nothing is planned yet. With the cursor on a row of the tree:",
    "f freezes it, or thaws it; a places an adapter on it, or takes it off.",
    "F freezes by a pattern of names. A has the settings of the placement, the dtypes of the "
    "memory, and opens a plan file.",
    "u undoes, U does again, e writes the plan to a file, p leaves and keeps it.",
)


def plan_figure(view: PlanView, palette: Palette, width: int) -> Lines:
    """A plan and what it does.

    Args:
        view: the plan.
        palette: colours and glyphs.
        width: cells across.
    """
    lines = [heading("plan", view.title, palette, width)]
    if view.problem:
        lines += note_lines([f"{palette.glyphs.note} {view.problem}"], palette, width)
    preview = view.preview
    if preview is None:
        lines += [] if view.problem else [line(("trying the plan …", palette.styles["muted"]))]
        return fitted(lines, palette, width)
    if preview.note:
        lines += note_lines([f"{palette.glyphs.note} {preview.note}"], palette, width)
    if preview.error:
        refused = [
            f"{palette.glyphs.note} {preview.refusal}",
            "  parameters and memory are not counted",
        ]
        lines += note_lines(refused, palette, width)
    if not view.plan.steps:
        lines += [line((part, Style())) for text in EMPTY for part in wrap(text, width)]
    lines += [_blank(), *_totals(view, preview, palette, width)] if preview.counted else []
    lines += _warnings(preview, palette, width)
    for at, step in enumerate(view.plan.steps):
        own = shown_hits(step, [hits for hits in preview.hits if hits.step == at])
        lines += [_blank(), *_step(at, step, own, palette, width)]
        if isinstance(step, Place):
            lines += _refused(own, palette, width)
    lines += _untouched(preview, view, palette, width)
    return fitted(lines, palette, width)


def shown_hits(step: Step, hits: Sequence[Hits]) -> list[Hits]:
    """The entries of a step; those that name one place in several layers as one."""
    if isinstance(step, Place):
        targets = [one for one in hits if one.kind == "target" and one.count]
        full = [one for one in targets if len(one.layers) == 1 and "." in one.entry]
        return [*_together(full), *(one for one in hits if one not in full)]
    exact = {one.text for one in step.patterns if one.how == "exact"}
    full = [one for one in hits if one.count and one.entry.removeprefix("=") in exact]
    return [*_together(full), *(one for one in hits if one not in full)]


def _together(hits: Sequence[Hits]) -> list[Hits]:
    """Entries that are full names, as one where they differ in numbers alone."""
    names = short_paths([one.entry.removeprefix("=") for one in hits]) if len(hits) > 1 else None
    if names is None:
        return [replace(one, missed=(), uneven=False) for one in hits]
    layers = tuple(sorted({layer for one in hits for layer in one.layers}))
    every = {layer for one in hits for layer in (*one.layers, *one.missed)}
    count = sum(one.count for one in hits)
    missed = tuple(sorted(every - set(layers)))
    return [replace(hits[0], entry=names, count=count, layers=layers, missed=missed, uneven=False)]


def hit_lines(
    hits: Sequence[Hits],
    palette: Palette,
    width: int,
    wanted: Sequence[int] | None = None,
) -> Lines:
    """A row for each entry: how many it hits, in which layers, and which it misses.

    Args:
        hits: what each entry hits.
        palette: colours and glyphs.
        width: cells across.
        wanted: the layers that were asked for, None for all: others may be missed.
    """
    if not hits:
        return []
    shown = hits[:MOST_ROWS]
    long = max(6, min(max(len(entry_words(one)) for one in shown), width // 2))
    first = f"{'entry':<{long}}  {'hits':>6}  layers"
    lines = [line((f"   {first}", palette.styles["muted"]))]
    lines += [_hit_line(one, long, palette, width, wanted) for one in shown]
    if len(hits) > MOST_ROWS:
        more = f"   {palette.glyphs.more} {len(hits) - MOST_ROWS} more entries"
        lines.append(line((more, palette.styles["muted"])))
    return lines


def _hit_line(
    hits: Hits, long: int, palette: Palette, width: int, wanted: Sequence[int] | None
) -> Strip:
    missed = [layer for layer in hits.missed if wanted is None or layer in wanted]
    styles, odd = palette.styles, not hits.count or missed or hits.uneven
    mark = (f" {palette.glyphs.note} " if odd else "   ", styles["note"])
    name = cut(entry_words(hits), long)
    parts = [mark, (f"{name:<{long}}", styles["note"] if not hits.count else Style())]
    parts.append((f"  {hits.count:>6,}  ", Style()))
    if not hits.count:
        meant = f"; did you mean {clean(hits.suggestion, 100)}?" if hits.suggestion else ""
        return line(*parts, (f"matches nothing{meant}", styles["note"]))
    return line(*parts, *_layer_parts(hits, missed, palette, width - long - 13))


def _layer_parts(
    hits: Hits, missed: Sequence[int], palette: Palette, room: int
) -> list[tuple[str, Style]]:
    """A strip of layers, and what stands out in words."""
    styles = palette.styles
    if not hits.layers:
        return [("outside the layers", styles["muted"])]
    every = sorted({*hits.layers, *hits.missed})
    words = layers_in_short(hits.layers)
    odd = f" misses {layers_in_short(missed)}" if missed else ""
    odd += " uneven" if hits.uneven else ""
    parts: list[tuple[str, Style]] = []
    if len(every) <= min(MOST_STRIP, room - len(words) - 2):
        full, empty = ("#", ".") if palette.ascii_only else ("▮", "▯")
        there = set(hits.layers)
        parts = [
            (full, styles["delta"])
            if layer in there
            else (empty, styles["note" if layer in missed else "muted"])
            for layer in every
        ]
        parts.append((" ", Style()))
    return [*parts, (words, Style()), (odd, styles["note"])]


def _step(at: int, step: Step, hits: Sequence[Hits], palette: Palette, width: int) -> Lines:
    number, wanted = f"{at + 1}. ", step.layers if isinstance(step, Place) else None
    wrapped = wrap(step_words(step), max(10, width - len(number)))
    lines = [line((number, palette.styles["muted"]), (wrapped[0], Style(bold=True)))]
    lines += [line(" " * len(number), (part, Style(bold=True))) for part in wrapped[1:]]
    if isinstance(step, Freeze) and len(hits) == 1 and hits[0].count and not step.exclude:
        [one] = hits
        where = f"   layers {layers_in_short(one.layers)}" if one.layers else ""
        what = "parameter" if one.count == 1 else "parameters"
        return [*lines, line((f"   {one.count:,} {what}{where}", palette.styles["muted"]))]
    if len(hits) > 12 and all(one.count and not one.missed for one in hits):
        total = sum(one.count for one in hits)
        text = f"   {len(hits)} entries, {total:,} hits"
        return [*lines, line((text, palette.styles["muted"]))]
    return [*lines, *hit_lines(hits, palette, width, wanted)]


def _refused(hits: Sequence[Hits], palette: Palette, width: int) -> Lines:
    """Modules that fit by name and cannot have the adapter."""
    refused = [one for entry in hits for one in entry.refused]
    lines: Lines = []
    for path, why in refused[:3]:
        lines += note_lines(
            [f"{palette.glyphs.note} not on {clean(path, 80)}: {clean(why, 120)}"], palette, width
        )
    if len(refused) > 3:
        lines.append(line((f"   {len(refused) - 3} more of these", palette.styles["note"])))
    return lines


def _totals(view: PlanView, preview: Preview, palette: Palette, width: int) -> Lines:
    counts = _counts(preview.totals, palette)
    memory = _memory(preview.totals, view.plan.precision, palette)
    if width < SIDE_BY_SIDE:
        return [*counts, _blank(), *memory]
    return side_by_side(counts, memory, COUNTS_WIDTH)


def _counts(totals: PlanTotals, palette: Palette) -> Lines:
    glyphs = palette.glyphs
    base, delta = totals.tunable_base, totals.tunable_delta - totals.saved
    rows = [(f"{glyphs.tunable} tunable", totals.tunable, "tunable"), ("    base", base, "muted")]
    if delta:
        rows.append((f"  {glyphs.delta} in adapters", delta, "delta"))
    if totals.saved:
        rows.append((f"  {glyphs.delta} saved whole", totals.saved, "delta"))
    rows += [
        (f"{glyphs.frozen} frozen", totals.frozen, "frozen"),
        ("  all", totals.params, "muted"),
    ]
    lines = [line((f"{'parameters':<26}{'share':>9}", palette.styles["muted"]))]
    for name, value, state in rows:
        share = fmt.percent(value / totals.params) if totals.params else "n/a"
        numbers = f"{value:>{26 - 15},}{share:>9}"
        lines.append(line((f"{name:<15}", palette.styles[state]), numbers))
    return lines


def _memory(totals: PlanTotals, precision: Precision, palette: Palette) -> Lines:
    """What training takes, in the dtypes of the plan."""
    muted = palette.styles["muted"]
    stored = clean(precision.weights, 12) or ("stored" if totals.delta else "as stored")
    delta = f", delta {clean(precision.adapter, 12)}" if totals.delta else ""
    gradients = clean(precision.gradients, 12) or "as the parameter"
    rows = [
        ("weights", totals.weight_bytes, stored + delta),
        ("gradients", totals.gradient_bytes, gradients),
        (
            "Adam",
            totals.optimizer_bytes,
            f"2 x {clean(precision.optimizer, 12)}"
            if precision.optimizer
            else "2 as the parameter",
        ),
    ]
    together = sum(nbytes for _, nbytes, _ in rows)
    lines = [line((f"{'memory':<21}", muted))]
    for name, nbytes, how in rows:
        lines.append(line((f"{name:<11}", muted), f"{fmt.size(nbytes):>8}", (f"  {how}", muted)))
    about = "without activations"
    lines.append(
        line((f"{'together':<11}", muted), f"{fmt.size(together):>8}", (f"  {about}", muted))
    )
    return lines


def _warnings(preview: Preview, palette: Palette, width: int) -> Lines:
    if not preview.warnings:
        return []
    lines: Lines = [_blank()]
    for text in preview.warnings:
        first, *rest = wrap(clean(text, 400), width - 2)
        style = palette.styles["note"]
        lines.append(line((f"{palette.glyphs.note} {first}", style)))
        lines += [line((f"  {part}", style)) for part in rest]
    return lines


def _untouched(preview: Preview, view: PlanView, palette: Palette, width: int) -> Lines:
    if not preview.untouched or not view.plan.steps or not preview.counted:
        return []
    muted = palette.styles["muted"]
    lines: Lines = [_blank(), line(("neither trained nor adapted", muted))]
    shown = preview.untouched[:MOST_ROWS]
    names = [cut(clean(path) or clean(view.title), max(10, width - 12)) for path, _ in shown]
    long = max(map(cell_len, names))
    for name, (_, params) in zip(names, shown, strict=True):
        state, blank = palette.styles["frozen"], " " * (long - cell_len(name))
        mark = Segment(f" {palette.glyphs.frozen} ", state)
        amount = Segment(f"{blank}  {fmt.params(params):>6}")
        lines.append(Strip([mark, Segment(name, state), amount]))
    return lines


def _blank() -> Strip:
    return Strip([])
