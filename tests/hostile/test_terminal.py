"""Hostile cases in a real pseudo-terminal: the bytes that arrive are of no other kinds."""

import contextlib
import os
import re
import sys
import time
from pathlib import Path

import pexpect
import psutil
import pyte
import pytest

from hostile.case import FOUR, SQUARE, safetensors, squares, to_json, write
from hostile.names import CLIP
from hostile.pickles import MARKER

OPENED = ["n_ALL", "n_ALL_modules", "n_osc52_bel", "n_c1_csi", "n_meta_escapes", "n_field_escape"]
PATHS = ["f_name_escape", "f_name_newline", "f_name_not_utf8", "f_folder_name", "i_ansi_name"]
OTHERS = ["n_error_text_escape", "a_base_escape", "pt_lookalike", "pt_names", "gg_name_escape"]

KEYS = ["G", "\r", "w", "\x1b", "g", "\r"]
"""To the last row and into it, the warnings, and into the first."""

SEQUENCE = re.compile(
    rb"\x1b\[([<=>?]*)[0-9;:]*([ -/]*[@-~])"  # CSI: its private mark and final byte
    rb"|\x1b([\]PX^_])([0-9]*)"  # OSC, DCS and the like: introducer and number
    rb"|\x1b([ -/]*[0-~])"
    rb"|([\x00-\x06\x0e-\x1a\x7f])"  # not the whole of C0: a terminal's line ends are honest
    rb"|(\x07)|(\xc2[\x80-\x9f])"
)
POINTER = re.compile(rb"\x1b\]22;[a-z-]*(?:\x07|\x1b\\)")
"""The shape of the mouse pointer, which the app itself sets; it ends in what else is a bell."""


class App:
    """The app on a path in a pty, and all that it wrote."""

    def __init__(self, path: Path, home: Path) -> None:
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "SSH_CONNECTION")}
        env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_STATE_HOME": str(home)}
        env |= {"PYTHONPATH": str(Path(__file__).parents[2])}
        words = ["-P", "-m", "tui", os.fsdecode(path)]
        self.child = pexpect.spawn(
            sys.executable, words, dimensions=(40, 120), env=env, timeout=30, encoding=None
        )
        self.raw = b""
        self._screen = pyte.Screen(120, 40)
        self._stream = pyte.ByteStream(self._screen)

    def read(self, seconds: float) -> bool:
        """Take what comes within some time; whether anything did."""
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
            data = self.child.read_nonblocking(1 << 16, seconds)
            self.raw += data
            # pyte knows no private parameters with < = >, and prints what is left of them.
            self._stream.feed(re.sub(rb"\x1b\[[<=>][0-9;]*[a-zA-Z]", b"", data))
            return True
        return False

    @property
    def has_opened(self) -> bool:
        """Whether the tree is shown, or the reason why there is none."""
        text = "\n".join(self._screen.display)
        said = "no reference", "an adapter without its base", "cannot open the model"
        return any(words in text for words in said)

    def settle(self, seconds: float) -> None:
        while self.read(seconds):
            pass

    def leave(self) -> int | None:
        """Press q; the status."""
        self.child.send("q")
        end = time.monotonic() + 20
        while self.child.isalive() and time.monotonic() < end:
            self.read(0.02)
        self.read(0.02)
        assert not self.child.isalive()
        return self.child.exitstatus


def shown(paths: list[Path], home: Path) -> list[bytes]:
    """What the app writes of each path while keys are pressed; all run at once."""
    apps = [App(path, home) for path in paths]
    try:
        processes = [psutil.Process(app.child.pid) for app in apps]
        end = time.monotonic() + 60
        while not all(app.has_opened for app in apps):
            for app in apps:
                app.read(0.02)
            assert time.monotonic() < end, [app.raw[-2000:] for app in apps if not app.has_opened]
        for key in KEYS:
            for app in apps:
                app.child.send(key)
            for app in apps:
                app.settle(0.1)
        processes += [child for parent in processes for child in parent.children(recursive=True)]
        assert {app.leave() for app in apps} <= {0, 2}, "2 where it could not be opened"
        _, alive = psutil.wait_procs(processes, timeout=6)
        assert not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    finally:
        for app in apps:
            app.child.close(force=True)
    return [app.raw for app in apps]


def kinds(raw: bytes) -> set[tuple[bytes, ...]]:
    """What kinds of control sequences were written."""
    return set(SEQUENCE.findall(POINTER.sub(b"", raw)))


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> set[tuple[bytes, ...]]:
    """The kinds that honest models need: one that opens, with a warning, and one that does not."""
    folder = tmp_path_factory.mktemp("honest")
    index = to_json({"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}})
    write(folder / "x.safetensors", safetensors({"a": {**SQUARE, "more": 1}}, FOUR))
    write(folder / "model.safetensors.index.json", index)
    many = write(folder / "many.safetensors", squares([f"layers.{k}.w{k}" for k in range(60)]))
    raw = shown([folder, many, folder / "absent.safetensors"], folder)
    return set().union(*map(kinds, raw))


def is_restored(raw: bytes) -> bool:
    """Whether the alternate screen was left and the cursor shown, after all else."""
    left, cursor = raw.rfind(b"\x1b[?1049l"), raw.rfind(b"\x1b[?25h")
    return left > raw.rfind(b"\x1b[?1049h") and cursor > raw.rfind(b"\x1b[?25l")


@pytest.mark.parametrize("ids", [OPENED, PATHS, OTHERS], ids=["opened", "paths", "others"])
def test_no_kind_of_sequence_that_honest_models_do_not_need(corpus, honest, tmp_path, ids) -> None:
    for id_, raw in zip(ids, shown([corpus[id_].path for id_ in ids], tmp_path), strict=True):
        assert kinds(raw) - honest == set(), id_
        assert is_restored(raw), id_
        assert b"Traceback" not in raw, id_
        assert b"\x1b]52" not in raw and b"\x1b]0;PWNED" not in raw and b"\x1b[6n" not in raw
        assert b"\x07" not in POINTER.sub(b"", raw), id_
        assert "\u202e".encode() not in raw and "\u3164".encode() not in raw
        if id_ == "n_osc52_bel":
            assert CLIP.encode() in raw, "the name itself was on the screen"
    assert not (corpus.root / MARKER).exists()
