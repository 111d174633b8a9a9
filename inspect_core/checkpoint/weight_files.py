"""Which of a folder's files are its model, by their names alone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from inspect_core.checkpoint.contents import GGUF, PYTORCH, SAFETENSORS


class Naming(NamedTuple):
    """How the files of a format are called.

    Attributes:
        format: its name.
        suffixes: of files with weights.
        index_suffix: of an index, empty if there are none.
        main: names that everybody gives the one file of a model, the usual one first.
        known: names that are chosen where nothing else is.
    """

    format: str
    suffixes: tuple[str, ...]
    index_suffix: str = ""
    main: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    @property
    def main_index(self) -> str:
        """The usual name of an index."""
        return self.main[0].rpartition(".")[0] + self.index_suffix if self.index_suffix else ""


NAMINGS = (
    Naming(
        SAFETENSORS,
        (".safetensors",),
        ".safetensors.index.json",
        ("model.safetensors",),
        ("diffusion_pytorch_model.safetensors", "adapter_model.safetensors"),
    ),
    Naming(
        PYTORCH,
        (".bin", ".pt", ".pth", ".ckpt"),
        ".bin.index.json",
        ("pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.bin"),
        ("diffusion_pytorch_model.bin", "adapter_model.bin"),
    ),
    Naming(GGUF, (".gguf",)),
)
"""All formats, the preferred one first: a folder that has several holds the same model twice."""

_TRAINING = (
    "training_args.", "optimizer.", "optimizer_", "scheduler.", "rng_state", "random_states",
    "scaler.", "trainer_state.",
)  # fmt: skip
"""What trainers leave beside a model, in files with a suffix of weights."""

_FILE_OF_SET = re.compile(r"(.+)-(\d{1,6})-of-(\d{1,6})\.([A-Za-z]+)", re.DOTALL | re.ASCII)


@dataclass(frozen=True)
class Choice:
    """The model among the files of a folder.

    Attributes:
        index: name of the index, None without one.
        files: names of the files; empty if an index names them, or if it is not clear.
        beside: names of all files of the chosen format.
        others: names of the main files of other formats, which are not chosen.
    """

    index: str | None
    files: list[str]
    beside: list[str]
    others: list[str]


def is_index(name: str) -> bool:
    """Whether a file is an index of shards."""
    lower = name.lower()
    return any(one.index_suffix and lower.endswith(one.index_suffix) for one in NAMINGS)


def everybodys(name: str) -> bool:
    """Whether a name says nothing of a model, because every model's file has it."""
    return any(name in (one.main_index, *one.main, *one.known) for one in NAMINGS)


def weights_among(names: Iterable[str]) -> list[str]:
    """The paths of the most preferred format that is there; a training's own files are none."""
    names = list(names)
    for naming in NAMINGS:
        found = _weights(naming, names)
        if found:
            return found
    return []


def choose(names: Sequence[str]) -> Choice:
    """Pick the index or the files that are the folder's model.

    Args:
        names: all files of the folder, sorted.

    Returns:
        The choice. Without index and files it is unclear which of `beside` is meant, or
        `beside` is empty and nothing is there.
    """
    found: list[Choice] = []
    for naming in NAMINGS:
        indexes = [
            name
            for name in names
            if naming.index_suffix and name.lower().endswith(naming.index_suffix)
        ]
        weights = _weights(naming, names)
        if indexes or weights:
            index, files = _choose_one(naming, indexes, weights)
            unclear = index is None and not files
            found.append(Choice(index, files, indexes + weights if unclear else weights, []))
    if not found:
        return Choice(None, [], [], [])
    others = [name for one in found[1:] for name in ([one.index] if one.index else one.files[:1])]
    return replace(found[0], others=others)


def missing_of_set(files: Sequence[str]) -> list[str]:
    """Names of the files that a set of `x-00001-of-0000N` lacks; none if it is no such set."""
    parts = [_FILE_OF_SET.fullmatch(name) for name in files]
    first = parts[0] if parts else None
    if first is None:
        return []
    here = {int(part[2]) for part in parts if part}
    stem, total, width, suffix = first[1], int(first[3]), len(first[2]), first[4]
    missing = [number for number in range(1, total + 1) if number not in here]
    return [f"{stem}-{number:0{width}}-of-{first[3]}.{suffix}" for number in missing]


def size_of_set(files: Sequence[str]) -> int:
    """How many files the set should have of which these are some; 0 if it is no set."""
    part = _FILE_OF_SET.fullmatch(files[0]) if files else None
    return int(part[3]) if part else 0


def _weights(naming: Naming, names: Iterable[str]) -> list[str]:
    return [
        name
        for name in names
        if name.lower().endswith(naming.suffixes)
        and not name.lower().rpartition("/")[2].startswith(_TRAINING)
    ]


def _choose_one(
    naming: Naming, indexes: list[str], weights: list[str]
) -> tuple[str | None, list[str]]:
    """The first rule that fits wins; transformers too takes the one file before the index."""
    if naming.main and naming.main[0] in weights:
        return None, [naming.main[0]]
    if naming.main_index in indexes:
        return naming.main_index, []
    main = [name for name in naming.main if name in weights]
    if main:
        return None, main[:1]
    if len(indexes) == 1:
        return indexes[0], []
    if not indexes:
        files = weights if len(weights) == 1 else _set_among(weights)
        if files:
            return None, files
    known = [name for name in naming.known if name in weights]
    return None, known if len(known) == 1 else []


def _set_among(weights: list[str]) -> list[str]:
    """Return the one set of `x-00001-of-0000N` files; with other files beside, a whole one."""
    sets: dict[tuple[str, str, str], list[str]] = {}
    for name in weights:
        part = _FILE_OF_SET.fullmatch(name)
        if part:
            sets.setdefault((part[1], part[3], part[4]), []).append(name)
    if len(sets) != 1:
        return []
    [members] = sets.values()
    return members if len(members) == len(weights) or not missing_of_set(members) else []
