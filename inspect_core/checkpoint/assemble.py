"""One set of tensors from the headers of many files, and all that is odd about them."""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from inspect_core.checkpoint.byte_source import LocalFile, absent
from inspect_core.checkpoint.contents import Aside, Contents, LeftOut
from inspect_core.checkpoint.damage import Damage, Doubt
from inspect_core.checkpoint.formats import read_contents
from inspect_core.checkpoint.hub_cache import title_of_snapshot
from inspect_core.checkpoint.index_file import Index, format_of_index, read_index
from inspect_core.checkpoint.locate import Location, some_names
from inspect_core.checkpoint.repeats import bound_repeats
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.errors import CheckpointError

_MANY_FILES = 1000
"""From so many shards on, a listing of the folder tells which are missing."""


class Assembled(NamedTuple):
    """What the files of a checkpoint hold together.

    Attributes:
        shards: the files that could be read.
        tensors: by name, in header order, shard by shard.
        metadata: of all shards; on a conflict the first shard's.
        warnings: one line each; foreign text is in them.
        format: of the files; several are joined by ` + `.
        aside: what the files hold beside the model, by its name.
        left_out: tensors of the model that cannot be described.
    """

    shards: tuple[LocalFile, ...]
    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    warnings: tuple[str, ...]
    format: str
    aside: tuple[Aside, ...]
    left_out: tuple[LeftOut, ...]


class _Broken(NamedTuple):
    name: str
    error: CheckpointError
    missing: bool


def assemble(location: Location) -> Assembled:
    """Read the headers of all files of a location.

    Raises:
        CheckpointError: no file can be read, the index is broken, or two files claim a tensor
            and no index decides between them.
    """
    index = read_index(location.index) if location.index else None
    paths = _paths(location, index)
    only = None if location.index is None else format_of_index(location.index)
    shards, headers, broken = _read_headers(paths, only)
    try:
        if broken and not headers:
            raise _nothing_readable(location, broken)
        warnings = list(index.warnings) if index else []
        warnings += _warn_broken(broken, index)
        tensors = _merge(shards, headers, index, warnings)
    except BaseException:
        for shard in shards:
            shard.close()
        raise
    names = [shard.path.name for shard in shards]
    if index:
        warnings += _compare_with_index(tensors, names, index, complete=not broken)
    warnings += _warn_headers(names, headers)
    warnings += _warn_places(location, paths)
    metadata: dict[str, str] = {}
    for header in headers:
        metadata = header.metadata | metadata
    formats = " + ".join(dict.fromkeys(header.format for header in headers))
    aside = _sum_aside(headers)
    left_out = tuple([one for header in headers for one in header.left_out])
    return Assembled(tuple(shards), tensors, metadata, tuple(warnings), formats, aside, left_out)


def _sum_aside(headers: list[Contents]) -> tuple[Aside, ...]:
    found: dict[str, Aside] = {}
    for header in headers:
        for name, tensors, nbytes in header.aside:
            had = found.get(name, Aside(name, 0, 0))
            found[name] = Aside(name, had.tensors + tensors, had.nbytes + nbytes)
    return tuple(found.values())


def _read_headers(
    paths: list[Path], only: str | None
) -> tuple[list[LocalFile], list[Contents], list[_Broken]]:
    broken: list[_Broken] = []
    if only and len(paths) >= _MANY_FILES:
        broken, paths = _split_missing(paths)
    shards: list[LocalFile] = []
    headers: list[Contents] = []
    for path in paths:
        try:
            file = LocalFile(path)
        except CheckpointError as error:
            is_missing = isinstance(error.__cause__, FileNotFoundError)
            broken.append(_Broken(path.name, error, is_missing))
            continue
        try:
            headers.append(read_contents(file, len(shards), only))
        except CheckpointError as error:
            file.close()
            broken.append(_Broken(path.name, error, missing=False))
            continue
        shards.append(file)
    return shards, bound_repeats(headers), broken


def _paths(location: Location, index: Index | None) -> list[Path]:
    if location.index is None or index is None:
        return list(location.files)
    return [location.index.parent / name for name in sorted(set(index.shard_of.values()))]


def _split_missing(paths: list[Path]) -> tuple[list[_Broken], list[Path]]:
    """Sort out missing files: among very many, one listing is faster than asking each."""
    try:
        here = set(os.listdir(paths[0].parent))  # noqa: PTH208 - names, not paths
    except OSError:
        return [], paths
    missing = [path for path in paths if path.name not in here]
    broken = [_Broken(path.name, absent(path), missing=True) for path in missing]
    return broken, [path for path in paths if path.name in here]


def _merge(
    shards: list[LocalFile], headers: list[Contents], index: Index | None, warnings: list[str]
) -> dict[str, TensorInfo]:
    tensors: dict[str, TensorInfo] = {}
    twice: list[str] = []
    for header in headers:
        if not tensors:
            tensors = {tensor.name: tensor for tensor in header.tensors}
            continue
        for tensor in header.tensors:
            first = tensors.setdefault(tensor.name, tensor)
            if first is tensor:
                continue
            here, there = shards[tensor.shard].path, shards[first.shard].path
            decided = index.shard_of.get(tensor.name) if index else None
            if decided not in (here.name, there.name):
                what = f"tensor '{tensor.name}' is in two files: {there} and {here}"
                raise CheckpointError(what, hint="open only files of one model")
            twice.append(tensor.name)
            if decided == here.name:
                tensors[tensor.name] = tensor
    if twice:
        what = _count(twice, "tensor is in two files", "tensors are in two files")
        warnings.append(Doubt(f"{what}: shown from the one the index names"))
    return tensors


def _compare_with_index(
    tensors: dict[str, TensorInfo], names: list[str], index: Index, *, complete: bool
) -> list[str]:
    warnings: list[str] = []
    here = set(names)
    shard_of = index.shard_of
    absent = [name for name, shard in shard_of.items() if shard in here and name not in tensors]
    if absent:
        place = "of the index"
        what = _count(absent, f"tensor {place}", f"tensors {place}")
        warnings.append(Damage(f"{what}: in none of the files"))
    elsewhere = [
        name
        for name, tensor in tensors.items()
        if name in shard_of and shard_of[name] != names[tensor.shard]
    ]
    if elsewhere:
        place = "in another file than the index says"
        warnings.append(_count(elsewhere, f"tensor is {place}", f"tensors are {place}"))
    unlisted = [name for name in tensors if name not in shard_of]
    if unlisted:
        place = "not in the index"
        warnings.append(Doubt(_count(unlisted, f"tensor is {place}", f"tensors are {place}")))
    size = sum(tensor.nbytes for tensor in tensors.values())
    wrong = complete and not warnings and index.total_size not in (None, size)
    if wrong and index.total_size != _bytes_in_files(tensors):
        warnings.append(f"the index says {index.total_size:,} bytes, the tensors have {size:,}")
    return warnings


def _bytes_in_files(tensors: dict[str, TensorInfo]) -> int:
    """Bytes where those that several names share count once, as writers of PyTorch count."""
    places = {(tensor.shard, tensor.start, tensor.stop) for tensor in tensors.values()}
    return sum(stop - start for _, start, stop in places)


def _nothing_readable(location: Location, broken: list[_Broken]) -> CheckpointError:
    if len(broken) == 1:
        return broken[0].error
    first = broken[0]
    names = some_names([name for name, _, _ in broken])
    what = f"none of {len(broken):,} files can be read ({names}); the first: {first.error.what}"
    return CheckpointError(
        what, where=str(location.index or location.folder or ""), hint=first.error.hint
    )


def _warn_broken(broken: list[_Broken], index: Index | None) -> list[str]:
    lost = Counter(index.shard_of.values()) if index else Counter()
    by_reason: dict[str, list[str]] = {}
    for name, _, missing in broken:
        by_reason.setdefault("missing" if missing else "broken", []).append(name)
    what_of = {name: error.what for name, error, _ in broken}
    warnings: list[str] = []
    for reason, names in by_reason.items():
        line = _count(names, f"shard is {reason}", f"shards are {reason}")
        if reason == "broken":
            line += f", the first because: {what_of[names[0]]}"
        count = sum(lost[name] for name in names)
        if count:
            line += f"; {count:,} {'tensor is' if count == 1 else 'tensors are'} not shown"
        warnings.append(Damage(line))
    return warnings


def _warn_places(location: Location, paths: list[Path]) -> list[str]:
    warnings: list[str] = []
    used = {path.name for path in paths}
    beside = [name for name in location.beside if name not in used]
    if beside:
        what = _count(beside, "more file lies here", "more files lie here")
        warnings.append(Doubt(f"{what}: not part of what is shown"))
    if location.index or location.beside:
        outside = [path.name for path in paths if _leads_elsewhere(path)]
        if outside:
            place = "to another folder"
            warnings.append(_count(outside, f"file is a link {place}", f"files are links {place}"))
    return warnings


def _leads_elsewhere(path: Path) -> bool:
    """Tell a link out of the folder, the cache's own links to its blobs excepted."""
    if not path.is_symlink():
        return False
    folder = path.parent
    home = folder.parents[2] if title_of_snapshot(folder) else folder
    try:
        return not path.resolve().is_relative_to(home.resolve())
    except (OSError, RuntimeError):
        return False


def _warn_headers(names: list[str], headers: list[Contents]) -> list[str]:
    files_of: dict[str, list[str]] = {}
    for name, header in zip(names, headers, strict=True):
        for line in header.warnings:
            files_of.setdefault(line, []).append(name)
    shown: list[str] = [type(line)(f"{some_names(of)}: {line}") for line, of in files_of.items()]
    shown.sort(key=lambda line: not isinstance(line, Doubt))
    most = max(3, sum(isinstance(line, Doubt) for line in shown))
    if len(shown) <= most:
        return shown
    return [*shown[:most], f"{len(shown) - most:,} more such warnings"]


def _count(names: list[str], one: str, many: str) -> str:
    """Say how many there are and the first few names; the phrase comes whole, names follow."""
    return f"{len(names):,} {one if len(names) == 1 else many} ({some_names(names)})"
