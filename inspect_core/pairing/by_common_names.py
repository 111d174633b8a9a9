"""Two architectures: tensors at the same place in the common structure, when asked for.

GPT-2's `h.0.mlp.c_fc` and OPT's `layers.0.fc1` are both `decoder.block.0.ff.w1`. Such weights
are seldom meant to be compared, so this is the last rule, and only on request. What no table
knows has no place, and shapes must be equal: there are no first rows of another vocabulary.
"""

from collections.abc import Mapping
from dataclasses import replace

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.by_layout import SPELLING, Found, pair_readings, readings
from inspect_core.pairing.facts import Facts
from inspect_core.pairing.layouts import Reading
from inspect_core.pairing.match import SAME_NAME, Match
from inspect_core.structure.common import common_names

RULE = "common structure"

REASON = "same place in the common structure"

_PARTS = {
    "q_proj": "q", "k_proj": "k", "v_proj": "v", "gate_proj": "w1", "up_proj": "w3",
    "down_proj": "w2",
}  # fmt: skip
"""What the parts of a reading are called in the common structure."""

_EXPERTS = ".moe.experts."


def pair_common_names(
    ours: Mapping[str, TensorInfo], theirs: Mapping[str, TensorInfo], facts: Facts, other: Facts
) -> Found:
    """Pair tensors of one common name and one shape.

    Args:
        ours: tensors of the model that are left.
        theirs: tensors of the reference that are left.
        facts: what is known of the model.
        other: what is known of the reference.
    """
    if facts.gguf != other.gguf:
        return {}, {}, {}  # llama.cpp's own names say more: it turns rows round
    found, why, lost = pair_readings(
        _in_common(ours, facts, other), _in_common(theirs, other, facts), (facts, other)
    )
    pairs: dict[str, tuple[Match, str]] = {}
    for name, (match, _) in found.items():
        if match.status != "shape_mismatch":
            pairs[name] = replace(match, reason=_reason(match)), RULE
            continue
        assert match.reference is not None
        partner = match.reference.name
        why[name] = f"{REASON} as {partner}, but {match.reason}"
        lost[partner] = f"{REASON} as {name} of the model, but {match.reason}"
    return pairs, why, lost


def _reason(match: Match) -> str:
    """That it is the place, and what was to be done beside."""
    if match.status != "pair":
        return match.reason
    more = match.reason.removeprefix(SPELLING).removeprefix(SAME_NAME).removeprefix(": ")
    return f"{REASON}: {more}" if more else REASON


def _in_common(tensors: Mapping[str, TensorInfo], facts: Facts, other: Facts) -> list[Reading]:
    """Readings of the tensors that a table knows, their parts under common names."""
    known = {
        name: common
        for name, (common, own) in common_names(list(facts.tensors), facts.config).items().items()
        if not own and name in tensors
    }
    some = {name: info for name, info in tensors.items() if name in known}
    return [_renamed(read, known[read.info.name]) for read in readings(some, facts, other)]


def _renamed(read: Reading, common: str) -> Reading:
    if not read.how.startswith(("fused", "experts")):
        return read._replace(parts=tuple(part._replace(name=common) for part in read.parts))
    return read._replace(
        parts=tuple(part._replace(name=_part_name(part.name, common)) for part in read.parts)
    )


def _part_name(part: str, common: str) -> str:
    """The common name of a part: `...attn.q.weight` of `...attn.qkv.weight`."""
    path, _, leaf = part.rpartition(".")
    above, _, module = path.rpartition(".")
    if _EXPERTS in common:
        stem = f"{common[: common.rindex(_EXPERTS)]}{_EXPERTS}{above.rpartition('.')[2]}"
    else:
        stem = common.rpartition(".")[0].rpartition(".")[0]
    return f"{stem}.{_PARTS.get(module, module)}.{leaf}"
