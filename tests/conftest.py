"""What all tests share."""

import os
import signal

import pytest

# Tests decide for themselves what a terminal can do.
for name in ("COLORTERM", "COLUMNS", "LINES", "SSH_CONNECTION", "TEXTUAL_ANIMATIONS"):
    os.environ.pop(name, None)
os.environ["HF_HUB_OFFLINE"] = "1"
# Several workers share the cores: their threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The background jobs of a shell ignore Ctrl-C, and so would all programs that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the files of who runs it, or those of another test."""
    home = tmp_path_factory.mktemp("home")
    for kind in ("CACHE", "STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
    (home / "cache").mkdir()
    return home / "cache"
