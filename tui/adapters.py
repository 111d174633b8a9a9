"""What is said of adapters beside a row, safe to show."""

from collections import Counter
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.text import clean
from tui.palette import Palette
from tui.session import Session
from tui.states import all_delta

if TYPE_CHECKING:
    from inspect_core.work.adapted import AdapterListing, TargetNote

MOST_LINES = 4
"""Lines of a note about a row."""


def adapter_notes(row: Row, session: Session, palette: Palette) -> list[str]:
    """Which adapters change a row, and how; nothing of the root, which has a list of them."""
    adapted = session.adapted
    if adapted is None or (isinstance(row, Branch) and row.parent is None):
        return []
    own = row.leaf.spec.delta if isinstance(row, Twig) else all_delta(row)
    targets = adapted.within(row)
    if own and not targets:
        return _part_of(row, adapted, palette)
    lines = _summed(targets, adapted, palette, single=row.count == 1)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more"]
    return lines


def is_changed(row: Branch, session: Session) -> bool:
    """Whether a row is one module of which adapters change a weight."""
    adapted = session.adapted
    return adapted is not None and row.count == 1 and bool(adapted.at(row.anchor))


def _part_of(row: Row, adapted: "AdapterListing", palette: Palette) -> list[str]:
    """What an adapter's own parameters belong to."""
    owners = adapted.owner(row)
    parts = set(row.anchor.split("."))
    named = [one for one in owners if adapted.adapters[one.adapter].name in parts]
    return _summed(named or owners, adapted, palette, single=True, start="of ")


def _summed(
    targets: "list[TargetNote]",
    adapted: "AdapterListing",
    palette: Palette,
    *,
    single: bool,
    start: str = "",
) -> list[str]:
    counts = Counter((target.adapter, target.facts, target.note) for target in targets)
    lines = []
    for (adapter, facts, note), number in counts.items():
        where = "" if single and number == 1 else f" on {number} weight{'s' * (number > 1)}"
        mark = palette.glyphs.note if note else palette.glyphs.delta
        told = f": {clean(note, 200)}" if note else ""
        lines.append(f"{mark} {start}{adapted.adapters[adapter].name}: {facts}{where}{told}")
    return lines
