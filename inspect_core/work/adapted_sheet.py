"""The job behind a module that adapters change: what each of them does to it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspect_core.work.jobs import Context, Job
from inspect_core.work.listings import Source

if TYPE_CHECKING:
    from inspect_core.adapters.exact.adapter_sheet import ModuleSheet
    from inspect_core.adapters.overlay import Target
    from inspect_core.checkpoint import Checkpoint

MOST_SHOWN = 1024
"""Singular values that are sent."""


@dataclass(frozen=True)
class ModuleChange:
    """One weight of a module, and what one adapter does to it.

    Attributes:
        adapter: the adapter's name, safe to show.
        sheet: the numbers.
        values: singular values of the change, descending; empty where they were not computed.
    """

    adapter: str
    sheet: "ModuleSheet"
    values: tuple[float, ...]


@dataclass(frozen=True)
class ModuleFinding:
    """What adapters do to a module.

    Attributes:
        module: its path; foreign text.
        changes: for each weight, and each adapter that changes it.
        remarks: what was found only by reading the factors; safe to show.
    """

    module: str
    changes: tuple[ModuleChange, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class InspectAdapted(Job[ModuleFinding]):
    """Read the factors of one module, and say what they do.

    Attributes:
        model: the model with the adapters on it, or the adapter alone.
        module: the module's path.
        with_base: whether the base's weights of it are read too, to measure against them.
    """

    model: Source
    module: str
    with_base: bool = True

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"reading the adapters of {self.module}"

    def run(self, context: Context) -> ModuleFinding:
        """See `Job.run`."""
        from inspect_core.adapters.effect.factors import keep_shelf, shelf_of
        from inspect_core.adapters.exact.adapter_sheet import adapter_sheet

        whole = context.open(self.model)
        overlay = whole.overlay
        targets = () if overlay is None else overlay.targets
        own = tuple([target for target in targets if target.module == self.module])
        if overlay is None or not own:
            return ModuleFinding(self.module, (), ())
        part = replace(overlay, targets=own)
        keep_shelf(part, shelf_of(overlay))
        sheet = adapter_sheet(replace(whole, overlay=part), context.control, self.with_base)
        changes = [
            ModuleChange(sheet.adapters[row.adapter][0], row, _values(whole, target))
            for row, target in zip(sheet.modules, own, strict=True)
        ]
        return ModuleFinding(self.module, tuple(changes), sheet.remarks)


def _values(checkpoint: "Checkpoint", target: "Target") -> tuple[float, ...]:
    from inspect_core.adapters.effect.factors import factors_of
    from inspect_core.adapters.exact.factor_spectrum import singular_values
    from inspect_core.adapters.exact.norms import is_finite

    factors = factors_of(checkpoint, target)
    if factors is None or not is_finite(factors):
        return ()
    return tuple(singular_values(factors, MOST_SHOWN).found[:MOST_SHOWN].tolist())
