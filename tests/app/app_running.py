"""An app under test: opened, looked at, pressed keys on."""

import contextlib
import os

from app_made import screen_text, shows, until

from inspect_core.work.backend import Threads
from themes import load_theme
from tui.app import LamellaApp
from tui.options import Options
from tui.palette import Depth

DEPTH = Depth.NONE if os.environ.get("NO_COLOR") else Depth.TRUE
"""How many colours apps under test have; tests marked `no_color` run a second time without.

The command line asks the variable, and the app is only told: a test has to tell it, too.
"""

WIDE, NARROW = (120, 40), (80, 24)


class Running:
    """An app under test, and the messages it got."""

    def __init__(self, app, pilot, messages) -> None:
        self.app, self.pilot, self.messages = app, pilot, messages

    @property
    def tree(self):
        return self.app.inspector.tree_view

    @property
    def text(self) -> str:
        return screen_text(self.app)

    @property
    def paths(self) -> list[str]:
        lines = self.tree.outline.lines if self.tree.outline else []
        return [line.row.path if line.row is not None else "…" for line in lines]

    @property
    def detail(self) -> str:
        """The text of the detail pane."""
        return "\n".join(strip.text for strip in self.app.inspector.detail._lines)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def shows(self, text: str, seconds: float = 30.0) -> None:
        await shows(self.pilot, text, seconds)

    async def until(self, condition, what: str = "") -> None:
        await until(self.pilot, condition, what=what)

    async def go_to(self, path: str) -> None:
        """Put the cursor on the row of a path, expanding down to it."""
        at = self.tree.outline.reveal(path)
        assert at is not None, path
        self.tree.lines_changed(None)
        self.tree.move_to(at)
        await self.pilot.pause()

    async def inspect(self, path: str) -> None:
        await self.go_to(path)
        await self.press("enter")

    def got(self, kind) -> list:
        return [message for message in self.messages if isinstance(message, kind)]


@contextlib.asynccontextmanager
async def running(model, reference=None, size=WIDE, backend=None, swept=True, opening=None, **more):
    """Open the app and wait for the tree, and for the sweep where there is a reference."""
    more.setdefault("depth", DEPTH)
    options = Options(model, reference, "cpu", load_theme("lamella-dark"), **more)
    app = LamellaApp(options, backend or Threads(), opening)
    messages = []
    async with app.run_test(size=size, notifications=True, message_hook=messages.append) as pilot:
        run = Running(app, pilot, messages)
        await run.until(lambda: app.session.listing or "cannot open" in run.text, "the tree")
        if reference is not None and swept:
            await run.until(lambda: idle(app), "the end of the sweep")
        yield run


def idle(app) -> bool:
    return app.session.pairs is not None and not app.desk.busy("pair", "sweep", "some")
