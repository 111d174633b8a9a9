"""Where an adapter sits: which modules it changes in which layers, and which it leaves out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inspect_core.adapters.finding.part_names import LORA
from inspect_core.structure.fold import is_index
from inspect_core.structure.kinds import shortest_kinds
from inspect_core.work.adapted import MOST_PARTS, AdapterListing, TargetNote

MOST_AXES = 16
"""Lists of layers whose length is looked up; a model has one or two."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Modules of one kind that an adapter changes.

    Attributes:
        adapter: index into `AdapterListing.adapters`.
        kind: what they are called below their layer, in short; foreign text.
        facts: method, rank, alpha and scaling of the first; safe to show.
        modules: how many they are.
        layers: in which layers, in order; empty where they are in none.
        missed: layers of the same list that have no such target.
        alike: whether all have the same rank, alpha and scaling.
    """

    adapter: int
    kind: str
    facts: str
    modules: int
    layers: tuple[int, ...]
    missed: tuple[int, ...]
    alike: bool = True


def hits_of(adapted: AdapterListing, names: Sequence[str]) -> list[Hits]:
    """The targets of each adapter by kind, in the order of the model.

    Args:
        adapted: the adapters.
        names: all tensor names of the model, for the layers that are left out.
    """
    found: dict[tuple[int, str, str], list[tuple[int | None, str, str]]] = {}
    modules: dict[tuple[int, str], list[TargetNote]] = {}
    for target in adapted.targets:
        modules.setdefault((target.adapter, target.module), []).append(target)
    for (adapter, module), targets in modules.items():
        axis, layer, rest = _split(module)
        found.setdefault((adapter, axis, rest), []).append((layer, facts_of(targets), module))
    axes = list(dict.fromkeys([axis for _, axis, _ in found if axis]))[:MOST_AXES]
    layers = {axis: _layers_of(axis, names) for axis in axes}
    short = dict(zip(found, _labels([(axis, rest) for _, axis, rest in found]), strict=True))
    hits = []
    for key, members in found.items():
        adapter, axis, _ = key
        at = sorted({layer for layer, _, _ in members if layer is not None})
        facts = {facts for _, facts, _ in members}
        hits.append(
            Hits(
                adapter=adapter,
                kind=short[key],
                facts=members[0][1],
                modules=len({module for _, _, module in members}),
                layers=tuple(at),
                missed=tuple(sorted(layers.get(axis, set()) - set(at))),
                alike=len(facts) == 1,
            )
        )
    return hits


def facts_of(targets: Sequence[TargetNote]) -> str:
    """What an adapter does to one module: `LoRA r=8 alpha=16 scaling=2 + bias`; safe to show."""
    weights = [one for one in targets if not _is_bias(one)]
    said = dict.fromkeys([one.facts for one in weights])
    methods = {one.method for one in weights}
    if any(_is_bias(one) and one.method not in methods - {LORA} for one in targets):
        said["bias" if said else "bias saved"] = None
    return " + ".join(said)


def _is_bias(target: TargetNote) -> bool:
    return target.weight.endswith(".bias")


def usual_facts(hits: Iterable[Hits]) -> str:
    """What holds for the most modules; empty without any."""
    counts: Counter[str] = Counter()
    for hit in hits:
        counts[hit.facts] += hit.modules
    return max(counts, key=counts.__getitem__, default="")


def _split(module: str) -> tuple[str, int | None, str]:
    """The path of the list of layers, the layer's number, and the path below it."""
    parts = module.split(".", MOST_PARTS)
    for at, part in enumerate(parts):
        if at and is_index(part):
            return ".".join(parts[:at]), int(part), ".".join(parts[at + 1 :])
    return "", None, module


def _layers_of(axis: str, names: Iterable[str]) -> set[int]:
    start = f"{axis}."
    numbers = {name[len(start) :].partition(".")[0] for name in names if name.startswith(start)}
    return {int(number) for number in numbers if is_index(number)}


def _labels(kinds: Sequence[tuple[str, str]]) -> list[str]:
    """Kinds in short; with their list of layers where one kind is in several lists."""
    distinct = list(dict.fromkeys(kinds))
    full = [f"{axis}.*.{rest}" if axis else rest for axis, rest in distinct]
    label = dict(zip(distinct, shortest_kinds(full), strict=True))
    return [label[kind] for kind in kinds]
