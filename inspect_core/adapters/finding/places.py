"""Where an adapter's modules are in its base: by their name, or by one rule for all of them."""

from collections.abc import Iterable, Mapping

from inspect_core.pairing.spelling import spelled
from inspect_core.structure.prefixes import Renaming, renamings, sample

_LEAF = ".weight"


class Places:
    """Finds modules of a base.

    The same name comes first. Then one known prefix, stripped or added, for all modules that
    are left; then the same in the one spelling of old and new names. Nothing is guessed: two
    rules that fit as many modules and lead elsewhere are both left alone.

    Args:
        names: the base's tensor names; foreign.
        wanted: modules as the adapters spell them; foreign.

    Attributes:
        ambiguous: the rules between which nothing decides, for people; empty without such.
    """

    def __init__(self, names: Iterable[str], wanted: Iterable[str]) -> None:
        known = dict.fromkeys(name.rpartition(".")[0] for name in names)
        self.ambiguous = ""
        self._found: dict[str, str] = {path: path for path in wanted if path in known}
        rest = [path for path in wanted if path not in known]
        if rest:
            self._by_rule(rest, {path: path for path in known}, {path: path for path in rest})
        rest = [path for path in rest if path not in self._found]
        if rest:
            theirs = _unique(known)
            ours = {path: _spelled(path) for path in rest}
            for path, alias in ours.items():
                if alias in theirs:
                    self._found[path] = theirs[alias]
            left = {path: alias for path, alias in ours.items() if path not in self._found}
            self._by_rule(list(left), theirs, left)
        self._once()

    def find(self, module: str) -> str | None:
        """A module as the base spells it; None where it is not found."""
        return self._found.get(module)

    def _by_rule(
        self, rest: list[str], theirs: Mapping[str, str], alias: Mapping[str, str]
    ) -> None:
        """Find modules by the one renaming that fits most of them."""
        tried = [alias[path] + _LEAF for path in rest]
        rules = renamings(tried, sample([path + _LEAF for path in theirs]))
        found = [self._fit(rule, rest, theirs, alias) for rule in rules]
        most = max(map(len, found), default=0)
        if not most:
            return
        best = [(rule, fit) for rule, fit in zip(rules, found, strict=True) if len(fit) == most]
        if any(fit != best[0][1] for _, fit in best):
            self.ambiguous = ", ".join(str(rule) for rule, _ in best[:3])
            return
        self._found.update(best[0][1])

    @staticmethod
    def _fit(
        rule: Renaming, rest: list[str], theirs: Mapping[str, str], alias: Mapping[str, str]
    ) -> dict[str, str]:
        fit = {}
        for path in rest:
            renamed = rule.apply(alias[path] + _LEAF)
            if renamed is not None and (own := theirs.get(renamed[: -len(_LEAF)])) is not None:
                fit[path] = own
        return fit

    def _once(self) -> None:
        """Two names of an adapter must not be one module of the base."""
        by_own: dict[str, list[str]] = {}
        for path, own in self._found.items():
            by_own.setdefault(own, []).append(path)
        for own, paths in by_own.items():
            if len(paths) > 1:
                for path in paths:
                    if path != own:
                        del self._found[path]


def _spelled(path: str) -> str:
    return spelled(path + _LEAF)[: -len(_LEAF)]


def _unique(known: Iterable[str]) -> dict[str, str]:
    """Modules by their one spelling; those that share one are left out."""
    found: dict[str, str] = {}
    twice = set()
    for path in known:
        alias = _spelled(path)
        if alias in found:
            twice.add(alias)
        found[alias] = path
    return {alias: path for alias, path in found.items() if alias not in twice}
