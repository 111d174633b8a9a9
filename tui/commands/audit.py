"""`lamella audit`: whether what should be frozen is, as a table of what is not, or as data."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Literal, cast

from inspect_core.pairing import LayerMap
from inspect_core.results.audit import audit
from inspect_core.results.audited import Audit, AuditedTensor
from inspect_core.results.formats import json_object, sheet_text
from inspect_core.results.tables import Kind, Sheet, SheetColumn
from tui import format as fmt
from tui.commands.output import BOLD, Output, note, of_base
from tui.commands.progress import ProgressLine
from tui.commands.table import Column, Row, Table
from tui.terminal import Look

MOST_ROWS = 200
"""Rows of the printed table; the files have all of them."""

MOST_DOUBTS = 6
"""Reasons to doubt that are told."""

_EXPECTED, _CHANGED, _REL_L2, _MAX = "expected", "changed", "rel. L2", "max |d|"

_KINDS: dict[str, Kind] = {
    "name": "name", "reference_name": "name", "reason": "text", "numel": "count",
    "changed": "count", "beyond": "count", "rel_l2": "number", "max_abs": "number",
    "nonfinite": "count",
}  # fmt: skip


def print_audit(
    base: str,
    model: str,
    *,
    frozen: Sequence[str],
    trained: Sequence[str] = (),
    rounding: bool = False,
    map_file: Path | None = None,
    form: str = "table",
    look: Look | None = None,
) -> Audit:
    """Audit, and print what was found.

    Args:
        base: the old one.
        model: the new one.
        frozen: patterns of what must be bit-identical.
        trained: patterns of what must have moved.
        rounding: frozen ones may differ by rounding.
        map_file: the user's own rules of pairing.
        form: `table`, `json`, `csv`, `tsv` or `md`.
        look: how to draw the table.

    Raises:
        UsageError: a pattern fits nothing, or a tensor should be both.
        CheckpointError: a file cannot be read.
    """
    layer_map = None if map_file is None else LayerMap.read(map_file)
    with ProgressLine() as control:
        found = audit(
            base,
            model,
            frozen=frozen,
            trained=trained,
            rounding=rounding,
            layer_map=layer_map,
            control=control,
        )
    for name, side in (("base", found.reference), ("model", found.model)):
        for warning in side.warnings:
            note(f"warning: {name}: {warning}")
    if form == "table":
        _print(found, Output(look))
    elif form == "json":
        sys.stdout.write(_json(found) + "\n")
    else:
        sys.stdout.write(sheet_text(sheet_of(found), cast(Literal["csv", "tsv", "md"], form)))
    return found


def sheet_of(found: Audit) -> Sheet:
    """All tensors that the patterns name."""
    keys = [field.name for field in fields(AuditedTensor)]
    columns = [SheetColumn(key, _KINDS.get(key, "words")) for key in keys]
    rows = [tuple([getattr(tensor, key) for key in keys]) for tensor in found.tensors]
    return Sheet("tensor", tuple(columns), rows)


def _json(found: Audit) -> str:
    return json_object(
        {
            "model": found.model.uri,
            "reference": found.reference.uri,
            "rounding": found.rounding,
            "held": found.held,
            "broken": len(found.broken),
            "unproven": len(found.unproven),
            "doubts": found.doubts,
            "tensors": sheet_of(found).records(),
        }
    )


def _print(found: Audit, output: Output) -> None:
    wrong = [tensor for tensor in found.tensors if not tensor.as_expected]
    if wrong:
        shown = wrong[:MOST_ROWS]
        columns = [Column(_EXPECTED, 8, 4), Column(_CHANGED, 7, 3), Column(_REL_L2, 9, 1)]
        table = Table(output, "tensor", [*columns, Column(_MAX, 8, 2)], [t.name for t in shown])
        table.head()
        table.rows(map(_row, shown))
        if len(wrong) > MOST_ROWS:
            output.line((f"and {len(wrong) - MOST_ROWS:,} more", "muted"))
        output.line()
    for line in verdict_lines(found):
        output.line((line, BOLD if found.held else "note"))


def _row(tensor: AuditedTensor) -> Row:
    cells: dict[str, str] = {_EXPECTED: tensor.expected}
    if tensor.changed is not None:
        cells[_CHANGED] = fmt.percent(tensor.changed / tensor.numel if tensor.numel else None)
        cells[_REL_L2] = fmt.number(tensor.rel_l2)
        cells[_MAX] = fmt.number(tensor.max_abs)
    return Row(tensor.name, cells, _said(tensor))


def _said(tensor: AuditedTensor) -> str:
    """What is wrong with a tensor, in words."""
    if tensor.as_expected is None:
        said = "no proof"
    elif tensor.expected == "trained":
        said = "did not move"
    else:
        said = "other bits" if tensor.beyond == 0 else "moved"
    return f"{said}: {of_base(tensor.reason)}" if tensor.reason else said


def verdict_lines(found: Audit) -> Iterator[str]:
    """What is proven and what is not: what should be frozen, the rest, and what is in doubt."""
    counts = Counter((tensor.expected, tensor.verdict) for tensor in found.tensors)
    for expected in ("frozen", "trained"):
        of: dict[str, int] = {v: n for (e, v), n in counts.items() if e == expected}
        if of:
            yield _told(expected == "frozen", of)
    broken = found.broken
    if broken and all(t.expected == "frozen" and t.beyond == 0 for t in broken):
        yield "no value moved by more than rounding explains: --rounding accepts that"
    for doubt in found.doubts[:MOST_DOUBTS]:
        yield f"no proof of what is loaded: {doubt}"
    if found.doubts:
        yield "who names a file, and no folder, audits that file alone"


def _told(frozen: bool, counts: dict[str, int]) -> str:
    total = sum(counts.values())
    words = {
        "identical": "bit-identical",
        "rounded": "equal up to rounding",
        "changed": "not" if frozen else "moved",
        "unproven": "without a proof",
    }
    parts = [f"{counts[key]:,} {word}" for key, word in words.items() if counts.get(key)]
    tensors = f"{total:,} {'frozen' if frozen else 'trained'} tensor{'s' if total > 1 else ''}"
    return f"{tensors}: {', '.join(parts)}"
