"""A folder of a tokenizer without what reaches out of it: settings may name files anywhere."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inspect_core.checkpoint.byte_source import read_whole
from inspect_core.checkpoint.strict_json import JsonError, parse_plain
from inspect_core.errors import CheckpointError

MOST_SETTINGS = 64 << 20
"""Bytes of a tokenizer_config.json; those that list all their added tokens have a few MB."""

_SETTINGS = "tokenizer_config.json"
_ENDS = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".bpe", ".vocab", ".spm", ".py")
"""Of names of files that tokenizers are made of; weights stay where they are."""
_FILES = ("_file", "_files", "_spm", "init_inputs", "name_or_path", "cache_dir")
"""Ends of settings that name files."""


@contextmanager
def screened(folder: Path) -> Iterator[Path]:
    """A folder with the same files, whose settings name only these.

    Args:
        folder: of a stranger.

    Raises:
        CheckpointError: its settings cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="lamella-") as made:
        for path in folder.resolve().iterdir():
            if path.name != _SETTINGS and path.name.endswith(_ENDS) and path.is_file():
                _put(path, Path(made) / path.name)
        settings = folder / _SETTINGS
        if settings.exists():
            plain = _settings(settings)
            (Path(made) / _SETTINGS).write_text(json.dumps(plain), encoding="ascii")
        yield Path(made)


def _put(path: Path, where: Path) -> None:
    try:
        where.symlink_to(path)
    except OSError:  # not everybody may make links
        shutil.copyfile(path, where)


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = parse_plain(read_whole(path, MOST_SETTINGS).decode())
    except (JsonError, UnicodeDecodeError) as error:
        raise CheckpointError(str(error), where=str(path)) from None
    if not isinstance(found, Mapping):
        raise CheckpointError("not a JSON object", where=str(path))
    return {
        key: value
        for key, value in found.items()
        if not str(key).endswith(_FILES) or _is_plain(value)
    }


def _is_plain(value: object) -> bool:
    """Whether files are named by their names alone."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, str):
        return value not in (os.curdir, os.pardir) and not {"/", "\\", "\0", ":"} & set(value)
    return value is None
