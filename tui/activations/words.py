"""What the screen of activations says: its titles, its line of status, what is copied."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from inspect_core.text import clean
from tui import format as fmt
from tui.activations.rows import is_alone, summary_words
from tui.short_paths import short_path

if TYPE_CHECKING:
    from tui.activations.control import ActivationControl
    from tui.activations.state import ViewState

OTHERWISE = "A changes texts, tokenizer or rule, esc leaves."

LEAST_NOTE = 40
"""Cells of a note that a model or the texts come with."""

Parts = tuple[list[tuple[str, str]], str]
"""Texts with the state whose colour they take, and figures to the right."""


def title(control: "ActivationControl", state: "ViewState | None") -> Parts:
    """The first line: the models, and the module."""
    left = [("activations", "type")]
    if state is None:
        return [*left, (clean(control.where, 60), "module")], ""
    before, after = state.report.titles
    left.append((clean(after, 40), "module"))
    if not is_alone(state.report):
        left += [("vs", "muted"), (clean(before, 40), "module")]
    site = short_path(state.report.sites[state.site].neurons.site, 40)
    several = len(state.report.sites) > 1
    place = f"  {state.site + 1} of {len(state.report.sites)}" if several else ""
    return left, f"{site}{place}"


def about(control: "ActivationControl", state: "ViewState | None") -> Parts:
    """The second line: the rule with its sign, the texts, the order."""
    answers = control.answers
    file = clean(control.file, 40)
    if state is None:
        rule = answers.rule.words if answers is not None else ""
        return [(rule, "muted"), (file, "muted")], ""
    report = state.report
    samples = " and ".join(f"{number:,}" for number in dict.fromkeys(report.samples))
    left = [(clean(report.rule, 80), "muted"), (f"{file} {samples} texts", "muted")]
    # The order matters where the table is.
    return left, f"sorted by {order_words(state.order)}"


def order_words(order: str) -> str:
    """What an order is called."""
    from inspect_core.activations.ranking import ORDERS

    return ORDERS[order]


def orders_of(state: "ViewState") -> list[str]:
    """The orders that say something of what is on show."""
    from inspect_core.activations.ranking import ORDERS

    table = state.report.sites[state.site].neurons
    compared = {"distance", "tag_distance", "shift", "union", "mass_change", "original"}
    without = compared if is_alone(state.report) else set()
    if table.tag_distance is None:
        without = without | {"tag_distance"}
    return [name for name in ORDERS if name not in without]


def ready(
    control: "ActivationControl", state: "ViewState | None", query: str = "", width: int = 400
) -> tuple[str, str]:
    """The line of status while nothing runs, and the state whose colour it takes.

    Args:
        control: what failed, if anything did.
        state: what is on show.
        query: what the list is kept to.
        width: cells of the line; what has no room is left out.
    """
    if control.problem:
        return f"{control.problem}  enter tries again, A asks anew", "note"
    if state is None:
        return "", "muted"
    table = state.report.sites[state.site].neurons
    alone = is_alone(state.report)
    parts = [f"words with {clean(query, 30)}: esc ends it"] if query else []
    parts += summary_words(table, alone, state.hide_rare).split("  ")
    if alone:
        parts.append("no reference: nothing to compare with")
    line = _that_fit(parts, width - 2)
    notes = state.report.notes
    if notes:
        told = notes[0] if len(notes) == 1 else f"{len(notes)} notes: {notes[0]}"
        if cell_len(line) + LEAST_NOTE > width:  # counts stand in the pictures, a note does not
            line = _that_fit(parts, width - LEAST_NOTE)
        line += f"  {clean(told, max(10, width - cell_len(line) - 4))}"
    return clean(line, 400), "muted"


def _that_fit(parts: Sequence[str], width: int) -> str:
    """As many parts as fit, the first one whatever its length."""
    text = parts[0]
    for part in parts[1:]:
        if cell_len(f"{text}  {part}") > width:
            break
        text += f"  {part}"
    return text


def instead(control: "ActivationControl") -> list[str]:
    """What stands where there is no result: a title, and lines."""
    where = clean(control.where, 80)
    if control.problem:
        return [
            where,
            control.problem,
            f"Enter tries again, {OTHERWISE}",
        ]
    if control.running:
        file = clean(control.file, 60) or "the texts"
        return [
            where,
            f"running the model over {file}",
            "x stops it; esc goes back to the tree while it goes on, and i comes here again.",
        ]
    said = [where, "stopped", f"Enter begins again, {OTHERWISE}"]
    return [*said, "I in the tree shows what was found before."] if control.has_earlier else said


def copied(state: "ViewState") -> str:
    """The chosen neuron and its strongest words, safe to paste."""
    table = state.report.sites[state.site].neurons
    site = clean(table.site, 200)
    if state.unit is None or state.kind == "layers":
        return site
    before, after = (clean(side[state.unit], 80) for side in table.top_word)
    distance = fmt.number(float(table.distance[state.unit]))
    found = [f"{site} neuron {state.unit}"]
    if is_alone(state.report):
        return "   ".join([*found, f"strongest word {after or 'none'}"])
    return "   ".join([*found, f"distance {distance}", f"{before or 'none'} -> {after or 'none'}"])
