"""What the change column says of a row, from the summaries of its tensors."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Branch, Row, spans
from inspect_core.structure.fold import short_names
from tui.collected import order_of

if TYPE_CHECKING:
    from tui.session import Session

MOST_MEMBERS = 300
"""A fold of more members than this is not searched for odd ones."""

ODD_FACTOR = 3.0
"""A member is odd when it moved this many times as much as the middle one."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the change column says of a row.

    Attributes:
        status: `pending`, `same`, `changed`, `rounded` (equal up to rounding to the narrower
            dtype), `partial` (no change where it was compared), `new`, `delta` (an adapter's own
            parameters), `mismatch`, `unsupported` or `none`.
        value: the metric, where it is defined.
        note: something to know about the row, e.g. which members of a fold did not move.
    """

    status: str
    value: float | None = None
    note: str = ""


def work_out(session: "Session", row: Row) -> Change:
    """The change of a row; `Session.change` keeps it."""
    if not row.width:
        return Change("none")
    summary = session.summary(row)
    if summary is None:
        return Change(_uncompared(session, row))
    note = _odd_members(session, row) if isinstance(row, Branch) and row.folded else ""
    assert session.table is not None
    lost = session.table.nonfinite_in(session.place(row))
    if lost:
        found = f"{lost} NaN or infinite, left out of the numbers"
        note = f"{found}; {note}" if note else found
    if not session.table.changed_in(session.place(row)):
        return _unchanged(session, row, note)
    if session.table.rounded_in(session.place(row)):
        left = session.waiting(session.place(row)).any()
        return Change("pending") if left else Change("rounded", 0.0, note)
    return Change("changed", session.metric.value(summary), note)


def _unchanged(session: "Session", row: Row, note: str) -> Change:
    """A row of which nothing that was compared changed: the same only if that is all of it."""
    assert session.table is not None
    where = session.place(row)
    left = row.width * row.count - session.table.seen_in(where)
    left -= int(session.deltas(where).sum())
    if not left:
        return Change("same", 0.0, note)
    if session.waiting(where).any():
        return Change("pending")
    found = f"{left} of its tensors cannot be compared"
    return Change("partial", 0.0, f"{found}; {note}" if note else found)


def _uncompared(session: "Session", row: Row) -> str:
    import numpy as np

    assert session.pairs is not None and session.listing is not None
    where = session.place(row)
    status = np.frombuffer(session.pairs.status, np.uint8)
    counts = np.bincount(status[order_of(session.listing.tree)[where]])
    found = {session.pairs.statuses[code] for code in np.flatnonzero(counts).tolist()}
    if session.deltas(where).all():
        return "delta"
    if session.waiting(where).any():
        return "pending"
    for wire, shown in (("shape_mismatch", "mismatch"), ("unsupported", "unsupported")):
        if wire in found:
            return shown
    return "new"


def _odd_members(session: "Session", row: Row) -> str:
    """Which members of a fold differ from the others: still ones, or one that moved most."""
    if not isinstance(row, Branch) or row.count > MOST_MEMBERS or not _all_seen(session, row):
        return ""
    members = row.members()
    found = [session.summary(member) for member in members]
    assert session.table is not None
    changed = [session.table.changed_in(spans(member)) > 0 for member in members]
    still = [m.names[0] for m, any_ in zip(members, changed, strict=True) if not any_]
    moved = [m.names[0] for m, any_ in zip(members, changed, strict=True) if any_]
    if still and moved:
        return f"{short_names(still)} unchanged, {short_names(moved)} changed"
    values = [session.metric.value(summary) or 0.0 for summary in found if summary]
    middle, most = sorted(values)[len(values) // 2], max(values)
    if len(values) > 2 and most > ODD_FACTOR * middle > 0.0:
        return f"{members[values.index(most)].names[0]} moved most"
    return ""


def _all_seen(session: "Session", row: Branch) -> bool:
    """Whether all comparable tensors of a row were compared: only then is one odd."""
    if session.table is None:
        return False
    total = row.width * row.count
    where = session.place(row)
    return session.table.seen_in(where) == total or not session.waiting(where).any()
