"""What adapters add to a checkpoint: delta parameters, and weights that read as changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.structure.tree import LeafSpec


class ExpertPart(NamedTuple):
    """The part of factors of all experts that changes a weight of one of them.

    Attributes:
        expert: its number.
        experts: how many the factors are of.
        first: first row of its product.
        last: one past the last row.
    """

    expert: int
    experts: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Target:
    """One weight that an adapter changes.

    Attributes:
        adapter: index into `Overlay.adapters`.
        module: the changed module, as the base spells it; foreign text.
        weight: full name of the changed tensor, as `Checkpoint.tensors` has it: the base's own
            name where there is a base.
        method: `LoRA`, `DoRA`, `AdaLoRA`, `LoHa`, `LoKr`, `IA3`, `tokens` for single rows
            of an embedding, or `saved` for a tensor that the adapter brings whole
            (`modules_to_save`, biases).
        parts: the adapter's tensors by role: `A` and `B` of LoRA, `magnitude` of DoRA, `w1_a`,
            `w1_b`, ... of LoHa and LoKr, `scale` of IA3, `rows` of tokens, `whole`; `bias` of a
            bias that LoRA changes. They are read from `AdapterSide.checkpoint`.
        shape: of the changed weight, as the base stores it.
        rank: r; None where the method has none, or it is not known.
        alpha: numerator of the scale; None likewise.
        scaling: what the product of the factors is multiplied with; None where it is not known,
            and then nothing is computed.
        transposed: whether the base stores the weight `(in, out)` (`fan_in_fan_out`, embeddings);
            of IA3, whether it is the columns that are scaled.
        needs_base: whether the change depends on the base's weight (DoRA, IA3).
        note: why nothing is computed for it, for people; empty where its change can be had.
        tokens: numbers of the rows that `tokens` replaces.
        expert: the part of the factors, where they are of all experts and the weight is one's.
    """

    adapter: int
    module: str
    weight: str
    method: str
    parts: Mapping[str, TensorInfo]
    shape: tuple[int, ...]
    rank: int | None = None
    alpha: float | None = None
    scaling: float | None = None
    transposed: bool = False
    needs_base: bool = False
    note: str = ""
    tokens: tuple[int, ...] = ()
    expert: ExpertPart | None = None


@dataclass(frozen=True, eq=False)
class AdapterSide:
    """One opened adapter.

    Attributes:
        name: short, unlike the others', safe to show: its folder's name.
        checkpoint: its files as they are; `tensors` has its own names.
        method: `LoRA r=8 alpha=16 on 12 modules`, safe to show.
        flags: what its user must know, safe to show: never trained (B all zero is found by
            `lamella check`, not here: nothing is read), keys that match nothing of the base,
            modules that its config names and its file lacks.
    """

    name: str
    checkpoint: Checkpoint
    method: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Overlay:
    """Adapters on a base.

    Attributes:
        base: what they sit on; None without.
        adapters: in the order in which they are added.
        targets: every weight that is changed, once for each adapter that changes it; in the
            base's order.
        specs: how a tensor of `Checkpoint.tensors` is shown, where that is not how it is read:
            a changed weight reads as F64 and is shown in its own dtype, a delta parameter is
            marked as one, what stays as it is as frozen.
        unknown: names of weights that adapters change and whose values are not known -> why,
            for people; they read as the base's, and are not to be compared as such.
        types: module path -> what its row says of the adapter, e.g. `LoRA r=8 scale 2`: the
            scaling last; safe to show.
    """

    base: Checkpoint | None
    adapters: tuple[AdapterSide, ...]
    targets: tuple[Target, ...]
    specs: Mapping[str, LeafSpec] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)

    def targets_of(self, weight: str) -> list[Target]:
        """What changes a tensor."""
        return self._by_weight.get(weight, [])

    @cached_property
    def _by_weight(self) -> dict[str, list[Target]]:
        found: dict[str, list[Target]] = {}
        for target in self.targets:
            found.setdefault(target.weight, []).append(target)
        return found
