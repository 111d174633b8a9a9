"""Two checkpoints: the rules in their order, each on what the ones before it left.

1. The user's map, where one is given: the user's word goes before equal names too, for a layer
   that moved has the name of another one.
2. The same name; then one known prefix (`names`); then names without the wrappers that PEFT
   puts into a model (`by_wrappers`).
3. Other layouts (`layouts`, `spelling`, `gguf_names`): both sides are read matrix by matrix in
   one spelling, and these are paired by the same two rules. This is old names, fused
   projections, experts in one tensor, matrices stored `[in, out]`, and llama.cpp's names.
4. Only when asked: the same place in the common structure of two architectures
   (`by_common_names`).
5. The first rows of an embedding or a head whose vocabulary grew (`vocabulary`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from inspect_core.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing import vocabulary
from inspect_core.pairing.by_wrappers import pair_wrapped
from inspect_core.pairing.facts import CONV1D, Facts
from inspect_core.pairing.layer_map import LayerMap
from inspect_core.pairing.match import Match, Pairing
from inspect_core.pairing.names import pair_tensors

TRIED = "rules tried: same name, prefix, other layouts"


def pair_checkpoints(
    model: Checkpoint, reference: Checkpoint, layer_map: LayerMap | None = None
) -> Pairing:
    """Pair the tensors of two checkpoints; nearly linear in the number of names.

    Weights that an adapter changes in a way that is not known have a partner and no pair.

    Args:
        model: the model.
        reference: what it is compared with.
        layer_map: what the user says about names, and asks for, if anything.

    Raises:
        UsageError: no rule of the map fits any name of the model.
    """
    found = _paired(model, reference, layer_map)
    ours, theirs = (
        side.overlay.unknown if side.overlay is not None else {} for side in (model, reference)
    )
    if not ours and not theirs:
        return found
    return replace(found, matches=tuple([_told(one, ours, theirs) for one in found.matches]))


def _told(match: Match, ours: Mapping[str, str], theirs: Mapping[str, str]) -> Match:
    """A match, but none of values that are not known."""
    if match.status != "pair" or match.model is None or match.reference is None:
        return match
    why = ours.get(match.model.name, "")
    for name in match.partners or (match.reference.name,):
        why = why or theirs.get(name, "")
    if not why:
        return match
    return replace(match, status="unsupported", reason=why, sides=None, unlike=True)


def _paired(model: Checkpoint, reference: Checkpoint, layer_map: LayerMap | None = None) -> Pairing:
    board = _Board(model.tensors, reference.tensors)
    facts = Facts.of(model), Facts.of(reference)
    if layer_map is not None and layer_map.rules:
        from inspect_core.pairing.by_map import pair_by_map

        board.take(*pair_by_map(board.ours, board.theirs, layer_map), final=True)
    turned = _turned(facts)
    if not turned and layer_map is None:
        first = pair_tensors(model.tensors, reference.tensors)
        if all(match.status in ("pair", "unsupported") for match in first.matches):
            return first
    else:
        ours, theirs = (
            {name: info for name, info in side.items() if not (turned and turned(info))}
            for side in (board.ours, board.theirs)
        )
        first = pair_tensors(ours, theirs)
    board.take_named(first)
    board.take(*pair_wrapped(board.ours, board.theirs))
    if board.ours and board.theirs:
        from inspect_core.pairing.by_layout import pair_layouts

        board.take(*pair_layouts(board.ours, board.theirs, *facts))
    if layer_map is None or not layer_map.common:
        return board.pairing(TRIED)
    if board.ours and board.theirs:
        from inspect_core.pairing.by_common_names import pair_common_names

        board.take(*pair_common_names(board.ours, board.theirs, *facts))
    return board.pairing(f"{TRIED}, common structure")


def _turned(facts: tuple[Facts, Facts]) -> Callable[[TensorInfo], bool] | None:
    """Which tensors one file stores `[in, out]` and the other not; None without such.

    Square ones among them have equal names and shapes: they must not be paired as they are.
    """
    if facts[0].gguf or facts[1].gguf:
        return None
    one, other = facts[0].conv1d, facts[1].conv1d
    odd = facts[0].contradicted != facts[1].contradicted
    if not odd and (one is None or other is None or one == other):
        return None
    return lambda info: info.name.rpartition(".")[0].rpartition(".")[2] in CONV1D


class _Board:
    """What is paired so far, and what is left of both sides."""

    def __init__(
        self, model: Mapping[str, TensorInfo], reference: Mapping[str, TensorInfo]
    ) -> None:
        self._model, self._reference = model, reference
        self.ours, self.theirs = dict(model), dict(reference)
        self.matches: dict[str, Match] = {}
        self._taken: set[str] = set()
        self.warnings: list[str] = []
        self._rules: Counter[str] = Counter()
        self._why: dict[str, str] = {}
        self._lost: dict[str, str] = {}
        self._unequal: dict[str, tuple[Match, str]] = {}

    def take(
        self,
        found: Mapping[str, tuple[Match, str]],
        why: Mapping[str, str],
        lost: Mapping[str, str],
        warnings: tuple[str, ...] = (),
        final: bool = False,
    ) -> None:
        """Matches by the model's names, with their rules; and why others stay alone.

        Args:
            found: the matches, each with its rule.
            why: reasons by the model's names.
            lost: reasons by the reference's names.
            warnings: see `Pairing`.
            final: whether no later rule may pair what stays alone.
        """
        for name in why if final else ():
            self.ours.pop(name, None)
        for name in lost if final else ():
            self.theirs.pop(name, None)
        self._why.update(why)
        self._lost.update(lost)
        self.warnings += warnings
        for name, (match, rule) in found.items():
            if match.status == "shape_mismatch":
                self._unequal.setdefault(name, (match, rule))
                if final:  # its own vocabulary may have grown, but nothing else is its partner
                    self.ours.pop(name, None)
                    self.theirs.pop(match.reference.name if match.reference else "", None)
            else:
                self._put(name, match, rule)

    def take_named(self, first: Pairing) -> None:
        """What names alone have paired; shapes that differ wait for the other rules."""
        for match in first.matches:
            if match.model is None:
                continue
            name = match.name
            if match.status == "shape_mismatch":
                self._unequal.setdefault(name, (match, _rule_of(first, match)))
            elif match.reference is not None:
                self._put(name, match, _rule_of(first, match))
            elif match.reason.startswith("ambiguous"):
                self._why[name] = match.reason

    def pairing(self, tried: str) -> Pairing:
        """Every tensor in its match.

        Args:
            tried: which rules were, for people.
        """
        for name, (match, rule) in self._unequal.items():
            partner = match.reference
            free = partner is not None and not self._taken.intersection(_names(match))
            if name not in self.matches and free:
                rows = vocabulary.first_rows(match)
                self._put(name, rows or match, vocabulary.RULE if rows else rule)
        lone = f"no partner in the reference ({tried})"
        matches = [
            self.matches.get(name) or Match(info, None, "added", self._why.get(name, lone))
            for name, info in self._model.items()
        ]
        lost = f"no partner in the model ({tried})"
        matches += [
            Match(None, info, "removed", self._lost.get(name, lost))
            for name, info in self._reference.items()
            if name not in self._taken
        ]
        return Pairing(tuple(matches), dict(self._rules), tuple(self.warnings))

    def _put(self, name: str, match: Match, rule: str) -> None:
        assert match.reference is not None
        self.matches[name] = match
        self._rules[rule] += 1
        self.ours.pop(name, None)
        for partner in _names(match):
            self.theirs.pop(partner, None)
            self._taken.add(partner)


def _names(match: Match) -> tuple[str, ...]:
    """The reference's tensors that a match takes."""
    assert match.reference is not None
    return match.partners or (match.reference.name,)


def _rule_of(first: Pairing, match: Match) -> str:
    """The rule of a match by names: equal names, or the one prefix."""
    assert match.model is not None and match.reference is not None
    if match.model.name == match.reference.name:
        return "same name"
    return next((rule for rule in first.rules if rule != "same name"), "prefix")
