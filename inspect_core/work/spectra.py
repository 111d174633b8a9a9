"""The jobs that look into a matrix: its singular values, and which of its units moved."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.control import Control, Progress, Silent
from inspect_core.errors import UsageError
from inspect_core.work.jobs import Context, Job, pair_of
from inspect_core.work.listings import Source

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.delta.heat import MatrixView
    from inspect_core.delta.profile import Profile
    from inspect_core.delta.spectrum import Spectrum
    from inspect_core.pairing import Pair


@dataclass(frozen=True)
class TensorSpectrum:
    """The spectrum of one tensor, or why it has none.

    Attributes:
        name: its name in the model.
        reference_name: its partner's name; None where its own values were looked at.
        view: which matrix of it.
        spectrum: its singular values; None where `refusal` says why there are none.
        refusal: see there; holds foreign names.
    """

    name: str
    reference_name: str | None
    view: "MatrixView"
    spectrum: "Spectrum | None"
    refusal: str = ""


@dataclass(frozen=True)
class FindSpectrum(Job[TensorSpectrum]):
    """Singular values of a tensor's difference to its partner, or of its own values.

    The algebra is numpy's on the CPU: it needs no torch, and reading bounds it.

    Attributes:
        model: the model.
        reference: the reference, or None for the tensor's own values.
        name: the tensor's name in the model.
        reference_name: its partner's name.
        slice_index: which matrix of a 3-D tensor.
    """

    model: Source
    reference: Source | None
    name: str
    reference_name: str | None
    slice_index: int = 0

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"finding the singular values of {self.name}"

    def run(self, context: Context) -> TensorSpectrum:
        """See `Job.run`."""
        return _spectrum_of(self, context, context.control)


def _spectrum_of(job: FindSpectrum, context: Context, control: Control) -> TensorSpectrum:
    from inspect_core.adapters.exact.behind import spectrum_of_pair

    model, source, pair, view = _matrix_of(job, context)
    found, refusal = None, ""
    try:
        found = spectrum_of_pair(model, source, pair, view, control)
    except UsageError as error:
        refusal = error.what
    model.check_unchanged()
    source.check_unchanged()
    return TensorSpectrum(job.name, job.reference_name, view, found, refusal)


@dataclass(frozen=True)
class FindSpectra(Job[tuple[TensorSpectrum, ...]]):
    """The spectra of many tensors; each is also sent ahead when it is found.

    Of a tensor with several matrices (experts) the first is looked at.

    Attributes:
        model: the model.
        reference: the reference, or None for the tensors' own values.
        names: names in the model, each with its partner's name or None.
    """

    model: Source
    reference: Source | None
    names: tuple[tuple[str, str | None], ...]

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"finding the singular values of {len(self.names)} tensors"

    def run(self, context: Context) -> tuple[TensorSpectrum, ...]:
        """See `Job.run`."""
        found: list[TensorSpectrum] = []
        control = context.control
        for name, partner in self.names:
            control.check()
            control.report(Progress(len(found), len(self.names), "spectra"))
            job = FindSpectrum(self.model, self.reference, name, partner)
            found.append(_spectrum_of(job, context, Silent(control)))
            context.emit(found[-1])
        return tuple(found)


@dataclass(frozen=True)
class TensorProfile:
    """The rows and the columns of one tensor, or why there are none.

    Attributes:
        name: its name in the model.
        reference_name: its partner's name; None where its own values were looked at.
        view: which matrix of it.
        profile: sums over its rows and columns; None where `refusal` says why there are none.
        refusal: see there; holds foreign names.
    """

    name: str
    reference_name: str | None
    view: "MatrixView"
    profile: "Profile | None"
    refusal: str = ""


@dataclass(frozen=True)
class FindProfile(Job[TensorProfile]):
    """How much each row and each column of a tensor differs from its partner's.

    Attributes:
        model: the model.
        reference: the reference, or None for the tensor's own values.
        name: the tensor's name in the model.
        reference_name: its partner's name.
        slice_index: which matrix of a 3-D tensor.
    """

    model: Source
    reference: Source | None
    name: str
    reference_name: str | None
    slice_index: int = 0

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"looking at the rows and columns of {self.name}"

    def run(self, context: Context) -> TensorProfile:
        """See `Job.run`."""
        from inspect_core.adapters.exact.behind import profile_of_pair

        model, source, pair, view = _matrix_of(self, context)
        found, refusal = None, ""
        try:
            found = profile_of_pair(model, source, pair, view)
            if found is None:
                comparer = context.comparer("cpu")
                found = comparer.profile(model, source, pair, context.control, view)
        except UsageError as error:
            refusal = error.what
        model.check_unchanged()
        source.check_unchanged()
        return TensorProfile(self.name, self.reference_name, view, found, refusal)


def _matrix_of(
    job: FindSpectrum | FindProfile, context: Context
) -> "tuple[Checkpoint, Checkpoint, Pair, MatrixView]":
    """Both checkpoints, the pair of a job's tensor, and which matrix of it is looked at."""
    from inspect_core.delta.heat import MatrixView

    reference = job.reference if job.reference_name is not None else None
    model, source, pair = pair_of(context, job.model, reference, job.name)
    return model, source, pair, MatrixView.of(pair.model.shape, job.slice_index)
