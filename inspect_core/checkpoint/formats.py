"""Which reader a file needs, by its first bytes; a name can only forbid, never choose."""

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.contents import GGUF, PYTORCH, SAFETENSORS, Contents
from inspect_core.checkpoint.foreign_files import is_saved_result, name_foreign_file
from inspect_core.checkpoint.header import HEAD_BYTES, is_safetensors, parse_header
from inspect_core.errors import CheckpointError

_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".gguf"})
_MAGIC = ((b"GGUF", GGUF), (b"PK\x03\x04", PYTORCH), (b"\x80", PYTORCH))


def read_contents(file: LocalFile, shard: int, only: str | None = None) -> Contents:
    """Read what a file holds; no byte of a tensor is read.

    Args:
        file: the file.
        shard: its index in the checkpoint, noted in every tensor.
        only: the one format that is acceptable here, if there is one. A file named
            `.safetensors` is never read as anything else.

    Raises:
        CheckpointError: the file is of no known format, of another one than it should be, or
            breaks a rule of its format.
    """
    head = bytearray(min(file.size, HEAD_BYTES))
    file.read_into(0, memoryview(head))
    if is_saved_result(head):
        raise _unknown(file, bytes(head))
    found = SAFETENSORS if is_safetensors(head, file.size) else _by_magic(bytes(head))
    if file.path.suffix.lower() == ".safetensors":
        only = SAFETENSORS
    if found is not None and only not in (None, found):
        raise _refused(file, bytes(head), found, str(only))
    if found == PYTORCH:
        from inspect_core.checkpoint.pytorch import parse_pytorch

        return parse_pytorch(file, shard)
    if found == GGUF:
        from inspect_core.checkpoint.gguf import parse_gguf

        return parse_gguf(file, shard)
    if found is None and only != SAFETENSORS and file.path.suffix.lower() in _SUFFIXES:
        raise _unknown(file, bytes(head))
    # Of no known format: the strictest reader says what the file is instead.
    return parse_header(file, shard)


def _by_magic(head: bytes) -> str | None:
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def _unknown(file: LocalFile, head: bytes) -> CheckpointError:
    if not file.size:
        what, hint = "the file is empty", "download or copy it again"
    else:
        what, hint = name_foreign_file(head) or (
            "no weights: neither PyTorch, GGUF nor safetensors",
            "",
        )
    return CheckpointError(what, where=str(file.path), hint=hint)


def _refused(file: LocalFile, head: bytes, found: str, only: str) -> CheckpointError:
    what = (name_foreign_file(head) or (f"a {found} file", ""))[0]
    named = file.path.suffix.lower() == ".safetensors"
    if named and found == PYTORCH:
        hint = "its name promises safetensors: rename it to .pt to open it as what it is"
    elif named:
        hint = f"its name promises safetensors: rename it to .{found.lower()} to open it"
    else:
        hint = f"open it by itself; here only {only} files belong"
    return CheckpointError(what, where=str(file.path), hint=hint)
