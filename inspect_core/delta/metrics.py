"""The metrics a person can choose from: one definition each, derived from a `Summary`."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from inspect_core.delta.summary import Summary


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a summary.

    Attributes:
        key: its name in options and files.
        name: its name for people.
        value: how it follows from a summary; None where it is undefined.
        share: whether it lies in [0, 1] and reads best as a percentage.
    """

    key: str
    name: str
    value: Callable[[Summary], float | None]
    share: bool = False


def _one_minus_cosine(summary: Summary) -> float | None:
    angle = summary.angle
    return None if angle is None else 2.0 * math.sin(angle / 2.0) ** 2


def _rms(summary: Summary) -> float | None:
    return None if summary.l2 is None else summary.l2 / math.sqrt(summary.compared)


METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("rel_l2", "relative L2", lambda s: s.rel_l2),
        Metric("mean_abs", "mean |d|", lambda s: s.mean_abs),
        Metric("max_abs", "max |d|", lambda s: s.largest),
        Metric("l2", "L2", lambda s: s.l2),
        Metric("angle", "angle (rad)", lambda s: s.angle),
        Metric("one_minus_cosine", "1 - cosine", _one_minus_cosine),
        Metric("changed_fraction", "changed share", lambda s: s.changed_fraction, share=True),
    )
}
"""Metrics of a delta, the default first."""

VALUE_METRIC = Metric("rms", "rms of the values", _rms)
"""What is shown of a model's own values, where there is no reference."""
