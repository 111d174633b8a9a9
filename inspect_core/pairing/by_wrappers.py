"""Names with PEFT's wrappers in them against names without: `query.base_layer.weight`."""

from collections.abc import Iterable, Mapping

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.match import Match
from inspect_core.pairing.names import judged, pair_tensors

RULE = "PEFT's wrappers taken off"

_PREFIX = "base_model.model."
_WRAPPERS = (".base_layer.", ".original_module.", ".modules_to_save.", ".token_adapter.")


def pair_wrapped(
    ours: Mapping[str, TensorInfo], theirs: Mapping[str, TensorInfo]
) -> tuple[dict[str, tuple[Match, str]], dict[str, str], dict[str, str]]:
    """Pair what wrapped modules hold with what they wrap; nothing where no name has wrappers.

    Where an adapter has brought a module whole, its tensor counts and not the one before.

    Args:
        ours: the model's tensors that are left.
        theirs: the reference's.

    Returns:
        Matches by the model's names, each with its rule; and no reasons for others.
    """
    found: dict[str, tuple[Match, str]] = {}
    if not (_has_wrappers(ours) or _has_wrappers(theirs)):
        return found, {}, {}
    model, reference = _bare(ours.values()), _bare(theirs.values())
    pairing = pair_tensors(
        {name: info._replace(name=name) for name, info in model.items()},
        {name: info._replace(name=name) for name, info in reference.items()},
    )
    for match in pairing.matches:
        if match.model is not None and match.reference is not None:
            one, other = model[match.model.name], reference[match.reference.name]
            found[one.name] = judged(one, other, RULE), RULE
    return found, {}, {}


def _has_wrappers(names: Iterable[str]) -> bool:
    return any(wrapper in name for name in names for wrapper in _WRAPPERS)


def _bare(infos: Iterable[TensorInfo]) -> dict[str, TensorInfo]:
    """Tensors by their names without wrappers."""
    named: dict[str, TensorInfo] = {}
    whole: set[str] = set()
    for info in infos:
        parts = info.name.removeprefix(_PREFIX).split(".")
        saved = "modules_to_save" in parts[:-2]
        if saved:
            at = parts.index("modules_to_save")
            del parts[at : at + 2]
        kept = (part for part in parts if f".{part}." not in _WRAPPERS)
        name = ".".join(kept)
        if name not in whole:
            named[name] = info
        if saved:
            whole.add(name)
    return named
