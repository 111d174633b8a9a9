"""Which pairs hold all of both tensors: leading rows prove nothing of the others."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.match import Match


def compared_whole(matches: Sequence[Match], reference: Mapping[str, TensorInfo]) -> list[bool]:
    """For each match, whether it is a pair, and no value of its tensors is left without one.

    Tensors of the reference that are compared in parts are whole where all parts together are,
    whichever of the model's tensors answer them.

    Args:
        matches: all of a pairing.
        reference: the reference's tensors by name.
    """
    group = _Groups()
    compared: dict[str, int] = defaultdict(int)
    cut = []
    for number, match in enumerate(matches):
        pair = match.pair
        if pair is None or pair.reference is None or match.sides is None:
            continue
        names = match.names[1:]
        for name in names:
            group.join(names[0], name)
        cut.append((number, names[0], pair))
    for _, name, pair in cut:
        assert pair.reference is not None
        compared[group.of(name)] += pair.reference.numel
    total: dict[str, int] = defaultdict(int)
    for name in group.names:
        total[group.of(name)] += reference[name].numel
    whole = [match.pair is not None for match in matches]
    for number, name, pair in cut:
        model = matches[number].model
        assert model is not None
        at = group.of(name)
        whole[number] = pair.model.numel == model.numel and compared[at] == total[at]
    return whole


class _Groups:
    """Names that are compared together."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        return list(self._above)

    def join(self, one: str, other: str) -> None:
        first, second = self.of(one), self.of(other)
        if first != second:
            self._above[second] = first

    def of(self, name: str) -> str:
        above = self._above
        above.setdefault(name, name)
        while above[name] != name:
            above[name] = name = above[above[name]]
        return name
