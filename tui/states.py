"""The states of parameters as they are drawn: a colour's name and a glyph, never colour alone."""

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.structure.tree import LeafSpec, Totals
from inspect_core.text import clean
from tui import format as fmt
from tui.palette import Glyphs


def style_of(spec: LeafSpec) -> str:
    """The name of the colour of a parameter or buffer."""
    if spec.delta or spec.computed:
        return "delta"
    return "frozen" if spec.frozen or spec.buffer else "tunable"


def state_of(row: Row, glyphs: Glyphs) -> tuple[str, str]:
    """The name of a row's colour, and its glyph; of a buffer, and of nothing, no glyph.

    What belongs to an adapter keeps the difference between trained and frozen in its glyph.
    """
    if isinstance(row, Twig) and row.leaf.spec.buffer:
        return "muted", " "
    total, tunable, delta = counts(row)
    if delta:
        return "delta", glyphs.delta if tunable else glyphs.delta_frozen
    if not total:
        return "tunable", " "
    return ("tunable", glyphs.tunable) if tunable else ("frozen", glyphs.frozen)


def counts(row: Row) -> tuple[int, int, int]:
    """Parameters, tunable ones and adapters' ones of a row, over all its members."""
    if isinstance(row, Branch):
        totals, times = row.module.totals, row.count
        return totals.params * times, totals.tunable * times, totals.delta * times
    spec = row.leaf.spec
    # What a plan adds has no values, and so no place among the tensors.
    times = row.branch.count if spec.planned else 0 if spec.computed else row.count
    total = spec.numel * times
    return total, 0 if spec.frozen else total, total if spec.delta else 0


def all_delta(row: Branch) -> bool:
    """Whether a module holds nothing but an adapter's parameters."""
    totals = row.module.totals
    return 0 < totals.params == totals.delta


def marks_of(spec: LeafSpec) -> list[str]:
    """What is special about a parameter or buffer, in words."""
    marks = [
        ("buffer", spec.buffer),
        ("frozen", spec.delta and spec.frozen),
        ("planned", spec.planned and spec.delta),
        ("computed", spec.computed),
        ("quantised", spec.quantised),
    ]
    return [word for word, holds in marks if holds]


def kind_of(spec: LeafSpec) -> str:
    """Dtype and marks of a parameter or buffer, safe to show."""
    return " ".join([*([clean(spec.dtype)] if spec.dtype else []), *marks_of(spec)])


def shares_of(totals: Totals) -> list[str]:
    """How much belongs to adapters, or else how much is trained where that is known."""
    if totals.delta:
        of = fmt.percent(totals.delta / totals.params)
        return [f"{fmt.params(totals.delta)} delta {of}"]
    if totals.tunable < totals.params:
        of = fmt.percent(totals.tunable / totals.params)
        return [f"{fmt.params(totals.tunable)} tunable {of}"]
    return []
