"""Taking the screen and its numbers along as files. Runs on a thread."""

import io
import json
import os
import re
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspect_core.errors import UsageError
from inspect_core.opening import spelled
from inspect_core.structure.branch import Row
from tui.session import Session

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.delta.summary import Summary
    from inspect_core.work.inspections import TensorDetail

SUFFIXES = (".svg", ".txt", ".json", ".lamella")
"""What a file can be: a picture of the screen, its text, the numbers of the selected row; and the
whole comparison, to be opened without the models."""

MAP_SUFFIX = ".map.svg"
"""An overview as a picture, without the screen around it; `.png` is the same."""

MOST_TENSORS = 20_000
"""Tensors of a row that are listed one by one; the summary is of all."""


def suggested_name(title: str, path: str) -> str:
    """A file name for a node, of letters that every file system takes."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(part for part in (title, path) if part))
    return f"lamella-{words.strip('-.')[:80] or 'screen'}.svg"


def screen_text(strips: "Sequence[Strip]") -> str:
    """The screen as plain text."""
    return "".join(f"{strip.text.rstrip()}\n" for strip in strips)


def screen_svg(strips: "Sequence[Strip]", title: str) -> str:
    """The screen as a picture.

    Args:
        strips: its lines, of equal width.
        title: shown above it, safe to show.
    """
    from rich.console import Console
    from rich.segment import Segment, Segments

    width = max([strip.cell_length for strip in strips], default=1)
    console = Console(
        width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor",
        record=True, legacy_windows=False, safe_box=False,
    )  # fmt: skip
    for strip in strips:
        console.print(Segments([*strip, Segment.line()]), end="")
    picture = console.export_svg(title=title)
    # Without the rules that would fetch a font from somewhere: any monospace one will do.
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)


def numbers(session: Session, row: Row, details: "Sequence[TensorDetail]") -> str:
    """The numbers of a row as JSON in ASCII, names exact: its summary, its tensors, its cells."""
    listing, pairs = session.listing, session.pairs
    assert listing is not None
    tensors = session.tensors_of(row)
    found = {
        "model": spelled(listing.uri),
        "reference": None if pairs is None else spelled(pairs.uri),
        "node": row.path,
        "tensors_total": len(tensors),
        "summary": _metrics(session.summary(row), pairs is not None),
        "tensors": [_tensor(session, row, at) for at in _ordinals(row)[:MOST_TENSORS]],
        "cells": [_cells(detail) for detail in details],
    }
    return json.dumps(found, ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet; nothing is left behind where that fails.

    Raises:
        UsageError: it is there, or cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, "utf-8")
        os.link(fresh, path)  # unlike a rename it does not replace what is there
    except FileExistsError:
        raise UsageError("is there already", where=str(path), hint="choose another name") from None
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", where=str(path), hint="choose another place"
        ) from None
    finally:
        fresh.unlink(missing_ok=True)


def _ordinals(row: Row) -> list[int]:
    from inspect_core.structure.branch import spans

    return [at for start, stop in spans(row) for at in range(start, stop)]


def _tensor(session: Session, row: Row, ordinal: int) -> dict[str, Any]:
    listing, pairs = session.listing, session.pairs
    assert listing is not None
    tensor = session.tensor_at(ordinal)
    name = listing.names[tensor]
    found: dict[str, Any] = {"name": name}
    summary = session.summary_at((ordinal,))
    if pairs is not None:
        is_pair = pairs.is_pair(tensor)
        found["status"] = _pair_status(summary) if is_pair else pairs.statuses[pairs.status[tensor]]
        if is_pair and tensor in session.brought:
            found["status"] = "delta"
        found["reason"] = pairs.reason_of(tensor)
        found["reference_name"] = pairs.renamed.get(tensor, name) if is_pair else None
    return found | (_metrics(summary, pairs is not None) or {})


def _pair_status(summary: "Summary | None") -> str:
    """As in the JSON of `lamella diff`; `pending` where nothing was compared yet."""
    if summary is None:
        return "pending"
    if not summary.changed:
        return "identical"
    return "changed" if summary.beyond else "rounded"


def _metrics(summary: "Summary | None", delta: bool) -> dict[str, Any] | None:
    if summary is None:
        return None
    if delta:
        from inspect_core.results.records import metrics_of

        return {"numel": summary.numel, **metrics_of(summary)}
    return {
        "numel": summary.numel,
        "mean": summary.mean,
        "std": summary.std,
        "mean_abs": summary.mean_abs,
        "max_abs": summary.largest,
        "l2": summary.l2,
        "not_zero_fraction": summary.changed_fraction,
        "nonfinite": summary.left_out,
    }


def _cells(detail: "TensorDetail") -> dict[str, Any]:
    """The cells of a heatmap; None where a cell has no finite value."""
    window = detail.window
    rows = detail.heat.mean.tolist()
    return {
        "name": detail.name,
        "reference_name": detail.reference_name,
        "rows": [window.top, window.bottom],
        "columns": [window.left, window.right],
        "slice": detail.view.index,
        "mean": [[value if isfinite(value) else None for value in row] for row in rows],
    }
