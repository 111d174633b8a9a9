"""One step of freezing or thawing, carried out."""

from inspect_core.plan.addressing import EVERYTHING, Matcher, inherited, reaching
from inspect_core.plan.counting import Counts, hits_of
from inspect_core.plan.plan import Freeze
from inspect_core.plan.preview import EntryKind
from inspect_core.plan.working import Work


def freeze(work: Work, number: int, step: Freeze) -> None:
    """Carry out one step of freezing or thawing.

    `EVERYTHING` means all of the model: it thaws delta parameters with the rest, but it freezes
    none. Those a pattern freezes that names the place where they are.
    What is tied stays as it is if one of its names is excluded. A module that is trained as a
    copy is not thawed itself: nothing uses it.

    Raises:
        UsageError: a pattern cannot be understood, or takes too long.
    """
    _Freezing(work, step).carry_out(number)


class _Freezing:
    """The state of one step while it is carried out."""

    def __init__(self, work: Work, step: Freeze) -> None:
        self.work, self.step = work, step
        outline, budget = work.outline, work.model.budget
        self.matcher = Matcher(step.patterns, budget)
        self.spared = Matcher(step.exclude, budget)
        self.reached = inherited(self.matcher, outline.paths, outline.parent)
        self.kept = inherited(self.spared, outline.paths, outline.parent)
        self.counts = Counts(outline, len(step.patterns))
        self.sparing = Counts(outline, len(step.exclude))

    def carry_out(self, number: int) -> None:
        """Freeze or thaw what is reached."""
        outline = self.work.outline
        found: dict[int, None] = {}
        spared: set[int] = set()
        for tensor, module in enumerate(outline.module):
            if not outline.is_parameter(tensor):
                continue
            reached, kept = self._reach(module, outline.leaf[tensor])
            if kept:
                spared.add(outline.owner[tensor])
                self.sparing.add(kept if reached else (), module)
            elif reached:
                found[tensor] = None
                self.counts.add(reached, module)
        self._set(found, spared)
        self._additions()
        kind: EntryKind = "thaw" if self.step.thaw else "freeze"
        texts = [pattern.text for pattern in self.step.patterns]
        self.work.hits += hits_of(self.counts, number, texts, kind)
        texts = [pattern.text for pattern in self.step.exclude]
        self.work.hits += hits_of(self.sparing, number, texts, "spare")

    def _reach(self, module: int, tail: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The patterns that reach a parameter, and those that spare it."""
        path = self.work.outline.paths[module]
        reached = reaching(self.matcher, self.reached[module], path, tail)
        if not self.spared:
            return reached, ()
        return reached, reaching(self.spared, self.kept[module], path, tail)

    def _set(self, found: dict[int, None], spared: set[int]) -> None:
        work, outline = self.work, self.work.outline
        for tensor in found:
            owner = outline.owner[tensor]
            if owner in spared:
                continue
            if not self.step.thaw:
                work.frozen[owner] = True
                work.held.add(owner)
            elif outline.trains(owner) and tensor not in work.replaced:
                work.frozen[owner] = False
                work.thawed.add(tensor)
                work.held.discard(owner)

    def _additions(self) -> None:
        everything = {at for at, one in enumerate(self.step.patterns) if one == EVERYTHING}
        unused = {addition.twin for addition in self.work.additions}
        for at, addition in enumerate(self.work.additions):
            reached, kept = self._reach(addition.module, addition.made.stored)
            if not self.step.thaw:
                reached = tuple(one for one in reached if one not in everything)
            if not reached:
                continue
            if kept:
                self.sparing.add(kept, addition.module)
                continue
            self.counts.add(reached, addition.module)
            if at not in unused:
                addition.frozen = not self.step.thaw
