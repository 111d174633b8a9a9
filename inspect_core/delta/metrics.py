"""The metrics a person can choose from: one definition each, derived from a `Summary`."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from inspect_core.delta.collect import NOTHING, Collect
from inspect_core.delta.summary import Summary


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a summary.

    Attributes:
        key: its name in options and files.
        name: its name for people.
        value: how it follows from a summary; None where it is undefined.
        share: whether it lies in [0, 1] and reads best as a percentage.
        needs: what a sweep must collect for it; without that its value is None.
    """

    key: str
    name: str
    value: Callable[[Summary], float | None]
    share: bool = False
    needs: Collect = NOTHING


def _one_minus_cosine(summary: Summary) -> float | None:
    angle = summary.angle
    return None if angle is None else 2.0 * math.sin(angle / 2.0) ** 2


def _rms(summary: Summary) -> float | None:
    return None if summary.l2 is None else summary.l2 / math.sqrt(summary.compared)


def _sum_abs(summary: Summary) -> float | None:
    return summary.abs_d if summary.compared and math.isfinite(summary.abs_d) else None


def _over_pi(angle: float | None) -> float | None:
    return None if angle is None else angle / math.pi


def _induced_norm(summary: Summary) -> float | None:
    return None if summary.rows is None else summary.rows.largest_column


def _published_distance(summary: Summary) -> float | None:
    return None if summary.rows is None else summary.rows.published_distance


_SIZES = Collect(histogram=True)
_ROWS = Collect(rows=True)
_COLUMNS = Collect(rows=True, columns=True)


def _keyed(*metrics: Metric) -> dict[str, Metric]:
    return {metric.key: metric for metric in metrics}


METRICS: dict[str, Metric] = _keyed(
    Metric("rel_l2", "relative L2", lambda s: s.rel_l2),
    Metric("mean_abs", "mean |d|", lambda s: s.mean_abs),
    Metric("sum_abs", "sum |d|", _sum_abs),
    Metric("max_abs", "max |d|", lambda s: s.largest),
    Metric("l2", "L2", lambda s: s.l2),
    Metric("angle", "angle (rad)", lambda s: s.angle),
    Metric("angle_pi", "angle / pi", lambda s: _over_pi(s.angle)),
    Metric("row_angle_pi", "row angle / pi", lambda s: _over_pi(s.row_angle), needs=_ROWS),
    Metric("cosine", "cosine", lambda s: s.cosine),
    Metric("one_minus_cosine", "1 - cosine", _one_minus_cosine),
    Metric("changed_fraction", "changed share", lambda s: s.changed_fraction, share=True),
    Metric("beyond_fraction", "changed beyond rounding", lambda s: s.beyond_fraction, share=True),
    Metric("rel_l2_beyond", "relative L2 beyond rounding", lambda s: s.rel_l2_beyond),
    Metric("sign_flips", "sign flips", lambda s: s.sign_flip_fraction, share=True),
    Metric("mean_abs_model", "mean |model|", lambda s: s.mean_abs_model),
    Metric("mean_abs_reference", "mean |reference|", lambda s: s.mean_abs_reference),
    Metric("median_abs", "median |d| (est.)", lambda s: s.quantile(0.5), needs=_SIZES),
    Metric("p90_abs", "90th percentile |d| (est.)", lambda s: s.quantile(0.9), needs=_SIZES),
    Metric("p99_abs", "99th percentile |d| (est.)", lambda s: s.quantile(0.99), needs=_SIZES),
    Metric("lorenz_area", "Lorenz area of |d| (est.)", lambda s: s.lorenz_area, needs=_SIZES),
)
"""Metrics of a delta, the default first; those called (est.) are estimates from a histogram."""

ORIGINALS: dict[str, Metric] = _keyed(
    Metric("l1", "induced 1-norm (original)", _induced_norm, needs=_COLUMNS),
    Metric("cossim", "row angle / 3.141 (original)", _published_distance, needs=_ROWS),
)
"""Numbers as transformer-weight-diffs publishes them, for comparison with its tables.

`l1` is the largest column sum of |d| of a matrix, the sum of |d| of a vector; `cossim` the mean
angle of the rows over 3.141, with a row that is zero on a side counted as a right angle.
"""

VALUE_METRIC = Metric("rms", "rms of the values", _rms)
"""What is shown of a model's own values, where there is no reference."""
