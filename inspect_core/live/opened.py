"""A live model as a checkpoint: what it says of itself now, its values on demand."""

from typing import TYPE_CHECKING

import torch

from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.strict_json import collector_paused
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.errors import UsageError
from inspect_core.live.adapter_status import irregularities, statuses, told
from inspect_core.live.byte_source import LiveBytes
from inspect_core.live.effects import effects
from inspect_core.live.overlaid import with_effects
from inspect_core.live.registry import remember
from inspect_core.live.tensors import LiveTensors
from inspect_core.opening import Live
from inspect_core.structure.build import Structure
from inspect_core.structure.from_modules import ListedModel, list_model
from inspect_core.structure.packed import unreadable
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.live.registry import View

LIVE_FORMAT = "live model"
"""What a listing says in place of the files' format."""


def open_live(model: torch.nn.Module, view: "View", uri: Live) -> Checkpoint:
    """Open a live model; no value is read.

    Args:
        model: the model; nothing of it is called.
        view: what of it is wanted.
        uri: what names it.

    Raises:
        UsageError: it has no adapter of a name that is wanted.
    """
    # Not even asking a tensor for its shape may run code of its own class.
    with torch._C.DisableTorchFunctionSubclass(), collector_paused():
        return _opened(model, view, uri)


def _opened(model: torch.nn.Module, view: "View", uri: Live) -> Checkpoint:
    listed = list_model(model)
    tensors = LiveTensors(listed.slots)
    remember(uri, tensors)
    infos = _described(listed, tensors)
    found = statuses(model, listed.tuners)
    names = [status.name for status in found]
    for name in view.adapters or ():
        if name not in names:
            has = f"it has {', '.join(names)}" if names else "it has none"
            raise UsageError(f"no adapter {clean(name, 60)}: {has}", where=uri.title)
    plain = Checkpoint(
        uri=uri,
        title=uri.title,
        folder=None,
        shards=(LiveBytes(tensors, infos, uri.title, uri.number),),
        tensors={info.name: info for info in infos.values()},
        metadata={},
        config=_config(model),
        warnings=tuple(irregularities(found)),
        format=LIVE_FORMAT,
        structure=_structure(listed, infos),
        notes=tuple(told(status) for status in found),
    )
    if not found or view.plain:
        return plain
    known = dict(plain.tensors)
    for name, owner in listed.facts.tied.items():
        if owner in known:
            known[name] = known[owner]._replace(name=name)
    return with_effects(
        plain, effects(listed.tuners, known, view.adapters, names), view.before, found
    )


def _described(listed: ListedModel, tensors: LiveTensors) -> dict[int, TensorInfo]:
    """What there is to say of each tensor that holds values of its own, by its place."""
    infos: dict[int, TensorInfo] = {}
    start = 0
    for index, (name, spec) in enumerate(zip(listed.names, listed.specs, strict=True)):
        tensor = tensors.tensor(index) if spec.stored else None
        if tensor is None:
            continue
        unread = unreadable(tensor)
        dtype = spec.dtype if spec.dtype in DTYPES else "OTHER"
        stop = start + DTYPES[dtype].nbytes(spec.numel)
        infos[index] = TensorInfo(name, dtype, spec.shape, 0, start, stop, unread=unread)
        start = stop
    return infos


def _structure(listed: ListedModel, infos: dict[int, TensorInfo]) -> Structure:
    """The listing with the names first that have values: these are the checkpoint's."""
    rest = [index for index in range(len(listed.names)) if index not in infos]
    order = [*infos, *rest]
    return Structure(
        [listed.names[index] for index in order],
        [
            listed.specs[index] if index in infos else listed.specs[index]._replace(stored=False)
            for index in order
        ],
        listed.facts,
    )


def _config(model: torch.nn.Module) -> dict[str, object] | None:
    """The model's configuration, if it is a plain dictionary or one of transformers."""
    config = model.__dict__.get("config")
    if isinstance(config, dict):
        return config
    home = [kind for kind in type(config).__mro__ if kind.__module__.startswith("transformers.")]
    if not home:
        return None
    try:
        found = config.to_dict()  # type: ignore[union-attr]
    except Exception:  # foreign code; the tree does without it
        return None
    return found if isinstance(found, dict) else None
