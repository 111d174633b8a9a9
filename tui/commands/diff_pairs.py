"""The comparisons that `lamella diff` prints: made now, or read from a saved result."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.delta.collect import Collect
from inspect_core.errors import UsageError
from inspect_core.opening import Uri
from inspect_core.results.comparison import Comparison, compare
from inspect_core.structure.patterns import fitting
from tui.commands.adapters import own_parameters
from tui.commands.output import note
from tui.commands.progress import ProgressLine

if TYPE_CHECKING:
    from inspect_core.pairing import Match
    from inspect_core.pairing.layer_map import LayerMap
    from tui.commands.diff import DiffOptions


class Chosen:
    """Which tensors were asked for, and which patterns fit nothing.

    Args:
        nodes: patterns of which one has to fit; none for everything.
        without: patterns of which none may fit.
    """

    def __init__(self, nodes: Sequence[str], without: Sequence[str]) -> None:
        self._nodes = {pattern: fitting(pattern) for pattern in nodes}
        self._without = {pattern: fitting(pattern) for pattern in without}
        self._idle = set(nodes) | set(without)

    @property
    def keep(self) -> Callable[["Match"], bool] | None:
        """Whether a tensor is one of them, by its name in the model or the base; None for all."""
        return self._fits if self._nodes or self._without else None

    def require_all_fit(self, kept: Sequence[int]) -> None:
        """Refuse patterns that fit nothing: they are typing errors.

        Raises:
            UsageError: there is one, or nothing is left.
        """
        for pattern in (*self._nodes, *self._without):
            if pattern in self._idle:
                raise UsageError("no tensor of the two fits this pattern", where=pattern)
        if (self._nodes or self._without) and not kept:
            raise UsageError("leaves no tensor", where="--not")

    def _fits(self, match: "Match") -> bool:
        names = match.names
        fit = [pattern for pattern, fits in self._nodes.items() if any(map(fits, names))]
        out = [pattern for pattern, fits in self._without.items() if any(map(fits, names))]
        self._idle.difference_update(fit, out)
        return (bool(fit) or not self._nodes) and not out


def compared(models: Sequence[Uri], options: "DiffOptions", needed: Collect) -> list[Comparison]:
    """A comparison for each model.

    Args:
        models: the base and one model or more; or a saved result alone.
        options: which tensors, by which rules, where.
        needed: what the metrics are made of.

    Raises:
        CheckpointError: a file cannot be read.
        UsageError: see `print_diff`.
    """
    chosen = Chosen(options.nodes, options.without)
    if len(models) == 1:
        found = [_saved(str(models[0]), options, needed, chosen)]
        chosen.require_all_fit(found[0].kept)
        return found
    base, *others = models
    found = []
    device = "cpu" if options.device == "auto" else options.device
    layer_map = layer_map_of(options)
    keep = _but(own_parameters(models), chosen.keep)
    with ProgressLine() as control:
        for model in others:
            found.append(
                compare(
                    base,
                    model,
                    device=device,
                    control=control,
                    keep=keep,
                    collect=needed,
                    layer_map=layer_map,
                )
            )
    chosen.require_all_fit([at for comparison in found for at in comparison.kept])
    return found


def _but(
    left_out: frozenset[str], keep: Callable[["Match"], bool] | None
) -> Callable[["Match"], bool] | None:
    """What is kept, but for some names; None for everything."""
    if not left_out:
        return keep
    return lambda match: left_out.isdisjoint(match.names) and (keep is None or keep(match))


def warn_of(found: Sequence[Comparison], remedy: str = "") -> None:
    """Say on standard error what is odd about the models, and their being a pair.

    Args:
        found: the comparisons.
        remedy: what to do where nothing could be compared, if that is known.
    """
    said = set()
    for comparison in found:
        name = "model" if len(found) == 1 else comparison.model.title
        for side, checkpoint in (("base", comparison.reference), (name, comparison.model)):
            for warning in checkpoint.warnings:
                if (side, warning) not in said:
                    note(f"warning: {side}: {warning}")
                said.add((side, warning))
        matches = comparison.matches
        if any(matches[at].status == "pair" for at in comparison.kept):
            continue
        if remedy:
            note(f"warning: {remedy}")
        elif comparison.kept:
            whose = "the two" if len(found) == 1 else f"{name} and the base"
            note(f"warning: {whose} have no tensor in common: are they of one model?")


def _saved(word: str, options: "DiffOptions", needed: Collect, chosen: Chosen) -> Comparison:
    from inspect_core.results.saved import is_saved, load

    path = Path(word)
    if not is_saved(path):
        raise UsageError(
            "is no saved result", where=word, hint="give BASE and MODEL, or what --save wrote"
        )
    if options.map_file is not None:
        raise UsageError("a saved result is paired already", where="--map")
    if options.common:
        raise UsageError("a saved result is paired already", where="--common")
    comparison = load(path)
    if not comparison.collected.covers(needed):
        raise UsageError(
            "was saved without what these metrics need", where=word,
            hint="compare again with --save and the same --metric",
        )  # fmt: skip
    keep = chosen.keep
    if keep is None:
        return comparison
    kept = [at for at in comparison.kept if keep(comparison.matches[at])]
    return replace(comparison, kept=kept)


def layer_map_of(options: "DiffOptions") -> "LayerMap | None":
    """What was asked for of pairing, beyond lamella's own rules."""
    if options.map_file is None and not options.common:
        return None
    from inspect_core.pairing.layer_map import LayerMap

    return LayerMap.asked(options.map_file, options.common)
