"""Which modules are the layers of a landscape, seen from one small pass.

Families give the parts of a block many names, and put norms before or behind what they belong
to. What runs when, and what reads what, is seen alike in all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspect_core.errors import UsageError
from inspect_core.structure.fold import is_index

if TYPE_CHECKING:
    import torch

    from inspect_core.capture.running import RunningModel

BLOCKS, NORM1, NORM2 = "blocks", "norm1", "norm2"

PLACES = {
    BLOCKS: "outputs of the blocks",
    NORM1: "norms before attention",
    NORM2: "norms before the MLP",
}

_TEXTS, _TOKENS = 2, 5
"""Of the pass."""


def layer_paths(model: "RunningModel", where: str) -> tuple[str, ...]:
    """The layers of a model from its input to its output, as its tree has them.

    The embeddings come first: the module whose output the first block reads or, where no module
    gives just that, the first one that looks tokens up. The norm behind the last block comes
    last, where there is one. An encoder has both, and a decoder again. What makes logits is never
    among them.

    Args:
        model: ready to run; one small pass is made.
        where: `BLOCKS`, the outputs of all blocks; `NORM1`, the last norm before each attention:
            its own, or that of the block before where norms come behind what they belong to
            (BERT); `NORM2`, the last norm before each MLP.

    Raises:
        UsageError: there is no such place, or the model has none.
        LamellaError: the pass fails.
    """
    from inspect_core.capture.sites import block_paths

    if where not in PLACES:
        raise UsageError(f"no place '{where}'", hint=f"it is one of {', '.join(PLACES)}")
    blocks = block_paths(model)
    if not all(is_index(path.rpartition(".")[2]) for path in blocks):
        # No list of blocks: all that has parameters.
        found = list(blocks) if where == BLOCKS else []
    else:
        run = _Run(model)
        found = [path for stack in run.stacks(blocks) for path in run.layers(stack, where)]
    if not found:
        raise UsageError(f"has no {PLACES[where]}", where=model.title, hint="take the blocks")
    names: dict[str, str] = {}
    for path, own in model.paths.items():
        names.setdefault(own, path)
    return tuple(dict.fromkeys(names.get(path, path) for path in found))


@dataclass(eq=False, slots=True)
class _Call:
    """One call of a module: when it started and ended, and the first tensors of both sides."""

    path: str
    starts: int
    read: "torch.Tensor | None"
    ends: int = -1
    given: "torch.Tensor | None" = None


class _Run:
    """The calls of all modules in one pass, in the order in which they start."""

    def __init__(self, model: "RunningModel") -> None:
        self._model = model
        self._modules: dict[str, torch.nn.Module] = {}
        seen: set[int] = set()
        for path, module in model.modules.items():
            if path and id(module) not in seen:
                seen.add(id(module))
                self._modules[path] = module
        self._calls: list[_Call] = []
        self._pass()

    def stacks(self, blocks: Sequence[str]) -> list[list[_Call]]:
        """Calls of blocks that lie in one list, list by list."""
        own = {self._model.path_of(path) for path in blocks}
        found: dict[str, list[_Call]] = {}
        for call in self._calls:
            if call.path in own:
                found.setdefault(call.path.rpartition(".")[0], []).append(call)
        return list(found.values())

    def layers(self, stack: Sequence[_Call], where: str) -> Iterator[str]:
        """Paths of one list of blocks, with what lies before and behind."""
        before = self._embeddings(stack[0])
        norms = [self._norm(block, where) for block in stack] if where != BLOCKS else []
        if where != BLOCKS and not any(norms):
            return
        if before:
            yield before
        if where == BLOCKS:
            yield from (block.path for block in stack)
        # A norm that the embeddings end in gives what they give.
        yield from (path for path in norms if path and not path.startswith(f"{before}."))
        behind = self._norm_behind(stack[-1]) or (norms and self._norm_at_end(stack[-1]))
        if behind:
            yield behind

    def _pass(self) -> None:
        from inspect_core.capture.calling import Caller
        from inspect_core.capture.hooks import evaluated, hooked

        running: dict[str, list[_Call]] = {}
        clock = 0

        def start(path: str, value: object) -> None:
            nonlocal clock
            clock += 1
            call = _Call(path, clock, _hidden(value))
            self._calls.append(call)
            running.setdefault(path, []).append(call)

        def end(path: str, value: object) -> None:
            nonlocal clock
            clock += 1
            call = running[path].pop()
            call.ends, call.given = clock, _hidden(value)

        model = self._model
        ids = np.zeros((_TEXTS, min(_TOKENS, model.most_tokens)), np.int64)
        with (
            evaluated(model.module, model.live),
            hooked(self._modules, start, inputs=True),
            hooked(self._modules, end),
        ):
            Caller(model).call(ids, np.ones(ids.shape, np.bool_))

    def _embeddings(self, first: _Call) -> str:
        """What a first block reads."""
        given = [
            call
            for call in self._calls
            if -1 < call.ends < first.starts and _same(call.given, first.read)
        ]
        if given:
            return min(given, key=lambda call: (call.path.count("."), call.starts)).path
        done = max((c.ends for c in self._calls if self._is_far(c, first)), default=0)
        looked_up = (
            call.path
            for call in self._calls
            if done < call.starts < first.starts and self._is(call, "embedding")
        )
        return next(looked_up, "")

    def _is_far(self, call: _Call, first: _Call) -> bool:
        """Whether a call is of another numbered part, ahead of a list of blocks."""
        parts = call.path.split(".")
        return call.ends < first.starts and any(map(is_index, parts))

    def _norm(self, block: _Call, where: str) -> str:
        weights = self._weights(block)
        if not weights:
            return ""
        limit = weights[0 if where == NORM1 else -1].starts
        before = [call for call in self._calls if -1 < call.ends < limit and self._is_norm(call)]
        return before[-1].path if before else ""

    def _norm_behind(self, last: _Call) -> str:
        """The norm that comes next, before anything else with weights."""
        for call in self._calls:
            if call.starts > last.ends and self._has_weights(call):
                return call.path if self._is_norm(call) else ""
        return ""

    def _norm_at_end(self, last: _Call) -> str:
        """The norm that a block ends in."""
        inside = [
            call
            for call in self._calls
            if last.starts < call.starts < last.ends and self._has_weights(call)
        ]
        return inside[-1].path if inside and self._is_norm(inside[-1]) else ""

    def _weights(self, block: _Call) -> list[_Call]:
        return [
            call
            for call in self._calls
            if block.starts < call.starts < block.ends
            and self._has_weights(call)
            and not self._is_norm(call)
        ]

    def _has_weights(self, call: _Call) -> bool:
        return any(True for _ in self._modules[call.path].parameters(recurse=False))

    def _is_norm(self, call: _Call) -> bool:
        return self._is(call, "norm")

    def _is(self, call: _Call, word: str) -> bool:
        module = self._modules[call.path]
        leaf = next(module.children(), None) is None
        return leaf and word in type(module).__name__.lower()


def _hidden(value: object) -> "torch.Tensor | None":
    """The first tensor of hidden states in what a module reads or gives."""
    import torch

    if isinstance(value, torch.Tensor):
        return value if value.ndim >= 3 and value.is_floating_point() else None
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return next((found for one in value if (found := _hidden(one)) is not None), None)
    return None


def _same(one: "torch.Tensor | None", other: "torch.Tensor | None") -> bool:
    if one is None or other is None:
        return False
    return one is other or (one.data_ptr() == other.data_ptr() and one.shape == other.shape)
