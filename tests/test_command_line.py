"""The command line as a whole: words, exit codes, terminals, pipes and signals."""

import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pexpect
import psutil
import pyte
import pytest

from inspect_core.control import Progress
from tui.demo import demo_pair

BASE, MODEL = demo_pair()
LAMELLA = [sys.executable, "-m", "tui.cli"]


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LAMELLA, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, **env},
    )


def terminal(*words: str, columns: int = 80, **env: str) -> tuple[bytes, list[str], int | None]:
    """Raw bytes, the screen they make, and the exit code, in a pty."""
    clean = {
        key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLORTERM")
    }
    child = pexpect.spawn(
        LAMELLA[0],
        [*LAMELLA[1:], *words],
        dimensions=(60, columns),
        env={**clean, "TERM": "xterm-256color", **env},
        timeout=60,
    )
    raw = child.read()
    child.close()
    screen = pyte.Screen(columns, 120)
    pyte.ByteStream(screen).feed(raw)
    return raw, [line.rstrip() for line in screen.display if line.strip()], child.exitstatus


def test_alone_prints_the_help() -> None:
    done = run()
    assert done.returncode == 0
    assert "  lamella diff BASE MODEL         what changed, printed\n" in done.stdout
    for command in ("tree", "diff", "demo"):
        assert run(command, "--help").returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("tree", MODEL, "--nonsense"),
        ("tree",),
        ("tree", MODEL, "--depth", "-1"),
        ("diff", BASE),
        ("diff", BASE, MODEL, "--by", "colour"),
        ("diff", BASE, MODEL, "--\x1b]0;x\x07"),
    ],
)
def test_wrong_words(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("words", [("no.safetensors",), ("tree", "no/where"), ("diff", BASE, "no")])
def test_problems_are_one_line(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lamella: ")
    assert done.stderr.count("\n") == 1


def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\x1b[2J.safetensors"
    Path(os.fsdecode(path)).write_bytes(Path(MODEL, "model.safetensors").read_bytes())
    command = [*LAMELLA, "tree", "--no-types", path]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout + done.stderr
    command = [*LAMELLA, "diff", path, path, "--format", "json"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert b"\\udcff\\u001b[2J" in done.stdout


def test_pipes_get_no_colour_and_demo_prints_both() -> None:
    done = run("demo")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.startswith("movies (LlamaForCausalLM)")
    assert "\n\n--- glosses" in done.stdout
    assert "model.layers.7 " in done.stdout


def test_colours_on_a_terminal() -> None:
    raw, _, status = terminal("tree", MODEL, "--no-types")
    assert status == 0
    assert b"\x1b[38;5;" in raw
    assert b"\x1b[38;2;" in terminal("tree", MODEL, "--no-types", COLORTERM="truecolor")[0]
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert b"\x1b" not in terminal("tree", MODEL, "--no-types", **env)[0]
        assert b"\x1b" not in terminal("diff", BASE, MODEL, "--by", "layer", **env)[0]


@pytest.mark.parametrize("columns", [40, 80])
def test_a_table_fits_the_terminal(columns: int) -> None:
    _, lines, status = terminal("diff", BASE, MODEL, columns=columns)
    assert status == 0
    assert len(lines) == 2 + 1 + 74 + 1 + 2  # no line is broken
    assert lines[3].startswith("model.embed_tokens.weight ")
    assert lines[3].endswith("identical")


@pytest.mark.parametrize("columns", [20, 80])
def test_progress_is_one_line_that_goes_away(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.commands import progress

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(progress, "columns", lambda _: columns)
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.ProgressLine() as control:
        for done in (0, 50, 100):
            control.report(Progress(done, 100, "tensors", done * 10**9, 10**11))
    raw = stream.getvalue()
    assert "50 of 100 tensors"[: columns - 1] in raw
    screen = pyte.Screen(columns, 5)
    pyte.Stream(screen).feed(raw + "next")
    assert [line.rstrip() for line in screen.display] == ["next", "", "", "", ""]


def test_a_light_terminal_has_other_colours() -> None:
    dark = terminal("tree", MODEL, "--no-types")[0]
    assert terminal("tree", MODEL, "--no-types", "--light")[0] != dark


def test_an_encoding_without_our_glyphs() -> None:
    done = run("tree", MODEL, "--no-types", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "`-- model * 862k" in done.stdout


@pytest.mark.parametrize(
    "words", [("tree", MODEL, "--no-types"), ("diff", BASE, MODEL, "--exit-code")]
)
def test_a_reader_that_has_gone(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*LAMELLA, *words], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*LAMELLA, "tree", MODEL, "--no-types"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"lamella: ")
    assert done.stderr.count(b"\n") == 1


def test_ctrl_c_ends_quietly_and_takes_the_worker_along() -> None:
    child = subprocess.Popen(
        [*LAMELLA, "tree", MODEL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ""},
    )
    deadline = time.monotonic() + 20
    family = psutil.Process(child.pid)
    while not (workers := family.children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert out == b""
    assert b"Traceback" not in err
    assert workers
    assert not any(worker.is_running() for worker in workers)
