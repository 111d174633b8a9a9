"""Models that run, one at a time in memory: loaded from files, or live ones as they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError
from inspect_core.opening import Live

if TYPE_CHECKING:
    import torch

    from inspect_core.capture.loading import RunningModel
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.control import Control
    from inspect_core.live.registry import View


@contextmanager
def running(
    checkpoint: "Checkpoint", device: str, tokenizer: str | None, control: "Control"
) -> "Iterator[RunningModel]":
    """A checkpoint as a model that runs; call `free_memory` when nobody holds it any more.

    A live model runs where it is, and is left as it was, with its adapters as they were switched.

    Args:
        checkpoint: an opened checkpoint, or a live model.
        device: where it runs; a live model runs where it is.
        tokenizer: a folder or file to use in place of its own.
        control: polled while weights are read.

    Raises:
        LamellaError: it cannot run, or has no tokenizer.
    """
    if isinstance(checkpoint.uri, Live):
        with _live(checkpoint.uri, tokenizer) as model:
            yield model
        return
    from inspect_core.capture.loading import load_model

    yield load_model(checkpoint, device=device, tokenizer=tokenizer, control=control)


def chosen_device(asked: str) -> str:
    """Where models run: `auto` is the GPU that has room, else the CPU.

    Raises:
        UsageError: what is asked for is not there.
    """
    from inspect_core.devices import best_device, gpu_likely, require_device

    if asked != "auto":
        require_device(asked)
        return asked
    return best_device() if gpu_likely() else "cpu"


def free_memory(device: str) -> None:
    """Give back what nobody holds any more: workers pause the collector while a job runs."""
    import gc

    gc.collect()
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


@contextmanager
def _live(uri: Live, tokenizer: str | None) -> "Iterator[RunningModel]":
    from inspect_core.capture.live import GIVE_TOKENIZER, live_model
    from inspect_core.capture.tokenizer import open_tokenizer
    from inspect_core.live.registry import look_up
    from inspect_core.live.tokenizers import attached_tokenizer

    module, view = look_up(uri)
    found = attached_tokenizer(uri) if tokenizer is None else open_tokenizer(tokenizer)
    if found is None:
        raise UsageError(
            "a live model has no tokenizer of its own",
            where=uri.title,
            hint=GIVE_TOKENIZER,
        )
    switches = _switched(module, view, uri)
    try:
        for one, _ in switches:
            one.__dict__["_disable_adapters"] = True
        yield live_model(module, found, uri.title)
    finally:
        for one, off in switches:
            one.__dict__["_disable_adapters"] = off


def _switched(
    module: "torch.nn.Module", view: "View", uri: Live
) -> "list[tuple[torch.nn.Module, bool]]":
    """The wrappers whose adapters have to be off, and how they are; none to leave all as it is.

    Raises:
        UsageError: what is wanted cannot be had without changing weights.
    """
    from inspect_core.live.adapter_status import statuses

    found = statuses(module)
    if view.adapters is not None:
        active = {status.name for status in found if status.active}
        if set(view.adapters) != active:
            raise UsageError(
                "activations are those of the active adapters", where=uri.title,
                hint="call set_adapter first",
            )  # fmt: skip
    if not view.before:
        return []
    if any(status.merged is not False for status in found):
        raise UsageError(
            "its adapters are merged: it cannot run without them", where=uri.title,
            hint="call unmerge_adapter first, or give a reference",
        )  # fmt: skip
    wrappers = [one for one in module.modules() if "_disable_adapters" in one.__dict__]
    return [(one, bool(one.__dict__["_disable_adapters"])) for one in wrappers]
