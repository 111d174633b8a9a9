"""Whether the difference of two tensors is exactly a change that is known in factors."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspect_core.adapters.exact.factor_heat import pooled, total
from inspect_core.adapters.exact.factor_spectrum import find_factor_spectrum, kind_of, measure
from inspect_core.adapters.exact.low_rank import Factors
from inspect_core.adapters.exact.norms import is_finite, scaled, summed, unit_norms
from inspect_core.errors import UsageError

if TYPE_CHECKING:
    from inspect_core.checkpoint.checkpoint import Checkpoint
    from inspect_core.checkpoint.tensor_info import TensorInfo
    from inspect_core.control import Control
    from inspect_core.delta.heat import HeatGrid, MatrixView, Window
    from inspect_core.delta.profile import Profile
    from inspect_core.delta.spectrum import Spectrum
    from inspect_core.pairing.match import Pair

MOST_BLOCK_VALUES = 1 << 30
"""A change with more values is pooled from its factors unless its values are asked for: 8 GB."""

NEEDS_BLOCKS = "max, histogram and changed share need all of its values: not computed"


@dataclass(frozen=True, slots=True)
class FactorFacts:
    """What the factors of a change tell exactly, without one value of it being made.

    Attributes:
        l2: its norm; NaN where a factor is not finite.
        largest: its largest singular value.
        rank: singular values that are told from zero.
        effective_rank: see `factor_spectrum.Measures`; None where a factor is not finite.
        mean: of all entries.
        nbytes: what its values would take in float64.
        kind: what it is made of, for people: `factors of rank 8`.
        note: what is not known, for people.
    """

    l2: float
    largest: float
    rank: int
    effective_rank: float | None
    mean: float
    nbytes: int
    kind: str
    note: str = NEEDS_BLOCKS

    @classmethod
    def of(cls, factors: Factors) -> "FactorFacts":
        """The facts of a change."""
        rows, columns = factors.shape
        size, kind, nan = rows * columns, kind_of(factors), float("nan")
        if not is_finite(factors):
            note = "a factor holds NaN or infinite values"
            return cls(nan, nan, 0, None, nan, 8 * size, kind, note)
        return cls(*measure(factors), total(factors) / max(1, size), 8 * size, kind)


def change_in_factors(checkpoint: "Checkpoint", name: str) -> Factors | None:
    """What all adapters of a checkpoint do to a tensor, in factors.

    None where none changes it, where one does something else than add a product of factors
    (DoRA, IA3, a tensor saved whole), or where nothing is computed for it.

    Raises:
        CheckpointError: an adapter's file cannot be read, or changed.
    """
    from inspect_core.adapters.effect.factors import factors_of

    if checkpoint.overlay is None:
        return None
    found = []
    for target in checkpoint.overlay.targets_of(name):
        factors = factors_of(checkpoint, target)
        if factors is None:
            return None
        found.append(factors)
    alike = len({factors.shape for factors in found}) == 1
    return summed(*found) if alike else None


def factors_behind(
    model: "Checkpoint", reference: "Checkpoint | None", pair: "Pair"
) -> Factors | None:
    """The factors of which the difference of a pair (model - reference) is exactly the product.

    So it is for a base with an adapter against that base, for two adapters on one base, and for
    an adapter without its base, whose tensors are the change itself. The base's own values are
    not read: NaN or infinities in them are not seen.

    Args:
        model: what holds the model's tensor.
        reference: what holds the reference's; None for the tensor's own values.
        pair: the two.

    Returns:
        None where the difference is anything else; factors of another shape than the tensor's
        matrix are not returned.

    Raises:
        CheckpointError: an adapter's file cannot be read, or changed.
    """
    if model.tensors.get(pair.model.name) != pair.model:
        return None
    changes = _is_changed(model, pair.model)
    if pair.reference is None or reference is None:
        alone = changes and model.overlay is not None and model.overlay.base is None
        return _fitting(change_in_factors(model, pair.model.name), pair) if alone else None
    if reference.tensors.get(pair.reference.name) != pair.reference:
        return None
    if not _same_bytes(model, pair.model, reference, pair.reference):
        return None
    parts = [change_in_factors(model, pair.model.name)] if changes else []
    if _is_changed(reference, pair.reference):
        theirs = change_in_factors(reference, pair.reference.name)
        parts.append(None if theirs is None else scaled(theirs, -1.0))
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts) or len({part.shape for part in known}) > 1:
        return None
    return _fitting(summed(*known), pair)


def _is_changed(checkpoint: "Checkpoint", tensor: "TensorInfo") -> bool:
    """Whether adapters change a tensor."""
    overlay = checkpoint.overlay
    return overlay is not None and bool(overlay.targets_of(tensor.name))


def _fitting(factors: Factors | None, pair: "Pair") -> Factors | None:
    from inspect_core.delta.heat import MatrixView

    view = MatrixView.of(pair.model.shape)
    if factors is None or view.slices > 1 or factors.shape != (view.rows, view.columns):
        return None
    return factors


def _same_bytes(
    one: "Checkpoint", tensor: "TensorInfo", other: "Checkpoint", partner: "TensorInfo"
) -> bool:
    """Whether two tensors, without what adapters add, are the same bytes of the same file."""
    sides = [_stored(one, tensor), _stored(other, partner)]
    if sides[0] is None or sides[1] is None:
        return False
    (first, info), (second, other_info) = sides[0], sides[1]
    if info.parts or other_info.parts:
        return False
    sources = first.shards[info.shard], second.shards[other_info.shard]
    same_file = sources[0] is sources[1] or (
        sources[0].stamp is not None and sources[0].stamp == sources[1].stamp
    )
    return same_file and info._replace(name="", shard=0) == other_info._replace(name="", shard=0)


def _stored(
    checkpoint: "Checkpoint", tensor: "TensorInfo"
) -> "tuple[Checkpoint, TensorInfo] | None":
    """Where the bytes lie that a tensor is made from; None for a change without a base."""
    if not _is_changed(checkpoint, tensor):
        return checkpoint, tensor
    assert checkpoint.overlay is not None
    base = checkpoint.overlay.base
    info = None if base is None else base.tensors.get(tensor.name)
    return None if base is None or info is None else (base, info)


def spectrum_of_pair(
    model: "Checkpoint",
    reference: "Checkpoint",
    pair: "Pair",
    view: "MatrixView",
    control: "Control",
) -> "Spectrum":
    """The spectrum of a pair's difference: from factors where it is their product, else read.

    Raises:
        UsageError: the tensor is no matrix, or it holds NaN or infinite values.
        Cancelled: `control` was cancelled.
        CheckpointError: a file cannot be read, or changed meanwhile.
    """
    from inspect_core.delta.spectrum import find_spectrum, refuse

    refuse(pair)
    factors = factors_behind(model, reference, pair)
    if factors is None or factors.shape != (view.rows, view.columns):
        return find_spectrum(model, reference, pair, view, control)
    return find_factor_spectrum(factors)


def picture_of_pair(
    model: "Checkpoint",
    reference: "Checkpoint",
    pair: "Pair",
    view: "MatrixView",
    grid: tuple[int, int],
    window: "Window | None" = None,
) -> "tuple[HeatGrid, FactorFacts] | None":
    """The cells of a change too large to be made unasked, and what its factors tell.

    None where it is small enough (`MOST_BLOCK_VALUES`), or where no factors tell it.

    Raises:
        CheckpointError: an adapter's file cannot be read, or changed.
    """
    size = view.numel if window is None else window.rows * view.columns
    if size <= MOST_BLOCK_VALUES:
        return None
    factors = factors_behind(model, reference, pair)
    if factors is None or factors.shape != (view.rows, view.columns):
        return None
    return pooled(factors, view, grid, window), FactorFacts.of(factors)


def profile_of_pair(
    model: "Checkpoint", reference: "Checkpoint", pair: "Pair", view: "MatrixView"
) -> "Profile | None":
    """Norms of the rows and columns of a change too large to be made, from its factors.

    Sums of |d| and of the reference's squares are not in the factors, and NaN in the profile.
    None where the change is small enough (`MOST_BLOCK_VALUES`), or where no factors tell it.

    Raises:
        CheckpointError: an adapter's file cannot be read, or changed.
        UsageError: a factor holds NaN or infinite values.
    """
    if view.numel <= MOST_BLOCK_VALUES:
        return None
    factors = factors_behind(model, reference, pair)
    if factors is None or factors.shape != (view.rows, view.columns):
        return None
    if not is_finite(factors):
        raise UsageError("its factors hold NaN or infinite values: no profile")
    from inspect_core.delta.profile import Profile, Units

    sides = []
    for norms, length in zip(unit_norms(factors), (view.columns, view.rows), strict=True):
        unknown = np.full(norms.shape, np.nan)
        with np.errstate(over="ignore"):
            sides.append(Units(length, unknown, np.square(norms), unknown))
    return Profile(*sides)
