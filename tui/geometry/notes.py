"""What should be known of a report before its numbers are read."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport


def all_notes(report: "LandscapeReport") -> list[str]:
    """All notes, safe to show; those of one space alone say which."""
    notes = dict.fromkeys(report.notes)
    for space in report.spaces:
        for told in space.notes:
            of_all = all(told in other.notes for other in report.spaces)
            notes[told if of_all else f"{space.title}: {told}"] = None
    return list(notes)
