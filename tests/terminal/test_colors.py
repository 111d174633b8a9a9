"""What is sent to terminals of few colours, of none, and of ASCII: looked at byte by byte."""

import re
import subprocess
import time

import pytest
from terminal_helper import LAMELLA, Terminal, starting

SGR = re.compile(rb"\x1b\[([0-9;:]*)m")


@pytest.fixture
def terminal(tmp_path):
    yield from starting(tmp_path)


def tour(app: Terminal) -> bytes:
    """Go through tree, figures, filter, help, prompt and palette; what was sent."""
    app.until("74 of 74 tensors compared")
    app.press("jjj", "jjo", "jjl", "\r", "\x1b", "/norm", "\x1b", "?", "\x1b", "r", "\x1b", "mt")
    app.keys("\x10")
    app.until("Search for commands")
    app.keys("\x1b")
    app.until("q quit")
    app.settle()
    app.keys("q")
    assert app.ends() == 0
    assert b"Traceback" not in app.raw
    return app.raw


def colors(raw: bytes) -> set[str]:
    """The kinds of colour that were set: `24`, `8`, `16`; `default` for going back to it."""
    found = set()
    for match in SGR.finditer(raw):
        numbers = [int(n or 0) for n in re.split(rb"[;:]", match[1])]
        while numbers:
            number = numbers.pop(0)
            if number in (38, 48):
                found.add({2: "24", 5: "8"}[numbers[0]])
                del numbers[: 4 if numbers[0] == 2 else 2]
            elif 30 <= number <= 37 or 40 <= number <= 47 or 90 <= number <= 107:
                found.add("16")
            elif number in (39, 49):
                found.add("default")
    return found


@pytest.mark.parametrize(
    ("env", "arguments", "kinds"),
    [
        ({}, [], {"24"}),
        ({"COLORTERM": "", "TERM": "tmux-256color"}, [], {"8"}),
        ({"COLORTERM": "", "TERM": "screen"}, ["--light"], {"16"}),
        ({"NO_COLOR": "1"}, [], set()),
        ({}, ["--colors", "none", "--ascii"], set()),
        ({"NO_COLOR": "1"}, ["--colors", "256", "--theme", "lamella-contrast"], {"8"}),
    ],
)
def test_colours_are_those_that_the_terminal_has(terminal, env, arguments, kinds):
    raw = tour(terminal("demo", *arguments, **env))
    assert colors(raw) == kinds
    if "--ascii" in arguments:
        assert max(raw) <= 0x7E, {bytes([b]) for b in raw if b > 0x7E}


def test_ascii_is_ascii_with_all_colours_too(terminal):
    raw = tour(terminal("demo", "--ascii"))
    assert max(raw) <= 0x7E
    assert "24" in colors(raw)


def test_a_wrong_theme_is_one_line_with_the_names():
    done = subprocess.run(
        [*LAMELLA, "demo", "--theme", "nope"], capture_output=True, text=True, timeout=60,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "lamella-contrast" in done.stderr


@pytest.mark.parametrize("command", ["tree", "diff"])
def test_printing_keeps_to_the_colours_too(command):
    from tui.demo import demo_pair

    base, model = demo_pair()
    arguments = ["tree", model, "--no-types"] if command == "tree" else ["diff", base, model]
    for asked, kinds in (("truecolor", "24"), ("256", "8"), ("16", "16"), ("none", None)):
        more = ["--by", "layer"] if command == "diff" else []
        done = subprocess.run(
            [*LAMELLA, *arguments, *more, "--colors", asked], capture_output=True, timeout=90,
            check=True,
        )  # fmt: skip
        assert colors(done.stdout) == ({kinds} if kinds else set())


def test_a_broken_own_theme_is_said_and_the_app_opens(terminal, tmp_path):
    folder = tmp_path / "config" / "lamella" / "themes"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text("dark = [")
    app = terminal("demo", "--theme", "mine")
    app.until("74 of 74 tensors compared")
    app.keys("w")
    app.until("theme mine")


@pytest.mark.parametrize("term", ["screen", "tmux-256color"])
def test_a_storm_of_sizes(terminal, term):
    app = terminal("demo", TERM=term, COLORTERM="")
    app.until("74 of 74 tensors compared")
    for columns, lines in [(300, 90), (20, 5), (80, 24), (1, 1), (200, 60), (40, 100)] * 4:
        app.child.setwinsize(lines, columns)
        app.read(0.02)
    app.child.setwinsize(40, 120)
    app.settle()
    app.keys("q")
    assert app.ends() == 0
    assert b"Traceback" not in app.raw


def test_at_rest_nothing_is_sent(terminal):
    app = terminal("demo")
    app.until("74 of 74 tensors compared")
    app.until("LlamaForCausalLM: 74 of 74")  # the types, which come last
    app.keys("jjj")
    app.settle(1.0)
    before = len(app.raw)
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        app.read(0.5)
    assert len(app.raw) == before
