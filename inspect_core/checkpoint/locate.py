"""From what the user typed to the files that are meant."""

import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspect_core.checkpoint.byte_source import unreadable
from inspect_core.checkpoint.hub_cache import (
    cache_folder,
    find_snapshot,
    parse_hub_name,
    title_of_snapshot,
)
from inspect_core.errors import CheckpointError
from inspect_core.text import clean

INDEX_SUFFIX = ".safetensors.index.json"
WEIGHTS_SUFFIX = ".safetensors"

_MAIN_INDEX = f"model{INDEX_SUFFIX}"
_MAIN_FILE = f"model{WEIGHTS_SUFFIX}"
_KNOWN_FILES = ("diffusion_pytorch_model.safetensors", "adapter_model.safetensors")
_FILE_OF_SET = re.compile(r"(.+)-(\d{1,6})-of-(\d{1,6})\.safetensors", re.DOTALL | re.ASCII)
_UNREAD_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".npz")
_MOST_NAMED = 10


@dataclass(frozen=True)
class Location:
    """The files of one checkpoint; nothing but their names has been looked at.

    Attributes:
        title: short name for people, safe to show.
        folder: where config.json lies, if the files share a folder.
        files: the weight files in order; empty if an index names them.
        index: the index file, if there is one.
        beside: names of all weight files of the folder, if a folder was given.
        warnings: human lines; foreign text is in them.
    """

    title: str
    folder: Path | None
    files: tuple[Path, ...]
    index: Path | None = None
    beside: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def locate(uri: str | os.PathLike[str] | Sequence[str]) -> Location:
    """Find the files of a checkpoint.

    Args:
        uri: a .safetensors file, an index file, a folder, a glob pattern, `org/name` or
            `org/name@revision` in the local Hugging Face cache, or several files of one model.

    Raises:
        CheckpointError: nothing is there, or it is not clear which file is meant.
    """
    if isinstance(uri, str | os.PathLike):
        return _locate_one(os.fspath(uri))
    if not uri:
        raise CheckpointError("no file was given")
    if len(uri) == 1:
        return _locate_one(uri[0])
    found: list[Path] = []
    for text in uri:
        path = _existing(text)
        if path is None:
            found += _matches(text) or [_absolute(text)]
        elif path.is_dir():
            raise CheckpointError("a folder among several files", where=text, hint="give files")
        else:
            found.append(path)
    return _several(found)


def _locate_one(text: str) -> Location:
    path = _existing(text)
    if path is None:
        matches = _matches(text)
        if matches:
            return _several(matches) if len(matches) > 1 else _one_file(matches[0])
        name = parse_hub_name(text)
        snapshot = find_snapshot(name) if name else None
        if snapshot is None:
            raise _not_found(text)
        return _in_folder(snapshot)
    return _in_folder(path) if path.is_dir() else _one_file(path)


def _existing(text: str) -> Path | None:
    """Return the absolute path if something is there, whatever it is."""
    for candidate in (text, os.path.expanduser(text)):  # noqa: PTH111 - Path raises on ~nobody
        path = _absolute(candidate)
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            if path.is_symlink():
                raise CheckpointError(
                    "a link to something that is not there",
                    where=text,
                    hint="the download may be partial",
                ) from None
            continue
        except (OSError, ValueError) as error:
            raise unreadable(text, error) from error
        return path
    return None


def _absolute(text: str) -> Path:
    if not text:
        raise CheckpointError("no file was given")
    # A later change of the working folder must not lead elsewhere.
    return Path(os.path.abspath(text))  # noqa: PTH100 - resolve() would follow links


def _matches(pattern: str) -> list[Path]:
    if not glob.has_magic(pattern):
        return []
    try:
        names = glob.glob(os.path.expanduser(pattern))  # noqa: PTH111, PTH207
    except (OSError, ValueError, re.error):
        return []
    return sorted(_absolute(name) for name in names if name.lower().endswith(WEIGHTS_SUFFIX))


def _not_found(text: str) -> CheckpointError:
    if glob.has_magic(text):
        return CheckpointError("no .safetensors file matches this pattern", where=text)
    name = parse_hub_name(text)
    if name is None or "/" not in text:
        return CheckpointError("no such file or folder", where=text, hint="check the path")
    return CheckpointError(
        f"no such file or folder, nor a model in the cache {cache_folder()}",
        where=text,
        hint=f"check the spelling, or download it: hf download {name.repo}",
    )


def _one_file(path: Path) -> Location:
    lower = path.name.lower()
    if lower.endswith(INDEX_SUFFIX):
        return Location(_title(path), path.parent, (), index=path)
    if lower.endswith(".bin.index.json"):
        raise _not_read_yet(path)
    return Location(_title(path), path.parent, (path,))


def _several(paths: Iterable[Path]) -> Location:
    files = tuple(dict.fromkeys(paths))
    folders = {path.parent for path in files}
    folder = folders.pop() if len(folders) == 1 else None
    title = _title(folder) if folder else f"{files[0].name} and {len(files) - 1} more"
    return Location(clean(title), folder, files)


def _title(path: Path) -> str:
    # `model.safetensors` is everybody's name: the folder says more.
    everybodys = path.name in (_MAIN_INDEX, _MAIN_FILE, *_KNOWN_FILES)
    known = path.parent if everybodys else path
    return clean(title_of_snapshot(known) or known.name or str(known))


def _in_folder(folder: Path) -> Location:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        raise unreadable(folder, error) from error
    indexes = [name for name in names if name.lower().endswith(INDEX_SUFFIX)]
    weights = [name for name in names if name.lower().endswith(WEIGHTS_SUFFIX)]
    index, files = _choose(indexes, weights)
    if index is None and not files:
        raise _unclear(folder, indexes + weights, names)
    return Location(
        _title(folder),
        folder,
        tuple(folder / name for name in files),
        folder / index if index else None,
        tuple(weights),
        _missing_of_set(files),
    )


def _choose(indexes: list[str], weights: list[str]) -> tuple[str | None, list[str]]:
    """Pick the index or the files that are the folder's model; the first rule that fits wins."""
    if _MAIN_INDEX in indexes:
        return _MAIN_INDEX, []
    if _MAIN_FILE in weights:
        return None, [_MAIN_FILE]
    if len(indexes) == 1:
        return indexes[0], []
    if not indexes:
        files = weights if len(weights) == 1 else _set_among(weights)
        if files:
            return None, files
    known = [name for name in _KNOWN_FILES if name in weights]
    return None, known if len(known) == 1 else []


def _set_among(weights: list[str]) -> list[str]:
    """Return the one set of `x-00001-of-0000N` files; with other files beside, a whole one."""
    sets: dict[tuple[str, str], list[str]] = {}
    for name in weights:
        part = _FILE_OF_SET.fullmatch(name)
        if part:
            sets.setdefault((part[1], part[3]), []).append(name)
    if len(sets) != 1:
        return []
    [members] = sets.values()
    return members if len(members) == len(weights) or not _missing_of_set(members) else []


def _missing_of_set(files: Sequence[str]) -> tuple[str, ...]:
    parts = [_FILE_OF_SET.fullmatch(name) for name in files]
    first = parts[0] if parts else None
    if first is None:
        return ()
    here = {int(part[2]) for part in parts if part}
    total, width = int(first[3]), len(first[2])
    missing = [number for number in range(1, total + 1) if number not in here]
    if not missing:
        return ()
    names = [f"{first[1]}-{number:0{width}}-of-{first[3]}{WEIGHTS_SUFFIX}" for number in missing]
    return (f"{len(missing):,} of {total:,} files are missing: {some_names(names)}",)


def some_names(names: Sequence[str], most: int = 3) -> str:
    """List the first few names for a message, each made safe, and count the others."""
    shown = ", ".join(clean(name, 80) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def _unclear(folder: Path, candidates: list[str], names: list[str]) -> CheckpointError:
    if candidates:
        what = f"{len(candidates):,} checkpoints are here: {some_names(candidates, _MOST_NAMED)}"
        return CheckpointError(what, where=str(folder), hint="name one of them")
    for name in names:
        if name.lower().endswith(_UNREAD_SUFFIXES):
            return _not_read_yet(folder / name)
    return CheckpointError(
        "no .safetensors file in this folder", where=str(folder), hint="is it the right one?"
    )


def _not_read_yet(path: Path) -> CheckpointError:
    what = f"{path.suffix.lower()} files are not read yet, only .safetensors"
    return CheckpointError(what, where=str(path), hint="convert it to safetensors")
