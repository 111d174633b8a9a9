"""What pairing finds: each tensor of both sides in one match, with the rule that made it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from inspect_core.checkpoint.tensor_info import TensorInfo

Status = Literal["pair", "shape_mismatch", "unsupported", "added", "removed"]
SAME_NAME = "same name"


@dataclass(frozen=True, slots=True)
class Pair:
    """A tensor of the model and its partner; without one the tensor is compared with zeros.

    Raises:
        ValueError: the two hold different numbers of values; they are never broadcast.
    """

    model: TensorInfo
    reference: TensorInfo | None = None

    def __post_init__(self) -> None:
        if self.reference is not None and self.reference.numel != self.model.numel:
            raise ValueError(f"{self.model.numel} values against {self.reference.numel}")

    @property
    def nbytes(self) -> int:
        """Bytes to read for it, both sides."""
        return self.model.nbytes + (self.reference.nbytes if self.reference else 0)


@dataclass(frozen=True, slots=True)
class Match:
    """A tensor of the model and its partner, or one that stands alone.

    Attributes:
        model: the model's tensor; None where only the reference has it.
        reference: the reference's; None where only the model has it.
        status: `pair` can be compared; `shape_mismatch` and `unsupported` have a partner and
            cannot; `added` is in the model only, `removed` in the reference only.
        reason: the rule, or what is in the way, for people; holds foreign names.
        sides: the parts of both that are compared; None where that is all of them.
        partners: names of the reference's tensors that `reference` is made of, where it is
            made of several; empty otherwise.
        unlike: its values lie or mean otherwise on the two sides, and are not compared: equal
            bits say nothing.
        doubt: what a pair rests on that its shapes do not prove; empty where they do, or where
            both have one name.
    """

    model: TensorInfo | None
    reference: TensorInfo | None
    status: Status
    reason: str
    sides: Pair | None = None
    partners: tuple[str, ...] = ()
    unlike: bool = False
    doubt: str = ""

    @property
    def name(self) -> str:
        """Its name in the model; of what only the reference has, in the reference."""
        info = self.model or self.reference
        assert info is not None
        return info.name

    @property
    def names(self) -> tuple[str, ...]:
        """What patterns may fit: its name in the model, and that of each partner."""
        if self.model is None or self.reference is None:
            return (self.name,)
        return (self.model.name, *(self.partners or (self.reference.name,)))

    @property
    def pair(self) -> Pair | None:
        """What is compared with what; None where nothing can be."""
        if self.status != "pair" or self.model is None:
            return None
        return self.sides or Pair(self.model, self.reference)


@dataclass(frozen=True, slots=True)
class Pairing:
    """All tensors of both sides, each in exactly one match.

    Attributes:
        matches: in the model's order, then what was removed in the reference's.
        rules: how many partners each rule found.
        warnings: what is odd about how it was made, such as a rule of the user's that fitted
            nothing; foreign text inside.
    """

    matches: tuple[Match, ...]
    rules: Mapping[str, int]
    warnings: tuple[str, ...] = ()
