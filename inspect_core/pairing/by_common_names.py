"""Two architectures: tensors at the same place in the common structure, when asked for.

GPT-2's `h.0.mlp.c_fc` and OPT's `layers.0.fc1` are both `decoder.block.0.ff.w1`. Such weights
are seldom meant to be compared, so this is the last rule, and only on request. What no table
knows has no place, and shapes must be equal: there are no first rows of another vocabulary.
Of two models that have only an encoder's blocks and only a decoder's, these have one place.
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
    names = [_known(side) for side in (facts, other)]
    across = _only_blocks(names[0]) | _only_blocks(names[1]) == {"encoder", "decoder"}
    if across:
        names = [{own: _as_decoder(common) for own, common in side.items()} for side in names]
    found, why, lost = pair_readings(
        _in_common(ours, names[0], facts, other),
        _in_common(theirs, names[1], other, facts),
        (facts, other),
    )
    pairs: dict[str, tuple[Match, str]] = {}
    for name, (match, _) in found.items():
        if match.status != "shape_mismatch":
            told = _reason(match)
            if across and _as_decoder(names[0][name]).startswith("decoder.block."):
                told = f"{told}, of an encoder and of a decoder"
            pairs[name] = replace(match, reason=told), RULE
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


def _known(facts: Facts) -> dict[str, str]:
    """The common name of each tensor that a table knows."""
    found = common_names(list(facts.tensors), facts.config).items()
    return {name: common for name, (common, own) in found.items() if not own}


def _only_blocks(names: Mapping[str, str]) -> set[str]:
    """Of a model with blocks of one kind which these are; else of both, so that they differ."""
    kinds = {common.partition(".block.")[0] for common in names.values() if ".block." in common}
    return kinds if len(kinds) == 1 else {*kinds, "several"}


def _as_decoder(common: str) -> str:
    """The place in a decoder: who has the blocks of one kind only has them in its place."""
    inside = common.removeprefix("encoder.")
    return f"decoder.{inside}" if inside != common else common


def _in_common(
    tensors: Mapping[str, TensorInfo], known: Mapping[str, str], facts: Facts, other: Facts
) -> list[Reading]:
    """Readings of the tensors that a table knows, their parts under common names."""
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
