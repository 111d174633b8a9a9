"""`check`: what a checkpoint is and what is wrong with it, as plain values and as JSON."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

from inspect_core.checkpoint import DTYPES, Checkpoint, open_checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.control import Control
from inspect_core.health.findings import PROBLEM, SEVERITIES, Finding, findings_of
from inspect_core.health.identity import Identity, identify
from inspect_core.opening import spelled

if TYPE_CHECKING:
    from inspect_core.delta.compare import Comparer
    from inspect_core.health.values import Values


class TensorHealth(NamedTuple):
    """One tensor and what its values are like.

    Attributes:
        name: exact name; foreign text.
        dtype: storage dtype.
        shape: sizes, outermost first.
        numel: number of elements.
        values: counts over all values, those of quantised blocks decoded; None where they were
            not read.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    numel: int
    values: "Values | None" = None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What a checkpoint is, and what was found.

    Attributes:
        model: what was opened, as it was given.
        title: short name for people, safe to show.
        identity: what it is.
        files: number of files that were read.
        metadata: the files' own; foreign text.
        tensors: in the order of the files.
        findings: problems first, then warnings, then notes.
        values_read: whether values were asked for.
        bytes_read: bytes of the tensors that were looked at.
        seconds: time that it took; not in the JSON, which is the same every time.
    """

    model: str | tuple[str, ...]
    title: str
    identity: Identity
    files: int
    metadata: Mapping[str, str]
    tensors: tuple[TensorHealth, ...]
    findings: tuple[Finding, ...]
    values_read: bool
    bytes_read: int
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether there is no problem; warnings and notes are none."""
        return all(finding.severity != PROBLEM for finding in self.findings)

    def of(self, severity: str) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]


def check(
    uri: str | os.PathLike[str] | Sequence[str],
    *,
    values: bool = True,
    control: Control | None = None,
) -> HealthReport:
    """Check a checkpoint: its files, what it says of itself, and every value.

    Args:
        uri: what `open_checkpoint` takes.
        values: read all values; without it headers and configs only.
        control: takes progress, and can cancel.

    Raises:
        CheckpointError: it cannot be read at all, or changed meanwhile.
        Cancelled: `control` was cancelled.
    """
    from inspect_core.delta.compare import Comparer
    from inspect_core.delta.kernel import CpuKernel

    control = control or Control()
    with open_checkpoint(uri) as checkpoint:
        return check_open(checkpoint, Comparer(CpuKernel()) if values else None, control)


def check_open(
    checkpoint: Checkpoint, comparer: "Comparer | None", control: Control
) -> HealthReport:
    """Check an open checkpoint; of an adapter that is open alone, its files as they are.

    Args:
        checkpoint: the checkpoint.
        comparer: what reads values; None to leave them alone.
        control: takes progress, and can cancel.
    """
    start = time.monotonic()
    overlay = checkpoint.overlay
    if overlay is not None and overlay.base is None and len(overlay.adapters) == 1:
        checkpoint = overlay.adapters[0].checkpoint  # what is computed of a file is not in it
    tensors = list(checkpoint.tensors.values())
    seen: dict[int, Values] = {}
    if comparer is not None:
        seen = _look_at(checkpoint, tensors, comparer, control)
        checkpoint.check_unchanged()
    looked_at = tuple(
        TensorHealth(info.name, info.dtype, info.shape, info.numel, seen.get(at))
        for at, info in enumerate(tensors)
    )
    identity = identify(checkpoint)
    return HealthReport(
        model=spelled(checkpoint.uri),
        title=checkpoint.title,
        identity=identity,
        files=len(checkpoint.shards),
        metadata=checkpoint.metadata,
        tensors=looked_at,
        findings=findings_of(checkpoint, identity, {t.name: t.values for t in looked_at}),
        values_read=comparer is not None,
        bytes_read=sum(tensors[at].nbytes for at in seen),
        seconds=time.monotonic() - start,
    )


def _look_at(
    checkpoint: Checkpoint, tensors: Sequence[TensorInfo], comparer: "Comparer", control: Control
) -> "dict[int, Values]":
    """Counts by the tensor's number; a tensor of no readable dtype has none."""
    from inspect_core.health.layouts import LAYOUTS
    from inspect_core.health.values import look

    wanted = [at for at, t in enumerate(tensors) if (DTYPES[t.dtype].decoded or t.dtype) in LAYOUTS]
    seen: dict[int, Values] = {}
    chosen = [tensors[at] for at in wanted]
    for number, part in comparer.measured(checkpoint, chosen, look, control):
        at = wanted[number]
        had = seen.get(at)
        seen[at] = part if had is None else had + part
    return seen


def to_json(report: HealthReport) -> str:
    """A report as one JSON object in ASCII, one line a tensor and a finding; names exact.

    `{"model", "title", "kind", "format", "family", "adapter", "files", "parameters", "bytes",
    "dtypes", "metadata", "values_read", "sound", "findings": [...], "tensors": [...]}`, with
    the fields of `AdapterConfig`, `Finding`, `TensorHealth` and `Values`.
    """
    identity = report.identity
    head = {
        "model": report.model,
        "title": report.title,
        "kind": identity.kind,
        "format": identity.format,
        "family": identity.family,
        "adapter": None if identity.adapter is None else asdict(identity.adapter),
        "files": report.files,
        "parameters": identity.parameters,
        "bytes": identity.nbytes,
        "dtypes": dict(identity.dtypes),
        "metadata": dict(report.metadata),
        "values_read": report.values_read,
        "sound": report.sound,
        "counts": {severity: len(report.of(severity)) for severity in SEVERITIES},
    }
    found = ",\n".join([_dump(asdict(finding)) for finding in report.findings])
    tensors = ",\n".join([_dump(_tensor(tensor)) for tensor in report.tensors])
    return f'{_dump(head)[:-1]}, "findings": [\n{found}\n], "tensors": [\n{tensors}\n]}}'


def _tensor(tensor: TensorHealth) -> dict[str, object]:
    values = None if tensor.values is None else tensor.values._asdict()
    return {**tensor._asdict(), "values": values}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
