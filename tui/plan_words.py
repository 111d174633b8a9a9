"""What plan mode says of a plan: its steps in short, and its line above the panes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len

from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.structure.fold import is_index, short_names
from inspect_core.text import clean
from tui import format as fmt
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.plan.preview import Hits, PlanTotals, Preview

METHODS = {"lora": "LoRA", "dora": "DoRA", "ia3": "IA3"}

MOST_SHORT = 400
"""Names of a step that are looked at for what they have in common."""

Part = tuple[str, str]
"""A text, safe to show, and the state whose colour it has."""


class PlanView(NamedTuple):
    """What there is to show of a plan.

    Attributes:
        plan: its steps.
        preview: what it does; None while it is tried for the first time.
        waiting: whether a later preview is on its way.
        problem: why the plan could not be tried, safe to show.
        title: of the model, safe to show.
    """

    plan: Plan
    preview: "Preview | None"
    waiting: bool
    problem: str
    title: str


def step_words(step: Freeze | Place) -> str:
    """A step in short, safe to show: `freeze encoder.layer.0-1`."""
    from inspect_core.plan.written.spelling import described

    if isinstance(step, Place):
        names = short_paths(step.targets)
        return described(replace(step, targets=(names,)) if names else step)
    names = short_paths([p.text for p in step.patterns]) if _exact(step.patterns) else None
    if names is None:
        return described(step)
    but = described(step).partition(" but not ")[2]
    return f"{'thaw' if step.thaw else 'freeze'} {names}{f' but not {but}' if but else ''}"


def _exact(patterns: Sequence[Pattern]) -> bool:
    return all(one.how == "exact" and one.text for one in patterns)


def short_paths(paths: Sequence[str]) -> str | None:
    """Paths that differ in numbers and names alone, as one: `layer.0-1`; None where they do not."""
    if not 1 < len(paths) <= MOST_SHORT:
        return clean(paths[0], 120) if len(paths) == 1 else None
    split = [path.split(".") for path in paths]
    if len({len(parts) for parts in split}) > 1:
        return None
    columns = [list(dict.fromkeys(column)) for column in zip(*split, strict=True)]
    total = 1
    for column in columns:
        total *= len(column)
    if total != len(set(paths)):
        return None
    parts = [short_names(sorted(c, key=int) if all(map(is_index, c)) else c) for c in columns]
    return clean(".".join(parts), 120)


# The line above the panes


def header(view: PlanView, palette: Palette, width: int) -> list[Part]:
    """The plan in one line of a width: the fullest that fits."""
    found: list[Part] = []
    for found in _headers(view, palette):
        if sum(cell_len(text) + 1 for text, _ in found) <= width:
            return found
    return found


def _headers(view: PlanView, palette: Palette) -> Iterator[list[Part]]:
    plan: list[Part] = [("plan ", "type")]
    preview = view.preview
    if preview is None:
        what = view.problem or "trying the plan …"
        yield [*plan, (what, "note" if view.problem else "muted")]
        return
    refused = view.problem or preview.refusal
    if refused:
        yield [*plan, (f"{palette.glyphs.note} {refused} ", "note")]
        for length in (100, 60, 40):
            yield [*plan, (f"{palette.glyphs.note} {clean(refused, length)} ", "note")]
        return
    totals = preview.totals
    placed = any(isinstance(step, Place) for step in view.plan.steps)
    state = "delta" if placed else "module"
    waiting = [("…", "muted")] if view.waiting else []
    share = fmt.percent(totals.tunable / totals.params) if totals.params else "n/a"
    for words, split, memory in (
        (_what(view, palette, 4), _split(totals), _memory(totals, 2)),
        (_what(view, palette, 3), f"({totals.tunable:,})", _memory(totals, 2)),
        (_what(view, palette, 3), "", _memory(totals, 2)),
        (_what(view, palette, 3), "", _memory(totals, 1)),
        (_what(view, palette, 2), "", _memory(totals, 1)),
        (_what(view, palette, 1), "", _memory(totals, 1)),
        (clean(_what(view, palette, 1), 24), "", _memory(totals, 0)),
    ):
        line = [*plan, (f"{words} ", state), (f"tunable {share}", "tunable")]
        line += [(f"{split} ", "muted")] if split else []
        yield [*line, (memory, "muted"), *waiting]


def _what(view: PlanView, palette: Palette, most: int) -> str:
    """The plan in a few words: what is placed, or what the last step does."""
    steps = view.plan.steps
    if not steps:
        return "nothing planned yet" if most > 1 else "empty"
    places = [(at, step) for at, step in enumerate(steps) if isinstance(step, Place)]
    if not places:
        last = clean(step_words(steps[-1]), 20 * most)
        return last if len(steps) == 1 else f"{len(steps)} steps, {last}"
    at, place = places[-1]
    words = _beside(steps) + METHODS[place.method]
    if place.method != "ia3" and most > 1:
        words += f" r={place.rank}"
    if place.method != "ia3" and most > 2:
        words += f" alpha={place.alpha:g}"
    if most > 1:
        words += f" on {target_words(place, 10 * most)}"
    assert view.preview is not None
    targets = [one for one in view.preview.hits if one.step == at and one.kind == "target"]
    count = sum(one.count for one in targets)
    return f"{words} {palette.glyphs.times}{count:,}"


def _beside(steps: Sequence[Freeze | Place]) -> str:
    """What there is beside placements: `freeze 2 + `."""
    thaws = [step.thaw for step in steps if isinstance(step, Freeze)]
    counts = (("freeze", thaws.count(False)), ("thaw", thaws.count(True)))
    return "".join([f"{word} {count} + " for word, count in counts if count])


def target_words(place: Place, room: int) -> str:
    """The targets of a placement in short, safe to show; names are cut at a comma."""
    if place.target_expression:
        return clean(place.target_expression, room)
    if not place.targets:
        return "PEFT's own"
    if short := short_paths(place.targets):
        return clean(short, room)
    first, *others = [clean(name) for name in place.targets]
    shown = clean(first, room)
    for at, name in enumerate(others):
        more = f" +{len(others) - at}"
        if len(shown) + len(name) + 1 + (len(more) if at + 1 < len(others) else 0) > room:
            return shown + more
        shown += f",{name}"
    return shown


def _split(totals: "PlanTotals") -> str:
    """`(base 0, adapters 73,728 + head 770)`."""
    delta = totals.tunable_delta - totals.saved
    head = f" + head {totals.saved:,}" if totals.saved else ""
    base = totals.tunable_base
    return f"(base {base:,}, adapters {delta:,}{head})"


def _memory(totals: "PlanTotals", most: int) -> str:
    """What training takes, without activations."""
    weights, adam = fmt.size(totals.weight_bytes), fmt.size(totals.optimizer_bytes)
    if most > 1:
        gradients = fmt.size(totals.gradient_bytes)
        return f"memory {weights} weights + {gradients} gradients + {adam} Adam"
    together = totals.weight_bytes + totals.gradient_bytes + totals.optimizer_bytes
    return f"{'memory ' if most else ''}{fmt.size(together)}"


KINDS = {"exclude": "but not ", "spare": "but not ", "save": "save ", "rank": "rank ",
         "alpha": "alpha ", "feedforward": "feedforward "}  # fmt: skip
"""What is said of an entry that is neither a target nor frozen nor thawed."""


def entry_words(hits: "Hits") -> str:
    """An entry of a step, safe to show."""
    return KINDS.get(hits.kind, "") + (clean(hits.entry, 60) or "everything")


def layers_in_short(layers: Sequence[int]) -> str:
    """`0-5`, or a dash for none."""
    from inspect_core.plan.written.spelling import spelled_layers

    return spelled_layers(layers) if layers else "-"
