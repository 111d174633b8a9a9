"""Themes of the user's own: what may stand in the folder, which is anything."""

import os

import pytest

from themes import BUNDLED, DARK, NoSuchTheme, ThemeError, load_theme, rgb, theme_names
from themes.own import own_folder, own_problems
from tui.palette import Depth, make_palette
from tui.terminal import Look, choose_theme

SEA = 'extends = "lamella-dark"\n[states]\ntunable = "#00d7ff"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    made = own_folder()
    made.mkdir(parents=True)
    return made


def test_without_a_folder_there_are_the_bundled_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    assert theme_names() == list(BUNDLED)
    assert own_problems() == []


def test_an_own_theme_says_only_what_differs(folder):
    (folder / "sea.toml").write_text(SEA)
    sea, dark = load_theme("sea"), load_theme(DARK)
    assert sea.states["tunable"] == "#00d7ff"
    assert sea.states["delta"] == dark.states["delta"]
    assert (sea.ui, sea.sequential, sea.xterm_sequential) == (
        dark.ui, dark.sequential, dark.xterm_sequential
    )  # fmt: skip
    assert theme_names() == [*BUNDLED, "sea"]


def test_an_own_theme_may_extend_another(folder):
    (folder / "sea.toml").write_text(SEA)
    (folder / "deep.toml").write_text('extends = "sea"\n[ui]\nbackground = "#000010"\n')
    assert load_theme("deep").states["tunable"] == "#00d7ff"
    assert load_theme("deep").ui["background"] == "#000010"


def test_own_maps_do_not_keep_the_codes_of_others(folder):
    (folder / "sea.toml").write_text(
        'extends = "lamella-dark"\n[maps]\nsequential = ["#101820", "#00ffd0"]\n'
    )
    sea = load_theme("sea")
    assert sea.xterm_sequential == ()
    assert sea.xterm_diverging == load_theme(DARK).xterm_diverging
    assert len(set(make_palette(sea, depth=Depth.XTERM).sequential)) >= 5


def test_own_codes_are_used(folder):
    (folder / "sea.toml").write_text(
        'extends = "lamella-dark"\n[maps.xterm]\nsequential = [16, 21, 51]\n'
    )
    assert load_theme("sea").xterm_sequential == (16, 21, 51)
    assert load_theme("sea").xterm_diverging == load_theme(DARK).xterm_diverging


BROKEN = {
    "not-toml": b"dark = \n",
    "nothing": b"",
    "no-text": b"\xff\xfe\x00dark",
    "half": b"dark = true\n[states]\nmodule = '#ffffff'\n",
    "huge": b"# " + b"x" * (1 << 20),
    "deep": b"dark = " + b"[" * 20_000,
    "itself": b'extends = "itself"\n',
    "orphan": b'extends = "nobody"\n',
    "escape": b'extends = "../../secret"\n',
    "number": b"extends = 7\n",
    "flat": b'extends = "lamella-dark"\nmaps = 7\n',
    "codes": b'extends = "lamella-dark"\n[maps]\nxterm = 7\n',
    "color": b'extends = "lamella-dark"\n[states]\ntunable = "\\u001b[31m"\n',
    "digits": b'extends = "lamella-dark"\nx = ' + b"9" * 5_000 + b"\n",
    "nul": b'extends = "\\u0000"\n',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_one_line_and_never_fatal(folder, name):
    (folder / f"{name}.toml").write_bytes(BROKEN[name])
    (folder / "sea.toml").write_text(SEA)
    with pytest.raises(ThemeError):
        load_theme(name)
    [problem] = own_problems()
    assert problem.isprintable() and len(problem) < 700
    if name not in ("orphan", "escape", "nul"):
        theme, said = choose_theme(Look(theme=name))
        assert theme.name == DARK and said.isprintable() and DARK in said
    theme, said = choose_theme(Look(), last=name)
    assert theme.name == DARK and said


def test_a_circle_of_themes_ends(folder):
    for name, base in (("a", "b"), ("b", "c"), ("c", "a")):
        (folder / f"{name}.toml").write_text(f'extends = "{base}"\n')
    with pytest.raises(ThemeError, match="extends itself"):
        load_theme("a")


def test_what_is_no_file_does_not_hang(folder):
    os.mkfifo(folder / "pipe.toml")
    (folder / "folder.toml").mkdir()
    (folder / "device.toml").symlink_to("/dev/zero")
    (folder / "gone.toml").symlink_to("/nonexistent/file")
    assert len(own_problems()) == 4
    for name in ("pipe", "folder", "device"):
        with pytest.raises(ThemeError, match="not a file"):
            load_theme(name)


def test_a_bundled_name_is_taken(folder):
    (folder / f"{DARK}.toml").write_text(SEA)
    assert load_theme(DARK).states["tunable"] != "#00d7ff"
    assert theme_names() == list(BUNDLED)
    [problem] = own_problems()
    assert "bundled" in problem


@pytest.mark.parametrize("name", ["a\x1b[31mb", "two words", "[red]", "-x", "é", "x" * 65])
def test_a_name_that_could_do_harm_is_no_name(folder, name):
    (folder / f"{name}.toml").write_text(SEA)
    assert theme_names() == list(BUNDLED)
    [problem] = own_problems()
    assert problem.isprintable()
    with pytest.raises(NoSuchTheme):
        load_theme(name)


def test_a_wrong_name_lists_those_there_are(folder):
    (folder / "sea.toml").write_text(SEA)
    with pytest.raises(NoSuchTheme) as found:
        choose_theme(Look(theme="see\x1b[2J"))
    assert all(name in str(found.value) for name in [*BUNDLED, "sea"])
    assert str(found.value).isprintable()


def test_light_is_short_for_a_theme_and_stronger_than_the_last_one(folder):
    (folder / "sea.toml").write_text(SEA)
    assert choose_theme(Look(light=True), last="sea")[0].name == "lamella-light"
    assert choose_theme(Look(), last="sea")[0].name == "sea"
    assert choose_theme(Look(theme=DARK), last="sea")[0].name == DARK
    assert choose_theme(Look())[0].name == DARK


def test_only_the_chosen_file_is_read(folder, monkeypatch):
    (folder / "sea.toml").write_text(SEA)
    (folder / "bad.toml").write_text("=")
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *more: opened.append(path) or real(path, *more))
    assert rgb(load_theme("sea").states["tunable"]) == (0, 215, 255)
    assert [path.name for path in opened] == ["sea.toml"]
    assert load_theme(DARK) and len(opened) == 1


def test_light_and_a_theme_are_one_too_many():
    from click.testing import CliRunner

    from tui.cli import cli

    done = CliRunner().invoke(cli, ["tree", "x", "--light", "--theme", DARK])
    assert done.exit_code == 2 and "give one of them" in done.output
