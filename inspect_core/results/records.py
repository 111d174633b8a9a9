"""What changed between two checkpoints, as plain values.

Numbers that are not defined are None: a metric of what was not compared, a ratio to zero, a
sum that left the range of float64. There is no NaN.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspect_core.control import Control
from inspect_core.results.comparison import STATUSES, Comparison, TensorStatus, Uri, compare

if TYPE_CHECKING:
    from inspect_core.delta.summary import Summary


@dataclass(frozen=True, slots=True)
class TensorReport:
    """One tensor: how it was paired, and by how much it differs.

    `changed` and `identical` have been compared value by value. Identical are the same bits
    of the same dtype (NaN too), and equal values where both are numbers: 0.0 equals -0.0, and
    a BF16 value equals the F32 value it came from. All metrics of other statuses are None.

    Attributes:
        name: exact name in the model; of a removed tensor, in the reference.
        reference_name: exact name in the reference; None where it is added.
        status: see above; `added` is in the model only, `removed` in the reference only,
            `shape_mismatch` and `unsupported` have a partner and cannot be compared.
        reason: the rule that paired it, or what is in the way; foreign text inside.
        shape: sizes in the model; of a removed tensor, in the reference.
        dtype: storage dtype in the model; of a removed tensor, in the reference.
        reference_dtype: storage dtype in the reference; None where it is added.
        numel: number of elements of `shape`.
        mean_abs: mean of |model - reference|, like all metrics over finite positions.
        max_abs: largest |model - reference|.
        l2: Frobenius norm of the difference.
        rel_l2: `l2` over the norm of the reference; None where that is 0.
        cosine: cosine of `angle`.
        angle: between model and reference, radians; None where one of them is 0.
        changed_fraction: share of positions whose values differ, of all positions.
        nonfinite: positions where either side is NaN or infinite.
    """

    name: str
    reference_name: str | None
    status: TensorStatus
    reason: str
    shape: tuple[int, ...]
    dtype: str
    reference_dtype: str | None
    numel: int
    mean_abs: float | None = None
    max_abs: float | None = None
    l2: float | None = None
    rel_l2: float | None = None
    cosine: float | None = None
    angle: float | None = None
    changed_fraction: float | None = None
    nonfinite: int | None = None


@dataclass(frozen=True, slots=True)
class DiffSummary:
    """All tensors together.

    Attributes:
        counts: number of tensors of each of `STATUSES`.
        numel: positions of all tensors that were compared.
        parameters: elements of all tensors of the model, compared or not.
        mean_abs: as in `TensorReport`, and so on, over all compared tensors as one vector.
        max_abs: see there.
        l2: see there.
        rel_l2: see there.
        cosine: see there.
        angle: see there.
        changed_fraction: see there.
        nonfinite: see there.
        identical: every tensor is; an unsupported one is not known to be.
    """

    counts: Mapping[TensorStatus, int]
    numel: int
    parameters: int
    mean_abs: float | None
    max_abs: float | None
    l2: float | None
    rel_l2: float | None
    cosine: float | None
    angle: float | None
    changed_fraction: float | None
    nonfinite: int
    identical: bool


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What changed from the reference to the model.

    Attributes:
        model: what was opened, as it was given.
        reference: the same for the base.
        tensors: in the model's order, then what was removed in the reference's.
        summary: all of them together.
    """

    model: str | tuple[str, ...]
    reference: str | tuple[str, ...]
    tensors: tuple[TensorReport, ...]
    summary: DiffSummary


def diff(
    base_uri: Uri, model_uri: Uri, *, device: str = "cpu", control: Control | None = None
) -> DiffReport:
    """Compare all tensors of a model with those of its base, in this process.

    Args:
        base_uri: the old one.
        model_uri: the new one.
        device: where to compare: `cpu`, `cuda`, `cuda:1` or `mps`; all but `cpu` need torch.
        control: takes progress, and can cancel.

    Raises:
        CheckpointError: a file cannot be read, or changed meanwhile.
        UsageError: torch cannot use the device.
        Cancelled: `control` was cancelled.
    """
    return report_of(compare(base_uri, model_uri, device=device, control=control))


def report_of(comparison: Comparison) -> DiffReport:
    """The published numbers of a comparison."""
    tensors = tuple([_tensor(comparison, index) for index in comparison.kept])
    counts = Counter(tensor.status for tensor in tensors)
    total = comparison.table.summary([(0, len(comparison.matches))])
    return DiffReport(
        model=comparison.model.uri,
        reference=comparison.reference.uri,
        tensors=tensors,
        summary=DiffSummary(
            counts={status: counts[status] for status in STATUSES},
            numel=total.numel,
            parameters=sum(tensor.numel for tensor in tensors if tensor.status != "removed"),
            identical=counts["identical"] == len(tensors),
            **metrics_of(total),
        ),
    )


def metrics_of(summary: "Summary") -> dict[str, Any]:
    """The published metrics by their names in `TensorReport`; undefined ones are None."""
    return {
        "mean_abs": summary.mean_abs,
        "max_abs": summary.largest,
        "l2": summary.l2,
        "rel_l2": summary.rel_l2,
        "cosine": summary.cosine,
        "angle": summary.angle,
        "changed_fraction": summary.changed_fraction,
        "nonfinite": summary.left_out,
    }


def _tensor(comparison: Comparison, index: int) -> TensorReport:
    match = comparison.matches[index]
    info = match.model or match.reference
    assert info is not None
    partner = match.reference
    summary = comparison.summary(index)
    return TensorReport(
        name=info.name,
        reference_name=None if partner is None else partner.name,
        status=comparison.status(index),
        reason=match.reason,
        shape=info.shape,
        dtype=info.dtype,
        reference_dtype=None if partner is None else partner.dtype,
        numel=info.numel,
        **({} if summary is None else metrics_of(summary)),
    )
