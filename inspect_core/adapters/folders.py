"""Telling an adapter's folder from a model's, by the names in it alone."""

import os

from inspect_core.errors import UsageError
from inspect_core.text import clean

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


MOST_FOLDERS = 1000
"""Entries of a folder that are looked into."""


def adapters_inside(word: object) -> list[str]:
    """Names of the adapters' folders in a folder that is none, as PEFT saves several; foreign."""
    if not isinstance(word, str) or not word or is_adapter(word):
        return []
    try:
        path = os.path.expanduser(word)  # noqa: PTH111 - Path raises on ~nobody
        names = sorted(os.listdir(path))[:MOST_FOLDERS]  # noqa: PTH208
        inside = [os.path.join(path, name) for name in names]  # noqa: PTH118
    except (OSError, ValueError):
        return []
    if "config.json" in names:
        return []
    return [name for name, one in zip(names, inside, strict=True) if is_adapter(one)]


def refuse_several(word: object) -> None:
    """Refuse a folder that holds adapters in folders of their own.

    Raises:
        UsageError: it does.
    """
    names = adapters_inside(word)
    if names:
        some = ", ".join(clean(name, 40) for name in names[:5])
        more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
        hint = f"name one of its folders: {some}{more}"
        raise UsageError("holds several adapters", where=str(word), hint=hint)


def is_adapter(word: object) -> bool:
    """Whether a word names an adapter's folder, or the weights in one; asks the file system.

    A folder that holds a model beside an adapter (`config.json`) is the model.
    """
    if not isinstance(word, str) or not word:
        return False
    try:
        path = os.path.expanduser(word)  # noqa: PTH111 - Path raises on ~nobody
        if not os.path.isdir(path):  # noqa: PTH112 - foreign words are cheaper as text
            return os.path.basename(path) in WEIGHTS and os.path.isfile(path)  # noqa: PTH113,PTH119
        names = set(os.listdir(path))  # noqa: PTH208
    except (OSError, ValueError):
        return False
    return not names.isdisjoint((CONFIG, *WEIGHTS)) and "config.json" not in names
