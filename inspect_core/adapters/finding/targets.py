"""From an adapter's tensors of one module to what they change, by shapes and config alone."""

from dataclasses import replace
from itertools import islice
from math import prod

from inspect_core.adapters.effect.values import is_readable
from inspect_core.adapters.finding.groups import NO_SCALE, RANK_0, Group, Shape, bad, sizes
from inspect_core.adapters.finding.lycoris_targets import loha, lokr
from inspect_core.adapters.finding.part_names import IA3, LOHA, LOKR, LORA, TOKENS
from inspect_core.adapters.overlay import Target
from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.adapter_scope import ends
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.facts import CONV1D

DORA, ADALORA = "DoRA", "AdaLoRA"

MOST_VALUES = 1 << 56
"""A product with more values than this is nobody's weight, and no 64-bit number of bytes."""

MOST_NAMED = 500
"""Names of one list of the config that are held against every module."""

RANK_OFFSET = 1e-5
"""What AdaLoRA adds to the number of ranks before it divides by it (PEFT's own constant)."""


def target_of(
    group: Group,
    config: AdapterConfig | None,
    module: str,
    weight: str,
    base: TensorInfo | None,
    alone: bool,
) -> Target:
    """What a group changes in a weight; why nothing, in its note.

    Args:
        group: the parts.
        config: the adapter's config; None without a usable one.
        module: the module as the base spells it.
        weight: full name of the weight.
        base: the base's weight; None where it has none.
        alone: whether the adapter is looked at without a base.
    """
    made = _MAKERS[group.method](group, config or AdapterConfig(), base)
    shape = base.shape if base is not None else made.shape
    target = replace(made, module=module, weight=weight, shape=shape)
    note = group.why_not or target.note or _in_the_way(target, base, alone)
    return replace(target, note=note)


def _in_the_way(target: Target, base: TensorInfo | None, alone: bool) -> str:
    """Why a change that the parts would give cannot be had."""
    for info in target.parts.values():
        if not is_readable(info):
            return f"{info.dtype} values are not read"
        if not info.numel:
            return "one of its parts holds no values"
    if base is None:
        if not alone:
            return "the base's files hold no such weight"
        if target.needs_base:
            return f"{target.method} depends on the base's weight: give the base"
        return "its product is too large for anybody" if prod(target.shape) > MOST_VALUES else ""
    return "" if is_readable(base) else f"the base's {base.dtype} values are not read"


def _lora(group: Group, config: AdapterConfig, base: TensorInfo | None) -> Target:
    """LoRA, DoRA and AdaLoRA; of experts in one tensor too."""
    parts = group.parts
    method = ADALORA if "E" in parts else DORA if "magnitude" in parts else LORA
    a, b = parts.get("A"), parts.get("B")
    if a is None or b is None:
        lacking, there = ("A", "B") if a is None else ("B", "A")
        if a is None and b is None:
            return bad(group, "no factors", method)
        return bad(group, f"lora_{there} without its lora_{lacking}", method)
    if len(a.shape) < 2 or len(b.shape) < 2:
        return bad(group, "its factors are no matrices", method)
    if a.shape[0] != b.shape[1] or any(size != 1 for size in b.shape[2:]):
        return bad(group, f"its factors do not fit: {sizes(b.shape)} and {sizes(a.shape)}", method)
    rank, scaling = a.shape[0], config.scale_of(group.module)
    alpha = config.alpha_of(group.module)
    if "E" in parts:
        scaling = _of_adalora(config, alpha)
    product = (b.shape[0], *a.shape[1:])
    target = Target(
        group.adapter, group.module, "", method, parts, product, rank, alpha, scaling,
        needs_base=method == DORA,
    )  # fmt: skip
    if base is not None and len(base.shape) == 3 and len(a.shape) == 2:
        return _of_experts(target, base, config, group.module)
    target = _laid_out(target, group, config, product, base)
    if target.note:
        return target
    if rank == 0:
        return replace(target, note=RANK_0)
    if method == DORA and prod(parts["magnitude"].shape) != b.shape[0]:
        return replace(target, note=f"its magnitude has shape {sizes(parts['magnitude'].shape)}")
    if "E" in parts and prod(parts["E"].shape) != rank:
        return replace(target, note=f"its lora_E has shape {sizes(parts['E'].shape)}")
    return target if scaling is not None else replace(target, note=NO_SCALE)


def _of_adalora(config: AdapterConfig, alpha: float | None) -> float | None:
    """Its scale: PEFT divides by the rank that training began with, whatever was pruned."""
    first = config.init_rank
    if alpha is None or first is None:
        return None
    return (alpha if alpha > 0 else first) / (first + RANK_OFFSET)


def _of_experts(target: Target, base: TensorInfo, config: AdapterConfig, module: str) -> Target:
    """LoRA of a parameter that holds all experts: `r` times as many rows and columns."""
    experts, first, second = base.shape
    out, into = target.shape
    inner = target.rank or 0
    if experts == 0 or inner % experts or inner == 0:
        return replace(target, note=f"rank {inner:,} is not that of {experts:,} experts")
    rank = inner // experts
    known = config.rank_of(module) or rank
    scaling = target.scaling
    target = replace(target, rank=rank)
    if (first, second) not in ((out, into), (into, out)):
        return replace(
            target, note=f"it makes {sizes((out, into))}, the base's is {sizes(base.shape)}"
        )
    # Both orders are in use; PEFT asks the module's class, which a square weight does not tell.
    if out == into:
        return replace(target, note="its experts are square: their order is not known")
    if known != rank:
        return replace(target, note=f"its rank is {rank:,}, the config says {known:,}")
    return replace(
        target, transposed=(first, second) == (into, out), note="" if scaling else NO_SCALE
    )


def _laid_out(
    target: Target, group: Group, config: AdapterConfig, product: Shape, base: TensorInfo | None
) -> Target:
    """How the product lies on the base's weight."""
    turned = product[::-1] if len(product) == 2 else product
    shapes = {False: product, True: turned}
    if group.embedding:
        if len(product) != 2:
            return replace(target, note="its factors are no matrices")
        wanted = True
    elif base is None:
        wanted = config.fan_in_fan_out and len(product) == 2
    elif product == turned or len(product) > 2:
        wanted = len(product) == 2 and _is_turned(group, config)
    else:
        # The shape tells, but a factor of the wrong shape is no reason to turn a Linear around.
        wanted = base.shape == turned and _may_be_turned(group, config)
    if base is not None and base.shape != shapes[wanted]:
        note = f"it makes {sizes(shapes[wanted])}, the base's is {sizes(base.shape)}"
        return replace(target, shape=shapes[wanted], note=note)
    return replace(target, shape=shapes[wanted], transposed=wanted)


def _is_turned(group: Group, config: AdapterConfig) -> bool:
    """Whether a weight is stored `(in, out)`.

    PEFT goes by the module's class: it heeds the config's flag for no `Linear`.
    """
    if group.conv1d is not None:
        return group.conv1d
    return config.fan_in_fan_out and _named_conv1d(group)


def _may_be_turned(group: Group, config: AdapterConfig) -> bool:
    if group.conv1d is not None:
        return group.conv1d
    return config.fan_in_fan_out or _named_conv1d(group)


def _named_conv1d(group: Group) -> bool:
    return group.module.rpartition(".")[2] in CONV1D


def _ia3(group: Group, config: AdapterConfig, base: TensorInfo | None) -> Target:
    """IA3: a linear module's scales are `(1, in)` or `(out, 1)`, a convolution's `(1, n, 1, ...)`.

    They belong to the weight's columns where the module is a feed-forward one, and to its rows
    otherwise; the other way round where it is stored `(in, out)`.
    """
    scale = group.parts["scale"]
    target = Target(group.adapter, group.module, "", IA3, group.parts, scale.shape, needs_base=True)
    if base is None:
        return target
    count, shape = prod(scale.shape), base.shape
    note = f"its scales have shape {sizes(scale.shape)}, the base's weight {sizes(shape)}"
    if len(shape) < 2 or len(scale.shape) < 2:
        return replace(target, note=note)
    turned = _is_turned(group, config)
    fits = {False: shape[0] == count, True: shape[1] == count}
    columns = is_feedforward(target, config) != (turned and len(shape) == 2)
    if not fits[columns] and len(shape) == 2 and _may_be_turned(group, config):
        columns = not columns
    return replace(target, transposed=columns, note="" if fits[columns] else note)


def is_feedforward(target: Target, config: AdapterConfig | None) -> bool:
    """Whether IA3 scales what goes into a module, and not what comes out of it."""
    shape = target.parts["scale"].shape
    if len(shape) == 2 and shape[0] != shape[1]:
        return shape[0] == 1
    return by_end((config or AdapterConfig()).feedforward_modules, target.module)


def by_end(names: tuple[str, ...], module: str) -> bool:
    """Whether a module is named, in full or by its end."""
    named = frozenset(names[:MOST_NAMED])
    return bool(named) and any(end in named for end in ends(module))


def _tokens(group: Group, config: AdapterConfig, base: TensorInfo | None) -> Target:
    rows = group.parts["rows"]
    target = Target(group.adapter, group.module, "", TOKENS, group.parts, rows.shape)
    target = replace(target, needs_base=True)
    at = tokens_of(config, group.module)
    if at is None or len(rows.shape) != 2 or len(at) != rows.shape[0]:
        return replace(target, note="which tokens its rows are is not known")
    if base is not None:
        fits = len(base.shape) == 2 and base.shape[1] == rows.shape[1]
        if not fits or max(at, default=0) >= base.shape[0]:
            note = f"its rows are {sizes(rows.shape)}, the base's weight is {sizes(base.shape)}"
            return replace(target, note=note)
    return replace(target, tokens=at)


def tokens_of(config: AdapterConfig, module: str) -> tuple[int, ...] | None:
    """The rows of a module that are trained alone; None where the config does not say."""
    if "" in config.token_indices:
        return config.token_indices[""]
    for name, rows in islice(config.token_indices.items(), MOST_NAMED):
        if by_end((name,), module):
            return rows
    return None


_MAKERS = {LORA: _lora, LOHA: loha, LOKR: lokr, IA3: _ia3, TOKENS: _tokens}
