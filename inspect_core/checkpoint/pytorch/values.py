"""What a pickle describes, as inert values: nothing here is, or calls, what the file names.

Plain Python values stand for themselves. A dict is not a dict, because keys of strangers must
not be hashed: equal hashes, or tuples in tuples in tuples, would take for ever.
"""

from dataclasses import dataclass
from typing import NamedTuple

MOST_KEY_CHARS = 64
"""Longest key that `Mapping.get` finds; ours are short, and long ones take long to compare."""


class Global(NamedTuple):
    """A name that the pickle asks for; it is never looked up.

    Attributes:
        module: foreign text, as is `name`.
        name: may hold dots.
    """

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Mapping(list[object]):
    """A dict, as keys and values in turn: `[key, value, key, value]`; it only ever grows."""

    # Set on the few that are asked for a key: 300,000 others need no `__init__` of their own.
    _places: dict[str, int] | None = None
    _placed = 0

    def pairs(self) -> list[tuple[object, object]]:
        """All keys with their values, in order; a key may be there twice."""
        return list(zip(self[::2], self[1::2], strict=True))

    def get(self, key: str) -> object:
        """The last value of a short key, None without it."""
        at = self._find(key)
        return None if at is None else self[at + 1]

    def has(self, key: str) -> bool:
        """Whether a short key is there."""
        return self._find(key) is not None

    def _find(self, key: str) -> int | None:
        """Where a key is; each entry is looked at once, however often keys are asked for."""
        places = self._places
        if places is None:
            places = self._places = {}
        for at in range(self._placed, len(self), 2):
            mine = self[at]
            if type(mine) is str and len(mine) <= MOST_KEY_CHARS:
                places[mine] = at
        self._placed = len(self)
        return places.get(key)


class Thing:
    """An object of a class, or the result of a call, that we do not know.

    Attributes:
        maker: what was to be called; a `Global`, or anything in a hostile file.
        args: what with.
        state: what BUILD would have set; the last one wins.
        items: what SETITEMS, APPENDS or ADDITEMS would have added.
    """

    __slots__ = ("args", "items", "maker", "state")

    def __init__(self, maker: object, args: object) -> None:
        self.maker = maker
        self.args = args
        self.state: object = None
        self.items: Mapping | list[object] | None = None


class Storage(NamedTuple):
    """A run of bytes in the file, which tensors are views of.

    Attributes:
        key: its name in the file; foreign text.
        dtype: how its class names its elements; a key of `ELEMENT_BYTES`.
        numel: elements.
        device: where it was; foreign text. One of the meta device has no bytes.
    """

    key: str
    dtype: str
    numel: int
    device: str


@dataclass(slots=True, eq=False)
class View:
    """A tensor as a pickle describes it; nothing of it has been checked.

    Attributes:
        storage: a `Storage`, if the file is honest.
        dtype: name of the tensor's own dtype, empty if it is the storage's.
        offset: first element.
        shape: sizes.
        strides: elements from one index to the next.
        unread: why it must not be shown after all, empty if it may be. One object, because what
            changes a tensor does so wherever else the file has put it.
    """

    storage: object
    dtype: str
    offset: object
    shape: object
    strides: object
    unread: str = ""


class Unread(NamedTuple):
    """A tensor of a kind that is not read.

    Attributes:
        reason: what it is, for people.
    """

    reason: str
