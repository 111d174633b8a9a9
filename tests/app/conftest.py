"""What the tests of the app share."""

import shutil
from pathlib import Path

import pytest
import quick_pilot  # noqa: F401  # once for all tests of the app

from tui.demo import demo_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The bundled pair without its config, so that no test waits for torch."""
    folder = tmp_path_factory.mktemp("pair")
    found = []
    for source in demo_pair():
        to = folder / Path(source).name
        to.mkdir()
        shutil.copy(Path(source) / "model.safetensors", to)
        found.append(str(to))
    return found
