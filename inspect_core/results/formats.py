"""Reports as text for other programs."""

import json
from dataclasses import fields

from inspect_core.results.records import DiffReport, DiffSummary, TensorReport


def to_json(report: DiffReport) -> str:
    """A report as one JSON object in ASCII, one line a tensor.

    `{"model", "reference", "tensors": [...], "summary": {...}}`, with the fields of
    `TensorReport` and `DiffSummary`. Names are exact; what is undefined is null.
    """
    tensors = ",\n".join([_dump(_plain(tensor)) for tensor in report.tensors])
    return (
        f'{{"model": {_dump(report.model)}, "reference": {_dump(report.reference)}, '
        f'"tensors": [\n{tensors}\n], "summary": {_dump(_plain(report.summary))}}}'
    )


def _plain(record: TensorReport | DiffSummary) -> dict[str, object]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
