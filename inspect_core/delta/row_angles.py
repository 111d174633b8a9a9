"""What is found row by row: the angle of each row of a tensor, and its largest column."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowAngles:
    """Angles between the rows of a model's tensor and those of the reference.

    A row is an index of the first dimension with all others flattened; a vector is one row.
    `+` puts the rows of several tensors together; `RowAngles()` is its zero.

    Attributes:
        rows: rows seen.
        undefined: rows that are zero on a side; they have no angle and are left out of the sum.
        angle_sum: sum of the angles, radians.
        largest_column: the largest column sum of |d| of one matrix (its induced 1-norm), or
            the sum of |d| of a vector; None for several tensors together, for a tensor that
            is no matrix or vector, and for rows longer than can be summed (see `delta.rows`).
    """

    rows: int = 0
    undefined: int = 0
    angle_sum: float = 0.0
    largest_column: float | None = None

    def __add__(self, other: "RowAngles") -> "RowAngles":
        if not other.rows:
            return self
        if not self.rows:
            return other
        return RowAngles(
            self.rows + other.rows,
            self.undefined + other.undefined,
            self.angle_sum + other.angle_sum,
        )

    @property
    def mean_angle(self) -> float | None:
        """Mean of the angles in radians, [0, pi]; None where no row has one."""
        defined = self.rows - self.undefined
        return self.angle_sum / defined if defined else None

    @property
    def published_distance(self) -> float | None:
        """The row mean as it was published: angles over 3.141, a zero row as a right angle."""
        if not self.rows:
            return None
        return (self.angle_sum + self.undefined * (math.pi / 2.0)) / self.rows / 3.141
