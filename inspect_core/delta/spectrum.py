"""The singular values of a difference: its rank, and how its energy is spread.

All values where the shorter side is small, the largest ones beyond that (`singular_values`).
Rounding to the stored dtypes is a floor of noise under them (`panels`), which a rank leaves out.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.control import Control, Progress
from inspect_core.delta.heat import MatrixView
from inspect_core.delta.panels import LEAST_NOISE, Matrix, Panels
from inspect_core.delta.singular_values import MOST_PASSES, Found, Passes, all_values, top_values
from inspect_core.delta.values import Readable
from inspect_core.errors import UsageError
from inspect_core.pairing.match import Pair

MOST_EXACT = 1024
"""Shorter sides up to this have all their singular values computed: a second or two."""

LONGEST_ROW = 1 << 16
"""Columns up to which a larger matrix is read row by row: what is kept is as long as a row."""

TOP = 128
"""How many of the largest singular values are looked for in a larger matrix."""

NOISE_MARGIN = 1.1
"""By how much a noise level that was measured in the rest may be too low."""

LEAST_BURIED = 0.05
"""Share of the energy below the noise that hides some change where rounding swallowed some."""

EXACT_TO, RANDOMISED_TO = 1e-9, 1e-6
"""Share of the energy that the values may be off by."""

MOSTLY_CHANGED = 0.9
"""Below this share of changed values rounding has swallowed part of the change itself."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The singular values of a matrix d (model - reference, or the values of a lone tensor).

    Attributes:
        values: float64, descending; all of them where `exact`, otherwise the largest.
        exact: whether they are all there, to float64 rounding.
        method: how they were computed, for people.
        rows: rows of the matrix.
        columns: its columns.
        energy: ||d||_F^2, summed over all entries, not from the values.
        changed: entries where d is not 0; None where they were not counted, since the spectrum
            comes from factors (`adapters.factor_spectrum`).
        noise: largest singular value that rounding to the stored dtypes alone would have.
        noise_dtype: the dtype whose rounding is most of it.
        numerical: below this the computation itself cannot tell a value from zero.
        untold: why no rank can be told, or empty.
        buried: whether a part of the change lies below the noise: more is in the values there
            than rounding alone would leave.
    """

    values: NDArray[np.float64]
    exact: bool
    method: str
    rows: int
    columns: int
    energy: float
    changed: int | None
    noise: float
    noise_dtype: str
    numerical: float
    untold: str = ""
    buried: bool = False

    @property
    def threshold(self) -> float:
        """Values above it are told from noise."""
        return max(self.noise, self.numerical)

    @property
    def above(self) -> int:
        """How many of `values` are above the threshold."""
        return int(np.count_nonzero(self.values > self.threshold))

    @property
    def rank(self) -> int | None:
        """Numerical rank: values above the threshold; None where it cannot be told.

        It is a lower bound where `rank_is_bound`.
        """
        return None if self.untold else self.above

    @property
    def rank_is_bound(self) -> bool:
        """Whether the rank may be more: by values not computed, or by change below the noise."""
        return self.buried or (not self.exact and self.above == len(self.values))

    @property
    def effective_rank(self) -> float | None:
        """Exp of the entropy of s / sum(s), over the values above the threshold.

        Roy and Vetterli 2007. None without a rank, or where not all values of the change are
        known: of a part of them it would be of something else than `stable_rank` is.
        """
        if self.rank is None or self.rank_is_bound:
            return None
        kept = self.values[: self.above]
        if not kept.size:
            return 0.0
        shares = kept / kept.sum()
        return float(np.exp(-(shares * np.log(shares)).sum()))

    @property
    def stable_rank(self) -> float | None:
        """||d||_F^2 / s_1^2, over all values; noise hardly moves it. None where d is zero."""
        top = float(self.values[0]) if self.values.size else 0.0
        return self.energy / (top * top) if top > 0.0 else None

    @property
    def top_energy(self) -> NDArray[np.float64]:
        """Share of the energy in the first k values, for k from 1 on."""
        if self.energy <= 0.0:
            return np.zeros_like(self.values)
        return np.minimum(np.cumsum(np.square(self.values)) / self.energy, 1.0)

    @property
    def is_zero(self) -> bool:
        """Whether d is 0 everywhere."""
        return self.energy == 0.0 if self.changed is None else not self.changed

    @property
    def changed_fraction(self) -> float | None:
        """Share of entries where d is not 0; None where they were not counted."""
        if self.changed is None:
            return None
        size = self.rows * self.columns
        return self.changed / size if size else 0.0

    @property
    def drop(self) -> tuple[int, float] | None:
        """The largest fall from one value to the next, as (k, s_k / s_k+1); None without two.

        A second opinion on the rank where the dtypes do not tell the noise.
        """
        kept = self.values[self.values > self.numerical]
        if kept.size < 2:
            return None
        ratios = kept[:-1] / kept[1:]
        at = int(ratios.argmax())
        return at + 1, float(ratios[at])


def find_spectrum(
    model: Readable,
    reference: Readable,
    pair: Pair,
    view: MatrixView,
    control: Control,
    top: int = TOP,
    most_exact: int = MOST_EXACT,
    panel_values: int | None = None,
) -> Spectrum:
    """Singular values of a pair's difference, or of a lone tensor's values.

    Args:
        model: what holds the model's tensor.
        reference: what holds the reference's.
        pair: the two.
        view: which matrix of them.
        control: takes progress in bytes, and can cancel between panels.
        top: how many values of a larger matrix.
        most_exact: longest shorter side that is computed in full.
        panel_values: values read at once; for tests.

    Raises:
        UsageError: the tensor is no matrix, or it holds NaN or infinite values.
        Cancelled: `control` was cancelled.
        CheckpointError: a file cannot be read, or changed meanwhile.
    """
    refuse(pair)
    exact = min(view.rows, view.columns) <= most_exact
    # The exact way needs short lines; for the other rows are read faster, as they lie.
    by_columns = view.columns > (view.rows if exact else max(view.rows, LONGEST_ROW))
    panels = Panels(model, reference, pair, view, by_columns, panel_values)
    passes = 1 if exact else MOST_PASSES
    reader = Passes(panels, control, passes)
    found = all_values(panels, reader) if exact else top_values(panels, reader, top)
    control.report(Progress(passes, passes, "passes", reader.bytes_total, reader.bytes_total))
    return _spectrum(found, panels, pair, view, exact)


def refuse(pair: Pair) -> None:
    """Refuse what has no spectrum.

    Raises:
        UsageError: it is a vector or a scalar, or its values cannot be read.
    """
    tensor = pair.model
    if len(tensor.shape) < 2:
        what = "a vector has no singular values to look at" if tensor.shape else "it is one number"
        raise UsageError(what, where=tensor.name, hint="choose a weight of two dimensions or more")
    if tensor.numel == 0:
        raise UsageError("it holds no values", where=tensor.name)
    for side in (pair.model, pair.reference):
        if side is not None and not DTYPES[side.dtype].comparable:
            raise UsageError(f"values of dtype {side.dtype} are not read", where=side.name)


def _roundings(values: Matrix, panels: Panels) -> float:
    """The noise as a share of that of two roundings, from one to two, by what is in the rest.

    The base of a merge is often exactly what is stored, so that only the sum was rounded. What
    the values above the noise leave of the energy says so: noise cannot be more than that.
    """
    size = panels.lines * panels.length
    if not panels.changed or panels.changed < MOSTLY_CHANGED * size or not panels.noise.energy:
        return 1.0
    share = 1.0
    for _ in range(2):  # a lower level may let one more value out of the rest
        kept = values[values > share * panels.noise.level]
        free = (panels.lines - len(kept)) * (panels.length - len(kept)) / size
        rest = panels.energy - float(np.vdot(kept, kept))
        if free <= 0.0 or rest <= 0.0:
            break
        seen = math.sqrt(rest / (panels.noise.energy * free))
        share = min(1.0, max(LEAST_NOISE, NOISE_MARGIN * seen))
    return share


def _is_buried(values: Matrix, threshold: float, panels: Panels, least: float) -> bool:
    """Whether more change lies below the noise than rounding alone would leave there.

    The noise of two roundings has so much energy; what is more, changed. Less says nothing where
    many values did not change among those that did: there rounding has swallowed some change.

    Args:
        values: singular values that were found.
        threshold: what is below it is taken for noise.
        panels: read to their end.
        least: share of the energy that the values themselves may be off by.
    """
    kept = values[values > threshold]
    rest = panels.energy - float(np.vdot(kept, kept))
    if not kept.size or not panels.noise.energy or rest <= least * panels.energy:
        return False
    free = (panels.lines - len(kept)) * (panels.length - len(kept)) / (panels.lines * panels.length)
    if rest > NOISE_MARGIN * NOISE_MARGIN * panels.noise.energy * free:
        return True
    lines, places = (int(np.count_nonzero(moved)) for moved in panels.moved)
    swallowed = panels.changed < MOSTLY_CHANGED * lines * places
    return swallowed and rest > LEAST_BURIED * panels.energy


def _spectrum(found: Found, panels: Panels, pair: Pair, view: MatrixView, exact: bool) -> Spectrum:
    sides = [pair.model, *([pair.reference] if pair.reference is not None else [])]
    noise = panels.noise.level
    if len(sides) > 1:
        noise *= _roundings(found.values, panels)
    untold = ""
    quantised = [side.dtype for side in sides if DTYPES[side.dtype].decoded]
    if quantised:
        untold = f"the rounding of {quantised[0]} is not known from its values"
    elif panels.changed and not np.any(found.values > max(noise, found.numerical)):
        untold = f"all of it is within the rounding noise of {panels.noise.dtype}"
    least = EXACT_TO if exact else RANDOMISED_TO
    threshold = max(noise, found.numerical)
    return Spectrum(
        values=found.values,
        exact=exact,
        method=found.method,
        rows=view.rows,
        columns=view.columns,
        energy=panels.energy,
        changed=panels.changed,
        noise=noise,
        noise_dtype=panels.noise.dtype,
        numerical=found.numerical,
        untold=untold,
        buried=not untold and _is_buried(found.values, threshold, panels, least),
    )
