"""The user's map applied: it goes before every other rule, and is never guessed around."""

from collections.abc import Mapping

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.errors import UsageError
from inspect_core.pairing.layer_map import LayerMap
from inspect_core.pairing.match import Match
from inspect_core.pairing.names import judged
from inspect_core.pairing.spelling import new_leaf

Found = tuple[dict[str, tuple[Match, str]], dict[str, str], dict[str, str], tuple[str, ...]]
"""Matches by the model's names, with their rules; why others of the model, and others of the
reference, stay alone; warnings."""


DIRECTION = "match is tried on the model's names, and to is what the base calls them"


def pair_by_map(
    ours: Mapping[str, TensorInfo], theirs: Mapping[str, TensorInfo], layer_map: LayerMap
) -> Found:
    """Pair what the map names.

    A name that the map gives and the reference lacks is also looked for with a layer norm's
    old names. Two tensors that the map gives one partner are left alone, both: one of them
    would be wrong. So is a tensor for which the map names nothing that is there.

    Raises:
        UsageError: no rule fits any name of the model.
    """
    tables = layer_map.tables
    renewed: dict[str, TensorInfo] = {}
    for name, info in theirs.items():
        if (new := new_leaf(name)) != name and new not in theirs:
            renewed[new] = info
    claims: dict[str, list[tuple[str, int]]] = {}
    why: dict[str, str] = {}
    used: set[int] = set()
    for name in ours:
        lost = ""
        for at, rule in enumerate(layer_map.rules, 1):
            given = rule.apply(name, tables)
            if given is None:
                continue
            used.add(at)
            partner = theirs.get(given) or renewed.get(given) or renewed.get(new_leaf(given))
            if partner is not None:
                claims.setdefault(partner.name, []).append((name, at))
                lost = ""
                break
            lost = lost or f"the map's rule {at} gives '{given}', which the reference lacks"
        if lost:
            why[name] = lost
    if ours and layer_map.rules and not used:
        raise UsageError("no rule of this map fits a tensor of the model", where=layer_map.title,
                         hint=DIRECTION)  # fmt: skip
    found: dict[str, tuple[Match, str]] = {}
    alone: dict[str, str] = {}
    rule_name = f"map {layer_map.title}"
    for partner_name, names in claims.items():
        if len(names) > 1:
            some = ", ".join(f"'{name}'" for name, _ in names[:3])
            both = f"ambiguous: the map gives '{partner_name}' to {len(names)} tensors: {some}"
            why |= {name: both for name, _ in names}
            alone[partner_name] = both
            continue
        (name, at), other = names[0], theirs[partner_name]
        found[name] = judged(ours[name], other, f"{rule_name}, rule {at}"), rule_name
    silent = [at for at in range(1, len(layer_map.rules) + 1) if at not in used]
    warnings = tuple(
        f"{layer_map.title}: rule {at} fits no tensor of the model: {layer_map.rules[at - 1].match}"
        for at in silent
    )
    return found, why, alone, warnings
