"""All hostile cases: built in a second, the same every time."""

from collections.abc import Callable, Iterator
from pathlib import Path

from hostile.adapters import adapters, configs
from hostile.case import Case, Room
from hostile.file_system import file_system
from hostile.gguf_files import gguf_files
from hostile.headers import headers
from hostile.indexes import indexes
from hostile.names import names
from hostile.pairs import pairs
from hostile.pickles import pickles
from hostile.scale import scale
from hostile.values import values

GROUPS: dict[str, Callable[[Room], Iterator[Case]]] = {
    "headers": headers,
    "values": values,
    "names": names,
    "scale": scale,
    "pairs": pairs,
    "indexes": indexes,
    "adapters": adapters,
    "configs": configs,
    "file_system": file_system,
    "pickles": pickles,
    "gguf": gguf_files,
}
"""What makes the cases of each group."""


def build(root: Path) -> list[Case]:
    """Write every case below a folder.

    Args:
        root: an existing folder; nothing is written outside of it.

    Returns:
        The cases, in an order that never changes.
    """
    return [case for name, make in GROUPS.items() for case in make(Room(root, name))]
