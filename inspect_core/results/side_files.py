"""What lies beside the weights and differs too: configs, the tokenizer, the chat template.

Foreign files: they are read with a limit, parsed as plain JSON, and nothing in them is run.
What is told of them is cut and safe to show.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inspect_core.checkpoint.byte_source import LocalFile, read_whole
from inspect_core.checkpoint.strict_json import JsonError, parse_exact
from inspect_core.errors import CheckpointError
from inspect_core.results.side_json import Difference, json_differences, shown_key
from inspect_core.text import clean

CHAT_TEMPLATE = "chat template"
"""What a template is called, whichever file it is in."""

MOST_BYTES = 10_000_000
"""Size of the largest config that is looked into; of a larger one only the size is told."""

MOST_TOKENIZER_BYTES = 64 << 20
"""The same for a tokenizer: the largest that are published have 35 MB."""

_TOKENIZER = "tokenizer.json"
_TOKENIZER_CONFIG = "tokenizer_config.json"
_TEMPLATE_TEXT, _TEMPLATE_JSON = "chat_template.jinja", "chat_template.json"

_CONFIGS = (
    "config.json", "generation_config.json", "adapter_config.json", _TOKENIZER_CONFIG,
    "special_tokens_map.json", "added_tokens.json", "preprocessor_config.json",
    "processor_config.json",
)  # fmt: skip
_OPAQUE = ("vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model")
"""Older vocabularies: whether they are the same is all that is told."""

_MINOR = frozenset(
    {"transformers_version", "_name_or_path", "name_or_path", "_commit_hash", "peft_version"}
)
"""Keys that say who wrote the file, and nothing of the model."""

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileDifference:
    """Something beside the weights that is not the same.

    All texts are safe to show; values are JSON, or words where JSON would be too long.

    Attributes:
        file: name of the file, or `CHAT_TEMPLATE`.
        key: its keys from the outside in, joined by dots; empty for the file as a whole.
        old: the reference's value, cut; None where it has none.
        new: the model's, cut; None where it has none.
        minor: whether it says nothing of the model, as the version of the writing program.
    """

    file: str
    key: str
    old: str | None
    new: str | None
    minor: bool = False


def side_file_differences(reference: Path | None, model: Path | None) -> tuple[FileDifference, ...]:
    """What differs between the files beside two models, the minor things last.

    Args:
        reference: the folder of the old one; None compares nothing.
        model: the folder of the new one.
    """
    if reference is None or model is None or _same_folder(reference, model):
        return ()
    found: list[FileDifference] = []
    for name in _CONFIGS:
        found += _of_file(name, reference / name, model / name)
    found += _of_file(_TOKENIZER, reference / _TOKENIZER, model / _TOKENIZER)
    found += _of_templates(reference, model)
    for name in _OPAQUE:
        found += _of_file(name, reference / name, model / name)
    return tuple(sorted(found, key=lambda difference: difference.minor))


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _of_file(name: str, old: Path, new: Path) -> Iterator[FileDifference]:
    """The differences of one file, which either side may lack."""
    here = [os.path.lexists(path) for path in (old, new)]
    if not all(here):
        if any(here):
            before, after = (_size(path) if os.path.lexists(path) else None for path in (old, new))
            yield FileDifference(name, "", before, after)
        return
    try:
        changes = [] if _same_bytes(old, new) else _changes(name, old, new)
    except (CheckpointError, JsonError) as error:
        yield FileDifference(name, "", _size(old), _not_compared(error))
        return
    for key, before, after in changes:
        minor = key in _MINOR
        yield FileDifference(name, key, before, after, minor)


def _changes(name: str, old: Path, new: Path) -> list[Difference]:
    """The differences of two files that are not the same bytes."""
    most = MOST_TOKENIZER_BYTES if name == _TOKENIZER else MOST_BYTES
    if name in _OPAQUE or max(old.stat().st_size, new.stat().st_size) > most:
        return [Difference("", _size(old), f"{_size(new)}, other content")]
    before, after = read_whole(old, most), read_whole(new, most)
    if name == _TOKENIZER:
        from inspect_core.results.side_tokenizer import tokenizer_differences

        return tokenizer_differences(before, after)
    template = frozenset({"chat_template"}) if name == _TOKENIZER_CONFIG else frozenset()
    return json_differences(_parsed(before), _parsed(after), template)


def _of_templates(reference: Path, model: Path) -> Iterator[FileDifference]:
    """A template may have moved to another file: what counts is its text."""
    try:
        old, new = _templates(reference), _templates(model)
    except (CheckpointError, JsonError) as error:
        yield FileDifference(CHAT_TEMPLATE, "", None, _not_compared(error))
        return
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield FileDifference(CHAT_TEMPLATE, name, *_told_templates(before, after))


def _told_templates(old: str | None, new: str | None) -> tuple[str | None, str | None]:
    if old is None or new is None:
        return _lines(old), _lines(new)
    before, after = Counter(old.splitlines()), Counter(new.splitlines())
    fresh, gone = (after - before).total(), (before - after).total()
    changed = f"{fresh:,} new, {gone:,} gone" if fresh or gone else "the same in another order"
    return _lines(old), f"{_lines(new)}: {changed}"


def _lines(text: str | None) -> str | None:
    if text is None:
        return None
    count = len(text.splitlines())
    return "1 line" if count == 1 else f"{count:,} lines"


def _templates(folder: Path) -> dict[str, str]:
    """The chat templates of a folder by name; the usual one has none."""
    text, boxed, config = (
        folder / name for name in (_TEMPLATE_TEXT, _TEMPLATE_JSON, _TOKENIZER_CONFIG)
    )
    if os.path.lexists(text):
        return {"": str(read_whole(text, MOST_BYTES), "utf-8", "replace")}
    for path in (boxed, config):
        if not os.path.lexists(path):
            continue
        found = _parsed(read_whole(path, MOST_BYTES))
        templates = _named(found.get("chat_template")) if isinstance(found, dict) else {}
        if templates:
            return templates
    return {}


def _named(template: object) -> dict[str, str]:
    if isinstance(template, str):
        return {"": template}
    named = {}
    for item in template if isinstance(template, list) else ():
        name, text = (item.get("name"), item.get("template")) if isinstance(item, dict) else (0, 0)
        if isinstance(name, str) and isinstance(text, str):
            named[shown_key(name)] = text
    return named


def _parsed(raw: bytes) -> object:
    try:
        return parse_exact(str(raw, "utf-8-sig"))
    except UnicodeDecodeError:
        raise JsonError("not UTF-8") from None


def _not_compared(error: CheckpointError | JsonError) -> str:
    what = error.what if isinstance(error, CheckpointError) else str(error)
    return f"cannot be compared: {clean(what)}"


def _size(path: Path) -> str:
    try:
        return f"{path.stat().st_size:,} bytes"
    except OSError:
        return "cannot be read"


def _same_bytes(old: Path, new: Path) -> bool:
    files = LocalFile(old), LocalFile(new)
    try:
        if files[0].size != files[1].size:
            return False
        buffers = bytearray(_CHUNK_BYTES), bytearray(_CHUNK_BYTES)
        for start in range(0, files[0].size, _CHUNK_BYTES):
            length = min(_CHUNK_BYTES, files[0].size - start)
            for file, buffer in zip(files, buffers, strict=True):
                file.read_into(start, memoryview(buffer)[:length])
            # Slices of bytes: two views would be compared byte by byte in Python's slow way.
            if buffers[0][:length] != buffers[1][:length]:
                return False
        return True
    finally:
        for file in files:
            file.close()
