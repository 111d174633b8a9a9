"""A comparison as one file, to be looked at later and elsewhere, without the models.

The file is a safetensors file: anything that reads those can read its numbers. Its tensors are
columns with a line for each match of the comparison (`saved_columns`). It says what was compared
in the words in which the models were named, paths included.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.foreign_files import is_saved_result
from inspect_core.checkpoint.header import HEAD_BYTES
from inspect_core.errors import CheckpointError
from inspect_core.new_file import write_new
from inspect_core.results.comparison import Comparison

if TYPE_CHECKING:
    from inspect_core.checkpoint.byte_source import Stamp


@dataclass(frozen=True, eq=False)
class Saved:
    """A comparison that was read from a file.

    Attributes:
        comparison: what was compared.
        made: when it was saved, in UTC, as `2026-01-31 12:00`; safe to show.
        by: the version of lamella that saved it; safe to show.
        nbytes: bytes of the model's and of the reference's tensors.
        identity: the file and its state, as a checkpoint has them.
    """

    comparison: Comparison
    made: str
    by: str
    nbytes: tuple[int, int]
    identity: "tuple[tuple[Path, Stamp], ...]"


def save(path: Path, comparison: Comparison) -> None:
    """Write a comparison to a new file, which is there whole or not at all.

    Raises:
        UsageError: something of this name is there already, or it cannot be written.
    """
    from importlib.metadata import PackageNotFoundError, version

    from inspect_core.results.saved_columns import file_parts

    try:
        by = version("lamella")
    except PackageNotFoundError:
        by = ""
    write_new(path, file_parts(comparison, f"{datetime.now(UTC):%Y-%m-%d %H:%M}", by))


def load(path: Path) -> Comparison:
    """The comparison in a file that `save` has written; its tensors have no bytes.

    Raises:
        CheckpointError: the file cannot be read, is no saved result, is damaged or contradicts
            itself, or comes from a version of lamella whose numbers are other ones.
    """
    return read_saved(path).comparison


def read_saved(path: Path) -> Saved:
    """As `load`, with all that the file says of itself."""
    from inspect_core.results.saved_reader import read_content

    file = LocalFile(path)
    try:
        if not _begins_well(file):
            raise CheckpointError("not a saved result", where=str(path))
        found = read_content(file)
        file.check_unchanged()
    finally:
        file.close()
    return Saved(*found, identity=((path, file.stamp),))


def is_saved(path: Path) -> bool:
    """Whether a file is a saved result, by its first bytes; False where nothing can be read."""
    try:
        file = LocalFile(path)
    except CheckpointError:
        return False
    try:
        return _begins_well(file)
    except CheckpointError:
        return False
    finally:
        file.close()


def _begins_well(file: LocalFile) -> bool:
    head = bytearray(min(file.size, HEAD_BYTES))
    file.read_into(0, memoryview(head))
    return is_saved_result(head)
