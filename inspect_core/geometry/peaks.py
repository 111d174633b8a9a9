"""Advanced density peaks: clusters as peaks of the density that stand out of its noise.

d'Errico, Facco, Laio, Rodriguez, "Automatic topography of high-dimensional data sets by
non-parametric density peak clustering", Information Sciences 560 (2021), step by step as the
published code does it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.geometry.density import Density
from inspect_core.geometry.neighbours import Neighbours

HALO = -1
"""The label of a point below the highest saddle of its cluster."""


@dataclass(frozen=True, eq=False, slots=True)
class Peaks:
    """Clusters of points.

    Attributes:
        cluster: int64 `(points,)`, numbered from 0 by size, the largest first.
        halo: the same, `HALO` for points that are not in the core.
        centre: int64 `(clusters,)`, the point at each peak.
        saddle: float64 `(clusters, clusters)`, log density of the saddle between two, as far
            above the lowest density as `height`; -1 where they do not touch.
        height: float64 `(clusters,)`, the same at the peaks.
    """

    cluster: NDArray[np.int64]
    halo: NDArray[np.int64]
    centre: NDArray[np.int64]
    saddle: NDArray[np.float64]
    height: NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return len(self.centre)

    @property
    def core_share(self) -> float:
        """Share of the points that are in a core."""
        return float((self.halo != HALO).mean())


def density_peaks(neighbours: Neighbours, density: Density, z: float = 1.6) -> Peaks:
    """Find the peaks that are significant.

    Args:
        neighbours: those that density was taken from, or more.
        density: of the same points.
        z: how many standard errors a peak must stand above its saddles.
    """
    floor = (density.log - z * density.error).min()
    c = density.log - floor + 1  # above 0 everywhere
    g = c - density.error
    near = neighbours.index[:, : density.k]
    dropped_for, centres = _centres(near, g)
    index, error = neighbours.index, density.error
    cluster = _assigned(index, g, centres, dropped_for)
    saddle, saddle_error = _saddles(index, density.k, c, g, error, cluster, centres)
    cluster, kept, saddle = _merged(c, error, z, centres, cluster, saddle, saddle_error)
    return _ordered(cluster, centres[kept], saddle[np.ix_(kept, kept)], c)


def _centres(
    near: NDArray[np.int32], g: NDArray[np.float64]
) -> tuple[dict[int, int], NDArray[np.int64]]:
    """Points of highest density among their neighbours, but for those that are not peaks.

    Returns:
        For each dropped one a denser point that has it among its neighbours; and the rest.
    """
    highest = np.flatnonzero((g[:, None] >= g[near]).all(axis=1))
    best: dict[int, int] = {}
    place = np.full(len(g), -1, np.int64)
    place[highest] = np.arange(len(highest))
    owners, columns = np.nonzero(place[near] >= 0)
    for owner, centre in zip(owners.tolist(), near[owners, columns].tolist(), strict=True):
        if g[owner] > g[centre] and (centre not in best or g[owner] > g[best[centre]]):
            best[centre] = owner
    return best, np.array([one for one in highest.tolist() if one not in best], np.int64)


def _assigned(
    index: NDArray[np.int32],
    g: NDArray[np.float64],
    centres: NDArray[np.int64],
    dropped_for: dict[int, int],
) -> NDArray[np.int64]:
    """Down from the densest, each point joins its nearest neighbour that has a cluster."""
    cluster = np.full(len(g), -1, np.int64)
    cluster[centres] = np.arange(len(centres))
    for point in np.argsort(-g, kind="stable").tolist():
        if cluster[point] >= 0:
            continue
        found = cluster[index[point]]
        nearest = found[(found >= 0).argmax()]
        if nearest >= 0:
            cluster[point] = nearest
        elif point in dropped_for:
            cluster[point] = cluster[dropped_for[point]]
    # What no chain of neighbours leads to a peak: a part of its own would be a guess.
    cluster[cluster < 0] = 0
    return cluster


def _saddles(
    index: NDArray[np.int32],
    k: int,
    c: NDArray[np.float64],
    g: NDArray[np.float64],
    error: NDArray[np.float64],
    cluster: NDArray[np.int64],
    centres: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The densest border point of each two clusters that touch."""
    count = len(centres)
    saddle = np.full((count, count), -1.0)
    best = np.full((count, count), -np.inf)
    saddle_error = np.zeros((count, count))
    near = index[:, :k]
    foreign = cluster[near] != cluster[:, None]
    has = foreign.any(axis=1)
    has[centres] = False
    first = foreign.argmax(axis=1)
    for point in np.flatnonzero(has).tolist():
        other = int(near[point, first[point]])
        own = index[other][cluster[index[other]] == cluster[point]]
        if not len(own) or own[0] != point:
            continue
        a, b = int(cluster[point]), int(cluster[other])
        if g[point] > best[a, b]:
            best[a, b] = best[b, a] = g[point]
            saddle[a, b] = saddle[b, a] = c[point]
            saddle_error[a, b] = saddle_error[b, a] = error[point]
    return saddle, saddle_error


def _merged(
    c: NDArray[np.float64],
    error: NDArray[np.float64],
    z: float,
    centres: NDArray[np.int64],
    cluster: NDArray[np.int64],
    saddle: NDArray[np.float64],
    saddle_error: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Join peaks that do not stand out of their saddles, the highest saddle first."""
    height, peak_error = c[centres], error[centres]
    into = np.arange(len(centres))
    alive = np.ones(len(centres), bool)
    while True:
        above = height[:, None] - saddle
        noise = peak_error[:, None] + saddle_error
        low = (saddle >= 0) & (above < z * noise) & alive[:, None] & alive[None, :]
        low |= low.T
        if not low.any():
            break
        a, b = np.unravel_index(np.where(low, saddle, -np.inf).argmax(), low.shape)
        if above[a, b] / noise[a, b] > above[b, a] / noise[b, a]:
            a, b = b, a
        # a goes: its borders are b's from now on.
        alive[a] = False
        into[into == a] = b
        higher = saddle[a] > saddle[b]
        higher[[a, b]] = False
        for rows in (saddle, saddle_error):
            source = rows[a]
            rows[b, higher] = source[higher]
            rows[higher, b] = source[higher]
        saddle[a, :] = saddle[:, a] = -1.0
    return into[cluster], np.flatnonzero(alive), saddle


def _ordered(
    cluster: NDArray[np.int64],
    centres: NDArray[np.int64],
    saddle: NDArray[np.float64],
    c: NDArray[np.float64],
) -> Peaks:
    """Number the clusters by size, and tell the cores from the rest."""
    names, dense, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    assert len(names) == len(centres)
    order = np.argsort(-sizes, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    cluster = place[dense]
    saddle = saddle[np.ix_(order, order)]
    border = saddle.max(axis=1, initial=-1.0)
    halo = np.where(c < border[cluster], HALO, cluster)
    return Peaks(cluster, halo, centres[order], saddle, c[centres[order]])
