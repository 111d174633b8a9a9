"""Several placements as the one that PEFT's config has room for, where it can say them all."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inspect_core.errors import UsageError
from inspect_core.plan.observed.covering import ends_of
from inspect_core.plan.peft_rules.targets import settings_of_targets
from inspect_core.plan.plan import Place, Plan

Settings = tuple[int, float, bool]
"""Rank, alpha and whether IA3 scales the input; see `settings_of_targets`."""

if TYPE_CHECKING:
    from inspect_core.structure.build import ModuleFacts
    from inspect_core.structure.tree import LeafSpec

ELSEWHERE = "the plan file, and inspect_core.apply_plan, say all of it"
"""What to do about a plan that PEFT's config cannot say."""

ALONE = "make a plan for each of them"
"""What to do about placements that PEFT cannot make at once."""

_ALIKE = ("method", "rslora", "fan_in_fan_out", "bias", "task", "dropout")
"""What a config has one of for all modules."""


def folded(
    places: Sequence[Place],
    names: Sequence[str],
    specs: "Sequence[LeafSpec]",
    facts: "ModuleFacts",
    config: Mapping[str, object] | None,
) -> Place:
    """One placement that does what several do, in short where that does the same.

    Args:
        places: more than one.
        names: full tensor names; foreign text.
        specs: one for each name.
        facts: what is known about the modules.
        config: the model's config.json.

    Raises:
        UsageError: there is none.
    """
    from inspect_core.plan.preview import trainable_names

    for key in _ALIKE:
        if any(getattr(place, key) != getattr(places[0], key) for place in places):
            raise UsageError(f"PEFT's config has one {key} for all placements", hint=ALONE)
    about = (names, specs, facts)
    found: dict[str, Settings] = {}
    for place in places:
        for path, settings in settings_of_targets(place, *about, config).items():
            if path in found:
                raise UsageError("two placements hit one module", where=path, hint=ALONE)
            found[path] = settings
    wanted = trainable_names(*about, Plan(tuple(places)), config)
    for made in (_in_short(places, found, names), _by_name(places, found)):
        if made is None:
            continue
        try:
            if trainable_names(*about, Plan((made,)), config) == wanted:
                return made
        except UsageError:  # the next one may do
            continue
    raise UsageError("PEFT's config cannot say these placements as one", hint=ALONE)


def _by_name(places: Sequence[Place], found: Mapping[str, Settings]) -> Place:
    """Every module by its whole name."""
    first = places[0]
    ranks = {re.escape(path): r for path, (r, _, _) in found.items() if r != first.rank}
    alphas = {re.escape(path): a for path, (_, a, _) in found.items() if a != first.alpha}
    fed = [path for path, (_, _, forward) in found.items() if forward]
    return _made(places, tuple(found), ranks, alphas, fed)


def _in_short(
    places: Sequence[Place], found: Mapping[str, Settings], names: Sequence[str]
) -> Place | None:
    """By the ends of names that mean the same modules; None where there are none.

    IA3's feed-forward modules must be among its targets word by word: they keep their names.
    """
    first = places[0]
    if first.method == "ia3":
        return None
    hit = set(found)
    others = {name.rpartition(".")[0] for name in names} - hit
    targets = ends_of(list(found), sorted(others))
    ranks = _patterns({path: rank for path, (rank, _, _) in found.items()}, first.rank)
    alphas = _patterns({path: alpha for path, (_, alpha, _) in found.items()}, first.alpha)
    if not targets or ranks is None or alphas is None:
        return None
    return _made(places, targets, ranks, alphas, ())


def _patterns(values: Mapping[str, Any], usual: float) -> dict[str, Any] | None:
    """What differs from the usual by the ends of names, which PEFT takes for expressions."""
    found: dict[str, Any] = {}
    for value in dict.fromkeys(values.values()):
        if value == usual:
            continue
        own = [path for path, other in values.items() if other == value]
        ends = ends_of(own, [path for path, other in values.items() if other != value])
        if not ends:
            return None
        found.update({re.escape(end): value for end in ends})
    return found


def _made(
    places: Sequence[Place],
    targets: tuple[str, ...],
    ranks: Mapping[str, int],
    alphas: Mapping[str, float],
    feedforward: Sequence[str],
) -> Place:
    saved = dict.fromkeys([name for place in places for name in place.modules_to_save])
    return replace(
        places[0],
        targets=targets,
        target_expression="",
        layers=None,
        layers_pattern=(),
        exclude=(),
        rank_pattern=ranks,
        alpha_pattern=alphas,
        modules_to_save=tuple(saved),
        feedforward=tuple(feedforward),
    )
