"""What each opcode of a pickle does to the machine (protocols 0 to 5).

Every one is known, so that a file is understood to its end; those that would look up, call or
change something describe it instead (https://docs.python.org/3/library/pickletools.html).
"""

import struct
from codecs import escape_decode
from collections.abc import Callable

from inspect_core.checkpoint.pytorch.calls import fills_itself
from inspect_core.checkpoint.pytorch.machine import MAX_NAME, CutShortError, Machine
from inspect_core.checkpoint.pytorch.values import Mapping, Thing
from inspect_core.checkpoint.pytorch.wrong import PyTorchError

MAX_MARKS = 10_000
"""Containers that are begun and not ended at once; a writer that recurses ends near 1,000."""

MAX_LINE = 1 << 20
"""Bytes of a text line of protocol 0."""

MAX_DIGITS = 100
"""Characters of a number written as text."""

MAX_INT_BYTES = 64
"""Bytes of a whole number; PyTorch's magic number takes 10, a random state's less."""

_PROTOCOLS = range(6)
_WORD = struct.Struct("<I")

Step = Callable[[Machine], None]


class StopError(Exception):
    """The opcode STOP was met: the pickle's regular end."""


def _constant(value: object) -> Step:
    def step(m: Machine) -> None:
        m.stack.append(value)

    return step


def _number(layout: str) -> Step:
    """A number in a fixed layout."""
    unpack, size = struct.Struct(layout).unpack_from, struct.calcsize(layout)

    def step(m: Machine) -> None:
        m.stack.append(unpack(m.data, m.at)[0])
        m.at += size

    return step


def _skipped(size: int) -> Step:
    def step(m: Machine) -> None:
        m.take(size)

    return step


def _sized(width: int, decode: Callable[[bytes], object]) -> Step:
    """A value after its length in `width` bytes."""

    def step(m: Machine) -> None:
        m.stack.append(decode(m.take(int.from_bytes(m.take(width), "little"))))

    return step


def _text(raw: bytes) -> str:
    return str(raw, "utf-8", "surrogatepass")


def _old_text(raw: bytes) -> str:
    """A byte string of Python 2, which nearly always is text."""
    return str(raw, "utf-8", "surrogateescape")


def _long(raw: bytes) -> int:
    if len(raw) > MAX_INT_BYTES:
        raise PyTorchError(f"a whole number of {len(raw):,} bytes in the pickle")
    return int.from_bytes(raw, "little", signed=True)


def _number_line(m: Machine) -> None:
    text = m.line(MAX_DIGITS)
    flags: dict[bytes, object] = {b"00": False, b"01": True}
    m.stack.append(flags[text] if text in flags else int(text.removesuffix(b"L")))


def _float_line(m: Machine) -> None:
    m.stack.append(float(m.line(MAX_DIGITS)))


def _string_line(m: Machine) -> None:
    text = m.line(MAX_LINE).strip()
    if len(text) < 2 or text[0] != text[-1] or text[0] not in b"'\"":
        raise PyTorchError("a text without quotes in the pickle")
    m.stack.append(_old_text(escape_decode(text[1:-1])[0]))


def _unicode_line(m: Machine) -> None:
    m.stack.append(str(m.line(MAX_LINE), "raw-unicode-escape"))


def _mark(m: Machine) -> None:
    if len(m.marks) >= MAX_MARKS:
        raise PyTorchError("the pickle is nested too deeply")
    m.marks.append(m.stack)
    m.stack = []


def _pop(m: Machine) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.since_mark()


def _pop_mark(m: Machine) -> None:
    m.since_mark()


def _dup(m: Machine) -> None:
    m.stack.append(m.stack[-1])


def _stop(m: Machine) -> None:
    if len(m.stack) != 1 or m.marks:
        raise PyTorchError("the pickle ends with something unfinished")
    raise StopError


def _tuple(m: Machine) -> None:
    made = tuple(m.since_mark())
    m.stack.append(made)


def _tuple_of(size: int) -> Step:
    def step(m: Machine) -> None:
        stack = m.stack
        if len(stack) < size:
            raise IndexError
        stack[-size:] = [tuple(stack[-size:])]

    return step


def _empty_list(m: Machine) -> None:
    m.container([])


def _empty_dict(m: Machine) -> None:
    m.container(Mapping())


def _list(m: Machine) -> None:
    m.container(m.since_mark())


def _dict(m: Machine) -> None:
    items = m.since_mark()
    m.container(Mapping(_even(items)))


def _even(items: list[object]) -> list[object]:
    if len(items) % 2:
        raise PyTorchError("a key without a value in the pickle")
    return items


def _append(m: Machine) -> None:
    item = m.stack.pop()
    _add(m, [item])


def _appends(m: Machine) -> None:
    _add(m, m.since_mark())


def _add(m: Machine, items: list[object]) -> None:
    target = m.stack[-1]
    if type(target) is Thing:
        if target.items is None:
            target.items = []
        target = target.items
    if type(target) is not list:
        raise PyTorchError("the pickle appends to something that is no list")
    target += items


def _set_item(m: Machine) -> None:
    value = m.stack.pop()
    _set(m, [m.stack.pop(), value])


def _set_items(m: Machine) -> None:
    _set(m, _even(m.since_mark()))


def _set(m: Machine, items: list[object]) -> None:
    target = m.stack[-1]
    if type(target) is Thing:
        if target.items is None:
            target.items = Mapping()
        target = target.items
    if type(target) is not Mapping:
        raise PyTorchError("the pickle sets a key of something that is no dict")
    target += items


def _put_line(m: Machine) -> None:
    m.keep(int(m.line(MAX_DIGITS)))


def _put_1(m: Machine) -> None:
    if m.at >= len(m.data):
        raise CutShortError("the pickle is cut short")
    m.memo[m.data[m.at]] = m.stack[-1]
    m.at += 1


def _put_4(m: Machine) -> None:
    [number] = _WORD.unpack_from(m.data, m.at)
    m.at += 4
    m.keep(number)


def _memoize(m: Machine) -> None:
    m.keep(len(m.memo))


def _get_line(m: Machine) -> None:
    m.stack.append(m.memo[int(m.line(MAX_DIGITS))])


def _get(layout: str) -> Step:
    unpack, size = struct.Struct(layout).unpack_from, struct.calcsize(layout)

    def step(m: Machine) -> None:
        m.stack.append(m.memo[unpack(m.data, m.at)[0]])
        m.at += size

    return step


def _global(m: Machine) -> None:
    module = m.line(MAX_NAME)
    m.find(_text(module), _text(m.line(MAX_NAME)))


def _stack_global(m: Machine) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise PyTorchError("the pickle asks for a name that is no text")
    m.find(module, name)


def _extension(width: int) -> Step:
    def step(m: Machine) -> None:
        m.find("copyreg", f"extension {int.from_bytes(m.take(width), 'little')}")

    return step


def _reduce(m: Machine) -> None:
    args = m.stack.pop()
    m.make(m.stack.pop(), args)


def _new_object(m: Machine) -> None:
    args = m.stack.pop()
    cls = m.stack.pop()
    # `cls.__new__` alone fills no dict and no set: that would be the work of `__init__`.
    m.make(cls, () if fills_itself(cls) else args)


def _new_with_keywords(m: Machine) -> None:
    keywords, args, cls = m.stack.pop(), m.stack.pop(), m.stack.pop()
    m.stack.append(Thing(cls, (args, keywords)))


def _instance(m: Machine) -> None:
    args = tuple(m.since_mark())
    _global(m)
    m.make(m.stack.pop(), args)


def _object(m: Machine) -> None:
    cls, *args = m.since_mark()
    m.make(cls, tuple(args))


def _build(m: Machine) -> None:
    m.build(m.stack.pop())


def _persistent_line(m: Machine) -> None:
    m.persistent(m.line(MAX_NAME))


def _persistent(m: Machine) -> None:
    m.persistent(m.stack.pop())


def _protocol(m: Machine) -> None:
    [number] = m.take(1)
    if number not in _PROTOCOLS:
        raise PyTorchError(f"a pickle of the unknown protocol {number}")


def _unknown(m: Machine) -> None:
    raise PyTorchError(f"no pickle: unknown opcode {m.data[m.at - 1]:#04x} at byte {m.at - 1:,}")


_KNOWN_STEPS: dict[bytes, Step] = {
    b"\x80": _protocol, b"\x95": _skipped(8), b".": _stop,
    b"(": _mark, b"0": _pop, b"1": _pop_mark, b"2": _dup,
    b"N": _constant(None), b"\x88": _constant(True), b"\x89": _constant(False),
    b"I": _number_line, b"L": _number_line, b"F": _float_line,
    b"J": _number("<i"), b"K": _number("<B"), b"M": _number("<H"), b"G": _number(">d"),
    b"\x8a": _sized(1, _long), b"\x8b": _sized(4, _long),
    b"S": _string_line, b"V": _unicode_line,
    b"T": _sized(4, _old_text), b"U": _sized(1, _old_text),
    b"X": _sized(4, _text), b"\x8c": _sized(1, _text), b"\x8d": _sized(8, _text),
    b"B": _sized(4, bytes), b"C": _sized(1, bytes), b"\x8e": _sized(8, bytes),
    b"\x96": _sized(8, bytes),
    b")": _constant(()), b"t": _tuple,
    b"\x85": _tuple_of(1), b"\x86": _tuple_of(2), b"\x87": _tuple_of(3),
    b"]": _empty_list, b"l": _list, b"a": _append, b"e": _appends,
    b"}": _empty_dict, b"d": _dict, b"s": _set_item, b"u": _set_items,
    b"\x8f": _empty_list, b"\x90": _appends, b"\x91": _list,
    b"p": _put_line, b"q": _put_1, b"r": _put_4, b"\x94": _memoize,
    b"g": _get_line, b"h": _get("<B"), b"j": _get("<I"),
    b"c": _global, b"\x93": _stack_global,
    b"\x82": _extension(1), b"\x83": _extension(2), b"\x84": _extension(4),
    b"R": _reduce, b"\x81": _new_object, b"\x92": _new_with_keywords,
    b"i": _instance, b"o": _object, b"b": _build,
    b"P": _persistent_line, b"Q": _persistent,
}  # fmt: skip

STEPS: list[Step] = [_KNOWN_STEPS.get(bytes([code]), _unknown) for code in range(256)]
"""What each opcode does."""
