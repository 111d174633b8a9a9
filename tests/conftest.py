"""What all tests share."""

import os

import pytest

# Tests decide for themselves what a terminal can do.
for name in ("COLORTERM", "COLUMNS", "LINES", "SSH_CONNECTION", "TEXTUAL_ANIMATIONS"):
    os.environ.pop(name, None)
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the files of who runs it, or those of another test."""
    home = tmp_path_factory.mktemp("home")
    for kind in ("CACHE", "STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
    (home / "cache").mkdir()
    return home / "cache"
