"""Live models by number: what a `Live` uri stands for in this process."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any

from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.errors import UsageError
from inspect_core.opening import Live
from inspect_core.text import clean

if TYPE_CHECKING:
    import torch

    from inspect_core.live.tensors import LiveTensors

TITLE_CELLS = 60
"""Length of a title that is made of class names."""


@dataclass(frozen=True, slots=True)
class View:
    """What is wanted of a live model.

    Attributes:
        before: its weights without what its adapters do; False for what it computes with.
        adapters: names of the adapters that count; None for those that are active.
        plain: every tensor as it lies in memory, whatever adapters do.
    """

    before: bool = False
    adapters: tuple[str, ...] | None = None
    plain: bool = False


AS_IT_IS = View()

_numbers = count(1)
_models: "dict[int, tuple[weakref.ref[Any], View]]" = {}
_listed: "dict[int, LiveTensors]" = {}
_lock = Lock()


def register(model: "torch.nn.Module", view: View = AS_IT_IS, title: str = "") -> Live:
    """A uri for a live model; the model is not kept alive by it.

    Args:
        model: any module; nothing of it is called.
        view: what of it is wanted.
        title: a short name for people; by default the names of its classes. Foreign text.
    """
    number = next(_numbers)

    def forget(_: object) -> None:
        _models.pop(number, None)
        _listed.pop(number, None)

    with _lock:
        _models[number] = weakref.ref(model, forget), view
    return Live(number, clean(title or _title(model), TITLE_CELLS))


def live_checkpoint(uri: Live) -> Checkpoint:
    """The parameters of a registered model as a checkpoint; nothing is copied before it is read.

    Raises:
        UsageError: the model is gone, or has no adapter of a name that is wanted.
    """
    model, view = look_up(uri)
    from inspect_core.live.opened import open_live

    return open_live(model, view, uri)


def is_changed(uri: Live, identity: Sequence[object]) -> bool:
    """Whether a live model is gone, or not as it was when its checkpoint had an identity."""
    tensors = _listed.get(uri.number)
    if uri.number not in _models or tensors is None:
        return True
    stamps = [one[1] for one in identity if isinstance(one, tuple)]
    return tensors.stamp_now()._replace(ino=uri.number) not in stamps


def remember(uri: Live, tensors: "LiveTensors") -> None:
    """Keep the places of a model's tensors, by which its changes are noticed."""
    if uri.number in _models:
        _listed[uri.number] = tensors


def look_for_effects(uri: Live) -> bool:
    """Whether adapters change anything in a live model.

    Raises:
        UsageError: the model is gone, or has no adapter of a name that is wanted.
    """
    from inspect_core.structure.from_modules import walk_modules
    from inspect_core.structure.tuners import is_tuner

    model, view = look_up(uri)
    if view.adapters is None and not any(is_tuner(one) for _, one, _ in walk_modules(model)):
        return False
    if live_checkpoint(uri).overlay is not None:
        return True
    from inspect_core.live.adapter_status import statuses

    return any(status.merged is not False for status in statuses(model)) and not view.plain


def look_up(uri: Live) -> "tuple[torch.nn.Module, View]":
    """The model that a uri stands for, and what is wanted of it.

    Raises:
        UsageError: the model is gone.
    """
    held, view = _models.get(uri.number, (None, AS_IT_IS))
    model = held() if held is not None else None
    if model is None:
        raise UsageError(
            "the model is gone: nothing in this process holds it any more", where=uri.title
        )
    return model, view


def _title(model: "torch.nn.Module") -> str:
    from inspect_core.structure.module_tables import child_of  # imports torch

    inner = model
    while type(inner).__module__.partition(".")[0] == "peft" and (
        below := child_of(inner, "base_model") or child_of(inner, "model")
    ):
        inner = below
    name, base = type(model).__name__, type(inner).__name__
    return name if inner is model else f"{name} of {base}"
