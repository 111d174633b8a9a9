"""What a sweep collects beside the sums that are always there."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Collect:
    """Optional parts of a `Summary`; they cost time, so that whoever wants them asks.

    Attributes:
        histogram: counts of |d| by size, for quantiles and the Lorenz area.
        rows: the angle of each row.
        columns: with the rows, the largest column sum of |d|.
    """

    histogram: bool = False
    rows: bool = False
    columns: bool = False

    def __post_init__(self) -> None:
        if self.columns and not self.rows:
            raise ValueError("columns are collected together with rows")

    def __or__(self, other: "Collect") -> "Collect":
        return Collect(
            self.histogram or other.histogram,
            self.rows or other.rows,
            self.columns or other.columns,
        )

    def __bool__(self) -> bool:
        return self.histogram or self.rows

    def covers(self, other: "Collect") -> bool:
        """Whether all that `other` asks for is collected."""
        return self | other == self


NOTHING = Collect()
"""The sums alone: the default of every sweep."""

EVERYTHING = Collect(histogram=True, rows=True, columns=True)
"""All that can be collected."""
