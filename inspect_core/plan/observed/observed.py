"""What a fine-tune evidently froze, and the plan that says so.

A parameter whose values are those of the reference was frozen, or might as well have been. So
was one that moved only by rounding to a narrower dtype: a model that is saved in bfloat16
rounds what it did not train, too.
"""

from collections.abc import Collection
from dataclasses import dataclass

from inspect_core.control import Control
from inspect_core.pairing import LayerMap, Match
from inspect_core.plan.bases import base_name
from inspect_core.plan.observed.checking import one_by_one, trains_just
from inspect_core.plan.observed.covering import covering
from inspect_core.plan.observed.merged_lora import MergedLora, find_merged_lora
from inspect_core.plan.plan import Freeze, Pattern, Plan, Step
from inspect_core.plan.written.spelling import ALL
from inspect_core.results.comparison import Comparison, Uri, compare
from inspect_core.text import clean

_WHOLE = frozenset({"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"})
"""Dtypes of whole numbers: indices and masks, which nobody trains."""

_BUFFERS = frozenset(
    {"running_mean", "running_var", "num_batches_tracked", "position_ids", "inv_freq"}
)
"""Buffers by their usual names, for files whose module types nobody knows."""

_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Observed:
    """Which parameters moved; all names are foreign.

    Attributes:
        frozen: in both, and the same up to rounding: the reference's names.
        rounded: those of them that rounding to a narrower dtype explains, and nothing else.
        tuned: in both, and not the same: the reference's names.
        tuned_here: the model's names of these.
        added: parameters that only the model has, such as a new head.
        removed: those that only the reference has: nothing is known of them.
        unknown: those that could not be compared; they count as tuned.
    """

    frozen: tuple[str, ...]
    rounded: tuple[str, ...]
    tuned: tuple[str, ...]
    tuned_here: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What two checkpoints say of how one became the other.

    Attributes:
        plan: what was evidently done; its patterns hold for the names of both.
        observed: which parameters moved.
        lora: what a merged LoRA would look like, where it does.
        notes: what a reader must know, safe to show.
    """

    plan: Plan
    observed: Observed
    lora: MergedLora | None = None
    notes: tuple[str, ...] = ()


def plan_from_diff(
    base: Uri,
    tuned: Uri,
    *,
    control: Control | None = None,
    layer_map: LayerMap | None = None,
) -> Plan:
    """The plan that a fine-tune evidently used; see `evidence`."""
    return evidence(base, tuned, control=control, layer_map=layer_map).plan


def evidence(
    base: Uri,
    tuned: Uri,
    *,
    control: Control | None = None,
    layer_map: LayerMap | None = None,
    buffers: Collection[str] = (),
    look_for_lora: bool = True,
) -> Evidence:
    """Compare two checkpoints and say how one evidently became the other.

    Args:
        base: the old one.
        tuned: the new one.
        control: takes progress, and can cancel.
        layer_map: what the user says of the model's names in the reference.
        buffers: full names of the model that are buffers, where that is known.
        look_for_lora: whether changed matrices are looked at for a low rank.

    Raises:
        CheckpointError: a file cannot be read, or changed meanwhile.
        Cancelled: `control` was cancelled.
    """
    comparison = compare(base, tuned, control=control, layer_map=layer_map)
    observed = observed_frozen(comparison, buffers)
    title = base_name(base, comparison.reference.title)
    lora = None
    if look_for_lora and observed.frozen and not observed.unknown:
        lora = find_merged_lora(base, tuned, observed, control=control, layer_map=layer_map)
    if lora is not None:
        return Evidence(Plan((lora.place,), base=title), observed, lora, _notes(observed, lora))
    steps, sure = _checked(observed)
    notes = _notes(observed, None)
    if not sure:
        notes = (*notes, "no plan says just this: names lie inside of each other. Look at it")
    return Evidence(Plan(steps, base=title), observed, None, notes)


def observed_frozen(comparison: Comparison, buffers: Collection[str] = ()) -> Observed:
    """Which parameters moved, from a comparison of all tensors.

    A tensor that is compared in parts is frozen where each part is; one that has rows without
    a partner has grown, and is tuned.

    Args:
        comparison: of two whole checkpoints.
        buffers: full names of the model that are buffers, where that is known.
    """
    states: dict[str, str] = {}
    here: dict[str, None] = {}
    added: dict[str, None] = {}
    removed: dict[str, None] = {}
    known = frozenset(buffers)
    for at in comparison.kept:
        match = comparison.matches[at]
        info = match.model or match.reference
        if info is None or _is_buffer(info.name, info.dtype, known):
            continue
        if match.model is None:
            removed[info.name] = None
        elif match.reference is None:
            added[info.name] = None
        else:
            state = _state(comparison, at, match)
            if state in ("tuned", "unknown"):
                here[info.name] = None
            for name in match.partners or (match.reference.name,):
                states[name] = max(states.get(name, ""), state, key=_STATES.index)
    for name in comparison.unread:
        states[name] = "unknown"
    of = {state: tuple([n for n, s in states.items() if s == state]) for state in _STATES}
    return Observed(
        frozen=tuple([name for name, s in states.items() if s in ("identical", "rounded")]),
        rounded=of["rounded"],
        tuned=tuple([name for name, s in states.items() if s in ("tuned", "unknown")]),
        tuned_here=tuple(here),
        added=tuple(added),
        removed=tuple(removed),
        unknown=of["unknown"],
    )


_STATES = ("", "identical", "rounded", "unknown", "tuned")
"""The later one counts where parts of a tensor differ."""


def _state(comparison: Comparison, at: int, match: Match) -> str:
    status = comparison.status(at)
    pair = match.pair
    if pair is not None and match.model is not None and pair.model.numel != match.model.numel:
        return "tuned"
    if status in ("identical", "rounded"):
        return status
    return "unknown" if status == "unsupported" else "tuned"


def _is_buffer(name: str, dtype: str, known: Collection[str]) -> bool:
    return dtype in _WHOLE or name in known or name.rpartition(".")[2] in _BUFFERS


def _steps(observed: Observed) -> tuple[Step, ...]:
    """Freezing, as short as it can be said: what stayed, or all but what moved."""
    if not observed.frozen:
        return ()
    moved = (*observed.tuned, *observed.tuned_here, *observed.added)
    stayed = covering(observed.frozen, moved)
    if observed.added or not moved:
        return (Freeze(stayed),)
    thawed = covering(observed.tuned, observed.frozen)
    # What freezes all and thaws again is read twice: it must be worth it.
    if len(thawed) + 1 < len(stayed) and _holds(thawed, observed.tuned_here):
        return (Freeze((ALL,)), Freeze(thawed, thaw=True))
    return (Freeze(stayed),)


def _checked(observed: Observed) -> tuple[tuple[Step, ...], bool]:
    """The steps, tried on the names of both; by full names where shorter ones do otherwise."""
    steps = _steps(observed)
    names = (*observed.frozen, *observed.tuned)
    here = tuple(dict.fromkeys((*observed.tuned_here, *observed.added)))

    def holds(some: tuple[Step, ...]) -> bool:
        on_base = trains_just(some, names, observed.tuned, observed.frozen)
        return on_base and (not here or trains_just(some, here, here, ()))

    if not steps or holds(steps):
        return steps, True
    steps = one_by_one(observed.frozen, (*observed.tuned, *here))
    return steps, holds(steps)


def _holds(patterns: tuple[Pattern, ...], names: tuple[str, ...]) -> bool:
    """Whether patterns made of the base's names mean the model's, too."""
    from inspect_core.plan.addressing import Budget, Matcher

    matcher = Matcher(patterns, Budget())
    return all(any(matcher.which(path) for path in _on_the_way(name)) for name in names)


def _on_the_way(name: str) -> list[str]:
    parts = name.split(".")
    return ["", *[".".join(parts[:length]) for length in range(1, len(parts) + 1)]]


def _notes(observed: Observed, lora: MergedLora | None) -> tuple[str, ...]:
    notes = [lora.note] if lora is not None else []
    if not observed.frozen and observed.tuned:
        notes.append("nothing stayed as it was: all parameters were trained")
    if observed.frozen and not observed.tuned:
        what = "only what was added was trained" if observed.added else "nothing was trained"
        notes.append(f"all parameters of the base stayed as they were: {what}")
    if observed.rounded:
        notes.append(
            f"{_tensors(observed.rounded)} moved only by rounding to a narrower dtype, and count "
            "as frozen"
        )
    if observed.added:
        notes.append(f"new, and so trained: {_named(observed.added)}")
    if observed.removed:
        notes.append(f"only in the base, so nothing is known of it: {_named(observed.removed)}")
    if observed.unknown:
        notes.append(f"not compared, and taken for trained: {_named(observed.unknown)}")
    return tuple(notes)


def _tensors(names: Collection[str]) -> str:
    return "1 tensor" if len(names) == 1 else f"{len(names):,} tensors"


def _named(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_NAMED
    some = ", ".join([clean(name, 60) for name in names[:_MOST_NAMED]])
    return some + (f" and {more:,} more" if more > 0 else "")
