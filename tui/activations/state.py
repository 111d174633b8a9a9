"""What the screen of activations shows now."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport


LISTS_SITES = "layers"
"""The view beside which the table lists the modules."""


@dataclass(frozen=True, slots=True)
class ViewState:
    """What is to be drawn.

    Attributes:
        report: everything that was measured.
        site: which of its sites, by index.
        hide_rare: leave out neurons with few activations.
        order: how the table of neurons is sorted; one of `ranking.ORDERS`.
        unit: the chosen neuron; None for none.
        kind: which picture; one of `figures.KINDS`.
    """

    report: "ActivationReport"
    site: int = 0
    hide_rare: bool = False
    order: str = "distance"
    unit: int | None = None
    kind: str = "overview"
