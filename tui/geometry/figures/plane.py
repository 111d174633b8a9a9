"""The points of a layer on two principal components: in each cell the group of most points."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tui import plots
from tui.figures.parts import Lines
from tui.geometry.figures.naming import CLUSTER_MARKS, LABEL_MARKS, group_look, rest_look
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LayerDetail

REST = -1
"""The group of points of the halo, and of labels without a mark."""

MARGIN = 0.02
"""Share of the plot between its edge and the outermost point."""


@dataclass(frozen=True, eq=False, slots=True)
class Groups:
    """Points told apart.

    Attributes:
        of: int64 `(points,)`, the group of each; `REST` for none.
        names: of the groups that have a mark, the largest first; foreign.
        sizes: points of each.
        rest: points of no group.
        hidden: groups without a mark.
        marks: of the others, one each.
    """

    of: NDArray[np.int64]
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    rest: int
    hidden: int
    marks: str


def by_cluster(detail: "LayerDetail") -> Groups:
    """Points by cluster; those of the halo are the rest."""
    count = len(detail.clusters)
    marked = min(count, len(CLUSTER_MARKS))
    if not count:
        of = np.full(len(detail.cluster), REST, np.int64)
    else:
        of = np.where(detail.cluster < marked, detail.cluster, REST)
    sizes = tuple(int((of == at).sum()) for at in range(marked))
    names = tuple(f"cluster {at + 1}" for at in range(marked))
    return Groups(of, names, sizes, int((of == REST).sum()), count - marked, CLUSTER_MARKS)


def by_label(labels: Sequence[str]) -> Groups:
    """Points by label; the commonest labels have a mark."""
    counted = Counter(labels).most_common()
    shown = counted[: len(LABEL_MARKS)]
    number = {name: at for at, (name, _) in enumerate(shown)}
    of = np.array([number.get(label, REST) for label in labels], np.int64)
    names, sizes = tuple(name for name, _ in shown), tuple(size for _, size in shown)
    return Groups(
        of, names, sizes, len(labels) - sum(sizes), len(counted) - len(shown), LABEL_MARKS
    )


def scatter(
    plane: NDArray[np.float64], groups: Groups, palette: Palette, width: int, height: int
) -> Lines:
    """A mark in every cell with points: its commonest group, or that of the halo.

    Args:
        plane: float64 `(points, 2)`.
        groups: of the same points.
        palette: colours and glyphs.
        width: cells across.
        height: lines.
    """
    xs, ys = _cells(plane[:, 0], width), _cells(plane[:, 1], height)
    known = (xs >= 0) & (ys >= 0)
    cell = ys[known] * width + xs[known]
    marked = len(groups.names)
    counts = np.zeros((width * height, marked + 1), np.int64)
    np.add.at(counts, (cell, np.where(groups.of[known] == REST, marked, groups.of[known])), 1)
    # A point of a group is seen before those of none.
    most = np.where(counts[:, :marked].any(axis=1), counts[:, :marked].argmax(axis=1), marked) \
        if marked else np.zeros(len(counts), np.int64)  # fmt: skip
    filled = counts.any(axis=1)
    layers = []
    for group in range(marked + 1):
        at = np.flatnonzero(filled & (most == group))
        if not len(at):
            continue
        mark, style = (
            group_look(group, groups.marks, palette) if group < marked else rest_look(palette)
        )
        layers.append(
            plots.Marks((at % width).astype(float), (at // width).astype(float), mark, style)
        )
    return plots.marks(layers, None, width, height)


def _cells(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The cell of each value between the least and the greatest; -1 for what is not finite."""
    known = np.isfinite(values)
    found = np.full(len(values), -1, np.int64)
    if not known.any():
        return found
    # Halves, so that the span of two huge values is no infinity.
    halves = values[known] / 2
    low, span = halves.min(), halves.max() - halves.min()
    share = (halves - low) / span if span > 0 else np.full(len(halves), 0.5)
    share = MARGIN + (1 - 2 * MARGIN) * share
    found[known] = np.clip(np.rint(share * (count - 1)), 0, count - 1).astype(np.int64)
    return found
