"""A file's tensors as the library's class has them once they are loaded.

Since version 5 transformers gives many parameters other names when it loads them, and makes one
parameter of several (experts). What acts on the loaded model, as PEFT does, must go by the names
of the class and not by those of the file.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from inspect_core.structure.align import OLD_LEAVES, align
from inspect_core.structure.build import ModuleFacts, Structure
from inspect_core.structure.meta import Built, build_model, names_architecture
from inspect_core.structure.prefixes import Renaming
from inspect_core.structure.tree import LeafSpec
from inspect_core.text import clean

ENOUGH = 0.5
"""Share of a class's parameters that a file must have for it to be taken for that class's."""

PACKED = (".qweight", ".absmax", ".quant_map", ".weight_packed", "_blocks", ".SCB", ".qzeros")
_SHOWN = 60

Rename = Callable[[str], str]


class Loaded(NamedTuple):
    """What a class makes of a file.

    Attributes:
        structure: the listing of the class, none of it stored; None where the file's own names
            are those of the class, or where they are not known to load into it.
        note: what to know about that, safe to show; empty where there is nothing.
        built: the config's model; None where it does not build.
    """

    structure: Structure | None
    note: str = ""
    built: Built | None = None


def as_loaded(
    config: Mapping[str, object], names: Sequence[str], specs: Sequence[LeafSpec]
) -> Loaded:
    """The listing of a config's class, where the names of the file are not those of the class.

    Never raises for what the config says.

    Args:
        config: the parsed `config.json`; foreign.
        names: the file's tensor names; foreign.
        specs: one for each name.
    """
    built, _ = build_model(config, conversions)
    if built is None:
        return Loaded(None)  # what is wrong is said where the types are asked for
    found = _by_prefix(built, names)
    wanted = _wanted(built)
    left = [name for name in names if name not in found]
    if wanted <= _owners(built, found) and (not left or not names_architecture(config, built.kind)):
        return Loaded(None, built=built)
    rename = built.more if built.more is not None else str
    known = set(built.names)
    for name in left:
        target = _renamed(rename, name)
        if target in known:
            found[name] = target
    there = _owners(built, found)
    have, all_of_it = len(there & wanted), max(1, len(wanted))
    kind = clean(built.kind, _SHOWN)
    if "quantization_config" in config or any(name.endswith(PACKED) for name in names):
        return Loaded(
            None,
            f"by the file's names: it is quantised, and {kind} may have other modules once loaded",
            built,
        )
    if have < ENOUGH * all_of_it:
        return Loaded(
            None,
            f"by the file's names, of which {kind} has few ({have:,} of its {all_of_it:,} "
            "parameters): PEFT may see other modules",
            built,
        )
    note = f"as transformers loads it into {kind}: not by the file's names"
    if extra := sum(name not in found for name in names):
        note += f"; {extra:,} tensors of the file are left out"
    if have < all_of_it:
        note += f"; {all_of_it - have:,} parameters are not in the file"
    return Loaded(_listing(built, found, names, specs), note, built)


def _by_prefix(built: Built, names: Sequence[str]) -> dict[str, str]:
    """Names of the file that are the class's, but for one prefix and for old leaves."""
    extra = (f"{built.prefix}.",) if built.prefix else ()
    fit = align(names, built.names, built.facts.types, extra)
    known = set(built.names)
    found: dict[str, str] = {}
    for name in names:
        target = _spelled(fit.rule, name, known)
        if target is not None:
            found[name] = target
    return found


def _spelled(rule: Renaming, name: str, known: set[str]) -> str | None:
    path, _, leaf = name.rpartition(".")
    spellings = [name, f"{path}.{OLD_LEAVES[leaf]}"] if leaf in OLD_LEAVES else [name]
    for one in spellings:
        for target in (rule.apply(one), one):
            if target is not None and target in known:
                return target
    return None


def _renamed(rename: Rename, name: str) -> str:
    try:
        return rename(name)
    except Exception:  # a stranger's name fails in the library's patterns in any way
        return name


def _wanted(built: Built) -> set[str]:
    """The class's parameters; of tied ones the owner."""
    facts = built.facts
    return {name for name in built.names if name not in facts.buffers and name not in facts.tied}


def _owners(built: Built, found: Mapping[str, str]) -> set[str]:
    tied = built.facts.tied
    return {tied.get(target, target) for target in found.values()}


def _listing(
    built: Built, found: Mapping[str, str], names: Sequence[str], specs: Sequence[LeafSpec]
) -> Structure:
    """The class's listing with the file's dtypes; nothing of it has a place in the file."""
    tied, buffers = built.facts.tied, built.facts.buffers
    dtypes: dict[str, str] = {}
    for name, spec in zip(names, specs, strict=True):
        if name in found:
            dtypes.setdefault(tied.get(found[name], found[name]), spec.dtype)
    usual = Counter(dtype for dtype in dtypes.values() if dtype.startswith(("F", "BF")))
    other = usual.most_common(1)[0][0] if usual else ""
    listed: list[str] = []
    made: dict[LeafSpec, LeafSpec] = {}
    own: list[LeafSpec] = []
    for name, spec in zip(built.names, built.specs, strict=True):
        if name in tied or (name in buffers and name not in dtypes):
            continue
        dtype = dtypes.get(name) or other or spec.dtype
        loaded = spec._replace(dtype=dtype, frozen=False, stored=False, planned=True)
        listed.append(name)
        own.append(made.setdefault(loaded, loaded))
    shapes = {
        name: (dtypes.get(owner) or other or built.facts.shapes[name][0],
               built.facts.shapes[name][1])
        for name, owner in tied.items() if name in built.facts.shapes
    }  # fmt: skip
    return Structure(listed, own, _with_shapes(built.facts, shapes))


def _with_shapes(
    facts: ModuleFacts, shapes: Mapping[str, tuple[str, tuple[int, ...]]]
) -> ModuleFacts:
    from dataclasses import replace

    return replace(facts, shapes=shapes)


def conversions(model: torch.nn.Module) -> Rename:
    """What transformers does to a name of a file when it loads this model."""
    try:
        from transformers import conversion_mapping, core_model_loading
    except ImportError:  # before version 5 names stay as they are
        return str
    loading: Any = core_model_loading
    mapping: list[Any] = conversion_mapping.get_model_conversion_mapping(model)
    renamings = [one for one in mapping if isinstance(one, loading.WeightRenaming)]
    converters = [one for one in mapping if isinstance(one, loading.WeightConverter)]
    there = model.state_dict()
    prefix = str(getattr(model, "base_model_prefix", ""))

    def rename(name: str) -> str:
        target = str(loading.rename_source_key(name, renamings, converters, prefix, there)[0])
        if target not in there and name in there:
            return name
        return target

    return rename
