"""Hostile cases in a real pseudo-terminal: the bytes that arrive are of no other kinds."""

import os
import re
from pathlib import Path

import pytest
from terminal_helper import Terminal, gone

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


def has_opened(app: Terminal) -> bool:
    """Whether the tree is shown, or the reason why there is none."""
    said = "no reference", "an adapter without its base", "cannot open the model"
    return any(words in app.text for words in said)


def shown(paths: list[Path], home: Path) -> list[Terminal]:
    """Apps that were opened on each path, had keys pressed, and left; all run at once."""
    apps = [Terminal([os.fsdecode(path)], (120, 40), home) for path in paths]
    try:
        for app in apps:
            app.wait(lambda app=app: has_opened(app), "the tree, or a reason")
        for key in KEYS:
            for app in apps:
                app.keys(key)
            for app in apps:
                app.settle(0.15)
        processes = [process for app in apps for process in app.processes]
        for app in apps:
            app.keys("q")
        assert {app.ends() for app in apps} <= {0, 2}, "2 where it could not be opened"
        assert gone(processes)
    finally:
        for app in apps:
            app.child.close(force=True)
    return apps


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
    apps = shown([folder, many, folder / "absent.safetensors"], folder)
    return set().union(*(kinds(app.raw) for app in apps))


@pytest.mark.parametrize("ids", [OPENED, PATHS, OTHERS], ids=["opened", "paths", "others"])
def test_no_kind_of_sequence_that_honest_models_do_not_need(corpus, honest, tmp_path, ids) -> None:
    for id_, app in zip(ids, shown([corpus[id_].path for id_ in ids], tmp_path), strict=True):
        raw = app.raw
        assert kinds(raw) - honest == set(), id_
        assert app.is_restored(), id_
        assert b"Traceback" not in raw, id_
        assert b"\x1b]52" not in raw and b"\x1b]0;PWNED" not in raw and b"\x1b[6n" not in raw
        assert b"\x07" not in POINTER.sub(b"", raw), id_
        assert "\u202e".encode() not in raw and "\u3164".encode() not in raw
        if id_ == "n_osc52_bel":
            assert CLIP.encode() in raw, "the name itself was on the screen"
    assert not (corpus.root / MARKER).exists()
