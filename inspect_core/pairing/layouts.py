"""What a tensor holds, matrix by matrix: fused projections, experts, matrices stored `[in, out]`.

A reading takes a tensor apart into views with a name each: the queries, keys and values of a
`qkv_proj`, the `gate_proj` and `up_proj` of every expert. Two tensors that are laid out in
different ways have the same readings, and so they can be compared. Sizes come from the config;
where it does not say how a tensor is fused, the tensor is left whole and says so.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from inspect_core.checkpoint import views
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.expert_families import stored_inward
from inspect_core.pairing.facts import CONV1D, Facts
from inspect_core.pairing.spelling import spelled

MOST_EXPERTS = 4096
"""A 3-D tensor of more matrices than this holds no experts."""

INWARD = "stored [in, out]"
"""How a matrix lies that others store `[out, in]`."""

UNTOLD = "ambiguous: square, and nothing tells which way it is stored"

QKV = ("q_proj", "k_proj", "v_proj")
HALVES = ("gate_proj", "up_proj")

_STACKED = frozenset({"qkv_proj", "qkv", "Wqkv", "c_attn", "attn_qkv", "qkv_linear"})
"""Modules whose rows are all queries, then all keys, then all values."""

_BY_HEAD = frozenset({"gpt_neox", "bloom", "gpt_neox_japanese", "persimmon"})
"""Families whose `query_key_value` has queries, keys and values of one head together."""

_SHUFFLED = frozenset({"codegen", "gpt_bigcode"})
"""Families that fuse in an order of their own (one of them only without `multi_query`)."""

_HALVED = frozenset({"gate_up_proj", "w12"})
_TAKEN_APART = _STACKED | _HALVED | CONV1D | {"query_key_value"}
_EXPERTS = re.compile(r"(.+\.experts)\.(gate_up_proj|gate_proj|up_proj|down_proj)(?:\.weight)?")
_INTERLEAVED_EXPERTS = frozenset({"gpt_oss"})
"""Families where rows of `gate_proj` and `up_proj` alternate."""


class Reading(NamedTuple):
    """What a tensor holds.

    Attributes:
        info: the tensor.
        parts: views of it, each named in the one spelling of `spelling`.
        how: how they lie in the tensor; empty where it is one matrix as it is.
        unread: why it is left whole, for people; empty where nothing was in the way.
        unlike: why its values cannot be compared with another layout's; empty where they can.
    """

    info: TensorInfo
    parts: tuple[TensorInfo, ...]
    how: str = ""
    unread: str = ""
    unlike: str = ""


_Pieces = Sequence[tuple[str, TensorInfo | None]]


def reading(info: TensorInfo, facts: Facts, other: Facts) -> Reading:
    """The reading of a tensor.

    Args:
        info: a tensor of a checkpoint that is no GGUF file.
        facts: that checkpoint's.
        other: the other checkpoint's: what one config does not say, the other may.
    """
    key = spelled(info.name)
    path, _, leaf = key.rpartition(".")
    above, _, module = path.rpartition(".")
    if len(info.shape) == 3 and (found := _EXPERTS.fullmatch(key)):
        return _experts(info, found[1], found[2], (facts, other))
    if module not in _TAKEN_APART and not leaf.startswith("in_proj_"):
        return Reading(info, (_called(info, key),))
    how = ""
    whole: TensorInfo | None = info
    if module in CONV1D and len(info.shape) == 2 and leaf == "weight":
        inward = _inward(info, facts, other)
        if inward is None:
            return Reading(info, (), unread=UNTOLD)
        if inward:
            whole, how = views.transposed(info), INWARD
    if whole is None:
        return Reading(info, (), unread="its blocks cannot be read the other way round")
    if leaf in ("in_proj_weight", "in_proj_bias"):  # of nn.MultiheadAttention
        above, module, leaf = path, "in_proj", leaf.removeprefix("in_proj_")
    if leaf not in ("weight", "bias") or len(info.shape) not in (1, 2):
        return Reading(info, (info._replace(name=key),))
    above = f"{above}." if above else ""
    if module in _STACKED or module in ("query_key_value", "in_proj"):
        return _projections(whole, info, (above, leaf), module, (facts, other), how)
    if module in _HALVED and whole.shape[0] % 2 == 0:
        half = whole.shape[0] // 2
        cut = (views.rows(whole, 0, half), views.rows(whole, half, 2 * half))
        return _named(info, [(f"{above}{n}.{leaf}", v) for n, v in zip(HALVES, cut, strict=True)])
    return Reading(info, (whole._replace(name=key),), how)


def _inward(info: TensorInfo, facts: Facts, other: Facts) -> bool | None:
    """Whether a weight is stored `[in, out]`; None where it should be known and is not."""
    if facts.conv1d == other.conv1d and facts.contradicted == other.contradicted:
        return facts.conv1d is True
    if info.shape[0] != info.shape[1]:
        return facts.conv1d is True
    return facts.inward(info)


def _called(info: TensorInfo, name: str) -> TensorInfo:
    """The tensor under another name; four times as fast as `_replace`, and there are many."""
    return info if name == info.name else tuple.__new__(TensorInfo, (name, *info[1:]))


def _named(info: TensorInfo, pieces: _Pieces, how: str = "fused") -> Reading:
    if any(view is None for _, view in pieces):
        return Reading(info, (), unread="a part of it begins inside a block")
    return Reading(info, tuple(view._replace(name=name) for name, view in pieces if view), how)


def _projections(
    whole: TensorInfo,
    info: TensorInfo,
    names: tuple[str, str],
    module: str,
    facts: tuple[Facts, Facts],
    how: str = "",
) -> Reading:
    """Queries, keys and values."""
    above, leaf = names
    if module == "query_key_value" and (cut := _by_head(whole, facts)) is not None:
        pieces: _Pieces = list(zip(QKV, cut, strict=True))
        fused = "fused head by head"
    else:
        sizes = _sizes(whole, facts) if _is_stacked(module, facts) else None
        if sizes is None:
            what = "ambiguous: no config says how its queries, keys and values are fused"
            return Reading(info, (whole._replace(name=spelled(info.name)),), how, what)
        ends = (0, sizes[0], sizes[0] + sizes[1], sum(sizes))
        cut = tuple(views.rows(whole, *ends[at : at + 2]) for at in range(3))
        pieces, fused = list(zip(QKV, cut, strict=True)), "fused"
    named = [(f"{above}{part}.{leaf}", view) for part, view in pieces]
    return _named(info, named, f"{fused}, {how}" if how else fused)


def _is_stacked(module: str, facts: tuple[Facts, Facts]) -> bool:
    """Whether all queries come first, then all keys, then all values.

    No shape tells: heads may as well lie one after the other. So the family must be known, but
    for what is always stored in this way.
    """
    if module == "in_proj" or facts[0].gguf or any(one.one_key_head for one in facts):
        return True
    if module == "query_key_value" or any(one.family in _SHUFFLED for one in facts):
        return False
    told = any(one.family for one in facts) if module == "c_attn" else bool(facts[0].family)
    return told and facts[0].family not in _BY_HEAD


def _by_head(whole: TensorInfo, facts: tuple[Facts, Facts]) -> tuple[TensorInfo | None, ...] | None:
    """Views of queries, keys and values that lie head by head; None where nothing says so."""
    for one in facts:
        heads, groups, size = one.heads, one.key_heads, one.head_size
        if not heads or not groups or not size:
            continue
        by_group = one.family == "falcon" and one.flag("new_decoder_architecture")
        plain = one.family == "falcon" and not one.flag("multi_query") and not by_group
        if one.family in _BY_HEAD or plain:
            groups = heads
        elif not by_group:
            continue
        share = heads // groups + 2
        if heads % groups or groups * share * size != whole.shape[0]:
            continue
        apart = views.split(whole, (groups, share, size))
        if apart is None:
            return None, None, None
        spans = ((0, share - 2), (share - 2, share - 1), (share - 1, share))
        return tuple(_flat(views.narrow(apart, 1, *span), whole) for span in spans)
    return None


def _flat(view: TensorInfo | None, whole: TensorInfo) -> TensorInfo | None:
    """Heads and their rows as rows, by name only: the values stay where they are."""
    if view is None:
        return None
    rows = view.shape[0] * view.shape[1] * view.shape[2]
    return views.joined(view.name, [view], (rows, *whole.shape[1:]))


def _sizes(whole: TensorInfo, facts: tuple[Facts, Facts]) -> tuple[int, int, int] | None:
    """Rows of queries, keys and values."""
    rows = whole.shape[0]
    for one in facts:
        heads, keys, size = one.heads, one.key_heads, one.head_size
        if heads and keys and size and (heads + 2 * keys) * size == rows:
            return heads * size, keys * size, keys * size
    thirds = rows % 3 == 0 and (len(whole.shape) == 1 or rows == 3 * whole.shape[1])
    return (rows // 3,) * 3 if thirds else None


def _half(one: TensorInfo | None, at: int, alternate: bool) -> TensorInfo | None:
    """The first or second half of the rows, or every other row."""
    if one is None:
        return None
    half = one.shape[0] // 2
    return views.every(one, 0, at, 2) if alternate else views.rows(one, at * half, (at + 1) * half)


def _experts(info: TensorInfo, path: str, module: str, facts: tuple[Facts, Facts]) -> Reading:
    """The matrices of all experts."""
    if not 0 < info.shape[0] <= MOST_EXPERTS or not info.numel:
        return Reading(info, (info._replace(name=f"{path}.{module}.weight"),))
    own = facts[0]
    key = info._replace(name=f"{path}.{module}.weight")
    turned = stored_inward(info, module, facts)
    if turned is None:
        what = "its matrices are square, and no config says which way they are stored"
        return Reading(info, (key,), unread=what)
    alternate = own.family in _INTERLEAVED_EXPERTS
    whole = views.transposed(info) if turned else info
    if module == "gate_up_proj" and whole and whole.shape[1] % 2:
        return Reading(info, (key,))
    pieces: list[tuple[str, TensorInfo | None]] = []
    for expert in range(info.shape[0]):
        one = views.member(whole, expert) if whole else None
        if module != "gate_up_proj":
            pieces.append((f"{path}.{expert}.{module}.weight", one))
            continue
        for at, name in enumerate(HALVES):
            pieces.append((f"{path}.{expert}.{name}.weight", _half(one, at, alternate)))
    how = "experts in one, rows alternating" if alternate else "experts in one"
    return _named(info, pieces, f"{how}, {INWARD}" if turned else how)
