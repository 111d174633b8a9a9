"""GGUF files against others: llama.cpp's names, and what its conversion did to the values.

Names are translated by the `gguf` package's own tables. Queries and keys of some families were
reordered for llama.cpp's rotary embedding: that is undone by a view. Where the values
themselves were changed, the tensor is not compared, and says why.
"""

import re
from collections.abc import Callable

from inspect_core.checkpoint import views
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.facts import Facts
from inspect_core.pairing.layouts import MOST_EXPERTS, QKV, Reading, reading
from inspect_core.structure.prefixes import PREFIXES

MOST_LAYERS = 4096
"""Layers that names are made for."""

_PERMUTED = frozenset({
    "llama", "deci", "granite", "granitemoe", "smollm3", "arcee", "minicpm", "olmo",
    "internlm2", "baichuan", "xverse", "deepseek",
})  # fmt: skip
"""Families whose conversion reorders the rows of queries and keys within each head."""

_PLAIN = frozenset({
    "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "gemma", "gemma2", "gemma3", "phi2",
    "phi3", "phimoe", "starcoder2", "bert", "nomic-bert", "jina-bert-v2", "gpt2", "gptneox",
    "bloom", "falcon", "mpt", "stablelm", "command-r", "cohere2", "olmo2", "olmoe", "t5",
    "deepseek2", "gpt-oss", "glm4", "chatglm", "llama4", "mamba",
})  # fmt: skip
"""Families whose queries and keys are as they were."""

_PLUS_ONE = frozenset({"gemma", "gemma2", "gemma3", "nemotron", "qwen3next"})
"""Families whose norms are stored plus 1."""

_PARTS = dict(zip(("attn_q", "attn_k", "attn_v"), QKV, strict=True))
_BLOCK = re.compile(r"blk\.([0-9]{1,6})\.([a-z0-9_]+)\.(weight|bias)")
_EXPERT = re.compile(r"(.+\.experts)\.([0-9]{1,6})\.(.+)")

Translate = Callable[[str], str | None]
"""A name of another file as llama.cpp has it; None where it has no such tensor."""


def translator(gguf: Facts) -> Translate | None:
    """What translates names for a GGUF file; None for an architecture that is not known."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map  # 0.2 s to import

    arch = next((arch for arch, name in MODEL_ARCH_NAMES.items() if name == gguf.family), None)
    if arch is None:
        return None
    known = get_tensor_name_map(arch, min(gguf.layers or 0, MOST_LAYERS)).mapping

    def translate(name: str) -> str | None:
        path, _, leaf = name.rpartition(".")
        for at, each in ((path, f".{leaf}"), (name, "")):
            for start in ("", *PREFIXES):
                if at.startswith(start) and (found := known.get(at[len(start) :])) is not None:
                    return found[1] + (each or ".weight")
        return None

    return translate


def reading_of_gguf(info: TensorInfo, facts: Facts, other: Facts) -> Reading:
    """The reading of a tensor of a GGUF file, in llama.cpp's names."""
    found = _BLOCK.fullmatch(info.name)
    if found is None:
        return Reading(info, (info,), unlike=_changed(info, facts))
    block, module, leaf = found.groups()
    start = f"blk.{block}."
    if module.endswith("_exps") and leaf == "weight" and 0 < info.shape[0] <= MOST_EXPERTS:
        parts = [views.member(info, expert) for expert in range(info.shape[0])]
        named = [
            part._replace(name=f"{start}{module}.{at}.{leaf}")
            for at, part in enumerate(parts)
            if part is not None
        ]
        return Reading(info, tuple(named), "experts in one")
    if module == "attn_qkv":
        stacked = reading(info._replace(name=f"{start}qkv_proj.{leaf}"), facts, other)
        return _as_gguf(info, stacked, start)
    if module in ("attn_q", "attn_k") and facts.family not in _PLAIN:
        return _in_order(info, facts, facts.heads if module == "attn_q" else facts.key_heads)
    return Reading(info, (info,), unlike=_changed(info, facts))


def reading_for_gguf(info: TensorInfo, facts: Facts, gguf: Facts, translate: Translate) -> Reading:
    """The reading of a tensor of another file, in llama.cpp's names; no parts without one."""
    read = reading(info, facts, gguf)
    whole = translate(info.name)
    found = _BLOCK.fullmatch(whole or "")
    if found is not None and found[2] == "attn_qkv":
        return _as_gguf(info, read, f"blk.{found[1]}.")
    if whole is not None and len(read.parts) > 1 and not read.how.startswith("experts"):
        return Reading(info, (info._replace(name=whole),))
    parts = []
    for part in read.parts:
        name = _expert_name(part.name, translate) or _expert_name(info.name, translate)
        if name is None:
            return Reading(info, (), unread="llama.cpp has no such tensor")
        parts.append(part._replace(name=name))
    return Reading(info, tuple(parts), read.how, read.unread, read.unlike)


def _expert_name(name: str, translate: Translate) -> str | None:
    found = _EXPERT.fullmatch(name)
    if found is None:
        return translate(name)
    whole = translate(f"{found[1]}.{found[3]}")
    path, _, leaf = (whole or "").rpartition(".")
    return f"{path}.{found[2]}.{leaf}" if whole else None


def _as_gguf(info: TensorInfo, read: Reading, start: str) -> Reading:
    """A reading of queries, keys and values under llama.cpp's names."""
    if len(read.parts) != 3:
        whole = info._replace(name=f"{start}attn_qkv.{info.name.rpartition('.')[2]}")
        return Reading(info, (whole,), read.how, read.unread)
    leaf = read.parts[0].name.rpartition(".")[2]
    named = zip(_PARTS, read.parts, strict=True)
    parts = tuple(part._replace(name=f"{start}{module}.{leaf}") for module, part in named)
    return Reading(info, parts, read.how)


def _in_order(info: TensorInfo, facts: Facts, heads: int | None) -> Reading:
    """Rows of queries or keys as they were before llama.cpp's conversion."""
    family = facts.family
    if family not in _PERMUTED:
        unlike = f"whether llama.cpp reorders queries and keys of '{family}' is not known here"
        return Reading(info, (info,), unlike=unlike)
    rows = info.shape[0] if info.shape else 0
    if not heads or rows % (2 * heads):
        return Reading(info, (info,), unlike="llama.cpp reorders it by head: no number of heads")
    apart = views.split(info, (heads, rows // heads // 2, 2))
    turned = views.permuted(apart, (0, 2, 1, *range(3, len(apart.shape)))) if apart else None
    if turned is None:
        return Reading(info, (info,), unlike="llama.cpp reorders it, within its blocks")
    view = views.joined(info.name, [turned], info.shape)
    assert view is not None
    return Reading(info, (view,), "reordered by head")


def _changed(info: TensorInfo, facts: Facts) -> str:
    """Why the values of a tensor are others than before the conversion; empty if they are not."""
    if facts.family in _PLUS_ONE and info.name.endswith("norm.weight"):
        return "llama.cpp stores this norm plus 1"
    if info.name.endswith("ssm_a"):
        return "llama.cpp stores -exp of it"
    return ""
