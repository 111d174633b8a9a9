"""How the residuals of two parts become that of the whole; see `Summary.residual`."""


def merge_residual(
    residual_1: float, dot_1: float, square_1: float,
    residual_2: float, dot_2: float, square_2: float,
) -> float:  # fmt: skip
    """Residual of the union of two parts about their common slope."""
    if square_1 <= 0.0 or square_2 <= 0.0:
        return residual_1 + residual_2
    slope_gap = dot_1 / square_1 - dot_2 / square_2
    shared = square_1 / (square_1 + square_2) * square_2
    return residual_1 + residual_2 + slope_gap * slope_gap * shared
