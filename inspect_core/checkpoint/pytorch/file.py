"""A file of `torch.save`, of either format, as descriptions of its tensors."""

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.contents import PYTORCH, Contents, LeftOut
from inspect_core.checkpoint.locate import some_names
from inspect_core.checkpoint.pytorch.archive import Archive
from inspect_core.checkpoint.pytorch.legacy import place_storages, read_legacy
from inspect_core.checkpoint.pytorch.state_dict import choose_model
from inspect_core.checkpoint.pytorch.tensors import Place, describe
from inspect_core.checkpoint.pytorch.unpickle import MAX_PICKLE_BYTES, Unpickled, unpickle
from inspect_core.checkpoint.pytorch.values import Storage, Unread
from inspect_core.checkpoint.pytorch.wrong import PyTorchError
from inspect_core.checkpoint.strict_json import collector_paused
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.errors import CheckpointError

_PICKLE = b"/data.pkl"
_NAMED = 3


def parse_pytorch(file: LocalFile, shard: int) -> Contents:
    """Read what a file of `torch.save` describes; no byte of a tensor is read.

    Nothing that the file names is looked up, imported or run, here or later.

    Args:
        file: the file.
        shard: its index in the checkpoint, noted in every tensor.

    Raises:
        CheckpointError: the file breaks a rule of the format, or of plain sense.
    """
    magic = bytearray(min(file.size, 2))
    file.read_into(0, memoryview(magic))
    try:
        with collector_paused():
            pickle, place, warnings = _open_archive(file) if magic == b"PK" else _open_legacy(file)
            return _contents(pickle, place, shard, warnings)
    except PyTorchError as error:
        raise CheckpointError(str(error), where=str(file.path), hint=error.hint) from None


def _open_archive(file: LocalFile) -> tuple[Unpickled, Place, list[str]]:
    archive = Archive(file)
    home = _home(archive)
    order = home + b"/byteorder"
    if order in archive.records and archive.read(order, 16).strip() != b"little":
        raise PyTorchError("a file of a big-endian machine, which is not read")
    pickle = unpickle(archive.read(home + _PICKLE, MAX_PICKLE_BYTES))
    places: dict[str, tuple[int, int]] = {}

    def place(storage: Storage) -> tuple[int, int]:
        found = places.get(storage.key)
        if found is None:
            name = home + b"/data/" + storage.key.encode("utf-8", "surrogatepass")
            found = places[storage.key] = archive.place(name)
        return found

    return pickle, place, []


def _home(archive: Archive) -> bytes:
    """The folder in the archive that everything is in."""
    pickles = [name for name in archive.records if name.endswith(_PICKLE) and name.count(b"/") == 1]
    if len(pickles) == 1:
        home = pickles[0].removesuffix(_PICKLE)
        if home + b"/constants.pkl" in archive.records:
            what = "a TorchScript archive: a program, not a checkpoint"
            raise PyTorchError(what, "save its state_dict() with torch.save")
        return home
    if pickles:
        raise PyTorchError("a zip archive with more than one data.pkl")
    kind = "not a file of torch.save"
    if any(name.endswith(b".npy") for name in archive.records):
        kind = "probably numpy's .npz"
    raise PyTorchError(f"a zip archive without data.pkl: {kind}")


def _open_legacy(file: LocalFile) -> tuple[Unpickled, Place, list[str]]:
    legacy = read_legacy(file)
    places, end = place_storages(file, legacy, legacy.pickle.storages)
    warnings = []
    if end < file.size:
        warnings.append(f"{file.size - end:,} bytes after the last storage belong to none")

    def place(storage: Storage) -> tuple[int, int]:
        if storage.key not in places:
            raise PyTorchError(f"storage '{storage.key}' is not in the file")
        return places[storage.key]

    return legacy.pickle, place, warnings


def _contents(pickle: Unpickled, place: Place, shard: int, warnings: list[str]) -> Contents:
    chosen = choose_model(pickle.value)
    tensors: list[TensorInfo] = []
    left_out: list[LeftOut] = []
    names: set[str] = set()
    for name, view in chosen.tensors:
        if name in names:
            raise PyTorchError(f"tensor '{name}' is there twice")
        names.add(name)
        _require_unicode(name)
        made = view.reason if isinstance(view, Unread) else describe(name, view, shard, place)
        if isinstance(made, str):
            left_out.append(LeftOut(name, made))
        else:
            tensors.append(made)
    warnings += chosen.warnings
    if left_out:
        what = "1 tensor is" if len(left_out) == 1 else f"{len(left_out):,} tensors are"
        first = some_names([f"{name}: {reason}" for name, reason in left_out])
        warnings.append(f"{what} left out ({first})")
    if pickle.foreign:
        asked = some_names([str(name) for name in pickle.foreign])
        warnings.append(f"the file asks Python for {asked}: nothing of it was run")
    warnings += _shared(tensors)
    if not tensors:
        warnings.append("there is no tensor in this file")
    rest = (tuple(warnings), PYTORCH, chosen.aside, tuple(left_out))
    return Contents(tensors, chosen.metadata, *rest)


def _require_unicode(name: str) -> None:
    try:
        name.isascii() or name.encode()
    except UnicodeEncodeError:
        raise PyTorchError(f"the name of tensor '{name}' is no text") from None


def _shared(tensors: list[TensorInfo]) -> list[str]:
    """One line about names that stand for the same values (tied weights)."""
    first: dict[tuple[object, ...], str] = {}
    pairs = []
    for tensor in tensors:
        if tensor.stop > tensor.start:
            other = first.setdefault(tensor[1:], tensor.name)
            if other is not tensor.name:
                pairs.append(f"{tensor.name} with {other}")
    if not pairs:
        return []
    what = "1 tensor shares" if len(pairs) == 1 else f"{len(pairs):,} tensors share"
    return [f"{what} values with another name ({some_names(pairs, _NAMED)})"]
