"""Hooks that hand on what modules give, and are always taken off again."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch

from inspect_core.errors import UsageError

See = Callable[[str, object], None]
"""Takes a module's path and what it gave, or what it was given: `(args, kwargs)`."""


@contextmanager
def hooked(
    modules: Mapping[str, torch.nn.Module], see: See, inputs: bool = False
) -> Iterator[None]:
    """While it lasts, every call of the modules is seen; nothing that they give is changed.

    Args:
        modules: by path.
        see: called at once, inside the pass; what it raises ends the pass.
        inputs: see what the modules read, not what they give.
    """
    with ExitStack() as stack:
        for path, module in modules.items():
            if isinstance(module, torch.jit.ScriptModule):
                raise UsageError(
                    "a module of torch.jit cannot be looked into",
                    where=path or "the model",
                    hint="give the model that it was made from",
                )
            if inputs:
                handle = module.register_forward_pre_hook(_before(path, see), with_kwargs=True)
            else:
                handle = module.register_forward_hook(_behind(path, see))
            stack.callback(handle.remove)
        yield


def _before(path: str, see: See) -> Callable[..., None]:
    def hook(_: torch.nn.Module, args: Any, kwargs: Any) -> None:
        see(path, (args, kwargs))

    return hook


def _behind(path: str, see: See) -> Callable[..., None]:
    def hook(_: torch.nn.Module, args: Any, output: object) -> None:
        see(path, output)

    return hook


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Compiled modules run as they are written: hooks would be compiled too, for each batch."""
    # What was compiled has loaded this; it takes seconds, and is not loaded for nothing.
    known = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    with torch.compiler.set_stance("force_eager") if known else nullcontext():
        yield


@contextmanager
def evaluated(module: torch.nn.Module, live: bool) -> Iterator[None]:
    """A model in eval mode, without gradients, its modules called one by one.

    Args:
        module: the model; its modules' modes come back afterwards.
        live: whether it is somebody's. What it keeps between passes (tables of positions) must
            then be usable in training, which tensors of inference mode are not.
    """
    was_training = [one for one in module.modules() if one.training]
    # Fused encoder layers would not call their parts, and give nested tensors.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        for one in was_training:
            one.training = False
        with _uncompiled(), torch.no_grad() if live else torch.inference_mode():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for one in was_training:
            one.training = True
