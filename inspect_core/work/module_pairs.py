"""Which module of a reference answers which of a model, by the tensors that answer each other."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.pairing import Match


def module_pairs(matches: "Iterable[Match]") -> dict[str, str]:
    """Paths of modules of the model, and what the reference calls them.

    Two modules answer each other where a tensor at the same place below each of them does: that
    is how a prefix that one side lacks, or a layer that a map has moved, is found.

    Args:
        matches: of a pairing; those of several partners say nothing of modules.
    """
    found: dict[str, str] = {}
    for match in matches:
        if match.model is None or match.reference is None or len(match.partners) > 1:
            continue
        ours, theirs = match.model.name, match.reference.name
        while ours and theirs:
            ours, _, last = ours.rpartition(".")
            theirs, _, other = theirs.rpartition(".")
            if last != other or found.setdefault(ours, theirs) != theirs:
                break
    return found


def paths_in_reference(
    paths: Sequence[str],
    pairs: dict[str, str],
    ours: Iterable[str],
    theirs: Iterable[str],
) -> dict[str, str]:
    """For each module of the model that the reference has: what it is called there.

    Args:
        paths: modules of the model.
        pairs: see `module_pairs`.
        ours: names of the model's tensors: a module that holds none, as an activation, is where
            the module above it is.
        theirs: names of the reference's.
    """
    own, known = _modules(ours), _modules(theirs)
    found = {}
    for path in paths:
        other = pairs.get(path, path if path in known else None)
        if other is None and path not in own:
            other = _below(path, pairs)
        if other is not None:
            found[path] = other
    return found


def _modules(tensors: Iterable[str]) -> set[str]:
    """The modules above some tensors."""
    found: set[str] = set()
    for name in tensors:
        above = name.rpartition(".")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition(".")[0]
    return found


def _below(path: str, pairs: dict[str, str]) -> str | None:
    """The name of a module without tensors (an activation): where its parent's is known."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        parent = pairs.get(".".join(parts[:cut]))
        if parent is not None:
            return ".".join([*([parent] if parent else []), *parts[cut:]])
    return None
