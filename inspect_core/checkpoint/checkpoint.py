"""A checkpoint: descriptions of all its tensors at once, their bytes on demand."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from inspect_core.checkpoint.adapter_tensors import adapter_warnings
from inspect_core.checkpoint.assemble import assemble
from inspect_core.checkpoint.byte_source import ByteSource, Stamp, read_whole
from inspect_core.checkpoint.contents import SAFETENSORS, Aside, LeftOut
from inspect_core.checkpoint.damage import Damage, Doubt, listed_only
from inspect_core.checkpoint.locate import locate
from inspect_core.checkpoint.strict_json import JsonError, parse_plain
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.errors import CheckpointError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.adapters.overlay import Overlay
    from inspect_core.opening import Uri
    from inspect_core.structure.build import Structure

MAX_CONFIG_BYTES = 10_000_000
"""Size of the largest config.json accepted."""

_WARNING_LIMIT = 400


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """An open checkpoint; also a context manager. Two of them are equal only if the same object.

    Attributes:
        uri: what was opened, as given.
        title: short name for people, safe to show.
        folder: where config.json lies, if the files share a folder.
        shards: the files with weights, and what computes others; files that could not be read
            are not among them.
        tensors: by name, in header order, shard by shard.
        metadata: of all shards together; on a conflict the first shard's; foreign text.
        config: content of config.json; None without a usable one. Foreign.
        warnings: human lines about what is odd, safe to show.
        format: of the files: "safetensors", "PyTorch", "GGUF", or several joined by ` + `.
        aside: tensors in the files that are not the model's, such as an optimizer's; foreign
            names.
        damage: those of the warnings that say that parts are missing or broken.
        doubts: those that say that what is shown may not be what a program loads.
        left_out: the model's tensors that are in the files and cannot be described.
        overlay: what of `tensors` comes from adapters, or is computed with them; None without.
        structure: what a live model says of itself: first the names of `tensors`, in their
            order, then those that hold no values of their own; None where files must do.
        notes: what is good to know and nothing to warn of, safe to show.
    """

    uri: "Uri"
    title: str
    folder: Path | None
    shards: tuple[ByteSource, ...]
    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    config: dict[str, object] | None
    warnings: tuple[str, ...]
    format: str = SAFETENSORS
    aside: tuple[Aside, ...] = ()
    damage: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    overlay: "Overlay | None" = None
    structure: "Structure | None" = None
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[tuple[Path, Stamp], ...]:
        """What a cache can key on: path, size, change time and file number of every file."""
        return tuple((one.path, one.stamp) for one in self.shards if one.stamp is not None)

    def read_into(self, tensor: TensorInfo, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` with bytes of a tensor.

        Args:
            tensor: one of `tensors`, or a view of some (see `views`).
            offset: first byte, counted from the tensor's start.
            buffer: a writable, contiguous view; its length is what is read.

        Raises:
            CheckpointError: the bytes cannot be read, or the file changed; or the values of a
                strided tensor lie too far from each other.
            ValueError: the range is not inside the tensor.
        """
        if offset < 0 or offset + buffer.nbytes > tensor.nbytes:
            raise ValueError(
                f"bytes {offset}-{offset + buffer.nbytes} of a tensor of {tensor.nbytes}"
            )
        if tensor.parts:
            self._read_parts(tensor, offset, buffer.cast("B"))
        elif tensor.strides is None:
            self.shards[tensor.shard].read_into(tensor.start + offset, buffer)
        elif buffer.nbytes:
            from inspect_core.checkpoint.strided import read_strided

            read_strided(self.shards[tensor.shard], tensor, offset, buffer)

    def _read_parts(self, tensor: TensorInfo, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` with what each part has of the range."""
        before = done = 0
        for part in tensor.parts:
            size = part.nbytes
            first = offset + done - before
            if first < size and done < buffer.nbytes:
                taken = min(size - first, buffer.nbytes - done)
                self.read_into(part, first, buffer[done : done + taken])
                done += taken
            before += size

    def check_unchanged(self) -> None:
        """Raise CheckpointError if a file is no longer the one that was opened."""
        for shard in self.shards:
            shard.check_unchanged()

    def close(self) -> None:
        """Give all file descriptors back."""
        for shard in self.shards:
            shard.close()

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_checkpoint(uri: str | os.PathLike[str] | Sequence[str]) -> Checkpoint:
    """Open a checkpoint: headers are read, no byte of a tensor.

    A broken or missing file among several is a warning, and the others are shown.

    Args:
        uri: a safetensors, PyTorch or GGUF file, an index file, a folder, a glob pattern,
            `org/name` or `org/name@revision` in the local Hugging Face cache, or several files
            of one model.

    Raises:
        CheckpointError: nothing readable is there, or it contradicts itself.
    """
    location = locate(uri)
    content = assemble(location)
    warnings = [*location.warnings, *content.warnings]
    config = _read_config(location.folder, warnings)
    names = [shard.path.name for shard in content.shards]
    warnings += listed_only(content.tensors)
    beside = [
        *adapter_warnings(location.folder, content.tensors, names),
        *_other_weights(config, names),
    ]
    # Who names a file means that file, whatever lies beside it.
    warnings += beside if location.beside else map(str, beside)
    damage = [warning for warning in warnings if isinstance(warning, Damage)]
    doubts = [warning for warning in warnings if isinstance(warning, Doubt)]
    return Checkpoint(
        uri=os.fspath(uri) if isinstance(uri, str | os.PathLike) else tuple(uri),
        title=location.title,
        folder=location.folder,
        shards=content.shards,
        tensors=content.tensors,
        metadata=content.metadata,
        config=config,
        warnings=tuple(clean(warning, _WARNING_LIMIT) for warning in warnings),
        format=content.format,
        aside=content.aside,
        damage=tuple(clean(warning, _WARNING_LIMIT) for warning in damage),
        doubts=tuple(clean(warning, _WARNING_LIMIT) for warning in doubts),
        left_out=content.left_out,
    )


def _other_weights(config: dict[str, object] | None, names: list[str]) -> list[str]:
    """A warning where the config names other weights, which transformers then loads."""
    named = (config or {}).get("transformers_weights")
    if not isinstance(named, str) or named in names:
        return []
    return [Doubt(f"config.json says that the weights are '{named}': not what is shown")]


def _read_config(folder: Path | None, warnings: list[str]) -> dict[str, object] | None:
    path = folder / "config.json" if folder else None
    # A dangling link is worth a warning, an absent config is not.
    if path is None or not os.path.lexists(path):
        return None
    try:
        config = parse_plain(str(read_whole(path, MAX_CONFIG_BYTES), "utf-8-sig"))
    except CheckpointError as error:
        warnings.append(f"config.json is not used: {error.what}")
    except UnicodeDecodeError:
        warnings.append("config.json is not used: not UTF-8")
    except JsonError as error:
        warnings.append(f"config.json is not used: {error}")
    else:
        if isinstance(config, dict):
            return config
        warnings.append("config.json is not used: not a JSON object")
    return None
