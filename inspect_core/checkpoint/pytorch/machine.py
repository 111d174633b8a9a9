"""The state of a pickle machine that calls nothing, and what its opcodes may do to it."""

from inspect_core.checkpoint.pytorch.calls import ELEMENT_BYTES, call, is_known, storage_dtype
from inspect_core.checkpoint.pytorch.values import Global, Mapping, Storage, Thing, View
from inspect_core.checkpoint.pytorch.wrong import PyTorchError

MAX_CONTAINERS = 2_000_000
"""Dicts, lists and sets of one pickle; a tensor takes one, an empty one takes 80 bytes."""

MAX_MEMO = 1 << 24
"""Largest number under which a pickle may keep a value for later."""

MAX_NAME = 1_000
"""Characters of a module or of a name in it; an 80 kB one hangs PyTorch's own reader."""

MAX_NAMES = 100_000
"""Different globals of one pickle; honest files name some dozens."""

MAX_NAMES_CHARS = 10_000_000
"""Characters of all of them together."""

MAX_SCANNED = 4_000_000
"""Entries that calls look at or copy: a container may be handed to any number of them."""

_MOST_NAMES = 1_000
"""Foreign names that are remembered; people are shown a few."""


class CutShortError(PyTorchError):
    """The pickle goes on after the bytes that are there."""


class Machine:
    """Stack, marks and memo of one pickle.

    Args:
        data: the bytes.
        start: where the pickle begins.

    Attributes:
        at: the next byte.
        stack: values since the last mark.
        marks: the stacks before each mark.
        memo: values by number.
        storages: those referred to, by key.
        foreign: the globals asked for that no plain file of weights needs, in order.
    """

    __slots__ = (
        "at",
        "containers",
        "data",
        "foreign",
        "marks",
        "memo",
        "names",
        "names_chars",
        "scanned",
        "stack",
        "storages",
    )

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.at = start
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.containers = 0
        self.scanned = 0
        self.names: dict[tuple[str, str], Global] = {}
        self.names_chars = 0
        self.storages: dict[str, Storage] = {}
        self.foreign: dict[Global, None] = {}

    def take(self, size: int) -> bytes:
        """The next bytes."""
        start = self.at
        stop = start + size
        if stop > len(self.data):
            raise CutShortError(f"the pickle is cut short: {size:,} bytes are not there")
        self.at = stop
        return self.data[start:stop]

    def line(self, limit: int) -> bytes:
        """The next bytes up to a line's end, which is left out."""
        start = self.at
        stop = self.data.find(b"\n", start, start + limit + 1)
        if stop < 0:
            if len(self.data) <= start + limit:
                raise CutShortError("the pickle is cut short in a line of text")
            raise PyTorchError(f"a line of more than {limit:,} bytes in the pickle")
        self.at = stop + 1
        return self.data[start:stop]

    def container(self, made: list[object], cost: int = 1) -> None:
        """Push a new container, if there may be more."""
        self.containers += cost
        if self.containers > MAX_CONTAINERS:
            raise PyTorchError(f"more than {MAX_CONTAINERS:,} dicts and lists in the pickle")
        self.stack.append(made)

    def charge(self, entries: int) -> None:
        """Allow for a look at all entries of a container, if there may be more such looks."""
        self.scanned += entries
        if self.scanned > MAX_SCANNED:
            what = f"the calls in the pickle take more than {MAX_SCANNED:,} entries of containers"
            raise PyTorchError(what)

    def since_mark(self) -> list[object]:
        """End a container: the values since the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def keep(self, number: int) -> None:
        """Remember the top of the stack under a number."""
        if not 0 <= number <= MAX_MEMO:
            raise PyTorchError(f"the pickle keeps a value under the number {number:,}")
        self.memo[number] = self.stack[-1]

    def find(self, module: str, name: str) -> None:
        """Push the description of a global."""
        found = self.names.get((module, name))
        if found is None:
            if max(len(module), len(name)) > MAX_NAME:
                what = f"the pickle asks for a name of {max(len(module), len(name)):,} characters"
                raise PyTorchError(what)
            self.names_chars += len(module) + len(name)
            if len(self.names) >= MAX_NAMES or self.names_chars > MAX_NAMES_CHARS:
                raise PyTorchError(f"the pickle asks for more than {MAX_NAMES:,} different names")
            found = self.names[(module, name)] = Global(module, name)
            if not is_known(found) and len(self.foreign) < _MOST_NAMES:
                self.foreign[found] = None
        self.stack.append(found)

    def make(self, maker: object, args: object) -> None:
        """Push the description of what a call would have made."""
        made = call(maker, args, self.charge)
        if type(made) is Mapping or type(made) is list:
            self.container(made, 1 + len(made))
        else:
            self.stack.append(made)

    def build(self, state: object) -> None:
        """Note that the top of the stack would have been given a state."""
        target = self.stack[-1]
        if type(target) is Thing:
            target.state = state
        elif type(target) is View:
            # torch would give it other values, of another storage or another part of its own.
            target.unread = "changed after it was made"
        elif type(target) is Storage:
            raise PyTorchError("the pickle changes a storage after it was made")

    def persistent(self, key: object) -> None:
        """Push what a persistent id stands for: a storage."""
        if type(key) is tuple and len(key) >= 2 and key[0] == "module":
            self.stack.append(key[1])  # a class, with its source beside it
            return
        if type(key) is not tuple or not 5 <= len(key) <= 6 or key[0] != "storage":
            raise PyTorchError("the pickle refers to something that is no storage")
        _, cls, name, device, numel = key[:5]
        if len(key) == 6 and key[5] is not None:
            raise PyTorchError("a storage inside another, as PyTorch 0.1 wrote it")
        dtype = storage_dtype(cls)
        if dtype is None or dtype not in ELEMENT_BYTES:
            shown = str(cls) if isinstance(cls, Global) else "that has no name"
            raise PyTorchError(f"a storage of an unknown class: {shown}")
        if type(name) is not str or len(name) > MAX_NAME:
            raise PyTorchError("a storage whose name is no text")
        if type(numel) is not int or not 0 <= numel < 1 << 63:
            raise PyTorchError(f"storage '{name}' has no possible size")
        # Bounded, because it is compared each time: two equal texts of 40 MB take 2 ms.
        where = device if type(device) is str and len(device) <= MAX_NAME else ""
        storage = Storage(name, dtype, numel, where)
        known = self.storages.setdefault(name, storage)
        if known != storage:
            raise PyTorchError(f"storage '{name}' is described in two ways")
        self.stack.append(known)
