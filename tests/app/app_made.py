"""Small models on disk, and what the screen of a running app says."""

import asyncio
import json
import struct
import time
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from inspect_core.structure.branch import Branch
from inspect_core.structure.build import NO_FACTS, ModuleFacts, build_tree
from inspect_core.structure.tree import LeafSpec, ModuleTree
from inspect_core.work.listings import Listing, PairListing

DTYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64"}

ESC = "\x1b[31m"
OSC_52 = "\x1b]52;c;ZXZpbA==\x07"
HOSTILE = ["[/]", "[@click=app.quit]x", f"a{ESC}", f"b{OSC_52}", "c\u202ed", "e\nf", "g\x9b2J"]
"""Names that would close markup, run an action, colour, copy, turn text round, break lines."""

Tensor = np.ndarray | tuple[str, tuple[int, ...], bytes]


def write_model(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write a .safetensors file; a tuple is a dtype, a shape and raw bytes."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        dtype, shape, raw = _entry(tensor)
        entry = {"dtype": dtype, "shape": list(shape)}
        header[name] = {**entry, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A new file, so that one that is open is replaced and not cut under its reader.
    fresh = path.with_suffix(".new")
    fresh.write_bytes(struct.pack("<Q", len(text)) + text + data)
    fresh.replace(path)
    return str(path)


def _entry(tensor: Tensor) -> tuple[str, tuple[int, ...], bytes]:
    if isinstance(tensor, np.ndarray):
        return DTYPES[str(tensor.dtype)], tensor.shape, tensor.tobytes()
    return tensor


def layers(count: int = 4, seed: int = 0, **moved: float) -> dict[str, np.ndarray]:
    """A small model of some layers; `moved` says by how much a layer (`l2`) is off."""
    rng = np.random.default_rng(seed)
    tensors = {"embed.weight": rng.normal(size=(12, 6)).astype(np.float32)}
    for layer in range(count):
        for name, shape in (("attn.weight", (6, 6)), ("mlp.weight", (10, 6)), ("mlp.bias", (10,))):
            values = rng.normal(size=shape).astype(np.float32)
            values += np.float32(moved.get(f"l{layer}", 0.0))
            tensors[f"layers.{layer}.{name}"] = values
    tensors["norm.weight"] = np.ones(6, np.float32)
    return tensors


def tree_of(
    names: list[str], shapes: Mapping[str, tuple[int, ...]] | None = None, facts=NO_FACTS
) -> ModuleTree:
    specs = [LeafSpec("F32", (shapes or {}).get(name, (2,))) for name in names]
    return build_tree(names, specs, facts)


def listing_of(names: list[str], facts: ModuleFacts = NO_FACTS, shapes=None) -> Listing:
    tree = tree_of(names, shapes, facts)
    return Listing("m", "m", names, tree, 8 * len(names), 1, {}, False, ())


def pairs_of(status: list[str], names: list[str]) -> PairListing:
    codes = sorted(set(status))
    code = bytes(map(codes.index, status))
    reasons = ["same name" if s == "pair" else s for s in codes]
    return PairListing("r", "r", codes, code, reasons, array("q", list(code)), {}, [], ())


def row_at(tree: ModuleTree, path: str):
    """The row with a folded path."""
    queue = [Branch.root(tree)]
    for branch in queue:
        for row in (branch, *branch.twigs):
            if row.path == path:
                return row
        queue += branch.branches
        queue += [m for child in branch.branches if child.folded for m in child.members()]
    raise KeyError(path)


def screen_text(app) -> str:
    """What the screen shows, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


async def until(
    pilot, condition: Callable[[], object], seconds: float = 30.0, what: str = ""
) -> None:
    """Let the app go on until something is so.

    Raises:
        AssertionError: it is not so within the time; with what the screen showed.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what or condition}\n{screen_text(pilot.app)}")
        await asyncio.sleep(0.01)
        await pilot.pause()


async def shows(pilot, text: str, seconds: float = 30.0) -> None:
    """Wait until the screen shows a text."""
    await until(pilot, lambda: text in screen_text(pilot.app), seconds, repr(text))
