"""What a pickle describes, as inert values: nothing here is, or calls, what the file names.

Plain Python values stand for themselves. A dict is not a dict, because keys of strangers must
not be hashed: equal hashes, or tuples in tuples in tuples, would take for ever.
"""

from typing import NamedTuple


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
    """A dict, as keys and values in turn: `[key, value, key, value]`."""

    __slots__ = ()

    def pairs(self) -> list[tuple[object, object]]:
        """All keys with their values, in order; a key may be there twice."""
        return list(zip(self[::2], self[1::2], strict=True))

    def get(self, key: str) -> object:
        """The last value of a key, None without it."""
        found = None
        for at in range(0, len(self), 2):
            mine = self[at]
            if type(mine) is str and mine == key:
                found = self[at + 1]
        return found


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


class View(NamedTuple):
    """A tensor as a pickle describes it; nothing of it has been checked.

    Attributes:
        storage: a `Storage`, if the file is honest.
        dtype: name of the tensor's own dtype, empty if it is the storage's.
        offset: first element.
        shape: sizes.
        strides: elements from one index to the next.
    """

    storage: object
    dtype: str
    offset: object
    shape: object
    strides: object


class Unread(NamedTuple):
    """A tensor of a kind that is not read.

    Attributes:
        reason: what it is, for people.
    """

    reason: str
