"""What each module of an adapter does, as far as its factors tell: a row for each."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inspect_core.adapters.effect.changes import Add, Experts, Product
from inspect_core.adapters.effect.factors import factors_of, shelf_of
from inspect_core.adapters.effect.values import is_readable, read_values
from inspect_core.adapters.exact.balanced import Matrix
from inspect_core.adapters.exact.factor_spectrum import measure
from inspect_core.adapters.exact.low_rank import LowRank
from inspect_core.adapters.exact.norms import MOST_MADE
from inspect_core.adapters.finding.part_names import IA3, SAVED, TOKENS
from inspect_core.adapters.overlay import AdapterSide, Target
from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.control import Control, Progress
from inspect_core.errors import UsageError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.checkpoint.checkpoint import Checkpoint

MOST_PART_BYTES = 4 << 30
"""Parts of one module beyond this are not read: no factors are so large."""

_BLOCK = 1 << 20

_FACTORS = ("A", "B", "E", "w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b")
"""Roles that a change is a product of: if one of them is zero, the change is."""


@dataclass(frozen=True, slots=True)
class ModuleSheet:
    """One weight, and what one adapter does to it.

    Attributes:
        adapter: index into `AdapterSheet.adapters`.
        module: as the base spells it; foreign text.
        weight: name of the changed tensor; foreign text.
        method: `LoRA`, `DoRA`, `LoHa`, `LoKr`, `IA3`, `tokens` or `saved`.
        rank: None where the method has none, or it is not known.
        alpha: likewise.
        scaling: likewise.
        shape: of the changed weight.
        l2: norm of the change; None where it was not computed (see `note`).
        largest: its largest singular value; None likewise.
        effective_rank: see `factor_spectrum.Measures`; None likewise.
        base_l2: norm of the base's weight; None where it was not read.
        never_trained: whether the change is zero by its factors, as before the first step (B all
            zero); None where it is not known.
        nonfinite: values of its tensors that are NaN or infinite.
        note: why something was not computed, for people, safe to show.
    """

    adapter: int
    module: str
    weight: str
    method: str
    rank: int | None
    alpha: float | None
    scaling: float | None
    shape: tuple[int, ...]
    l2: float | None = None
    largest: float | None = None
    effective_rank: float | None = None
    base_l2: float | None = None
    never_trained: bool | None = None
    nonfinite: int = 0
    note: str = ""

    @property
    def energy(self) -> float | None:
        """Square of the norm of the change; infinite where that leaves float64's range."""
        return None if self.l2 is None else self.l2 * self.l2

    @property
    def rel_l2(self) -> float | None:
        """Norm of the change over the base's; None where one is not known, or the latter is 0."""
        if self.l2 is None or not self.base_l2:
            return None
        return self.l2 / self.base_l2

    @property
    def stable_rank(self) -> float | None:
        """Energy over the square of the largest singular value; None where it is not known."""
        if self.l2 is None or not self.largest:
            return None
        return (self.l2 / self.largest) ** 2


@dataclass(frozen=True, slots=True)
class AdapterSheet:
    """What the adapters of a checkpoint do, module by module.

    Attributes:
        title: of the checkpoint, safe to show.
        base: title of the base, safe to show; None without one.
        adapters: name and method of each, safe to show.
        flags: what their user must know, adapter by adapter, safe to show.
        modules: in the base's order.
        with_base: whether the base's weights were read.
    """

    title: str
    base: str | None
    adapters: tuple[tuple[str, str], ...]
    flags: tuple[tuple[str, ...], ...]
    modules: tuple[ModuleSheet, ...]
    with_base: bool

    @property
    def l2(self) -> float | None:
        """Norm of all changes that are known, together (see `unknown`); None without one.

        Several adapters on one weight count each for itself.
        """
        known = [module.l2 for module in self.modules if module.l2 is not None]
        return math.hypot(*known) if known else None

    @property
    def unknown(self) -> int:
        """Weights whose change is not in `l2`."""
        return sum(module.l2 is None for module in self.modules)

    @property
    def untrained(self) -> tuple[str, ...]:
        """Modules whose change is zero by its factors; foreign text."""
        return tuple(module.module for module in self.modules if module.never_trained)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was found only by reading the factors; safe to show."""
        found = []
        count, all_of_them = len(self.untrained), len(self.modules)
        if count:
            which = (
                "all modules" if count == all_of_them else f"{count:,} of {all_of_them:,} modules"
            )
            found.append(f"never trained: the change of {which} is zero, a factor is all zero")
        broken = [clean(module.module, 80) for module in self.modules if module.nonfinite]
        if broken:
            more = f" and {len(broken) - 1:,} more" if len(broken) > 1 else ""
            found.append(f"NaN or infinite values in the tensors of {broken[0]}{more}")
        return tuple(found)


def adapter_sheet(
    checkpoint: "Checkpoint", control: Control | None = None, with_base: bool = False
) -> AdapterSheet:
    """Say what each module of a checkpoint's adapters does.

    Only the adapters' own tensors are read, unless the base is asked for.

    Args:
        checkpoint: one with an `overlay`.
        control: takes progress, and can cancel.
        with_base: whether to read the base's weights too: for norms relative to them, and for
            changes that depend on them (DoRA, IA3, tensors saved whole).

    Raises:
        UsageError: no adapter is on it.
        CheckpointError: a file cannot be read, or changed meanwhile.
        Cancelled: `control` was cancelled.
    """
    control, overlay = control or Control(), checkpoint.overlay
    if overlay is None:
        raise UsageError("no adapter is on it", where=checkpoint.title)
    modules: list[ModuleSheet] = []
    for target in overlay.targets:
        control.check()
        control.report(Progress(len(modules), len(overlay.targets), "modules"))
        row = _from_parts(checkpoint, overlay.adapters[target.adapter], target)
        modules.append(_from_base(checkpoint, target, row, control) if with_base else row)
    checkpoint.check_unchanged()
    control.report(Progress(len(modules), len(modules), "modules"))
    return AdapterSheet(
        title=checkpoint.title,
        base=None if overlay.base is None else overlay.base.title,
        adapters=tuple((side.name, side.method) for side in overlay.adapters),
        flags=tuple(side.flags for side in overlay.adapters),
        modules=tuple(modules),
        with_base=with_base and overlay.base is not None,
    )


def _from_parts(checkpoint: "Checkpoint", side: AdapterSide, target: Target) -> ModuleSheet:
    """What the adapter's own tensors tell."""
    row = ModuleSheet(
        target.adapter, target.module, target.weight, target.method, target.rank, target.alpha,
        target.scaling, target.shape, note=clean(target.note),
    )  # fmt: skip
    nbytes = sum(part.nbytes for part in target.parts.values())
    if nbytes > MOST_PART_BYTES:
        return replace(row, note=f"its own tensors take {_size(nbytes)}: not read")
    # What depends on nothing else is told even where the change cannot be had.
    parts = {
        role: read_values(side.checkpoint, info)
        for role, info in target.parts.items()
        if is_readable(info)
    }
    broken = sum(int(np.count_nonzero(~np.isfinite(values))) for values in parts.values())
    row = replace(row, nonfinite=broken, never_trained=_never_trained(target, parts))
    if target.note:
        return row
    found = _measured(checkpoint, side, target)
    if found is None:
        return replace(row, note=_needs_reading(checkpoint, target))
    size, top, rank, note = found
    return replace(row, l2=size, largest=top, effective_rank=rank, note=note)


def _never_trained(target: Target, parts: dict[str, Matrix]) -> bool | None:
    """Whether an adapter is as PEFT makes it before the first step."""
    if target.method == IA3:
        return bool(np.all(parts["scale"] == 1.0)) if "scale" in parts else None
    known = [parts[role] for role in _FACTORS if role in parts]
    return any(not values.any() for values in known) if known else None


def _measured(
    checkpoint: "Checkpoint", side: AdapterSide, target: Target
) -> tuple[float, float | None, float | None, str] | None:
    """Norm, largest singular value, effective rank, and what is missing; None without factors."""
    factors = factors_of(checkpoint, target)
    if factors is not None:
        found = measure(factors)
        return found.l2, found.largest, found.effective_rank, ""
    if target.needs_base or not target.parts or checkpoint.overlay is None:
        return None
    if target.method in (SAVED, TOKENS):
        return None
    change = shelf_of(checkpoint.overlay).change(target)
    if not isinstance(change, Add):
        return None
    if isinstance(change.product, Experts):
        each = [
            LowRank(*pair) for pair in zip(change.product.left, change.product.right, strict=True)
        ]
        measured = [measure(one) for one in each]
        size = math.hypot(*(one.l2 for one in measured))
        top = max(one.largest for one in measured)
        return size, top, None, "of all experts together"
    rows, columns = _matrix(target)
    if rows * columns > MOST_MADE:
        return None
    return _norm_of_rows(change.product, rows, columns), None, None, "made to be measured"


def _matrix(target: Target) -> tuple[int, int]:
    return (target.shape[0] if target.shape else 1), math.prod(target.shape[1:])


def _norm_of_rows(product: Product, rows: int, columns: int) -> float:
    step = max(1, _BLOCK // max(1, columns))
    parts = [
        float(np.linalg.norm(product.rows(at, min(rows, at + step)))) for at in range(0, rows, step)
    ]
    return math.hypot(*parts)


def _needs_reading(checkpoint: "Checkpoint", target: Target) -> str:
    overlay = checkpoint.overlay
    base = overlay.base.tensors.get(target.weight) if overlay and overlay.base else None
    if target.method == SAVED and base is None:
        return "saved whole: the base has none, so nothing is changed"
    if base is None:
        rows, columns = _matrix(target)
        return f"needs making {_size(8 * rows * columns)} of values: not computed"
    return f"needs reading {_size(base.nbytes)} of the base: not computed"


def _from_base(
    checkpoint: "Checkpoint", target: Target, row: ModuleSheet, control: Control
) -> ModuleSheet:
    """The norm of the base's weight; of a change that depends on it, its own norm too."""
    overlay = checkpoint.overlay
    assert overlay is not None
    base = overlay.base.tensors.get(target.weight) if overlay.base is not None else None
    if overlay.base is None or base is None or not DTYPES[base.dtype].comparable:
        return row
    changed = checkpoint.tensors.get(target.weight)
    alone = len(overlay.targets_of(target.weight)) == 1
    wanted = row.l2 is None and not target.note and alone and changed is not None
    squares = {"base": 0.0, "change": 0.0}
    for start in range(0, base.numel, _BLOCK):
        control.check()
        stop = min(base.numel, start + _BLOCK)
        weight = read_values(overlay.base, base, start, stop)
        squares["base"] += float(np.einsum("i,i->", weight, weight))
        if wanted and changed is not None:
            with np.errstate(all="ignore"):
                moved = read_values(checkpoint, changed, start, stop) - weight
            squares["change"] += float(np.einsum("i,i->", moved, moved))
    row = replace(row, base_l2=math.sqrt(squares["base"]))
    if not wanted:
        return row
    note = "from all values of the base" if squares["change"] else "equal to the base's"
    return replace(row, l2=math.sqrt(squares["change"]), note=note)


def _size(nbytes: int) -> str:
    value = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000.0:
            return f"{value:.3g} {unit}"
        value /= 1000.0
    return f"{value:,.3g} TB"
