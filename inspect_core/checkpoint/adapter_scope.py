"""Which modules an adapter's config takes, by PEFT's rules: what it leaves out is not loaded."""

import re
from collections.abc import Iterable, Iterator

from inspect_core.checkpoint.adapter_config import ALL_LINEAR, AdapterConfig, is_plain
from inspect_core.checkpoint.adapter_patterns import Clock, Fits, UnknownError, runnable

_MOST_PARTS = 64
_FIRST_NUMBER = re.compile(r"\.[^.]*\.(\d{1,9})\.")
_SAVED_PIECES = 8


class Ends:
    """Names and ends of names, of any number."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def __contains__(self, path: object) -> bool:
        """Whether a path is one of the names, or ends in one after a dot."""
        if not self._names or not isinstance(path, str):
            return False
        return any(end in self._names for end in ends(path))


class Within:
    """Names of modules, of any number: whether a path is one of them, or lies below one."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name for name in names if name)
        counts = {name.count(".") + 1 for name in self._names}
        self._sizes = sorted(counts)[:_SAVED_PIECES]

    def __contains__(self, path: object) -> bool:
        """Whether some successive components of a path are one of the names."""
        if not self._names or not isinstance(path, str):
            return False
        pieces = path.split(".", _MOST_PARTS)
        return any(
            ".".join(pieces[at : at + size]) in self._names
            for size in self._sizes
            for at in range(len(pieces) - size + 1)
        )


class Scope:
    """The modules that a config takes.

    Args:
        config: an adapter's; None takes everything.
    """

    def __init__(self, config: AdapterConfig | None) -> None:
        config = config or AdapterConfig()
        clock = Clock()
        self._names = Ends(config.target_modules)
        self._whole_names = frozenset(config.target_modules)
        self._parents = Ends(name.rpartition(".")[0] for name in config.target_parameters)
        self._bare = any("." not in name for name in config.target_parameters)
        self._excluded = Ends(config.exclude_modules)
        self._saved = Within(name for name in config.modules_to_save if is_plain(name))
        self._layers = None if config.layers is None else frozenset(config.layers)
        self._lists = config.layers_pattern
        whole = config.target_expression
        self._expression = _run(None if whole == ALL_LINEAR else whole, clock)
        self._exclusion = _run(config.exclude_expression, clock)
        # PEFT knows what it takes of a family of models where the config names nothing.
        named = bool(config.target_modules or config.target_parameters)
        self._anything = not named and (whole is None or whole == ALL_LINEAR)

    def leaves_out(self, module: str) -> bool:
        """Whether the config surely leaves a module out.

        Args:
            module: as the adapter spells it, without PEFT's own components; foreign.
        """
        if self._bare or module in self._parents:
            return False
        try:
            if module in self._excluded or module in self._saved:
                return True
            if self._exclusion is not None and self._exclusion(module):
                return True
            return not self._takes(module)
        except UnknownError:
            return False

    def _takes(self, module: str) -> bool:
        if self._anything:
            return True
        # `MultiheadAttention` is one target, and its projection inside goes with it.
        wrapped = [module]
        if module.endswith(".out_proj"):
            wrapped.append(module.removesuffix(".out_proj"))
        if self._expression is not None:
            return any(self._expression(name) for name in wrapped)
        # A whole name is taken whatever its layer.
        return any(
            name in self._whole_names or (name in self._names and self._in_layers(name))
            for name in wrapped
        )

    def _in_layers(self, module: str) -> bool:
        if self._layers is None:
            return True
        if not self._lists:
            found = _FIRST_NUMBER.search(module)
            return found is not None and int(found[1]) in self._layers
        if not all(is_plain(name) for name in self._lists):
            raise UnknownError
        pieces = module.split(".", _MOST_PARTS)
        lists = frozenset(self._lists)
        for at in range(len(pieces) - 2):
            if pieces[at] in lists and pieces[at + 1].isdecimal():
                return int(pieces[at + 1][:9]) in self._layers
        if any("." in name for name in lists):
            raise UnknownError
        return False


def ends(path: str) -> Iterator[str]:
    """A path, and what is after each of its last dots."""
    parts = path.rsplit(".", _MOST_PARTS)
    return (".".join(parts[at:]) for at in range(len(parts)))


def _run(pattern: str | None, clock: Clock) -> Fits | None:
    return None if pattern is None else runnable(pattern, clock, whole=True)
