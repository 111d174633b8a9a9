"""The format of `torch.save` before PyTorch 1.6: five pickles, then all storages in a row.

The pickles: a magic number, a protocol number, facts about the machine, the object, and the
keys of the storages in their order. Then for each an int64 with its elements, and its bytes.
"""

from typing import NamedTuple

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.pytorch.calls import ELEMENT_BYTES
from inspect_core.checkpoint.pytorch.machine import CutShortError
from inspect_core.checkpoint.pytorch.unpickle import MAX_PICKLE_BYTES, Unpickled, unpickle
from inspect_core.checkpoint.pytorch.values import Mapping, Storage
from inspect_core.checkpoint.pytorch.wrong import PyTorchError

MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of every such file."""

PROTOCOL = 1001
"""The second."""

_FIRST_WINDOW = 1 << 20
_GROWTH = 8
_COUNT_BYTES = 8
_CUT = "the file is cut short or was changed: download or copy it again"


class LegacyFile(NamedTuple):
    """The pickles of a file.

    Attributes:
        pickle: the object.
        keys: names of the storages, in the order of the file.
        data: where the first storage begins.
    """

    pickle: Unpickled
    keys: list[str]
    data: int


def read_legacy(file: LocalFile) -> LegacyFile:
    """Follow the pickles of a file.

    Raises:
        PyTorchError: the file breaks a rule.
        CheckpointError: it cannot be read.
    """
    size = min(_FIRST_WINDOW, file.size)
    while True:
        raw = bytearray(size)
        file.read_into(0, memoryview(raw))
        try:
            return _parse(bytes(raw))
        except CutShortError:
            # Where the pickles end is known only by following them.
            if size >= min(file.size, MAX_PICKLE_BYTES):
                raise
        size = min(size * _GROWTH, file.size, MAX_PICKLE_BYTES)


def _parse(raw: bytes) -> LegacyFile:
    magic = unpickle(raw)
    if magic.value != MAGIC:
        raise PyTorchError("a Python pickle, but none that torch.save wrote")
    protocol = unpickle(raw, magic.stop)
    if protocol.value != PROTOCOL:
        raise PyTorchError("a PyTorch file of an unknown protocol")
    system = unpickle(raw, protocol.stop)
    if isinstance(system.value, Mapping) and system.value.get("little_endian") is False:
        raise PyTorchError("a file of a big-endian machine, which is not read")
    made = unpickle(raw, system.stop)
    keys = unpickle(raw, made.stop)
    if type(keys.value) is not list or not all(type(key) is str for key in keys.value):
        raise PyTorchError("the list of storages is broken", _CUT)
    names = [key for key in keys.value if isinstance(key, str)]
    return LegacyFile(made, names, keys.stop)


def place_storages(
    file: LocalFile, legacy: LegacyFile, storages: dict[str, Storage]
) -> tuple[dict[str, tuple[int, int]], int]:
    """Find where each storage lies.

    Args:
        file: the file.
        legacy: its pickles.
        storages: as the object's pickle describes them, by key.

    Returns:
        First byte and one past the last by key, and where the last storage ends.

    Raises:
        PyTorchError: a storage is not described, is there twice, has another size than its
            description, or is not inside the file.
        CheckpointError: the file cannot be read.
    """
    places: dict[str, tuple[int, int]] = {}
    at = legacy.data
    for key in legacy.keys:
        storage = storages.get(key)
        if storage is None or key in places:
            why = "twice in the file" if key in places else "in the file, but of no known type"
            raise PyTorchError(f"storage '{key}' is {why}", _CUT)
        if at + _COUNT_BYTES > file.size:
            raise PyTorchError(f"storage '{key}' is missing", _CUT)
        raw = bytearray(_COUNT_BYTES)
        file.read_into(at, memoryview(raw))
        numel = int.from_bytes(raw, "little", signed=True)
        start = at + _COUNT_BYTES
        at = start + storage.numel * ELEMENT_BYTES[storage.dtype]
        if numel != storage.numel:
            what = f"storage '{key}' has {numel:,} elements, not {storage.numel:,}"
            raise PyTorchError(what, _CUT)
        if at > file.size:
            raise PyTorchError(f"storage '{key}' goes beyond the end of the file", _CUT)
        places[key] = (start, at)
    return places, at
