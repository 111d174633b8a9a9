"""The safetensors header reader against the format's own library, on a million broken headers.

    python benchmarks/header_fuzz.py [N] [--seed S] [--start I] [--show I]

Every input is made from the seed and its number alone: a run that was stopped goes on with
`--start`, and `--show` prints one input with what both readers say. A disagreement is an input
that one accepts and the other refuses, or on which both differ about names, dtypes, shapes or
bytes, and that no entry of `STRICTER` or `LOOSER` explains.
"""

import argparse
import json
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from inspect_core.checkpoint.header import parse_header
from inspect_core.checkpoint.tensor_info import SAFETENSORS_DTYPES, TensorInfo
from inspect_core.errors import CheckpointError

COUNT = 1_000_000
EVERY = 100_000
"""Inputs between two lines of what was found so far."""

STRICTER = {
    "is there twice": "the format forbids duplicate keys; the library lets the last one win",
    "does not start with '{'": "the format demands it; the library skips white space",
    "only spaces may follow": "the format pads with spaces; the library skips other white space",
    "not an object with dtype": "the library also takes a list of the three values for an entry",
    "dimensions, more than": "more dimensions than numpy and torch can hold",
    "is beyond 2^63 bytes": "an empty dimension hides a product that no library could stride",
    "where only whole numbers belong": "a float in a field that both ignore",
    "half a surrogate pair": "text that is no Unicode in a field that both ignore",
    "shape holds": "a size of 2^63 or more beside an empty dimension: no library could stride it",
    "digits": "a number of more than 64 bits in a field that both ignore",
}
"""What we refuse and the library accepts: a part of our message, and why."""

LOOSER = {
    "floating point `-0.0`": "-0 is the number 0; the library reads it as a float",
}
"""What we accept and the library refuses: a part of its message, and why."""

WITH_METADATA = 50
"""Of so many inputs one is written to a file, for the library to read its metadata."""

Tensors = list[tuple[str, str, tuple[int, ...], bytes]]


class MemoryFile:
    """Bytes that answer like a file."""

    def __init__(self, content: bytes) -> None:
        self.path = Path("fuzzed.safetensors")
        self.size = len(content)
        self._content = content

    def read_into(self, offset: int, buffer: memoryview) -> None:
        if offset + len(buffer) > self.size:
            raise AssertionError(f"reads {offset}+{len(buffer)} of {self.size}")
        buffer[:] = self._content[offset : offset + len(buffer)]


def ours(content: bytes) -> Tensors:
    """What our reader finds."""
    found: list[TensorInfo] = parse_header(MemoryFile(content), 0).tensors  # type: ignore[arg-type]
    return [(t.name, t.dtype, t.shape, content[t.start : t.stop]) for t in found]


def theirs(content: bytes) -> Tensors:
    """What the library finds."""
    from safetensors import deserialize

    found: list[tuple[str, dict[str, Any]]] = deserialize(content)
    return [(n, t["dtype"], tuple(t["shape"]), bytes(t["data"])) for n, t in found]


# Inputs

DTYPES = [*SAFETENSORS_DTYPES, "F32", "BF16", "U8", "U8", "F99", "f32", ""]
NAMES = [
    "a",
    "b",
    "layers.0.w",
    "",
    "é",
    "😀",
    "dtype",
    "__metadata__",
    "a.b",
    "\x1b[2J",
    "\\",
    '"',
]
NUMBERS = [
    b"0", b"1", b"2", b"4", b"16", b"-1", b"-0", b"00", b"1.0", b"1e0", b"0.0", b"NaN", b"true",
    b"null", b'"1"', b"[1]", b"9223372036854775807", b"9223372036854775808",
    b"18446744073709551615", b"18446744073709551616", b"4294967296", b"99999999999999999999999999",
    b" 1", b"1 ", b"",
]  # fmt: skip
TOKENS = [
    *b'{}[],:" \\\n\t\x000', b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\\u0061", b"\\ud800",
    b"\\u0000", b"null", b"true", b"{}", b"[]", b'"":', b'"x":1,', b'"shape"', b'"dtype"',
    b'"data_offsets"', b'"__metadata__"', b'"__metadata__":{},', b'{"a":"b"}', b'"F32"', b"1e9",
    b"-", b"0.5", b"//", b"\xef\xbb\xbf", b"  ", b"\r\n", b'"dtype":"F32",',
    b'"x":{"y":[1.5]},', b'"z":"\\ud800",',
]  # fmt: skip


def made(seed: int, number: int) -> bytes:
    """The file of one number: a valid one, and then some steps away from it."""
    rng = random.Random((seed << 40) + number)
    fields, total = _entries(rng)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        _change_structure(rng, fields)
    header = bytearray(_spelt(rng, fields))
    for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 1, 2))):
        _change_bytes(rng, header)
    length, room = len(header), total
    odd = rng.random()
    if odd < 0.02:
        length += rng.choice((-9, -1, 1, 8, 1 << 32, 1 << 60))
    elif odd < 0.05:
        room = max(0, room + rng.choice((-4, -1, 1, 3, 16)))
    data = bytes(range(256)) * (room // 256 + 1)
    return struct.pack("<Q", max(0, length)) + bytes(header) + data[:room]


Entry = tuple[str, list[tuple[str, bytes]]]


def _entries(rng: random.Random) -> tuple[list[Entry], int]:
    """A valid header as lists of pairs, so that a key may come twice, and the bytes of its data."""
    entries: list[Entry] = []
    at = 0
    names = rng.sample([f"t{k}.w" for k in range(6)] + NAMES[:5], rng.randrange(5))
    for name in names:
        dtype = rng.choice(list(SAFETENSORS_DTYPES))
        shape = [rng.choice((0, 1, 2, 3, 4, 8)) for _ in range(rng.randrange(4))]
        bits = SAFETENSORS_DTYPES[dtype].bits
        for size in shape:
            bits *= size
        if bits % 8:
            shape, bits = [8, *shape], 8 * bits
        sizes = ",".join(map(str, shape)).encode()
        place = b"[%d,%d]" % (at, at + bits // 8)
        at += bits // 8
        fields = [("dtype", b'"%s"' % dtype.encode()), ("shape", b"[" + sizes + b"]")]
        entries.append((name, [*fields, ("data_offsets", place)]))
    if rng.random() < 0.3:
        rng.shuffle(entries)
    if rng.random() < 0.4:
        text = {rng.choice(NAMES): rng.choice(NAMES) for _ in range(rng.randrange(3))}
        pairs = [(key, json.dumps(value).encode()) for key, value in text.items()]
        entries.insert(rng.randrange(len(entries) + 1), ("__metadata__", pairs))
    return entries, at


def _change_structure(rng: random.Random, entries: list[Entry]) -> None:
    """One change of meaning: a name, a field, a number, an order, a thing twice."""
    if not entries:
        entries.append((rng.choice(NAMES), []))
        return
    at = rng.randrange(len(entries))
    name, fields = entries[at]
    kind = rng.randrange(9)
    if kind == 0:
        entries.append((name, list(fields)))
    elif kind == 1:
        entries[at] = (rng.choice(NAMES), fields)
    elif kind == 2:
        rng.shuffle(fields)
    elif kind == 3:
        fields.append((rng.choice(("x", "dtype", "shape", "__metadata__")), rng.choice(NUMBERS)))
    elif fields:
        _change_field(rng, fields, kind)


def _change_field(rng: random.Random, fields: list[tuple[str, bytes]], kind: int) -> None:
    at = rng.randrange(len(fields))
    field, value = fields[at]
    if kind == 4:
        del fields[at]
    elif kind == 5:
        fields.append(fields[at])
    elif kind == 6:
        fields[at] = (field, b'"%s"' % rng.choice(DTYPES).encode())
    elif value.startswith(b"["):
        parts = value[1:-1].split(b",") if value != b"[]" else []
        place = rng.randrange(len(parts) + 1)
        parts[place : place + rng.randrange(2)] = [rng.choice(NUMBERS)] * rng.choice(
            (0, 1, 1, 1, 70)
        )
        fields[at] = (field, b"[" + b",".join(parts) + b"]")
    else:
        fields[at] = (field, rng.choice(NUMBERS))


def _spelt(rng: random.Random, entries: list[Entry]) -> bytes:
    """JSON of the entries, in one of the ways to write it."""
    odd = rng.random()
    space = b"" if odd < 0.8 else rng.choice((b" ", b"\n\t", b"  "))
    spell = _escaped if odd < 0.02 else partial(_text, ascii_only=0.7 < odd < 0.9)
    members = []
    for name, fields in entries:
        inside = (b"," + space).join(spell(key) + b":" + space + value for key, value in fields)
        members.append(spell(name) + space + b":{" + inside + b"}")
    raw = b"{" + space + (b"," + space).join(members) + b"}"
    return raw + b" " * (-len(raw) % 8 if odd > 0.1 else 0)


def _text(text: str, ascii_only: bool) -> bytes:
    return json.dumps(text, ensure_ascii=ascii_only).encode()


def _escaped(text: str) -> bytes:
    """A JSON string of nothing but escapes."""
    units = struct.iter_unpack(">H", text.encode("utf-16-be"))
    return b'"' + b"".join(b"\\u%04x" % unit for unit in units) + b'"'


def _change_bytes(rng: random.Random, header: bytearray) -> None:
    """One change of text: a token in, a stretch out, twice or elsewhere, a byte flipped."""
    at = rng.randrange(len(header) + 1)
    size = rng.choice((1, 1, 2, 5, 20, 60))
    kind = rng.randrange(6)
    token = rng.choice(TOKENS)
    new = bytes([token]) if isinstance(token, int) else token
    if kind == 0:
        header[at:at] = new
    elif kind == 1:
        header[at : at + len(new)] = new
    elif kind == 2:
        del header[at : at + size]
    elif kind == 3:
        header[at:at] = header[at : at + size]
    elif kind == 4:
        other = rng.randrange(len(header) + 1)
        header[other:other] = header[at : at + size]
    elif at < len(header):
        header[at] ^= 1 << rng.randrange(8)


# Verdicts


def verdict(content: bytes, with_metadata: bool = True) -> tuple[str, str]:
    """How the two readers answer one input.

    Args:
        content: the file.
        with_metadata: compare the metadata too; the library wants a file for that.

    Returns:
        A class (`both accept`, `both refuse`, `stricter: ...`, `looser: ...`, or one that
        begins with `!` and must not be), and what was said.
    """
    we: Tensors | None = None
    they: Tensors | None = None
    our_words = their_words = ""
    try:
        we = ours(content)
    except CheckpointError as error:
        our_words = str(error)
    except Exception as error:
        return "! crash", f"{type(error).__name__}: {error}"
    try:
        they = theirs(content)
    except Exception as error:  # the library raises its own and others
        their_words = str(error)
    if we is None:
        if not our_words.isprintable():
            return "! unsafe message", repr(our_words)
        if they is None:
            return "both refuse", ""
        return _explained("stricter", STRICTER, our_words)
    if they is None:
        return _explained("looser", LOOSER, their_words)
    if sorted(we) == sorted(they):
        return _of_metadata(content) if with_metadata else ("both accept", "")
    return "! other content", f"we {we}, they {they}"


def _of_metadata(content: bytes) -> tuple[str, str]:
    from safetensors import safe_open

    we = parse_header(MemoryFile(content), 0).metadata  # type: ignore[arg-type]
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(content)
        file.flush()
        with safe_open(file.name, "np") as opened:
            they = opened.metadata() or {}
    if we == they:
        return "both accept, metadata compared", ""
    return "! other metadata", f"we {we}, they {they}"


def _explained(kind: str, reasons: dict[str, str], words: str) -> tuple[str, str]:
    for part, why in reasons.items():
        if part in words:
            return f"{kind}: {why}", words
    return f"! {kind}, not explained", words


def run(
    count: int, seed: int, start: int = 0, every: int = EVERY
) -> tuple[Counter[str], list[str]]:
    """Try some inputs; returns the number in each class, and the first bad ones in words."""
    counts: Counter[str] = Counter()
    bad: list[str] = []
    began = time.perf_counter()
    for number in range(start, start + count):
        kind, words = verdict(made(seed, number), with_metadata=number % WITH_METADATA == 0)
        counts[kind] += 1
        if kind.startswith("!") and len(bad) < 20:
            bad.append(f"{number}: {kind}: {words[:300]}")
        if every and (number + 1) % every == 0:
            rate = (number + 1 - start) / (time.perf_counter() - began)
            print(f"{number + 1:,} inputs, {rate:,.0f} a second, {len(bad)} bad", flush=True)
    return counts, bad


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=COUNT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--show", type=int)
    options = parser.parse_args()
    if options.show is not None:
        content = made(options.seed, options.show)
        print(content, *verdict(content), sep="\n")
        return
    began = time.perf_counter()
    counts, bad = run(options.count, options.seed, options.start)
    seconds = time.perf_counter() - began
    rate = options.count / seconds
    print(f"seed {options.seed}: {options.count:,} inputs in {seconds:.0f} s, {rate:,.0f} a second")
    for kind, number in counts.most_common():
        print(f"{number:>10,}  {kind}")
    print(*bad, sep="\n")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
