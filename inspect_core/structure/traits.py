"""What planning needs to know of live modules beside their names and class names."""

import torch

_LAYERS = frozenset(
    {"Linear", "Embedding", "Conv1d", "Conv2d", "Conv3d", "Conv1D", "MultiheadAttention"}
)
_HOMES = frozenset({"torch", "transformers"})


class Traits:
    """Collected while a model is walked.

    Attributes:
        bases: see `ModuleFacts`.
        groups: the same.
        shared: the same.
    """

    def __init__(self) -> None:
        self.bases: dict[str, str] = {}
        self.groups: dict[str, int] = {}
        self.shared: dict[str, str] = {}
        self._first: dict[int, str] = {}
        self._known: dict[type, str] = {}

    def see(self, path: str, module: torch.nn.Module, kind: str) -> None:
        """Take in a module under one of its paths.

        Args:
            path: one of its paths; the first is its own.
            module: the module; nothing of it is called.
            kind: the name of its class, as the tree shows it.
        """
        first = self._first.setdefault(id(module), path)
        if first != path:
            self.shared[path] = first
        layer = self._known.get(type(module))
        if layer is None:
            layer = self._known[type(module)] = torch_layer(type(module))
            self.bases[kind] = self.bases.get(kind) or layer
        if layer.startswith("Conv") and layer != "Conv1D":
            groups = vars(module).get("groups", 1)
            if isinstance(groups, int) and groups > 1:
                self.groups[path] = groups


def torch_layer(kind: type) -> str:
    """The layer that adapters know which a class is or descends from; empty for others."""
    for above in kind.__mro__:
        if above.__name__ in _LAYERS and above.__module__.partition(".")[0] in _HOMES:
            return above.__name__
    return ""
