"""Two adapters held against each other, module by module, from their factors alone."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.adapters.exact.behind import change_in_factors
from inspect_core.adapters.exact.overlap import Overlap, cosine_of, overlap
from inspect_core.control import Control, Progress
from inspect_core.errors import UsageError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.adapters.overlay import Target
    from inspect_core.checkpoint.checkpoint import Checkpoint

SAME_START = (
    "what is read may overlap because both began from the same random A: look at what is written"
)
"""A remark where inputs overlap far more than outputs: adapters made with one seed."""

_FAR_MORE = 0.5


@dataclass(frozen=True, slots=True)
class ModuleComparison:
    """One weight that both adapters change.

    Attributes:
        module: as the first one's base spells it; foreign text.
        weight: name of the changed tensor; foreign text.
        methods: of the one and of the other.
        ranks: likewise; None where it is not known.
        overlap: what they have in common; None where `note` says why not.
        note: see there, for people, safe to show.
    """

    module: str
    weight: str
    methods: tuple[str, str]
    ranks: tuple[int | None, int | None]
    overlap: Overlap | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class AdapterComparison:
    """What two adapters have in common, and where only one of them is.

    Attributes:
        titles: of the one and of the other, safe to show.
        modules: weights that both change, in the first one's order.
        only_one: weights that only the first changes; foreign text.
        only_other: weights that only the second changes; foreign text.
    """

    titles: tuple[str, str]
    modules: tuple[ModuleComparison, ...]
    only_one: tuple[str, ...]
    only_other: tuple[str, ...]

    @property
    def compared(self) -> list[Overlap]:
        """What was found, where both have factors."""
        return [module.overlap for module in self.modules if module.overlap is not None]

    @property
    def l2(self) -> tuple[float, float]:
        """Norm of the one and of the other over the compared weights."""
        one, other = (math.hypot(*(found.l2[side] for found in self.compared)) for side in (0, 1))
        return one, other

    @property
    def cosine(self) -> float | None:
        """Cosine between both over all compared weights; None where it is not known."""
        products = [found.inner for found in self.compared]
        known = [product for product in products if product is not None]
        if not known or len(known) < len(products):
            return None
        one, other = self.l2
        return cosine_of(math.fsum(known), one * one, other * other)

    @property
    def rel_l2(self) -> float | None:
        """Norm of the difference over that of the second, over all compared weights."""
        distances = [found.distance for found in self.compared]
        known = [distance for distance in distances if distance is not None]
        other = self.l2[1]
        if not known or len(known) < len(distances) or not other > 0.0:
            return None
        return math.hypot(*known) / other

    def mean_overlap(self, side: str) -> tuple[float, float] | None:
        """Mean `full` overlap over the weights with directions, and what is expected by chance.

        Args:
            side: `input` or `output`.
        """
        found = [getattr(one, side) for one in self.compared if getattr(one, side) is not None]
        if not found:
            return None
        count = len(found)
        return sum(one.full for one in found) / count, sum(one.expected for one in found) / count

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know of the numbers; safe to show."""
        found = []
        if not self.modules:
            found.append("they change no weight of the same name")
        read, written = self.mean_overlap("input"), self.mean_overlap("output")
        if read and written and read[0] - read[1] > _FAR_MORE + max(0.0, written[0] - written[1]):
            found.append(SAME_START)
        left_out = len(self.modules) - len(self.compared)
        if left_out:
            found.append(f"{left_out:,} of {len(self.modules):,} weights have no numbers")
        return tuple(found)


def compare_adapters(
    one: "Checkpoint", other: "Checkpoint", control: Control | None = None
) -> AdapterComparison:
    """Hold the changes of two adapters against each other; their bases are not read.

    Weights belong together by name, whether the adapters are on a base or alone. All adapters
    of one side together are one change.

    Args:
        one: a checkpoint with an `overlay`.
        other: another; it may be on another base, or alone.
        control: takes progress, and can cancel.

    Raises:
        UsageError: no adapter is on one of them.
        CheckpointError: a file cannot be read, or changed meanwhile.
        Cancelled: `control` was cancelled.
    """
    control = control or Control()
    first, second = _by_weight(one), _by_weight(other)
    partners = _partners(list(first), list(second))
    modules: list[ModuleComparison] = []
    for weight, partner in partners.items():
        control.check()
        control.report(Progress(len(modules), len(partners), "modules"))
        modules.append(_compared(one, first[weight], other, second[partner]))
    for checkpoint in (one, other):
        checkpoint.check_unchanged()
    control.report(Progress(len(partners), len(partners), "modules"))
    taken = set(partners.values())
    return AdapterComparison(
        (one.title, other.title),
        tuple(modules),
        tuple(weight for weight in first if weight not in partners),
        tuple(weight for weight in second if weight not in taken),
    )


def _by_weight(checkpoint: "Checkpoint") -> dict[str, list["Target"]]:
    if checkpoint.overlay is None:
        raise UsageError("no adapter is on it", where=checkpoint.title)
    found: dict[str, list[Target]] = {}
    for target in checkpoint.overlay.targets:
        found.setdefault(target.weight, []).append(target)
    return found


def _partners(ours: list[str], theirs: list[str]) -> dict[str, str]:
    """Which weight of the other a weight of the one is: by name, or by name but for a prefix."""
    there = set(theirs)
    same = {weight: weight for weight in ours if weight in there}
    if same or not ours or not theirs:
        return same
    for long, short, turned in ((ours, theirs, False), (theirs, ours, True)):
        prefix = next((n[: -len(short[0])] for n in long if n.endswith(f".{short[0]}")), "")
        if not prefix:
            continue
        names = set(short)
        found = {n: n[len(prefix) :] for n in long if n.startswith(prefix)}
        found = {name: plain for name, plain in found.items() if plain in names}
        return {plain: name for name, plain in found.items()} if turned else found
    return {}


def _compared(
    one: "Checkpoint", ours: list["Target"], other: "Checkpoint", theirs: list["Target"]
) -> ModuleComparison:
    found, note = None, ""
    shapes = ours[0].shape, theirs[0].shape
    if shapes[0] != shapes[1]:
        note = "their weights have different shapes"
    else:
        note = _in_the_way([*ours, *theirs])
    if not note:
        first = change_in_factors(one, ours[0].weight)
        second = change_in_factors(other, theirs[0].weight)
        if first is None or second is None:
            note = "not of small factors: compare the checkpoints value by value instead"
        else:
            found = overlap(first, second)
            note = found.note
    methods = tuple(" + ".join(dict.fromkeys(t.method for t in side)) for side in (ours, theirs))
    ranks = tuple(side[0].rank if len(side) == 1 else None for side in (ours, theirs))
    return ModuleComparison(
        ours[0].module, ours[0].weight, (methods[0], methods[1]), (ranks[0], ranks[1]), found, note
    )


def _in_the_way(targets: list["Target"]) -> str:
    noted = next((target.note for target in targets if target.note), "")
    if noted:
        return clean(noted)
    needing = next((target.method for target in targets if target.needs_base), "")
    return (
        f"{needing} has no factors of its own: compare the checkpoints instead" if needing else ""
    )
