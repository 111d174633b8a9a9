"""One app that opens the hostile cases one after another, and what reaches its screen."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from textual.strip import Strip

from hostile.case import Case, squares, write
from hostile.corpus import GROUPS
from hostile.pickles import MARKER
from hostile.safe import snapshot, unsafe
from inspect_core.errors import LamellaError
from inspect_core.work.backend import Threads
from themes import load_theme
from tui.app import LamellaApp
from tui.options import Options

OWN = "\u2800"
"""What the app itself draws with, an empty cell of a plot."""

SECONDS = 60.0


class Opened:
    """A running app, and the faults found in it."""

    def __init__(self, app: LamellaApp, pilot) -> None:
        self.app, self.pilot = app, pilot
        self.faults: list[str] = []

    async def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, self.text
            await asyncio.sleep(0.002)
            await self.pilot.pause()

    @property
    def strips(self) -> list[Strip]:
        return self.app.screen._compositor.render_strips()

    @property
    def text(self) -> str:
        return "\n".join(strip.text for strip in self.strips)

    async def rest(self) -> None:
        """Wait until no job runs that somebody waits for, and all is drawn."""
        await self.until(
            lambda: not self.app.desk.busy("open", "types", "inspect", "pair", "sweep")
        )
        await self.pilot.pause()

    def look(self, case: Case, where: str) -> None:
        """Note what is on the screen and must not be."""
        lines = [strip.text.replace(OWN, "") for strip in self.strips]
        found = [bad for line in lines for bad in unsafe(line)]
        acts = [
            segment.text
            for strip in self.strips
            for segment in strip
            if segment.style and (segment.style.link or _names(segment.style.meta))
        ]
        if found or acts:
            self.faults.append(f"{case.id}, {where}: {found} {acts}")

    async def open(self, case: Case) -> None:
        """Open a case in place of the one before."""
        self.app.options = replace(self.app.options, model=str(case.path))
        self.app.reloading.start()
        await self.rest()
        listing = self.app.session.listing
        assert listing is not None
        shown = listing.uri == str(case.path)
        if (case.want in ("open", "warn") and not shown) or (case.want == "reject" and shown):
            self.faults.append(f"{case.id}: {case.want}, and shown: {shown}")
        if not shown:
            said = self.app.problem
            if "cannot open the model" not in said or "\n" in said or unsafe(said):
                self.faults.append(f"{case.id}: {said!r}")
        self.look(case, "the tree")

    async def walk(self, case: Case) -> None:
        """Go to the end of the tree and look at what is there, then at the warnings."""
        await self.pilot.press("end", "enter")
        await self.rest()
        self.look(case, "the last row")
        await self.pilot.press("w")
        self.look(case, "the warnings")
        await self.pilot.press("escape")


def _names(meta: dict[str, object]) -> bool:
    """Whether a style's meta names an action of the app, as a foreign markup would."""
    return any("quit" in str(value) or "bell" in str(value) for value in meta.values())


@contextlib.asynccontextmanager
async def running(tmp_path) -> AsyncIterator[Opened]:
    path = write(tmp_path / "benign.safetensors", squares(["a.weight", "b.weight"]))
    options = Options(str(path), None, "cpu", load_theme("lamella-dark"))
    app = LamellaApp(options, Threads())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        opened = Opened(app, pilot)
        await opened.until(lambda: app.session.listing)
        await opened.rest()
        yield opened
        assert app.is_running and app.return_code in (None, 0)


@pytest.mark.parametrize("group", GROUPS)
async def test_the_app_opens_every_group(corpus, tmp_path, group) -> None:
    before = snapshot(corpus.root)
    # What needs types would wait for torch in this process.
    cases = [case for case in corpus.of(group) if group != "configs" or case.want == "warn"]
    async with running(tmp_path) as opened:
        for at, case in enumerate(cases):
            await opened.open(case)
            if case.values and group != "scale" and at % 4 == 0:
                await opened.walk(case)
    assert opened.faults == []
    assert snapshot(corpus.root) == before
    assert not (corpus.root / MARKER).exists()


async def test_a_pair_of_hostile_names_is_compared(corpus, tmp_path) -> None:
    async with running(tmp_path) as opened:
        for id_ in ("n_ALL", "n_ALL_modules", "p_names", "p_shape", "p_nan"):
            case = corpus[id_]
            await opened.open(case)
            opened.app.comparison.start(str(case.base or case.path))
            await opened.rest()
            await opened.until(lambda: opened.app.session.pairs is not None)
            await opened.rest()
            opened.look(case, "the pair")
            await opened.walk(case)
            await opened.pilot.press("home", "enter")
            await opened.rest()
            opened.look(case, "the root")
    assert opened.faults == []


async def test_a_first_model_that_cannot_be_opened_is_one_line(corpus, tmp_path) -> None:
    for id_ in ("n_error_text_escape", "n_error_text_markup", "i_ansi_name", "f_name_escape"):
        case = corpus[id_]
        options = Options(str(case.path), None, "cpu", load_theme("lamella-dark"))
        app = LamellaApp(options, Threads())
        async with app.run_test(size=(80, 24)) as pilot:
            opened = Opened(app, pilot)
            await opened.until(lambda app=app: app.session.listing or app.failure)
            await pilot.pause()
            opened.look(case, "the first screen")
            if case.want == "reject":
                assert isinstance(app.failure, LamellaError)
                assert "cannot open the model" in opened.text
        assert opened.faults == []


async def test_an_answer_for_the_row_before_is_not_drawn_for_this_one(tmp_path) -> None:
    async with running(tmp_path) as opened:
        detail, outline = opened.app.detail, opened.app.inspector.tree_view.outline
        root, fold = [line.row for line in outline.lines[:2]]
        assert fold.path == "a,b"
        detail.choose(root)
        assert opened.app.desk.busy("inspect")
        detail.follow(fold)
        assert not opened.app.desk.busy("inspect")
        await opened.until(lambda: detail.drawing.shows_overview)
        await opened.rest()
        assert detail.row is fold and detail.details == ()
