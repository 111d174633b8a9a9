"""Which modules a query means in a model that runs, and which of them a reference lacks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.capture.running import RunningModel
    from inspect_core.work.activation_jobs import ActivationQuery

MOST_NAMED = 3
"""Modules that a note names."""


def meant(model: "RunningModel", query: "ActivationQuery") -> Sequence[str]:
    """The modules that a query means: those it names, or the blocks.

    Raises:
        UsageError: a pattern fits no module.
    """
    from inspect_core.capture.sites import block_paths, chosen_paths

    if not query.paths and not query.modules:
        return block_paths(model)
    more = chosen_paths(model, query.modules) if query.modules else ()
    return tuple(dict.fromkeys((*query.paths, *more)))


def present(model: "RunningModel", paths: Sequence[str]) -> list[str]:
    """Those of some paths that are modules of a model.

    Raises:
        UsageError: none is.
    """
    found = [path for path in paths if _has(model, path)]
    if not found:
        raise UsageError(
            "has none of the modules that are asked for",
            where=model.title,
            hint="choose others, or a reference of the same architecture",
        )
    return found


def missing_note(paths: Sequence[str], title: str) -> list[str]:
    """A note that names modules of which a reference shows nothing; none where that is none."""
    if not paths:
        return []
    named = ", ".join([clean(path, 60) for path in paths[:MOST_NAMED]])
    more = f" and {len(paths) - MOST_NAMED:,} more" if len(paths) > MOST_NAMED else ""
    return [f"{clean(title, 60)} shows nothing of {named}{more}"]


def _has(model: "RunningModel", path: str) -> bool:
    try:
        model.path_of(path)
    except UsageError:
        return False
    return True
