"""The spectra of two checkpoints' tensors, as records for people and other programs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspect_core.checkpoint import Checkpoint
from inspect_core.control import Control, Progress, Silent
from inspect_core.errors import UsageError
from inspect_core.opening import open_model
from inspect_core.pairing import LayerMap, Match, Pair, pair_checkpoints
from inspect_core.results.comparison import Uri

if TYPE_CHECKING:
    from inspect_core.delta.spectrum import Spectrum


@dataclass(frozen=True, slots=True)
class SpectrumReport:
    """One matrix of a tensor: its spectrum, or why it has none.

    Attributes:
        name: the tensor's name in the model; foreign text.
        reference_name: its partner's name.
        slice: which of its matrices, where it has several (experts); None where it has one.
        spectrum: of model - reference; None where `refusal` says why there is none.
        refusal: see there; may hold foreign names.
        missed: it has none, but is a matrix that changed, or may have: who looks for what
            changed has to be told.
    """

    name: str
    reference_name: str | None
    slice: int | None
    spectrum: "Spectrum | None"
    refusal: str = ""
    missed: bool = False

    @property
    def label(self) -> str:
        """The name, with the slice where there are several."""
        return self.name if self.slice is None else f"{self.name}[{self.slice}]"


def spectra(
    base_uri: Uri,
    model_uri: Uri,
    *,
    keep: Callable[[Match], bool] | None = None,
    layer_map: LayerMap | None = None,
    control: Control | None = None,
) -> Iterator[SpectrumReport]:
    """The spectra of all tensors of a model that have a partner; every slice by itself.

    Args:
        base_uri: the old one.
        model_uri: the new one.
        keep: which tensors; None for all.
        layer_map: what the user says of the model's names in the reference.
        control: takes progress, and can cancel.

    Raises:
        CheckpointError: a file cannot be read, or changed meanwhile.
        Cancelled: `control` was cancelled.
    """
    control = control or Control()
    with open_model(base_uri) as reference, open_model(model_uri) as model:
        matches = [
            match
            for match in pair_checkpoints(model, reference, layer_map).matches
            if match.model is not None and (keep is None or keep(match))
        ]
        for done, match in enumerate(matches):
            control.check()
            control.report(Progress(done, len(matches), "tensors"))
            yield from _of_match(model, reference, match, control)
        model.check_unchanged()
        reference.check_unchanged()


def plain(report: SpectrumReport) -> dict[str, Any]:
    """A record as values for JSON; `singular_values` are all, or the largest (see `exact`)."""
    found = report.spectrum
    names = {"name": report.name, "reference_name": report.reference_name, "slice": report.slice}
    if found is None:
        return {**names, "refusal": report.refusal}
    return {
        **names,
        "rows": found.rows,
        "columns": found.columns,
        "rank": found.rank,
        "rank_is_bound": found.rank_is_bound,
        "buried": found.buried,
        "untold": found.untold,
        "effective_rank": found.effective_rank,
        "stable_rank": found.stable_rank,
        "energy": found.energy,
        "changed_fraction": found.changed_fraction,
        "noise": found.noise,
        "noise_dtype": found.noise_dtype,
        "threshold": found.threshold,
        "exact": found.exact,
        "method": found.method,
        "singular_values": found.values.tolist(),
    }


def _of_match(
    model: Checkpoint, reference: Checkpoint, match: Match, control: Control
) -> Iterator[SpectrumReport]:
    from inspect_core.adapters.exact.behind import spectrum_of_pair
    from inspect_core.delta.heat import MatrixView
    from inspect_core.delta.spectrum import refuse

    pair, partner = match.pair, match.reference.name if match.reference else None
    if pair is None:
        info = match.model
        missed = partner is not None and info is not None and len(info.shape) > 1
        why = match.reason or match.status
        yield SpectrumReport(match.name, partner, None, None, why, missed)
        return
    try:
        refuse(pair)
    except UsageError as error:
        yield SpectrumReport(match.name, partner, None, None, error.what)
        return
    slices = MatrixView.of(pair.model.shape).slices
    moved: bool | None = None
    for index in range(slices):
        control.check()
        found, refusal = None, ""
        try:
            view = MatrixView.of(pair.model.shape, index)
            found = spectrum_of_pair(model, reference, pair, view, Silent(control))
        except UsageError as error:
            refusal = error.what
            if moved is None:
                moved = _differ(model, reference, pair, control)
        at = index if slices > 1 else None
        yield SpectrumReport(match.name, partner, at, found, refusal, bool(refusal and moved))


def _differ(model: Checkpoint, reference: Checkpoint, pair: Pair, control: Control) -> bool:
    """Whether the two are other bits; NaN and infinities that stayed are no change."""
    from inspect_core.delta.bits import same_bits

    if pair.reference is None or pair.reference.dtype != pair.model.dtype:
        return True
    return not same_bits(model, reference, [pair], Silent(control))[0]
