"""What a plan calls the model that it was made for."""

from pathlib import Path

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".json")
"""Endings of a model that is named by a file of its folder."""


def base_name(uri: object, title: str = "") -> str:
    """What PEFT would load a model by: a folder as it was typed, or `org/name`.

    Args:
        uri: what was opened.
        title: for what is neither, as several files or a live model are.
    """
    if not isinstance(uri, str):
        return title
    path = Path(uri)
    return str(path.parent) if path.suffix in WEIGHTS and path.parent != Path() else uri
