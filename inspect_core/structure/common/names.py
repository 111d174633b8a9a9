"""The common name of each tensor of a model: total, and no two tensors get one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inspect_core.structure.common.matching import best_lookup
from inspect_core.structure.prefixes import sample

_INNER = ("text_config", "llm_config", "language_config")


@dataclass(frozen=True)
class CommonNames:
    """What the tensors of a model are called in the common structure.

    Attributes:
        family: whose names they were taken for; empty where no family knows one of them.
        names: the tensors' own names.
        common: the common name of each, in the same order; all of them differ.
        own: for each 1 where no table knows it, so that its name, or the end of it, is its own.
    """

    family: str
    names: Sequence[str]
    common: Sequence[str]
    own: bytes

    @property
    def known(self) -> int:
        """How many of them a table knows."""
        return len(self.own) - sum(self.own)

    @property
    def told(self) -> str:
        """How many tensors it speaks of, for people."""
        if not self.family:
            return "no table of common names knows a tensor of it: all keep their own"
        rest = len(self.own) - self.known
        keep = "1 keeps its own" if rest == 1 else f"{rest:,} keep their own"
        known = f"{self.known:,} of {len(self.own):,} names known, {keep}"
        known = known if rest else f"all {self.known:,} names known"
        return f"common names, from those of {self.family}: {known}"

    def sources(self) -> dict[str, tuple[str, bool]]:
        """For each common name the tensor's own one, and whether it is its own."""
        rows = zip(self.names, map(bool, self.own), strict=True)
        return dict(zip(self.common, rows, strict=True))

    def items(self) -> dict[str, tuple[str, bool]]:
        """For each own name the common one, and whether it is its own."""
        rows = zip(self.common, map(bool, self.own), strict=True)
        return dict(zip(self.names, rows, strict=True))


def common_names(names: Sequence[str], config: Mapping[str, object] | None = None) -> CommonNames:
    """The common names of a model's tensors.

    The family is the one whose table knows most of the names. Two names that would be called
    alike keep their own, both; so does one that another tensor really has.

    Args:
        names: full tensor names, all different; foreign.
        config: the parsed `config.json`, where there is one: its `model_type` decides where two
            families know as many names.
    """
    lookup = best_lookup(sample(names), _model_type(config or {}))
    if lookup is None:
        return CommonNames("", names, names, b"\1" * len(names))
    found = [lookup.common(name) for name in names]
    common = [name for name, _ in found]
    own = bytearray(not known for _, known in found)
    _keep_apart(names, common, own)
    return CommonNames(lookup.family.name, names, common, bytes(own))


def _keep_apart(names: Sequence[str], common: list[str], own: bytearray) -> None:
    """Give those that are called alike their own names, and whoever has one of these."""
    if len(set(common)) == len(common):
        return
    claims: dict[str, list[int]] = {}
    for at, name in enumerate(common):
        claims.setdefault(name, []).append(at)
    waiting = [at for claimed in claims.values() if len(claimed) > 1 for at in claimed]
    while waiting:
        at = waiting.pop()
        own[at] = 1
        if common[at] == names[at]:
            continue
        common[at] = names[at]
        # Whoever is called so, though it is another's real name, must give way.
        waiting += [other for other in claims.get(names[at], ()) if other != at]


def _model_type(config: Mapping[str, object]) -> str:
    for key in _INNER:
        inner = config.get(key)
        if isinstance(inner, dict) and isinstance(inner.get("model_type"), str):
            return str(inner["model_type"])
    kind = config.get("model_type")
    return kind if isinstance(kind, str) else ""
