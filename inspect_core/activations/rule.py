"""What counts as an activation of a neuron."""

import math
from dataclasses import dataclass

from inspect_core.errors import UsageError

MAX, TOP, OVER = "max", "top", "over"
"""The strongest unit of each word (as published); the strongest k; all beyond a threshold."""

VALUE, POSITIVE, MAGNITUDE = "value", "positive", "magnitude"
"""The value as it is; 0 where it is negative; without its sign."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which units a word activates, and how strongly.

    A word of several tokens activates a unit as its strongest token does. Only activations that
    are not 0 count; with `VALUE` a negative one counts where it is the strongest.

    Attributes:
        kind: `MAX`, `TOP` or `OVER`.
        sign: what is measured of a value: `VALUE`, `POSITIVE` or `MAGNITUDE`.
        k: units a word with `TOP`.
        threshold: with `OVER`, in the units of the values; those greater than it count.
        lower: whether words that differ in case alone are one feature, as published.

    Raises:
        UsageError: there is no such rule.
    """

    kind: str = MAX
    sign: str = POSITIVE
    k: int = 10
    threshold: float = 0.0
    lower: bool = True

    def __post_init__(self) -> None:
        kinds, signs = (MAX, TOP, OVER), (POSITIVE, VALUE, MAGNITUDE)
        if self.kind not in kinds or self.sign not in signs:
            hint = f"the kinds are {', '.join(kinds)}, the signs {', '.join(signs)}"
            raise UsageError(f"no rule '{self.kind!s:.20}' by '{self.sign!s:.20}'", hint=hint)
        if self.k < 1 or not math.isfinite(self.threshold):
            what = f"{self.k} units a word" if self.k < 1 else f"a threshold of {self.threshold}"
            raise UsageError(f"{what}: nothing would count", hint="give a number that is one")

    @property
    def words(self) -> str:
        """For people: what was counted."""
        of = {VALUE: "value", POSITIVE: "positive part", MAGNITUDE: "magnitude"}[self.sign]
        if self.kind == TOP:
            return f"strongest {self.k} units a word, by {of}"
        if self.kind == OVER:
            return f"all units over {self.threshold:g}, by {of}"
        return f"strongest unit a word, by {of}"


STRONGEST = Rule()
"""As published, but for negative values."""
