"""The 256 colours of xterm: which is near, and how a map keeps its order among them."""

import math
from functools import lru_cache

from themes import FIRST_CODE, LAST_CODE, Rgb

_CUBE = (0, 95, 135, 175, 215, 255)
"""The values of a channel in the cube of colours, codes 16 to 231; greys follow."""

STEPS = 12
"""Colours of a found sequential map."""

ARM = 6
"""Colours of a found diverging map on either side of its middle."""

LEAST_STEP = 2.5
"""Lightness between neighbours of a found map, of 100."""

COLORFUL = 12.0
"""From this distance to grey on, a colour's hue is seen."""


@lru_cache(maxsize=256)
def xterm_rgb(code: int) -> Rgb:
    """The colour of a code from 16 to 255."""
    if code >= 232:
        return (8 + 10 * (code - 232),) * 3
    red, rest = divmod(code - 16, 36)
    green, blue = divmod(rest, 6)
    return _CUBE[red], _CUBE[green], _CUBE[blue]


@lru_cache(maxsize=4096)
def nearest_code(color: Rgb) -> int:
    """The code whose colour is nearest to the eye; that of the colour itself if it has one."""
    corners = [
        16 + 36 * red + 6 * green + blue
        for red in _around(color[0])
        for green in _around(color[1])
        for blue in _around(color[2])
    ]
    grey = min(23, max(0, round((sum(color) / 3 - 8) / 10)))
    return min([*corners, 232 + grey], key=lambda code: _distance(lab(xterm_rgb(code)), lab(color)))


def _around(value: int) -> list[int]:
    """The steps of the cube below and above a channel's value."""
    above = next(step for step, known in enumerate(_CUBE) if known >= value)
    return [above] if _CUBE[above] == value else [above - 1, above]


@lru_cache(maxsize=4096)
def lab(color: Rgb) -> tuple[float, float, float]:
    """CIE L*a*b* of an sRGB colour under D65: lightness 0 to 100, and two axes of hue."""
    linear = []
    for part in color:
        share = part / 255
        linear.append(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    red, green, blue = linear
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def _distance(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    return math.dist(one, other)


@lru_cache(maxsize=16)
def sequential_codes(ramp: tuple[Rgb, ...]) -> tuple[int, ...]:
    """Codes along a map that get lighter, or darker, at every step as the map does.

    Args:
        ramp: the map in fine steps.
    """
    picked = [ramp[round(step * (len(ramp) - 1) / (STEPS - 1))] for step in range(STEPS)]
    return tuple(_arm(nearest_code(picked[0]), picked[1:], frozenset()))


@lru_cache(maxsize=16)
def diverging_codes(ramp: tuple[Rgb, ...]) -> tuple[int, ...]:
    """Codes along a map with two arms, each in the order of its lightness and of its own hue.

    Args:
        ramp: the map in fine steps, its middle for zero.
    """
    half = len(ramp) // 2
    middle = nearest_code(ramp[half])
    offsets = [round(step * half / ARM) for step in range(1, ARM + 1)]
    above = _arm(middle, [ramp[half + offset] for offset in offsets], frozenset())
    below = _arm(middle, [ramp[half - offset] for offset in offsets], frozenset(above[1:]))
    long = min(len(above), len(below))
    return (*reversed(below[1:long]), middle, *above[1:long])


def _arm(first: int, wanted: list[Rgb], taken: frozenset[int]) -> list[int]:
    """Codes near the wanted colours, further from the first in lightness at every step."""
    way = 1.0 if lab(wanted[-1])[0] > lab(xterm_rgb(first))[0] else -1.0
    codes = [first]
    for color in wanted:
        lightness, aim = lab(xterm_rgb(codes[-1]))[0], lab(color)
        further = [
            code
            for code in range(FIRST_CODE, LAST_CODE + 1)
            if (lab(xterm_rgb(code))[0] - lightness) * way >= LEAST_STEP
            and code not in taken
            and _same_hue(lab(xterm_rgb(code)), aim)
        ]
        if not further:
            break
        codes.append(min(further, key=lambda code: _distance(lab(xterm_rgb(code)), aim)))
    return codes


def _same_hue(one: tuple[float, float, float], aim: tuple[float, float, float]) -> bool:
    """Whether a colour is no grey, and on the same side as the one aimed at, if that has a hue."""
    if aim[1] ** 2 + aim[2] ** 2 < COLORFUL**2:
        return True
    chroma = (one[1] ** 2 + one[2] ** 2) ** 0.5
    return chroma >= COLORFUL / 2 and one[1] * aim[1] + one[2] * aim[2] > 0
