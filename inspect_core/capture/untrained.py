"""Weights that no file has: which modules' values come from them, found out by trying.

Names do not say what a module reads. So such weights are made NaN for one small pass: whatever
differs then comes from them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from inspect_core.capture.running import RunningModel
from inspect_core.errors import UsageError
from inspect_core.text import clean

Call = tuple[str, int]
"""A module's path, and which of its calls in a pass."""


def would_be_random(model: RunningModel, path: str, weights: str) -> UsageError:
    """The refusal of a module that gives or reads what no file decides.

    Args:
        model: the model.
        path: the module; foreign.
        weights: the module whose weights are missing; foreign.
    """
    return UsageError(
        f"the files have no weights of {clean(weights)}: its values would be random",
        where=path or model.title,
        hint="choose a module below the head",
    )


def refuse_random(
    model: RunningModel,
    order: Sequence[Call],
    values: dict[Call, torch.Tensor],
    again: Callable[[], dict[Call, torch.Tensor]],
) -> None:
    """Refuse calls whose values come from weights that no file has.

    Args:
        model: the model.
        order: the calls that are measured, in the order of the pass.
        values: what each gave.
        again: the same pass once more, as far as it gets.

    Raises:
        UsageError: there is such a call.
    """
    if not model.random_weights or not order:
        return
    with _unknown(model):
        found = again()
    for call in order:
        before, after = values.get(call), found.get(call)
        if before is None:
            continue
        if after is None or not _alike(before, after):
            raise would_be_random(model, call[0], _above(model, call[0]))


def _alike(before: torch.Tensor, after: torch.Tensor) -> bool:
    if before.shape != after.shape:
        return False
    return torch.allclose(before.float(), after.float(), rtol=1e-3, atol=1e-6, equal_nan=True)


def _above(model: RunningModel, path: str) -> str:
    """The missing weights to name: the nearest to a module by their names."""
    own = model.path_of(path).split(".")

    def common(random: str) -> int:
        parts = random.split(".")
        pairs = zip(own, parts, strict=False)
        return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(own), len(parts)))

    return max(model.untrained, key=common)


@contextmanager
def _unknown(model: RunningModel) -> Iterator[None]:
    """The weights that no file has as NaN, while it lasts."""
    tensors: dict[str, torch.Tensor] = {}
    tensors.update(model.module.named_parameters(remove_duplicate=False))
    tensors.update(model.module.named_buffers(remove_duplicate=False))
    wanted = [tensors[name] for name in model.random_weights if name in tensors]
    kept = [(one, one.detach().clone()) for one in wanted if one.is_floating_point()]
    try:
        with torch.no_grad():
            for one, _ in kept:
                one.fill_(torch.nan)
        yield
    finally:
        with torch.no_grad():
            for one, before in kept:
                one.copy_(before)
