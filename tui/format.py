"""Numbers for people: short, aligned, never misleading."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = ".:-=+*#@"


def count(value: int) -> str:
    """A number of things in at most five characters: `770`, `148k`, `22.7M`, `1.2T`."""
    if value < 1000:
        return str(value)
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15)):
        short = value / size
        if short < 999.5 or unit == "P":
            return f"{short:.3g}{unit}" if short < 100 else f"{short:.0f}{unit}"
    return str(value)


def params(value: int) -> str:
    """A number of parameters, in the field's own units: `22.7M`, `8.03B`, `671B`."""
    return count(value).replace("G", "B")


def size(nbytes: int) -> str:
    """Bytes in decimal units: `3.4 MB`, `1.2 TB`."""
    if nbytes < 1000:
        return f"{nbytes} B"
    short = count(nbytes)
    return f"{short[:-1]} {short[-1]}B"


def number(value: float | None) -> str:
    """A measured number in two or three digits: `.0142`, `1.2`, `3.1e-5`; `n/a` for None."""
    if value is None or math.isnan(value):
        return "n/a"
    if value == 0.0:
        return "0"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    size_of = abs(value)
    # The bounds are where a number rounds to the next form: .9996 is 1, 999.6 is 1.0e3.
    if 1e-3 <= size_of < 0.9995:
        digits = 2 - math.floor(math.log10(size_of))
        text = f"{value:.{digits}f}"
        return text.replace("0.", ".", 1)
    if 0.9995 <= size_of < 999.5:
        return f"{value:.3g}"
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def percent(share: float | None) -> str:
    """A share as a percentage that is 0 or 100 only when it is exactly that."""
    if share is None:
        return "n/a"
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    value = 100.0 * share
    if value < 0.01:
        return "<.01%"
    if value > 99.9:
        return ">99.9%"
    return f"{value:.2g}%" if value < 10 else f"{value:.1f}%" if value < 99.95 else ">99.9%"


def metric_value(metric: "Metric", value: float | None) -> str:
    """A metric's value as it is shown."""
    return percent(value) if metric.share else number(value)


def bar(share: float, ascii_only: bool = False) -> str:
    """One character for a share of the largest value, 0 to 1."""
    marks = _ASCII_BARS if ascii_only else _BARS
    return marks[max(0, min(len(marks) - 1, math.ceil(share * len(marks)) - 1))]


def duration(seconds: float) -> str:
    """A remaining time: `8 s`, `3 min`, `2 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"


def shape(sizes: tuple[int, ...]) -> str:
    """A shape: `384 x 384`, `scalar`."""
    return " x ".join(map(str, sizes)) if sizes else "scalar"
