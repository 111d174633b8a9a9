"""A change of theme changes everything, at once; few colours and ASCII reach every widget."""

import pytest
from app_made import layers, screen_text, shows, until, write_model
from rich.color import ColorType
from textual.strip import Strip

from inspect_core.work.backend import Threads
from themes import BUNDLED, DARK, LIGHT, load_theme
from themes.own import own_folder
from tui.app import LamellaApp
from tui.options import Options
from tui.palette import Depth

SIZE = (120, 40)


@pytest.fixture
def pair(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    base = write_model(tmp_path / "base.safetensors", layers())
    return write_model(tmp_path / "tuned.safetensors", layers(l1=0.02, l2=0.3)), base


def made(pair, theme=DARK, **more):
    return LamellaApp(Options(*pair, "cpu", load_theme(theme), **more), Threads())


async def settled(pilot, *keys):
    app = pilot.app
    await until(pilot, lambda: app.session.pairs and not app.desk.busy())
    await shows(pilot, "14 of 14 tensors compared")
    await pilot.press(*keys)
    await rest(pilot)


async def rest(pilot):
    """Wait until nothing was painted anew for longer than any timer of the app waits."""
    still, before = 0, None
    while still < 4:
        await pilot.pause(0.15)
        await until(pilot, lambda: not pilot.app.desk.busy())
        now = painted(pilot.app)
        still, before = (still + 1 if now == before else 0), now


def painted(app) -> list[Strip]:
    return [strip.simplify() for strip in app.screen._compositor.render_strips()]


def colors_of(app):
    for strip in painted(app):
        for segment in strip:
            yield from (c for c in (segment.style.color, segment.style.bgcolor) if c is not None)


@pytest.mark.parametrize("theme", BUNDLED[1:])
async def test_it_looks_as_if_started_with_the_theme(pair, theme):
    started = made(pair, theme)
    async with started.run_test(size=SIZE) as pilot:
        await settled(pilot, "j", "j")
        wanted = painted(started)
    app = made(pair)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot, "j", "j")
        assert painted(app) != wanted
        assert [line.text for line in painted(app)] == [line.text for line in wanted]
        app.use_theme(theme)
        await until(pilot, lambda: painted(app) == wanted, what="the screen of the other theme")


async def test_the_change_is_one_repaint(pair, monkeypatch):
    app = made(pair)
    paints = []
    real = LamellaApp._display

    def display(self, screen, renderable):
        if renderable is not None and not self._batch_count:
            paints.append(renderable)
        real(self, screen, renderable)

    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot, "j")
        monkeypatch.setattr(LamellaApp, "_display", display)
        app.use_theme(LIGHT)
        await rest(pilot)
        assert len(paints) == 1


async def test_t_goes_round_and_remembers(pair):
    app = made(pair)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        seen = []
        for _ in BUNDLED:
            await pilot.press("t")
            await rest(pilot)
            seen.append(app.appearance.theme.name)
            assert app.theme == seen[-1]
        assert seen == [*BUNDLED[1:], DARK]
        assert all(style.color for style in app.palette.styles.values())


async def test_a_broken_own_theme_is_said_and_passed_over(pair):
    own_folder().mkdir(parents=True)
    (own_folder() / "bad.toml").write_text("dark = 1")
    (own_folder() / "sea.toml").write_text('extends = "lamella-dark"\n[states]\nmodule="#00d7ff"\n')
    app = made(pair, "lamella-contrast")
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("t")
        await rest(pilot)
        assert app.appearance.theme.name == "sea"
        assert any("theme bad" in note.message for note in app._notifications)
        await pilot.press("w")
        await shows(pilot, "theme bad")
        await pilot.press("escape")
        app.use_theme("bad")
        await rest(pilot)
        assert app.appearance.theme.name == "sea"


async def test_the_palette_offers_every_theme_and_none_of_textuals(pair):
    app = made(pair)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert {f"Theme: {name}" for name in BUNDLED} <= set(titles)
        assert "Theme" not in titles


OVER = ([], ["question_mark"], ["r"], ["ctrl+p"], ["slash", "é"], ["w"])
"""Keys that put something over the panes, or beside them."""


async def each_over(pilot):
    """Go through all that can be put over the panes."""
    for keys in OVER:
        await pilot.press(*keys)
        await pilot.pause(0.15)
        yield keys
        await pilot.press("escape")
        await pilot.pause(0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize(
    ("depth", "kinds"),
    [
        (Depth.XTERM, {ColorType.EIGHT_BIT}),
        (Depth.ANSI, {ColorType.STANDARD}),
        (Depth.NONE, set()),
    ],
)
async def test_every_widget_keeps_to_the_colours_there_are(pair, theme, depth, kinds):
    app = made(pair, theme, depth=depth)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot, "j", "j", "j")
        app.notify("something", title="said")
        async for keys in each_over(pilot):
            assert {color.type for color in colors_of(app)} <= kinds, keys


@pytest.mark.parametrize("depth", list(Depth))
async def test_every_widget_keeps_to_ascii(pair, depth):
    app = made(pair, ascii_only=True, depth=depth)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot, "j", "j", "j")
        app.notify("… wärning")
        async for keys in each_over(pilot):
            assert screen_text(app).isascii(), keys


async def test_in_sixteen_colours_the_sign_is_a_hue_and_the_size_a_shade(pair):
    app = made(pair, depth=Depth.ANSI)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        app.navigation.go("layers.2.attn.weight")
        await shows(pilot, "model - reference")
        cells = {
            (segment.style.color.name, char)
            for strip in painted(app)
            for segment in strip
            for char in segment.text
            if char in "░▒▓" and segment.style.color
        }
        assert {name for name, _ in cells} <= {"bright_blue", "yellow"}
        assert len({char for _, char in cells}) > 1


@pytest.mark.parametrize("depth", [Depth.TRUE, Depth.NONE])
async def test_any_size_at_any_moment(pair, depth):
    app = made(pair, depth=depth)
    sizes = [(300, 90), (20, 5), (80, 24), (1, 1), (120, 40), (20, 90), (300, 5), (99, 24)]
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        for step, size in enumerate(sizes * 2):
            await pilot.resize_terminal(*size)
            if step % 3 == 0:
                await pilot.press("j", "tab")
            if step % 5 == 0:
                await pilot.press("t")
        await pilot.resize_terminal(120, 40)
        await pilot.press("escape")
        await shows(pilot, "layers")


async def test_moving_in_the_tree_sends_two_lines(pair, monkeypatch):
    app = made(pair)
    sent = []
    real = LamellaApp._display

    def display(self, screen, renderable):
        if renderable is not None:
            sent.append(len(renderable.render_segments(self.console).encode()))
        real(self, screen, renderable)

    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        monkeypatch.setattr(LamellaApp, "_display", display)
        await pilot.press("j")
        assert sent and sum(sent) <= 2000


async def test_ctrl_l_sends_everything_again(pair):
    app = made(pair)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        app.wire._lines[0] = [("x", ("", "", ""))]
        await pilot.press("ctrl+l")
        assert app.wire._lines == {}
