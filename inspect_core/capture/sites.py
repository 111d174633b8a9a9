"""Which modules are looked at: those that somebody names, or the repeated blocks of a model."""

from collections.abc import Mapping, Sequence

import torch

from inspect_core.capture.output import WHOLE_MODEL
from inspect_core.capture.running import RunningModel
from inspect_core.capture.untrained import would_be_random
from inspect_core.errors import UsageError
from inspect_core.plan.addressing import Budget, Matcher
from inspect_core.plan.plan import Pattern
from inspect_core.plan.written.spelling import pattern_of
from inspect_core.structure.fold import is_index

LEAST_SHARE = 0.1
"""Blocks with a smaller share of the parameters of the largest ones are not a model's layers."""

_EVERYTHING = "*"
_POOLER = "pooler"
_OFTEN = 2
"""So many children of one class are blocks, whatever holds them."""


def block_paths(model: RunningModel) -> tuple[str, ...]:
    """The blocks of a model, every layer, as its tree has them.

    These are the numbered children of a list of modules; of an encoder and a decoder both. A
    model without such has its modules with parameters instead.
    """
    modules = model.modules
    groups = _blocks(modules)
    sizes = {
        parent: sum(_parameters(modules[p]) for p in blocks) for parent, blocks in groups.items()
    }
    least = LEAST_SHARE * max(sizes.values(), default=0)
    found = [
        path
        for parent, blocks in groups.items()
        if sizes[parent] and sizes[parent] >= least
        for path in blocks
    ]
    if not found:
        found = [path for path, one in modules.items() if path and _has_own(one)]
    by_module: dict[str, str] = {}
    for path, own in model.paths.items():
        by_module.setdefault(own, path)
    return tuple(by_module.get(path, path) for path in found)


def chosen_paths(model: RunningModel, patterns: Sequence[str]) -> tuple[str, ...]:
    """The modules that patterns mean, as the model's tree has them, in its order.

    Args:
        model: the model.
        patterns: as typed: the end of a dotted name, or the whole of it, in words or with
            `* ? [ ]` and `{n}` as the shell has them; `re:...` for the whole name, or `=NAME`;
            see `inspect_core.plan`. `*` alone is every module but those with random weights,
            `(model)` the model itself. A module fits by its own path.

    Raises:
        UsageError: a pattern fits no module.
    """
    meant = [(at, pattern) for at, text in enumerate(patterns) for pattern in _meant(text, model)]
    matcher = Matcher([pattern for _, pattern in meant], Budget())
    every = _EVERYTHING in patterns
    found: list[str] = []
    fits: set[int] = set()
    for path, own in model.paths.items():
        which = matcher.which(path)
        if which or (every and path and not _is_random(model, path, own)):
            found.append(path)
            fits.update(meant[one][0] for one in which)
    for at, text in enumerate(patterns):
        if at not in fits and text != _EVERYTHING:
            raise UsageError("fits no module of this model", where=text, hint=_hint(model, text))
    return tuple(found)


def _meant(text: str, model: RunningModel) -> list[Pattern]:
    """The patterns that somebody typed as one; none for what is not looked up by name."""
    if not text:
        hint = f"give the end of a name, such as {_examples(model)}, or * for every module"
        raise UsageError("an empty pattern fits no module", hint=hint)
    if text == _EVERYTHING:
        return []
    if text == WHOLE_MODEL:
        return [Pattern("", "exact")]
    pattern = pattern_of(text)
    if pattern.how != "glob":
        return [pattern]
    return [pattern, Pattern(f"*.{text}", "glob")]  # the end of a name, as without stars


def _is_random(model: RunningModel, path: str, own: str) -> bool:
    try:
        refuse_untrained(model, path, own)
    except UsageError:
        return True
    return False


def _hint(model: RunningModel, text: str) -> str:
    name, sign, call = text.rpartition("#")
    if sign and call.isdigit():
        return f"{sign}{call} is one call of a module: give {name}, and every call is recorded"
    return (
        "a pattern is a whole name or the end of one; lamella tree shows them, such as "
        f"{_examples(model)}"
    )


def refuse_untrained(model: RunningModel, path: str, own: str) -> None:
    """Refuse a module whose values would come from weights that no file has.

    Args:
        model: the model.
        path: the module as it was asked for.
        own: the module as the model has it.

    Raises:
        UsageError: they would.
    """
    for random in model.untrained:
        inside = f"{own}.".startswith(f"{random}.")
        # What holds a head gives what the head makes; a pooler is beside what its model gives.
        holds = not own or random.startswith(f"{own}.")
        beside = _POOLER in random.split(".") and _POOLER not in own.split(".")
        if inside or (holds and not beside):
            raise would_be_random(model, path, random)


def _examples(model: RunningModel) -> str:
    return " or ".join(block_paths(model)[:2]) or "those"


def _blocks(modules: Mapping[str, torch.nn.Module]) -> dict[str, list[str]]:
    """Numbered children that are blocks, by what holds them; none that lie in another block."""
    numbered: dict[str, list[str]] = {}
    for path in modules:
        parent, _, name = path.rpartition(".")
        if is_index(name):
            numbered.setdefault(parent, []).append(path)
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for parent, children in numbered.items():
        if not any(above in taken for above in _upwards(parent)):
            blocks = _alike(modules[parent], children, modules)
            if blocks:
                found[parent] = blocks
                taken.update(blocks)
    return found


def _upwards(path: str) -> list[str]:
    """A path and those above it, without the root's."""
    parts = path.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _alike(
    parent: torch.nn.Module, children: list[str], modules: Mapping[str, torch.nn.Module]
) -> list[str]:
    """Those of numbered children that are blocks."""
    if isinstance(parent, torch.nn.ModuleList):
        return children
    kinds: dict[str, list[str]] = {}
    for path in children:
        kinds.setdefault(type(modules[path]).__name__, []).append(path)
    largest = max(kinds.values(), key=lambda one: sum(_parameters(modules[path]) for path in one))
    return largest if len(largest) >= _OFTEN else []


def _parameters(module: torch.nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def _has_own(module: torch.nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))
