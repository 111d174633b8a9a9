"""The tensors inside what a pickle describes, with their names; bounded, whatever it describes."""

from collections.abc import Iterator
from typing import NamedTuple

from inspect_core.checkpoint.header import MAX_RANK
from inspect_core.checkpoint.pytorch.calls import ELEMENT_BYTES
from inspect_core.checkpoint.pytorch.machine import MAX_NAME
from inspect_core.checkpoint.pytorch.values import Mapping, Storage, Thing, Unread, View
from inspect_core.checkpoint.pytorch.wrong import PyTorchError

MAX_VISITS = 2_000_000
"""Entries looked at in all walks over one file. Containers that hold each other many times over
(the billion laughs) have few opcodes and no end of entries."""

MAX_DEPTH = 500
"""Containers inside each other on the way to a tensor."""

MAX_REPEATS = 50_000
"""Names beyond the first of their tensors; honest files tie a few, or the layers of a model."""

MAX_NAME_CHARS = 1 << 16
"""Longest name of a tensor."""

MAX_ALL_NAMES = 50_000_000
"""Characters of all names together, those of modules included."""

_MOST_BUFFER_CHARS = 1_000
_INNER = (Mapping, list, tuple, Thing)
_TENSORS = (View, Unread)
_MODULE_PARTS = ("_parameters", "_buffers", "_modules")

Entry = tuple[str, object]


class Sum(NamedTuple):
    """Different tensors in a part of a file, and their bytes as the pickle has them."""

    tensors: int
    nbytes: int


class Walker:
    """Walks over what one pickle describes; all its walks share one budget."""

    def __init__(self) -> None:
        self._visits = 0
        self._chars = 0

    def entries(self, node: object) -> list[Entry]:
        """The entries of a container that may lead to tensors, by name.

        A module that was pickled whole has those of its state dict: parameters, buffers that
        are saved, and modules.
        """
        if type(node) is Thing:
            return self._entries_of_thing(node)
        if type(node) is Mapping:
            self._visit(len(node) // 2)
            _require_distinct(node)
            return [
                (_key(at, key), value)
                for at, (key, value) in enumerate(node.pairs())
                if type(value) in _INNER or type(value) in _TENSORS
            ]
        if type(node) is list or type(node) is tuple:
            self._visit(len(node))
            return [
                (str(at), value)
                for at, value in enumerate(node)
                if type(value) in _INNER or type(value) in _TENSORS
            ]
        return []

    def tensors(self, root: object) -> Iterator[tuple[str, View | Unread]]:
        """All tensors below a container, in order, by the names of all entries on the way.

        A container that holds itself is entered once, an object that is no module once in all.

        Raises:
            PyTorchError: a limit of this module is met.
        """
        entered: set[int] = set()
        met: set[int] = set()
        repeats = 0
        waiting: list[tuple[str, object, int]] = [("", root, 0)]
        while waiting:
            name, node, depth = waiting.pop()
            if depth < 0:
                entered.discard(id(node))
            elif isinstance(node, View | Unread):
                if id(node) in met:
                    repeats += 1
                    if repeats > MAX_REPEATS:
                        raise PyTorchError(f"more than {MAX_REPEATS:,} names of the same tensors")
                met.add(id(node))
                yield name, node
            elif id(node) not in entered:
                if depth > MAX_DEPTH:
                    raise PyTorchError(f"more than {MAX_DEPTH} containers inside each other")
                entered.add(id(node))
                if type(node) is not Thing or is_module(node):
                    waiting.append(("", node, -1))
                before = f"{name}." if depth else ""
                found = [(self._named(before + key), child) for key, child in self.entries(node)]
                waiting += [(key, child, depth + 1) for key, child in reversed(found)]

    def total(self, root: object) -> Sum:
        """Count the different tensors in a part of the file; one that is shared counts once."""
        seen: set[int] = set()
        count = nbytes = 0
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, View | Unread):
                count += 1
                nbytes += _claimed_bytes(node)
            else:
                waiting += [child for _, child in self.entries(node)]
        return Sum(count, nbytes)

    def _entries_of_thing(self, thing: Thing) -> list[Entry]:
        parts = _module_parts(thing)
        if parts is None:
            found = [] if thing.items is None else self.entries(thing.items)
            states = thing.state if type(thing.state) is tuple else (thing.state,)
            for state in states[:2]:
                found += self.entries(state) if type(state) is Mapping else []
            return found
        skipped = self._not_saved(thing.state)
        return [
            entry
            for part in parts
            for entry in self.entries(part)
            if part is not parts[1] or entry[0] not in skipped
        ]

    def _not_saved(self, state: object) -> set[str]:
        """Names of a module's buffers that its state dict leaves out."""
        names = state.get("_non_persistent_buffers_set") if isinstance(state, Mapping) else None
        if type(names) is not list:
            return set()
        self._visit(len(names))
        # Long ones would take long to compare.
        return {name for name in names if type(name) is str and len(name) <= _MOST_BUFFER_CHARS}

    def _named(self, name: str) -> str:
        self._chars += len(name)
        if len(name) > MAX_NAME_CHARS or self._chars > MAX_ALL_NAMES:
            raise PyTorchError("the names of the tensors are too long")
        return name

    def _visit(self, entries: int) -> None:
        self._visits += entries + 1
        if self._visits > MAX_VISITS:
            raise PyTorchError(f"more than {MAX_VISITS:,} entries in each other's containers")


def is_module(node: object) -> bool:
    """Whether this is a whole module that was pickled."""
    return type(node) is Thing and _module_parts(node) is not None


def _module_parts(thing: Thing) -> list[Mapping] | None:
    state = thing.state
    if type(state) is not Mapping:
        return None
    parts = [state.get(part) for part in _MODULE_PARTS]
    found = [part for part in parts if type(part) is Mapping]
    return found if len(found) == len(parts) else None


def _require_distinct(node: Mapping) -> None:
    """Refuse a key that is there twice: Python would keep one of its values only."""
    met: set[object] = set()
    for key in node[::2]:
        same = key if type(key) is str else _comparable(key)
        if same is None:
            continue
        if same in met:
            shown = str(key)[:MAX_NAME] if isinstance(key, str | int | float) else "of bytes"
            raise PyTorchError(f"key '{shown}' is twice in the same dict")
        met.add(same)


def _comparable(key: object) -> bytes | None:
    """Something that is equal for keys that Python takes for one: 1, True and 1.0 are.

    Never a number: any number of different ones can be found with the same hash.
    """
    if isinstance(key, int):
        return b"%d" % key
    if isinstance(key, float):
        return b"%d" % int(key) if key.is_integer() else repr(key).encode()
    return b"'" + key if isinstance(key, bytes) else None


def _key(at: int, key: object) -> str:
    if type(key) is str:
        if len(key) > MAX_NAME_CHARS:
            raise PyTorchError(f"a key of {len(key):,} characters")
        return key
    # The key of another type has no text that is its own: its place in the dict has.
    return str(key) if type(key) is int else f"[{at}]"


def _claimed_bytes(view: View | Unread) -> int:
    """Bytes of a tensor that is only counted, 0 if it makes no sense."""
    if isinstance(view, Unread) or not isinstance(view.storage, Storage):
        return 0
    numel = 1
    sizes = view.shape
    for size in sizes if type(sizes) is tuple and len(sizes) <= MAX_RANK else (0,):
        if type(size) is not int or not 0 <= size < 1 << 63 or numel >= 1 << 63:
            return 0
        numel *= size
    return numel * ELEMENT_BYTES.get(view.dtype or view.storage.dtype, 0)
