"""Valid checkpoints that are large in some way."""

from collections.abc import Iterator

from hostile.case import SQUARE, Case, Room, entry, safetensors

MANY = 200_000
GIANT = 64 << 30


def _bytes_of(names: Iterator[str]) -> bytes:
    """A file of one-byte tensors, its header written by hand: it is a hundred times as fast."""
    parts = [
        f'"{name}":{{"dtype":"U8","shape":[1],"data_offsets":[{at},{at + 1}]}}'
        for at, name in enumerate(names)
    ]
    return safetensors(("{" + ",".join(parts) + "}").encode(), bytes(len(parts)))


def scale(room: Room) -> Iterator[Case]:
    """Many tensors, deep trees, and a file larger than memory."""
    experts = _bytes_of(f"l.{at // 256}.e.{at % 256}.w" for at in range(MANY))
    yield room.file("s_200k_tensors", experts, "open", "as a mixture of experts has them")
    flat = _bytes_of(f"t{at}" for at in range(50_000))
    yield room.file("s_50k_flat", flat, "open", "siblings under the root")
    deep = _bytes_of(".".join(["m"] * depth) + ".w" for depth in range(1, 2001))
    yield room.file("s_deep2000", deep, "open", "a tree of 2,000 levels")
    empty = {f"e{at}": entry("F32", [0], 0, 0) for at in range(20_000)}
    yield room.file("s_100k_empty", safetensors(empty), "open", "all of size 0, all at one place")
    shapes = {f"u{at}.w": entry("U8", [0, at], 0, 0) for at in range(20_000)}
    yield room.file("s_20k_shapes", safetensors(shapes), "open", "no two structures alike")
    texts = {f"key {at}": "v" for at in range(50_000)}
    notes = safetensors({"__metadata__": texts, "a": entry("U8", [1], 0, 1)}, b"\1")
    yield room.file("s_50k_metadata", notes, "open")
    text = {"text": '\\"' * 2_000_000}
    escaped = safetensors({"__metadata__": text, "a": entry("U8", [1], 0, 1)}, b"\1")
    yield room.file("s_8MB_metadata", escaped, "open", "one text of many escapes")
    giant = safetensors({"w": entry("U8", [1 << 16, GIANT >> 16], 0, GIANT)})
    yield room.file(
        "s_64GiB", giant, "open", "sparse; a library that maps or reads all of it dies",
        sparse=len(giant) + GIANT, values=False,
    )  # fmt: skip
    short = safetensors({"w": entry("U8", [GIANT], 0, GIANT), "a": SQUARE})
    yield room.file("s_64GiB_claimed", short, "reject", "claims what is not there")
