"""What there is to know about a row beside its numbers, safe to show."""

from inspect_core.structure.branch import Branch, Row, Twig, module_around
from inspect_core.text import clean
from tui.adapters import adapter_notes
from tui.palette import Palette
from tui.session import Session
from tui.side_files import counted

_PLANNED = "planned: it has no values before it is trained"
_LOADED = (
    "as transformers loads it: the file has it under another name, or in parts. Leave plan mode "
    "(p) for the file's own tensors"
)


def without_values(row: Row) -> list[str]:
    """What to say of a row that holds no values of its own."""
    if _only_planned(row):
        return [_why_no_values(row)]
    branch = row if isinstance(row, Branch) else row.branch
    above = f"{branch.anchor}." if branch.anchor else ""
    owners = {owner for name, owner in branch.module.tree.tied.items() if name.startswith(above)}
    if not owners:
        return ["nothing is stored here"]
    return [f"tied: it shares the values of {clean(owner)}" for owner in sorted(owners)[:5]]


def _only_planned(row: Row) -> bool:
    """Whether all that a row has is what a plan would add."""
    if isinstance(row, Twig):
        return row.leaf.spec.planned
    totals = row.module.totals
    return not totals.tensors and totals.params > 0


def _why_no_values(row: Row) -> str:
    """Of a row without values: whether a plan adds all of it, or the class has it so."""
    if isinstance(row, Twig):
        return _PLANNED if row.leaf.spec.delta else _LOADED
    totals = row.module.totals
    return _PLANNED if totals.delta == totals.params else _LOADED


def refusal(row: Twig) -> list[str]:
    """Why a single tensor cannot be drawn; empty if it can."""
    from inspect_core.checkpoint.tensor_info import DTYPES

    spec = row.leaf.spec
    known = DTYPES.get(spec.dtype)
    if spec.planned:
        return [_why_no_values(row)]
    if not spec.stored:
        owner = row.branch.module.tree.tied.get(row.anchor, "")
        return [f"tied: it shares the values of {clean(owner)}, which is in the tree"]
    if known is None or not known.comparable:
        return [f"values of dtype {clean(spec.dtype)} are listed but not read"]
    return []


def notes(row: Row, session: Session, palette: Palette, adapters: bool = True) -> list[str]:
    """What to know about a row, safe to show; whose adapters are shown anyway needs no notes."""
    pairs = session.pairs
    found = adapter_notes(row, session, palette) if adapters else []
    found += _own_name(row, session)
    if pairs is None and session.expects_pairs:
        return [*found, "the reference is not open yet: the values themselves"]
    if pairs is None and session.adapted is not None and session.adapted.base is None:
        return [*found, "no base: the change that the adapter makes. Press r to name its base"]
    if pairs is None:
        text = "no reference: the values themselves. Press r, or start with --ref BASE"
        return [*found, text]
    tensors = session.tensors_of(row)
    reasons: dict[str, list[int]] = {}
    for tensor in tensors if pairs.paired < len(pairs.status) else ():
        if not pairs.is_pair(tensor) and tensor not in session.brought:
            reasons.setdefault(pairs.reason_of(tensor), []).append(tensor)
    for reason, which in list(reasons.items())[:3]:
        names = _names(which, tensors, session)
        found.append(f"{palette.glyphs.note} {names}{clean(reason)}")
    if len(reasons) > 3:
        found.append(f"{len(reasons) - 3} more reasons: w to read")
    found += _partner(tensors[0], session) if len(tensors) == 1 else []
    beside = counted(session.files)
    if beside and isinstance(row, Branch) and not row.path:
        found.append(f"{palette.glyphs.note} {beside}: w to read")
    change = session.change(row)
    if change.status == "rounded":
        found.append("equal up to rounding to the narrower dtype: nothing was trained here")
    if change.status == "same":
        found.append("identical to the reference: observed frozen")
    if change.note:
        found.append(f"{palette.glyphs.note} {clean(change.note)}")
    return found


def _own_name(row: Row, session: Session) -> list[str]:
    """What the model itself calls a row, where that is not what it is called on show."""
    listing = session.listing
    if listing is None or not row.width or not row.anchor:
        return []
    first = row.firsts[0]
    names = [listing.names[at] for at in listing.tree.order[first : first + row.width]]
    more = f" and {row.count - 1} more" if row.count > 1 else ""
    if isinstance(row, Branch):
        if names[0].startswith(f"{row.anchor}."):
            return []
        above = module_around(names)
        return [f"in the model: within {clean(above)}{more}" if above else "in the model: apart"]
    if session.common is not None and session.tensor_at(first) in session.common.own:
        own = "its own name: no table of common names knows it"
        return [own if names[0] == row.anchor else f"in the model: {clean(names[0])}{more}, {own}"]
    # The title of a single tensor's picture is its own name already.
    shown = names[0] == row.anchor or (row.count == 1 and not session.saved)
    return [] if shown else [f"in the model: {clean(names[0])}{more}"]


def _partner(tensor: int, session: Session) -> list[str]:
    """What a tensor is compared with, where its name and shape do not say it already."""
    from inspect_core.pairing import SAME_NAME  # not for the first frame

    pairs, listing = session.pairs, session.listing
    if pairs is None or listing is None or not pairs.is_pair(tensor):
        return []
    reason = pairs.reason_of(tensor)
    if tensor in pairs.renamed:
        return [f"compared with {clean(pairs.renamed[tensor])}: {clean(reason, 300)}"]
    return [] if reason == SAME_NAME else [clean(reason, 300)]


def _names(which: list[int], tensors: list[int], session: Session) -> str:
    """What a note is about, where the row does not say it already."""
    if len(tensors) == 1 or session.listing is None:
        return ""
    if len(which) > 1:
        return f"{len(which)} tensors: "
    return f"{clean(session.listing.names[which[0]], 60)}: "
