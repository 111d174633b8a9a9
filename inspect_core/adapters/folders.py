"""Telling an adapter's folder from a model's, by the names in it alone."""

import os

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


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
