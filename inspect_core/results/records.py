"""What changed between two checkpoints, as plain values.

Numbers that are not defined are None: a metric of what was not compared, a ratio to zero, a
sum that left the range of float64. There is no NaN.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.pairing import LayerMap
from inspect_core.results.comparison import STATUSES, Comparison, TensorStatus, Uri, compare
from inspect_core.results.side_files import FileDifference

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric
    from inspect_core.delta.summary import Summary


@dataclass(frozen=True, slots=True)
class TensorReport:
    """One tensor: how it was paired, and by how much it differs.

    `changed` and `identical` have been compared value by value. Identical are the same bits
    of the same dtype (NaN too), and equal values where both are numbers: 0.0 equals -0.0, and
    a BF16 value equals the F32 value it came from. `rounded` are those of two dtypes that
    differ, and by no more than rounding to the narrower dtype explains: nothing says that they
    were trained. All metrics of other statuses are None.

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
        more: the other metrics that were collected, by the keys of `METRICS`.
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
    more: Mapping[str, float | None] = field(default_factory=dict)


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
        identical: every tensor is, and was compared whole; an unsupported one is not known to
            be.
        rounding: share of the sum of d^2 that rounding to the narrower dtype explains; None
            where no two dtypes differ, or nothing else does.
        more: see `TensorReport`.
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
    rounding: float | None = None
    more: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What changed from the reference to the model.

    Attributes:
        model: what was opened, as it was given.
        reference: the same for the base.
        tensors: in the model's order, then what was removed in the reference's.
        summary: all of them together.
        files: what differs beside the weights: configs, tokenizer, chat template.
        saved: when it was saved, where it was read from a saved result; empty otherwise.
    """

    model: str | tuple[str, ...]
    reference: str | tuple[str, ...]
    tensors: tuple[TensorReport, ...]
    summary: DiffSummary
    files: tuple[FileDifference, ...] = ()
    saved: str = ""


def diff(
    base_uri: Uri,
    model_uri: Uri,
    *,
    device: str = "cpu",
    control: Control | None = None,
    metrics: Iterable[str] = (),
    layer_map: LayerMap | None = None,
) -> DiffReport:
    """Compare all tensors of a model with those of its base, in this process.

    Args:
        base_uri: the old one: what `open_checkpoint` takes, or a live module, of which nothing
            is called.
        model_uri: the new one, likewise. Of a PEFT model the weights that it computes with.
        device: where to compare: `cpu`, `cuda`, `cuda:1` or `mps`; all but `cpu` need torch.
        control: takes progress, and can cancel.
        metrics: keys of further metrics, to be found in `more`: those of `METRICS` that need
            more than the sums, such as `median_abs`, and those of `ORIGINALS`.
        layer_map: what the user says of the model's names in the base.

    Raises:
        CheckpointError: a file cannot be read, or changed meanwhile.
        UsageError: there is no such metric, or torch cannot use the device.
        Cancelled: `control` was cancelled.
    """
    from inspect_core.delta.collect import Collect
    from inspect_core.delta.metrics import METRICS, ORIGINALS

    known = METRICS | ORIGINALS
    needed, wanted = Collect(), []
    for key in metrics:
        if key not in known:
            raise UsageError("no such metric", where=key, hint=f"there are {', '.join(known)}")
        wanted.append(known[key])
        needed |= known[key].needs
    found = compare(
        base_uri, model_uri, device=device, control=control, collect=needed, layer_map=layer_map
    )
    return report_of(found, wanted)


def report_of(comparison: Comparison, metrics: Iterable["Metric"] = ()) -> DiffReport:
    """The published numbers of a comparison.

    Args:
        comparison: what was found.
        metrics: further ones than those that always are there, which need no more collected.
    """
    wanted = tuple(metrics)
    tensors = tuple([_tensor(comparison, index, wanted) for index in comparison.kept])
    return DiffReport(
        model=comparison.model.uri,
        reference=comparison.reference.uri,
        tensors=tensors,
        summary=summary_of(comparison, wanted),
        files=comparison.files,
        saved=comparison.made,
    )


def summary_of(comparison: Comparison, metrics: Iterable["Metric"] = ()) -> DiffSummary:
    """All tensors that were asked for, together; see `report_of`."""
    from inspect_core.results.groups import Group

    counts = Counter(map(comparison.status, comparison.kept))
    infos = [comparison.matches[at].model for at in comparison.kept]
    total = Group(comparison, "", comparison.kept).summary
    return DiffSummary(
        counts={status: counts[status] for status in STATUSES},
        numel=total.numel,
        parameters=sum([info.numel for info in infos if info is not None]),
        identical=is_identical(comparison),
        rounding=total.explained,
        **_as_fields(metrics_of(total, metrics)),
    )


def is_identical(comparison: Comparison) -> bool:
    """Whether every tensor that was asked for is, and was read and compared whole."""
    same = all(comparison.status(at) == "identical" for at in comparison.kept)
    return same and not comparison.unread and not parts_of(comparison)


def parts_of(comparison: Comparison) -> list[int]:
    """The matches that were asked for and of which a part has no partner: a longer vocabulary."""
    covered: Counter[str] = Counter()
    cut = [at for at in comparison.kept if comparison.matches[at].sides is not None]
    if not cut:
        return []
    for match in comparison.matches:
        if (pair := match.pair) is not None and match.reference is not None and pair.reference:
            covered[match.reference.name] += pair.reference.numel
    found = []
    for at in cut:
        match, pair = comparison.matches[at], comparison.matches[at].pair
        if pair is None or match.model is None or match.reference is None:
            continue
        # Of a fused tensor each of its partners has a part, and none is missing.
        whole = match.partners or covered[match.reference.name] >= match.reference.numel
        if pair.model.numel < match.model.numel or not whole:
            found.append(at)
    return found


def metrics_of(summary: "Summary", metrics: Iterable["Metric"] = ()) -> dict[str, Any]:
    """The published metrics by their names in `TensorReport`; undefined ones are None.

    Args:
        summary: of the tensor or tensors.
        metrics: further ones than those that need nothing collected.
    """
    values: dict[str, Any] = {m.key: m.value(summary) for m in usual_metrics()}
    values["nonfinite"] = summary.left_out
    return values | {metric.key: metric.value(summary) for metric in metrics}


@cache
def usual_metrics() -> "tuple[Metric, ...]":
    """The metrics that every comparison has, those that are fields of a record first."""
    from inspect_core.delta.metrics import METRICS

    free = {key: metric for key, metric in METRICS.items() if not metric.needs}
    return tuple({key: free[key] for key in (*_FIELDS, *free)}.values())


_FIELDS = ("mean_abs", "max_abs", "l2", "rel_l2", "cosine", "angle", "changed_fraction")
"""The metrics that are fields of a record."""


def _as_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Values as arguments for a record: what has no field of its own is one of `more`."""
    own = {key: values[key] for key in (*_FIELDS, "nonfinite")}
    return own | {"more": {key: value for key, value in values.items() if key not in own}}


def _tensor(comparison: Comparison, index: int, metrics: Iterable["Metric"]) -> TensorReport:
    match = comparison.matches[index]
    info = match.model or match.reference
    assert info is not None
    partner = match.reference
    summary = comparison.summary(index)
    values = _undefined(metrics) if summary is None else metrics_of(summary, metrics)
    ours, theirs = comparison.dtypes(index)
    return TensorReport(
        name=info.name,
        reference_name=None if partner is None else partner.name,
        status=comparison.status(index),
        reason=match.reason,
        shape=info.shape,
        dtype=ours or info.dtype,
        reference_dtype=theirs,
        numel=info.numel,
        **_as_fields(values),
    )


def _undefined(metrics: Iterable["Metric"]) -> dict[str, Any]:
    """What of a tensor that was not compared takes the place of its metrics."""
    keys = [metric.key for metric in (*usual_metrics(), *metrics)]
    return dict.fromkeys([*keys, "nonfinite"])
