"""What a module gave for a batch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

WHOLE_MODEL = "(model)"
"""What the module is called that has all others and no name of its own."""


@dataclass(frozen=True, slots=True)
class Site:
    """One place where values are recorded.

    Attributes:
        path: the module, as the tree of the checkpoint has it.
        call: which call in a pass, from 0: a module that layers share is called by each of them.
        calls: how many calls a pass has.
        side: `output`, or `input` for what the module reads.
    """

    path: str
    call: int = 0
    calls: int = 1
    side: str = "output"

    @property
    def name(self) -> str:
        """What it is called on screen and in results; the path is foreign."""
        path = self.path or WHOLE_MODEL
        place = f"{path}#{self.call + 1}" if self.calls > 1 else path
        return f"{place} (input)" if self.side == "input" else place


@dataclass(frozen=True, eq=False, slots=True)
class Output:
    """Values of one site for one batch; only valid while the visitor runs.

    Attributes:
        site: where.
        values: float `(rows, positions, units)`, on the model's device, as the model computes.
        word: int64 `(rows, positions)` on that device, as `Batch.word`, for these positions: a
            decoder's are one further than the text's, behind the token that starts it.
        attended: bool `(rows, positions)` on that device, for these positions.
    """

    site: Site
    values: "torch.Tensor"
    word: "torch.Tensor"
    attended: "torch.Tensor"
