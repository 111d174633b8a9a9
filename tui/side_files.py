"""What differs beside the weights, in lines that the app and the printing commands share."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.results.side_files import FileDifference

MOST_LINES = 200
"""Differences that are listed; the others are counted."""


def difference_lines(files: "Sequence[FileDifference]", arrow: str = "→") -> Iterator[str]:
    """A line for each difference, safe to show; what says nothing of the model is marked.

    Args:
        files: what differs, as `side_file_differences` has it.
        arrow: what stands between the old and the new value.
    """
    for difference in files[:MOST_LINES]:
        where = f"{difference.file}: {difference.key}" if difference.key else difference.file
        minor = "  (of no account)" if difference.minor else ""
        yield f"{where}{_values(difference, arrow)}{minor}"
    if len(files) > MOST_LINES:
        yield f"and {len(files) - MOST_LINES:,} more differences beside the weights"


def counted(files: "Sequence[FileDifference]") -> str:
    """How many differences matter, and in which files; empty where there are none."""
    found = [difference for difference in files if not difference.minor]
    if not found:
        return ""
    count = "1 difference" if len(found) == 1 else f"{len(found):,} differences"
    return f"{count} beside the weights: {', '.join(dict.fromkeys(d.file for d in found))}"


def _values(difference: "FileDifference", arrow: str) -> str:
    old, new = difference.old, difference.new
    if old is None and new is None:
        return ""
    if old is None:
        return f": {new}, new in the model"
    if new is None:
        return f": {old}, only in the reference"
    return f": {old} {arrow} {new}"
