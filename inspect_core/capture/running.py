"""A model that runs: its modules, the paths that people know them by, and what it reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError

if TYPE_CHECKING:
    import torch

    from inspect_core.capture.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False, slots=True)
class RunningModel:
    """A model and what it needs to read texts.

    Attributes:
        module: the model. One that was loaded is in eval mode; a live one is put into it for the
            passes alone.
        device: where it is.
        tokenizer: what turns texts into its ids.
        paths: path in the checkpoint's tree -> path in the module, in the order of the model;
            foreign.
        title: a short name for people, safe to show.
        notes: what is good to know, safe to show.
        most_tokens: of the longest text that it takes, special tokens included.
        vocabulary: rows of its input embedding; None where they are not known.
        untrained: paths in the module whose weights no file has: heads and poolers. They are
            random, and what they give is refused.
        random_weights: names in the module of these weights.
        live: whether it is somebody's model of this process.
    """

    module: "torch.nn.Module"
    device: "torch.device"
    tokenizer: "Tokenizer"
    paths: Mapping[str, str]
    title: str
    notes: tuple[str, ...] = ()
    most_tokens: int = 512
    vocabulary: int | None = None
    untrained: tuple[str, ...] = ()
    random_weights: tuple[str, ...] = ()
    live: bool = False
    _modules: "dict[str, torch.nn.Module]" = field(default_factory=dict, repr=False)

    def path_of(self, path: str) -> str:
        """A path of the tree, or of the module itself, as the module has it.

        Raises:
            UsageError: the model that runs has no such module.
        """
        found = self.paths.get(path)
        if found is None and path in self.modules:
            return path
        if found is None:
            raise UsageError(
                "no module of this path runs: the model's class has its parts under other names",
                where=path or self.title,
                hint="choose the module above it",
            )
        return found

    @property
    def modules(self) -> "Mapping[str, torch.nn.Module]":
        """All modules by their paths, under every name that they have."""
        if not self._modules:
            from inspect_core.structure.from_modules import walk_modules

            self._modules.update((path, one) for path, one, _ in walk_modules(self.module))
        return self._modules
