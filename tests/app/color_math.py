"""Colours as eyes see them: contrast, distance, and what the colour-blind see. Written here a
second time, so that the themes are not judged by the code that draws them.
"""

import numpy as np

RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
WHITE = RGB_TO_XYZ.sum(axis=1)

CONES = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
"""Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB."""


def linear(color):
    share = np.asarray(color, float) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def luminance(color):
    """Relative luminance by WCAG 2.1."""
    return float(RGB_TO_XYZ[1] @ linear(color))


def contrast(one, other):
    """The contrast ratio of WCAG 2.1, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(color, eyes="normal"):
    """CIE L*a*b* of what some eyes see of a colour."""
    seen = np.clip(CONES[eyes] @ linear(color), 0, 1)
    ratio = RGB_TO_XYZ @ seen / WHITE
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def delta_e(one, other, eyes="normal"):
    """CIE76: about 2.3 is just seen side by side."""
    return float(np.linalg.norm(lab(one, eyes) - lab(other, eyes)))
