"""What the screen of geometry shows now."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport

CURVES, MATRIX, TABLE = "curves", "matrix", "table"
"""Kinds of view. Curves and matrices are pictures; the table is a widget (`tui.geometry.rows`)."""

OVERLAP, CKA = "overlap", "cka"
"""The matrices of a pair of spaces."""

CLUSTERS, LABELS = "clusters", "labels"
"""What the points of a layer are coloured by."""


@dataclass(frozen=True, slots=True)
class GeometryState:
    """What is to be drawn.

    Attributes:
        report: everything that was measured.
        measure: of the curves; one of `measures.MEASURES`.
        column: which column of labels, by index.
        layer: of the chosen space; beside a matrix its row: a layer of the pair's first space.
        space: the chosen one: whose layer the cursor is on.
        pair: which of `report.pairs` the matrix is of.
        matrix: `OVERLAP` or `CKA`.
        kind: `CURVES`, `MATRIX` or `TABLE`.
        across: the cursor's column in the matrix: a layer of the pair's other space.
        colored: what the points of a layer are coloured by: `CLUSTERS`, or `LABELS` of `column`.
    """

    report: "LandscapeReport"
    measure: str = "dimension"
    column: int = 0
    layer: int = 0
    space: int = 0
    pair: int = 0
    matrix: str = OVERLAP
    kind: str = CURVES
    across: int = 0
    colored: str = CLUSTERS
