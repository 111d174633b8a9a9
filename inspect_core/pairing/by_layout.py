"""Other layouts: both sides read matrix by matrix in one spelling, and these paired by name."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from inspect_core.checkpoint import views
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.facts import CONV1D_FAMILIES, Facts
from inspect_core.pairing.layouts import INWARD, Reading, reading
from inspect_core.pairing.match import SAME_NAME, Match, Pair
from inspect_core.pairing.names import pair_tensors

EXPERTS = "experts in one tensor and in several"
FUSED = "fused and split projections"
TURNED = "transposed"
GGUF_NAMES = "llama.cpp's names"
SPELLING = "other spelling"

_SAID = frozenset({"", "fused", "experts in one"})
"""What lies in a tensor as the rule says already."""

MOST_PARTS = 1 << 16
"""Parts that the tensors of one side are taken apart into, beside `PARTS_A_NAME`; a megabyte of
zeros can be half a million experts. The largest models have 70,000, and as many names opposite."""

PARTS_A_NAME = 4
"""Parts for each tensor of both sides."""

TOO_MANY = "its experts are too many to be taken apart"

MOST_NAMED = 3
"""Tensors that a reason names; of more it says how many."""

Found = tuple[dict[str, tuple[Match, str]], dict[str, str], dict[str, str]]
"""Matches by the model's names, with their rules; why others of the model, and others of the
reference, stay alone."""


def pair_layouts(
    ours: Mapping[str, TensorInfo], theirs: Mapping[str, TensorInfo], facts: Facts, other: Facts
) -> Found:
    """Pair tensors that hold the same matrices in another layout or under an older name.

    Args:
        ours: tensors of the model that are left.
        theirs: tensors of the reference that are left.
        facts: what is known of the model.
        other: what is known of the reference.
    """
    return pair_readings(
        readings(ours, facts, other), readings(theirs, other, facts), (facts, other)
    )


def pair_readings(
    ours: Iterable[Reading], theirs: Iterable[Reading], facts: tuple[Facts, Facts]
) -> Found:
    """Pair tensors whose parts have the same names.

    Args:
        ours: readings of the model's tensors.
        theirs: of the reference's.
        facts: what is known of the model, and of the reference.
    """
    one, two = _Shelf(ours), _Shelf(theirs)
    pairing = pair_tensors(one.parts, two.parts)
    partners = {match.name: match for match in pairing.matches if match.model is not None}
    found: dict[str, tuple[Match, str]] = {}
    why = dict(one.why)
    lost = {read.info.name: read.unread for read in two.readings if read.unread} | two.why
    for read in one.readings:
        if read.info.name in why:
            continue
        made = _matched(read, [partners[part.name] for part in read.parts], two, facts)
        if isinstance(made, str):
            if made:
                why[read.info.name] = made
        else:
            found[read.info.name] = made
    return found, why, lost


def readings(tensors: Mapping[str, TensorInfo], facts: Facts, other: Facts) -> list[Reading]:
    """The readings of one side; whole tensors once there are more parts than any model has."""
    read = _reader(facts, other)
    found: list[Reading] = []
    parts, most = 0, MOST_PARTS + PARTS_A_NAME * (len(facts.tensors) + len(other.tensors))
    for info in tensors.values():
        few = len(info.shape) < 3 or parts + info.shape[0] <= most
        found.append(read(info) if few else Reading(info, (info,), unread=TOO_MANY))
        parts += len(found[-1].parts)
    return found


def _reader(facts: Facts, other: Facts) -> Callable[[TensorInfo], Reading]:
    """What reads the tensors of one side."""
    if facts.gguf == other.gguf:
        return lambda info: reading(info, facts, other)
    from inspect_core.pairing.gguf_names import reading_for_gguf, reading_of_gguf, translator

    if facts.gguf:
        return lambda info: reading_of_gguf(info, facts, other)
    translate = translator(other)
    if translate is None:
        unread = f"llama.cpp's architecture '{other.family}' is not known here"
        return lambda info: Reading(info, (), unread=unread)
    return lambda info: reading_for_gguf(info, facts, other, translate)


class _Shelf:
    """The readings of one side, and their parts by name; what two tensors claim is nobody's."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self.readings = list(readings)
        self.owner: dict[str, Reading] = {}
        self.parts: dict[str, TensorInfo] = {}
        self.why: dict[str, str] = {}
        for read in self.readings:
            if not read.parts:
                self.why[read.info.name] = read.unread
            for part in read.parts:
                first = self.owner.setdefault(part.name, read)
                if first is not read:
                    both = f"'{first.info.name}' and '{read.info.name}'"
                    self.why[first.info.name] = self.why[read.info.name] = (
                        f"ambiguous: {both} mean the same in one spelling"
                    )
        for read in self.readings:
            if read.info.name not in self.why:
                self.parts.update((part.name, part) for part in read.parts)


def _matched(
    read: Reading, found: Sequence[Match], other: _Shelf, facts: tuple[Facts, Facts]
) -> tuple[Match, str] | str:
    """The match of a reading and its rule; or why there is none, which may be nothing new."""
    info = read.info
    gguf = facts[0].gguf != facts[1].gguf
    lone = [match for match in found if match.reference is None]
    if lone:
        if len(lone) == len(found):
            return read.unread or next((m.reason for m in lone if "ambiguous" in m.reason), "")
        missing = ", ".join(match.name for match in lone[:MOST_NAMED])
        return f"{read.how}: {len(lone)} of its {len(found)} parts have no partner ({missing})"
    owners = _owners(found, other)
    if not gguf and len(found) == 1 and _is_plain(read) and _is_plain(owners[0]):
        return _renamed(read, owners[0], found[0])
    rule = _rule(read, owners, gguf)
    reason = _reason(read, owners, rule, found[0].reason)
    partner = owners[0].info if len(owners) == 1 else None
    bad = next((match for match in found if match.status != "pair"), None)
    if bad is not None:
        if partner is not None and len(found) == 1 and len(owners[0].parts) == 1:
            alike = all(_is_plain(one) and not one.unlike for one in (read, owners[0]))
            return Match(info, partner, bad.status, bad.reason, unlike=not alike), rule
        return f"{reason}: {bad.reason}"
    views_of = [match.reference for match in found if match.reference is not None]
    sides = _sides(read, views_of)
    names = tuple(dict.fromkeys(owner.info.name for owner in owners))
    if sides is None:
        return f"{reason}: its parts are stored in several dtypes"
    assert sides.reference is not None
    whole = partner or sides.reference._replace(name=_listed(names))
    unlike = read.unlike or next((owner.unlike for owner in owners if owner.unlike), "")
    several = () if partner is not None else names
    if unlike:
        return Match(info, whole, "unsupported", unlike, None, several, unlike=True), rule
    unsure = _unsure(read, owners, facts)
    return Match(info, whole, "pair", reason, sides, several, doubt=unsure), rule


def _unsure(read: Reading, owners: Sequence[Reading], facts: tuple[Facts, Facts]) -> str:
    """What no shape proves: that a square matrix is stored the other way round on one side."""
    inward = {INWARD in owner.how for owner in owners}
    if inward == {INWARD in read.how} or not any(map(_is_square, (read, *owners))):
        return ""
    sides = ((read, facts[0]), (owners[0], facts[1]))
    if len(owners) == 1 and all(_is_told(*side) for side in sides):
        return ""
    return "square: that one side stores it the other way round is not proven"


def _is_square(read: Reading) -> bool:
    shape = read.info.shape
    return len(shape) > 1 and shape[-1] == shape[-2]


def _is_told(read: Reading, facts: Facts) -> bool:
    """Whether all that can tell how a `Conv1D` is stored says the same."""
    if facts.gguf or len(read.info.shape) != 2:
        return facts.gguf
    inward = INWARD in read.how
    named = facts.family in CONV1D_FAMILIES
    return facts.shown_inward(read.info) == inward == named


def _is_plain(read: Reading) -> bool:
    return not read.how and len(read.parts) == 1


def _renamed(read: Reading, owner: Reading, found: Match) -> tuple[Match, str]:
    """Two tensors that differ in their names at most: most of them, where there are many."""
    if read.info.name == owner.info.name:
        return Match(read.info, owner.info, found.status, found.reason), SAME_NAME
    ours, theirs = _module(read), _module(owner)
    reason = SPELLING if ours == theirs else f"{SPELLING}: {theirs} in the reference"
    if found.status != "pair":
        reason = found.reason
    elif found.reason != SAME_NAME:
        reason = f"{reason}, {found.reason}"
    return Match(read.info, owner.info, found.status, reason), SPELLING


def _owners(found: Sequence[Match], other: _Shelf) -> tuple[Reading, ...]:
    owners = [other.owner[m.reference.name] for m in found if m.reference is not None]
    return tuple({id(owner): owner for owner in owners}.values())


def _sides(read: Reading, theirs: Sequence[TensorInfo]) -> Pair | None:
    """Both sides in one shape: the model's tensor where its parts make it up as they lie."""
    if len(read.parts) == 1:
        model: TensorInfo | None = read.parts[0]._replace(name=read.info.name)
    else:
        shape = _shape(read)
        model = views.joined(read.info.name, read.parts, shape)
    if model is None:
        return None
    name = theirs[0].name if len(theirs) == 1 else _listed([one.name for one in theirs])
    reference = views.joined(name, theirs, model.shape)
    return None if reference is None else Pair(model, reference)


def _shape(read: Reading) -> tuple[int, ...] | None:
    """Experts stay apart in a 3-D view; projections are stacked."""
    first = read.parts[0].shape
    if len(read.info.shape) != 3:
        return None
    experts = read.info.shape[0]
    return (experts, first[0] * len(read.parts) // experts, *first[1:])


def _rule(read: Reading, owners: Sequence[Reading], gguf: bool) -> str:
    if gguf:
        return GGUF_NAMES
    other = owners[0]
    alike = len(owners) == 1 and len(other.parts) == len(read.parts)
    if alike and _upright(read.how) == _upright(other.how):
        if read.how != other.how:
            return TURNED
        return SAME_NAME if read.info.name == other.info.name else SPELLING
    hows = {read.how, *(owner.how for owner in owners)}
    return EXPERTS if any(how.startswith("experts") for how in hows) else FUSED


def _upright(how: str) -> str:
    """How the parts lie, whichever way they are stored."""
    return how.removesuffix(INWARD).removesuffix(", ")


def _reason(read: Reading, owners: Sequence[Reading], rule: str, by: str) -> str:
    """The rule and what it took from where; the same text for all layers."""
    said = [rule]
    if len(owners) > 1:
        said.append(f"{_module(read)} here, {len(owners)} tensors in the reference")
    elif len(owners[0].parts) > len(read.parts):
        said.append(f"part of {_module(owners[0])} in the reference")
    elif _module(read) != _module(owners[0]):
        said.append(f"{_module(owners[0])} in the reference")
    for where, hows in (("here", {read.how}), ("in the reference", {o.how for o in owners})):
        said += [f"{how} {where}" for how in sorted(hows) if how not in _SAID]
    if by != SAME_NAME:
        said.append(by)
    return f"{said[0]}: {', '.join(said[1:])}" if said[1:] else said[0]


def _module(read: Reading) -> str:
    """The last names of a tensor: `qkv_proj.weight`; without the number of a layer."""
    parts = read.info.name[-200:].rsplit(".", 3)
    return ".".join([part for part in parts if not part.isdigit()][-2:])


def _listed(names: Sequence[str]) -> str:
    """Several names as one, for people."""
    if len(names) <= MOST_NAMED:
        return " + ".join(names)
    return f"{names[0]} + {len(names) - 1} more"
