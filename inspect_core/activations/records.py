"""Results about neurons as plain rows, for JSON, CSV, TSV and Markdown.

A row is values by key, the same keys in every row of a table; names are exact and foreign; what
is not defined is None.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.movement import site_movement
from inspect_core.activations.neurons import (
    DEAD,
    GONE,
    NEW,
    RARE,
    SHARED,
    ActivationReport,
    NeuronDetail,
    NeuronTable,
    Share,
    few,
)
from inspect_core.activations.ranking import marked, ranking, shift
from inspect_core.activations.several import SeveralReport, SeveralSite

Value = str | int | float | None
"""A cell."""

Row = dict[str, Value]
"""Values by key."""

STATES = {DEAD: "dead", NEW: "new", GONE: "gone", SHARED: "shared"}
"""Words for `NeuronTable.state`."""

SIDES = ("before", "after")
"""What the sides are called."""


def neuron_rows(
    report: ActivationReport,
    by: str = "distance",
    hide_rare: bool = False,
    top: int | None = None,
) -> list[Row]:
    """One row a neuron, site by site.

    Args:
        report: what was measured.
        by: one of `ranking.ORDERS`.
        hide_rare: leave out neurons with few activations, see `neurons.few`.
        top: at most so many of each site; None for all.

    Raises:
        UsageError: there is no such order.
    """
    rows = []
    for site in report.sites:
        table = site.neurons
        most, least = map(frozenset, marked(table))
        state, rare, moved = table.state, table.rare, shift(table)
        for unit in ranking(table, by, hide_rare)[:top].tolist():
            mark = "top" if unit in most else "least" if unit in least else None
            row: Row = {
                "site": table.site,
                "unit": unit,
                "state": STATES[int(state[unit])],
                "rare": bool(rare[unit]),
                "mark": mark,
                "distance": _number(table.distance[unit]),
                "tag_distance": _at(table.tag_distance, unit),
            }
            for (name, _), distance in zip(site.labels, table.label_distance, strict=True):
                row[f"{name} distance"] = _number(distance[unit])
            row |= {
                "union": int(table.union[unit]),
                "shift": int(moved[unit]),
                **_sided("length", table.length, unit),
                "tag_union": None if table.tag_union is None else int(table.tag_union[unit]),
                **_sided("tag_length", table.tag_length, unit),
                **_sided("count", table.count, unit),
                **_sided("mass", table.mass, unit),
                "original": _number(table.original[unit]),
                "word_before": table.top_word[0][unit] or None,
                "word_after": table.top_word[1][unit] or None,
            }
            rows.append(row)
    return rows


def site_rows(report: ActivationReport) -> list[Row]:
    """One row a site: how many neurons, and how far they moved."""
    return [_site_row(site.neurons) for site in report.sites]


def _site_row(table: NeuronTable) -> Row:
    state = table.state
    moved, tags = site_movement(table), site_movement(table, tags=True)
    return {
        "site": table.site,
        "units": table.units,
        **{word: int((state == number).sum()) for number, word in STATES.items()},
        "frequent": int((table.count.min(axis=0) >= RARE).sum()),
        "mean_distance": _number(moved.mean),
        "weighted_distance": _number(moved.weighted),
        "mean_tag_distance": _number(tags.mean),
        "count_before": int(table.count[0].sum()),
        "count_after": int(table.count[1].sum()),
        "mass_before": _number(table.mass[0].sum()),
        "mass_after": _number(table.mass[1].sum()),
    }


def tag_rows(report: ActivationReport) -> list[Row]:
    """One row a site and tag, then those of the label columns: frequency against mass."""
    rows: list[Row] = []
    for site in report.sites:
        for column, shares in (("tag", site.tags), *site.labels):
            rows += [
                {
                    "site": site.neurons.site,
                    "column": column,
                    "name": share.name,
                    "frequency_before": share.frequency[0],
                    "frequency_after": share.frequency[1],
                    "mass_before": share.mass[0],
                    "mass_after": share.mass[1],
                }
                for share in shares
            ]
    return rows


def detail_rows(detail: NeuronDetail) -> list[Row]:
    """One row a side and word of one neuron, the strongest first."""
    return [
        {
            "site": detail.site,
            "unit": detail.unit,
            "side": side,
            "word": strong.word,
            "tag": strong.tag or None,
            "count": strong.count,
            "mean": _number(strong.mean),
            "share": _number(strong.share),
            "best": _number(strong.best),
            "sentence": strong.sentence or None,
        }
        for side, words in zip(SIDES, detail.words, strict=True)
        for strong in words
    ]


def share_rows(detail: NeuronDetail) -> list[Row]:
    """One row a tag of one neuron, then those of the label columns."""
    return [
        {
            "site": detail.site,
            "unit": detail.unit,
            "column": column,
            "name": share.name,
            "mass_before": share.mass[0],
            "mass_after": share.mass[1],
            "count_before": share.count[0],
            "count_after": share.count[1],
        }
        for column, share in _shares(detail)
    ]


def _shares(detail: NeuronDetail) -> Iterator[tuple[str, Share]]:
    for column, shares in (("tag", detail.tags), *detail.labels):
        for share in shares:
            yield column, share


def several_rows(
    report: SeveralReport, hide_rare: bool = False, top: int | None = None
) -> list[Row]:
    """One row a neuron, site by site, sorted by its largest distance from the first stage.

    Stages have numbers from 1: `distance_1_3` is that of the first and the third.

    Args:
        report: what was measured.
        hide_rare: leave out neurons with few activations, see `neurons.few`.
        top: at most so many of each site; None for all.
    """
    rows = []
    for site in report.sites:
        for unit in _by_distance(site, len(report.titles), hide_rare)[:top].tolist():
            row: Row = {"site": site.site, "unit": unit, "rare": bool(_rare(site)[unit])}
            for at, pair in enumerate(report.pairs):
                row[_of_pair("distance", pair)] = _number(site.distance[at, unit])
            for stage in range(len(report.titles)):
                row[f"length_{stage + 1}"] = int(site.length[stage, unit])
                row[f"count_{stage + 1}"] = int(site.count[stage, unit])
                row[f"mass_{stage + 1}"] = _number(site.mass[stage, unit])
                row[f"word_{stage + 1}"] = site.top_word[stage][unit] or None
            rows.append(row)
    return rows


def several_site_rows(report: SeveralReport) -> list[Row]:
    """One row a site: how far its neurons moved between stages, which have numbers from 1."""
    rows = []
    for site in report.sites:
        row: Row = {"site": site.site, "units": site.distance.shape[1]}
        for pair, moved in zip(report.pairs, site.moved, strict=True):
            row[_of_pair("mean", pair)] = _number(moved.mean)
            row[_of_pair("weighted", pair)] = _number(moved.weighted)
            row[_of_pair("neurons", pair)] = moved.neurons
        rows.append(row)
    return rows


def why_undefined(table: NeuronTable, unit: int) -> str:
    """Why a neuron has no distance by words, for people; `""` where it has one."""
    if not math.isnan(table.distance[unit]):
        return ""
    before, after = table.count[:, unit].tolist()
    if not before and not after:
        return "never activated"
    if not before:
        return "nothing before"
    if not after:
        return "nothing after"
    shared = (table.state == SHARED) & (table.mass > 0).all(axis=0)
    if shared.any() and np.isnan(table.distance[shared]).all():
        return "no reference"
    return "no positive activation on one side"


def _rare(site: SeveralSite) -> NDArray[np.bool_]:
    return few(site.count)


def _by_distance(site: SeveralSite, stages: int, hide_rare: bool) -> NDArray[np.int64]:
    units = np.flatnonzero(~_rare(site)) if hide_rare else np.arange(site.distance.shape[1])
    far = np.fmax.reduce(site.distance[: stages - 1])
    found: NDArray[np.int64] = units[np.argsort(-far[units], kind="stable")]
    return found


def _of_pair(key: str, pair: tuple[int, int]) -> str:
    return f"{key}_{pair[0] + 1}_{pair[1] + 1}"


def _sided(
    key: str, values: NDArray[np.int64] | NDArray[np.float64] | None, unit: int
) -> dict[str, Value]:
    if values is None:
        return {f"{key}_before": None, f"{key}_after": None}
    before, after = values[:, unit].tolist()
    return {f"{key}_before": before, f"{key}_after": after}


def _at(values: NDArray[np.float64] | None, unit: int) -> float | None:
    return None if values is None else _number(values[unit])


def _number(value: float | np.float64) -> float | None:
    return float(value) if math.isfinite(value) else None
