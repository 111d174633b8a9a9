"""Which of the tensors in a training checkpoint are the model, and what lies beside it."""

from collections.abc import Iterator
from typing import NamedTuple

from inspect_core.checkpoint.contents import Aside
from inspect_core.checkpoint.damage import Doubt
from inspect_core.checkpoint.locate import some_names
from inspect_core.checkpoint.pytorch.values import Global, Mapping, Thing, Unread, View
from inspect_core.checkpoint.pytorch.walk import Entry, Walker, is_module
from inspect_core.text import clean

CONTAINERS = (
    "state_dict", "model_state_dict", "model", "module", "net", "network", "model_state",
    "model_weights", "weights", "params", "ema_state_dict", "state_dict_ema", "model_ema", "ema",
    "params_ema",
)  # fmt: skip
"""Keys under which trainers keep the model, the most telling first."""

MAX_METADATA = 32
"""Most plain values beside the model that are kept as metadata."""

MAX_ASIDE = 100
"""Most things beside the model that are told apart."""

_MOST_VALUE_CHARS = 1_000
_TRAINING = ("optim", "opt_", "lr_", "sched", "rng", "random", "scaler", "grad_scaler", "amp",
             "loops", "callbacks")  # fmt: skip
_TRAINING_INSIDE = ("optimizer", "scheduler", "rng_state")
_MOST_LEVELS = 4


class Chosen(NamedTuple):
    """What a file holds.

    Attributes:
        tensors: those of the model with their names, in the order of the file.
        metadata: plain values beside the model, safe to show.
        warnings: one line each; foreign text is in them.
        aside: tensors that are not the model's.
    """

    tensors: Iterator[tuple[str, View | Unread]]
    metadata: dict[str, str]
    warnings: list[str]
    aside: tuple[Aside, ...]


def choose_model(root: object) -> Chosen:
    """Find the model in what a pickle describes.

    The model is under the first of `CONTAINERS` that holds tensors, again inside that, or the
    whole file without what can only be a training's state.

    Raises:
        PyTorchError: what the pickle describes has no end.
    """
    walker = Walker()
    metadata: dict[str, str] = {}
    warnings: list[str] = []
    aside: list[Aside] = []
    path = ""
    for _ in range(_MOST_LEVELS):
        if is_module(root):
            break
        _collect_metadata(root, metadata)
        entries = walker.entries(root)
        chosen = _container_among(entries, walker)
        if chosen is None:
            break
        key, root = chosen
        others = _set_apart([entry for entry in entries if entry[0] != key], walker)
        aside += [entry._replace(name=path + entry.name) for entry in others]
        path += f"{key}."
        rivals = [entry.name for entry in others if not _is_training(entry.name)]
        if rivals:
            what = f"shown is '{path[:-1]}' only; beside it are {some_names(rivals)}"
            warnings.append(Doubt(what))
    if not path:
        root, aside = _without_training(root, walker)
    if is_module(root) and isinstance(root, Thing):
        warnings.append(f"a whole module was pickled ({_name(root)}): its code was not run")
    if isinstance(root, View | Unread):
        warnings.append("the file holds one tensor without a name")
        root = Mapping(["tensor", root])
    return Chosen(walker.tensors(root), metadata, warnings, tuple(aside))


def _container_among(entries: list[Entry], walker: Walker) -> Entry | None:
    by_key = {key: value for key, value in entries if key in CONTAINERS}
    for key in CONTAINERS:
        value = by_key.get(key)
        if isinstance(value, Mapping | Thing) and walker.total(value).tensors:
            return key, value
    return None


def _set_apart(entries: list[Entry], walker: Walker) -> list[Aside]:
    """Count what is in some entries; those without tensors are left out."""
    sums = ((key, walker.total(value)) for key, value in entries)
    found = [Aside(key, *total) for key, total in sums if total.tensors]
    rest = found[MAX_ASIDE:]
    if rest:
        tensors, nbytes = sum(one.tensors for one in rest), sum(one.nbytes for one in rest)
        found[MAX_ASIDE:] = [Aside("others", tensors, nbytes)]
    return found


def _without_training(root: object, walker: Walker) -> tuple[object, list[Aside]]:
    """Leave out what can only be a training's state, unless the file holds nothing else."""
    if type(root) is not Mapping:
        return root, []
    entries = walker.entries(root)
    training = [
        (key, value)
        for key, value in entries
        if _is_training(key) and not isinstance(value, View | Unread)
    ]
    aside = _set_apart(training, walker)
    names = {key for key, _ in training}
    kept = [entry for entry in entries if entry[0] not in names]
    if not aside or not any(walker.total(value).tensors for _, value in kept):
        return root, []
    return Mapping([item for entry in kept for item in entry]), aside


def _is_training(key: str) -> bool:
    lower = key[:100].lower()
    return lower.startswith(_TRAINING) or any(part in lower for part in _TRAINING_INSIDE)


def _collect_metadata(root: object, metadata: dict[str, str]) -> None:
    if type(root) is not Mapping:
        return
    for key, value in zip(root[::2], root[1::2], strict=True):
        if len(metadata) >= MAX_METADATA:
            return
        if type(key) is str and isinstance(value, str | int | float):
            shown = clean(str(value)[:_MOST_VALUE_CHARS])
            metadata.setdefault(clean(key[:_MOST_VALUE_CHARS], 80), shown)


def _name(thing: Thing) -> str:
    return str(thing.maker) if isinstance(thing.maker, Global) else "of a class without a name"
