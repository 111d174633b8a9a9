"""From what the user typed to the files that are meant."""

import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspect_core.checkpoint.byte_source import unreadable
from inspect_core.checkpoint.damage import Damage, Doubt
from inspect_core.checkpoint.hub_cache import (
    cache_folder,
    find_snapshot,
    parse_hub_name,
    title_of_snapshot,
)
from inspect_core.checkpoint.weight_files import (
    choose,
    everybodys,
    is_index,
    missing_of_set,
    size_of_set,
    weights_among,
)
from inspect_core.errors import CheckpointError
from inspect_core.text import clean

_UNREAD_SUFFIXES = (".h5", ".msgpack", ".onnx", ".npz", ".keras", ".tflite", ".mlmodel", ".t7")
_MOST_NAMED = 10


@dataclass(frozen=True)
class Location:
    """The files of one checkpoint; nothing but their names has been looked at.

    Attributes:
        title: short name for people, safe to show.
        folder: where config.json lies, if the files share a folder.
        files: the weight files in order; empty if an index names them.
        index: the index file, if there is one.
        beside: names of all weight files of that format in the folder, if a folder was given.
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
        uri: a file with weights, an index file, a folder, a glob pattern, `org/name` or
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
            raise CheckpointError(
                "a folder among several files", where=text, hint="to compare two: --ref"
            )
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
    return sorted(map(_absolute, weights_among(names)))


def _not_found(text: str) -> CheckpointError:
    if glob.has_magic(text):
        return CheckpointError("no file with weights matches this pattern", where=text)
    name = parse_hub_name(text)
    if name is None or "/" not in text:
        return CheckpointError("no such file or folder", where=text, hint="check the path")
    return CheckpointError(
        f"no such file or folder, nor a model in the cache {cache_folder()}",
        where=text,
        hint=f"check the spelling, or download it: hf download {name.repo}",
    )


def _one_file(path: Path) -> Location:
    if is_index(path.name):
        return Location(_title(path), path.parent, (), index=path)
    return Location(_title(path), path.parent, (path,))


def _several(paths: Iterable[Path]) -> Location:
    files = tuple(dict.fromkeys(paths))
    folders = {path.parent for path in files}
    folder = folders.pop() if len(folders) == 1 else None
    title = _title(folder) if folder else f"{files[0].name} and {len(files) - 1} more"
    return Location(clean(title), folder, files)


def _title(path: Path) -> str:
    # `model.safetensors` is everybody's name: the folder says more.
    known = path.parent if everybodys(path.name) else path
    return clean(title_of_snapshot(known) or known.name or str(known))


def _in_folder(folder: Path) -> Location:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        raise unreadable(folder, error) from error
    found = choose(names)
    if found.index is None and not found.files:
        raise _unclear(folder, found.beside, names)
    return Location(
        _title(folder),
        folder,
        tuple(folder / name for name in found.files),
        folder / found.index if found.index else None,
        tuple(found.beside),
        (*_warn_missing(found.files), *_warn_others(found.others)),
    )


def _warn_missing(files: Sequence[str]) -> list[str]:
    missing = missing_of_set(files)
    if not missing:
        return []
    what = f"{len(missing):,} of {size_of_set(files):,} files are missing"
    return [Damage(f"{what}: {some_names(missing)}")]


def _warn_others(others: Sequence[str]) -> list[str]:
    if not others:
        return []
    what = f"the folder holds weights in another format too ({some_names(others)}): not shown"
    return [Doubt(what)]


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
            return _not_read(folder / name)
    if "adapter_config.json" in names:
        what = "an adapter's config without its weights"
        hint = "download its adapter_model.safetensors too"
        return CheckpointError(what, where=str(folder), hint=hint)
    return CheckpointError(
        "no file with weights in this folder", where=str(folder), hint="is it the right one?"
    )


def _not_read(path: Path) -> CheckpointError:
    what = f"{path.suffix.lower()} files are not read"
    return CheckpointError(what, where=str(path), hint="convert it to safetensors")
