"""Models of this process, opened as if they were files."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.live.registry import View, register

if TYPE_CHECKING:
    import torch

    from inspect_core.opening import Live

    Model = torch.nn.Module | str | os.PathLike[str] | Sequence[str]

__all__ = ["View", "register", "register_pair"]


def register_pair(
    model: "torch.nn.Module", adapters: Sequence[str] | None = None
) -> "tuple[Live, Live | None]":
    """A live model, and the same before its adapters, as uris.

    Args:
        model: any module; nothing of it is called.
        adapters: names of the adapters that count; None for those that are active.

    Returns:
        The model as it computes, and its weights without what the adapters do; None in place
        of these where nothing of the model is changed by adapters.
    """
    from inspect_core.live.registry import look_for_effects

    view = View(adapters=None if adapters is None else tuple(adapters))
    uri = register(model, view)
    if not look_for_effects(uri):
        return uri, None
    before = View(before=True, adapters=view.adapters)
    return uri, register(model, before, "before its adapters")
