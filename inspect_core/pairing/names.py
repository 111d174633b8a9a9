"""Which tensor of the model answers which of the reference, by ordered rules with reasons.

The same name comes first. Then one known prefix, stripped or added, for all names that are
left, and only where the whole file speaks for it. Nothing is guessed: a tensor without a
partner, or with two, stays alone and says so.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.pairing.match import SAME_NAME, Match, Pairing
from inspect_core.structure.prefixes import Renaming, renamings, sample

FINALISTS = 3
"""Renamings that are counted over all names, after a look at a sample."""

_Partners = Sequence[TensorInfo | None]
_COMPARABLE = frozenset(dtype.name for dtype in DTYPES.values() if dtype.comparable)
_TRIED = f"rules tried: {SAME_NAME}, prefix"


def pair_tensors(model: Mapping[str, TensorInfo], reference: Mapping[str, TensorInfo]) -> Pairing:
    """Pair the tensors of two checkpoints by name; linear in the number of names.

    Args:
        model: the model's tensors by their names.
        reference: the reference's.
    """
    same: list[TensorInfo | None] = []
    ours: list[TensorInfo] = []
    unequal: list[tuple[TensorInfo, TensorInfo]] = []
    taken: set[str] = set()
    for name, info in model.items():
        other = reference.get(name)
        if other is not None and other.shape == info.shape:
            same.append(other)
            taken.add(name)
            continue
        same.append(None)
        ours.append(info)
        if other is not None:
            unequal.append((info, other))
    chosen, renamed = _choose(ours, reference, taken)
    partners: dict[str, TensorInfo] = {}
    for info, other in zip(ours, renamed, strict=False):
        if other is not None and other.shape == info.shape:
            partners[info.name] = other
            taken.add(other.name)
        elif other is not None:
            unequal.append((info, other))
    # Only now shapes that differ: by the later rule there may have been an equal one.
    for info, other in unequal:
        if info.name not in partners and other.name not in taken:
            partners[info.name] = other
            taken.add(other.name)
    how = str(chosen[0]) if chosen else ""
    rules: Counter[str] = Counter()
    matches: list[Match] = []
    for (name, info), equal in zip(model.items(), same, strict=True):
        other = equal or partners.get(name)
        if other is None:
            matches.append(Match(info, None, "added", _why_alone(name, chosen, reference)))
        else:
            rule = SAME_NAME if other.name == name else how
            rules[rule] += 1
            matches.append(judged(info, other, rule))
    lost = f"no partner in the model ({_TRIED})"
    matches += [
        Match(None, info, "removed", lost) for name, info in reference.items() if name not in taken
    ]
    return Pairing(tuple(matches), dict(rules))


def _choose(
    ours: Sequence[TensorInfo], reference: Mapping[str, TensorInfo], taken: Collection[str]
) -> tuple[list[Renaming], _Partners]:
    """The renaming that makes most pairs of equal shape of what the same name leaves over.

    It must make more than there are same names that speak against it: those it would have
    renamed. Two that make as many, but other pairs, both come back, and no partners: neither
    may be used. Partners are parallel to `ours`, or none at all.
    """
    theirs = {n: info for n, info in reference.items() if n not in taken} if taken else reference
    if not ours or not theirs:
        return [], []
    some = sample(ours)
    rules = renamings([info.name for info in some], sample(list(theirs)))
    gains = {rule: _gain(some, _partners(rule, some, theirs)) for rule in rules}
    rules = sorted(filter(gains.__getitem__, rules), key=lambda rule: -gains[rule])[:FINALISTS]
    found = {rule: _partners(rule, ours, theirs) for rule in rules}
    gains = {rule: _gain(ours, found[rule]) for rule in rules}
    rules.sort(key=lambda rule: -gains[rule])
    if not rules:
        return [], []
    best = rules[0]
    prefixes = tuple(filter(None, best))
    if gains[best] <= sum(name.startswith(prefixes) for name in taken):
        return [], []
    rivals = [
        rule
        for rule in rules[1:]
        if gains[rule] == gains[best] and _in_conflict(found[best], found[rule])
    ]
    return [best, *rivals], [] if rivals else found[best]


def _partners(
    rule: Renaming, ours: Sequence[TensorInfo], theirs: Mapping[str, TensorInfo]
) -> _Partners:
    """The partner that the rule gives to each tensor, if it does."""
    strip, add, cut = rule.strip, rule.add, len(rule.strip)
    return [theirs.get(add + info[0][cut:]) if info[0].startswith(strip) else None for info in ours]


def _gain(ours: Sequence[TensorInfo], partners: _Partners) -> int:
    """How many of the partners have equal shapes."""
    pairs = zip(ours, partners, strict=True)
    return sum([other is not None and info.shape == other.shape for info, other in pairs])


def _in_conflict(some: _Partners, others: _Partners) -> bool:
    """Whether two rules give some tensor two partners, or one partner to two tensors."""
    claimed = {one.name: at for at, one in enumerate(some) if one is not None}
    return any(
        other is not None and (some[at] not in (None, other) or claimed.get(other.name, at) != at)
        for at, other in enumerate(others)
    )


def _why_alone(name: str, chosen: Sequence[Renaming], reference: Mapping[str, TensorInfo]) -> str:
    fitting = [rule for rule in chosen if rule.apply(name) in reference]
    if len(chosen) > 1 and fitting:
        either = ", ".join(map(str, chosen))
        return f"ambiguous: rules that fit equally well give other partners ({either})"
    if fitting:
        return f"ambiguous: with {fitting[0]} its partner would be one that is another's already"
    return f"no partner in the reference ({_TRIED})"


def judged(info: TensorInfo, other: TensorInfo, rule: str) -> Match:
    """The match of two tensors that a rule brought together: whether they can be compared."""
    if info.shape != other.shape:
        shapes = f"shape {_sizes(info)} here, {_sizes(other)} in the reference"
        return Match(info, other, "shape_mismatch", shapes)
    if _inexact(info.dtype, other.dtype):
        dtypes = f"{info.dtype} here, {other.dtype} in the reference"
        reason = f"{dtypes}: 64-bit integers are compared with narrower or equal dtypes only"
        return Match(info, other, "unsupported", reason)
    if info.unread or other.unread:
        where = "" if info.unread else "in the reference: "
        return Match(info, other, "unsupported", where + (info.unread or other.unread))
    if info.dtype in _COMPARABLE and other.dtype in _COMPARABLE:
        return Match(info, other, "pair", rule)
    dtype = other.dtype if info.dtype in _COMPARABLE else info.dtype
    return Match(info, other, "unsupported", f"dtype {dtype} is listed but not compared")


def _inexact(one: str, other: str) -> bool:
    """Whether different values of two dtypes may round to one float64: 2^53 + 1 and 2^53."""
    wide = {"I64", "U64"}
    return one != other and (
        (one in wide and other in _WIDE_PARTNERS) or (other in wide and one in _WIDE_PARTNERS)
    )


_WIDE_PARTNERS = frozenset({"I64", "U64", "F64", "F32", "BF16", "MXFP4"})


def _sizes(info: TensorInfo) -> str:
    return "x".join(map(str, info.shape)) if info.shape else "scalar"
