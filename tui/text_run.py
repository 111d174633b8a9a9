"""Runs of models over texts: one query at a time, its last result, the screens that show it."""

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from inspect_core.text import clean
from tui import format as fmt

if TYPE_CHECKING:
    from inspect_core.capture.texts import TextColumns
    from inspect_core.control import Progress
    from tui.app import LamellaApp
    from tui.screens.asking import Tried
    from tui.screens.drawn import DrawnScreen, PageScreen

Query = TypeVar("Query")
State = TypeVar("State")


class TextRun(Generic[Query, State]):
    """Runs one query at a time, and keeps the last result; subclasses say what is asked.

    What its screens are made of is imported when it is first asked for: not for the first frame.

    Args:
        app: its desk, its session and its screens.

    Attributes:
        state: what is on show, or was last; None without a result.
        problem: why there is none, safe to show.
    """

    NAME: ClassVar[str]
    """What is found, for people."""

    NOT_YET: ClassVar[str]
    """How to have it found."""

    THERE: ClassVar[str]
    """What is said when it was found beside the tree."""

    KEY: ClassVar[str]
    """The key that begins a run and comes back to it."""

    LOOK: ClassVar[str]
    """The role of the job that looks into a file of texts."""

    RUN: ClassVar[str]
    """The role of the run."""

    CLOSER: ClassVar[str]
    """The role of the job that finds what stands on a page."""

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app
        self.state: State | None = None
        self.problem = ""
        self._wanted: Query | None = None
        self._found: Query | None = None
        self._earlier: tuple[Query | None, State] | None = None
        self._look: tuple[object, Tried[TextColumns]] | None = None
        self._screen: DrawnScreen | None = None
        self._page: PageScreen[Any] | None = None
        self._counted: tuple[str, float] = ("", 0.0)

    @property
    def running(self) -> bool:
        """Whether models run now."""
        return self._app.desk.busy(self.RUN)

    @property
    def has_earlier(self) -> bool:
        """Whether there is a result from before the run that was begun last."""
        return self._earlier is not None

    @property
    def roles(self) -> tuple[str, str, str]:
        """What its jobs are wanted for."""
        return self.LOOK, self.RUN, self.CLOSER

    def make_screen(self, said: str) -> "DrawnScreen":
        """The screen of results.

        Args:
            said: what its line of status says first.
        """
        raise NotImplementedError

    def state_of(self, result: Any) -> State:
        """What is shown first of a result."""
        raise NotImplementedError

    # Before a run

    def open_last(self) -> None:
        """Show what runs, or what was found last: before a run that was stopped, or failed."""
        if self.state is None and not self.running and self._earlier is not None:
            self._found, self.state = self._earlier
            self.problem = ""
        if self.state is None and not self.running:
            self._app.notify(f"no {self.NAME} yet: {self.NOT_YET}")
        else:
            self.show_screen()

    def shows_run(self) -> bool:
        """Whether something runs already, which is then shown: there is one run at a time."""
        if self.running:
            self.show_screen("one run at a time: x stops it")
        return self.running

    def may_run(self) -> bool:
        """Whether there is a model that can run; where there is none, the reason is told."""
        app = self._app
        app.common.leave()
        if app.session.listing is None:
            app.notify("the model is not open yet")
        elif app.session.saved:
            app.notify("a saved result has no model to run: open the model itself")
        elif app.plan.active:
            app.notify("a plan cannot run: leave plan mode first (p)")
        else:
            return True
        return False

    def look_into(self, path: str, asked: object, tried: "Tried[TextColumns]") -> None:
        """Look into a file of texts, for a dialog.

        Args:
            path: the file.
            asked: what the dialog asked for.
            tried: takes what was found.
        """
        from inspect_core.work.activation_jobs import LookAtTexts

        self._look = asked, tried
        self._app.desk.submit(self.LOOK, LookAtTexts(path))

    def looked(self, found: "TextColumns") -> None:
        """What is in the file is known."""
        if self._look is not None:
            self._look[1](found, "")

    # The run

    def run(self, query: Query, job: Any) -> None:
        """Run models, unless what they would say is known.

        Args:
            query: what is asked; compared with `==`.
            job: finds it.
        """
        if self.running:
            return
        if query == self._found and self.state is not None:
            self.show_screen()
            return
        if self.state is not None:
            self._earlier = self._found, self.state
        self._wanted, self._found, self._counted = query, None, ("", 0.0)
        self.state, self.problem = None, ""
        self._app.desk.submit(self.RUN, job)
        self.show_screen("opening the model")

    def stop(self) -> None:
        """Stop what runs."""
        if self.running:
            self._app.desk.cancel(self.RUN)
            self.refresh()
            self._app.say_ready()

    def progress(self, progress: "Progress", elapsed: float) -> None:
        """How far the run is, on the screen that is on show."""
        if self._counted[0] != progress.unit:  # first texts, then layers: each at its own rate
            self._counted = progress.unit, elapsed if self._counted[0] else 0.0
        screen = self._shown()
        text, share, after = progress_words(progress, elapsed - self._counted[1])
        if screen is None:
            self._app.inspector.status.progress(f"{self.NAME}: {text}", share, after)
        elif screen.is_mounted:
            screen.status.progress(text, share, after)

    def arrived(self, result: Any) -> None:
        """The run is done."""
        self._found, self.problem, self._earlier = self._wanted, "", None
        self.state = self.state_of(result)
        self.refresh()
        if self._shown() is None:
            self._app.say_ready()
            self._app.notify(self.THERE)

    def failed(self, role: str, text: str) -> None:
        """A job has no result.

        Args:
            role: one of `roles`.
            text: why, safe to show.
        """
        if role == self.LOOK:
            if self._look is not None:
                self._look[1](None, text)
        elif role == self.CLOSER:
            if self._page is not None:
                self._page.failed(text)
        else:
            self.problem = text
            self.refresh()
            if self._shown() is None:
                self._app.say_ready()
                self._app.warn(f"no {self.NAME}: {text}")

    def forget(self) -> None:
        """The model was opened anew: nothing that was found holds any more."""
        for role in self.roles:
            self._app.desk.cancel(role)
        self.state, self._found, self._earlier = None, None, None
        self.problem = "the model was opened again" if self._wanted is not None else ""
        self.refresh()

    # Screens

    def show_screen(self, said: str = "") -> None:
        """Put the screen of results on show.

        Args:
            said: what its line of status says.
        """
        screen = self._shown()
        if screen is None:
            self._screen = self.make_screen(said)
            self._app.push_screen(self._screen)
        elif screen.is_mounted:
            screen.show()
            if said:
                screen.status.say(said)

    def refresh(self) -> None:
        """Show the state as it is now."""
        screen = self._shown()
        if screen is not None and screen.is_mounted:
            screen.show()
            screen.refresh_bindings()

    def open_page(self, page: "PageScreen[Any]") -> None:
        """Put a page over the screen, and find what stands on it."""
        self._page = page
        self._app.push_screen(page)
        page.find()

    def leave_page(self) -> None:
        """Back from a page."""
        self._app.desk.cancel(self.CLOSER)
        self._page = None
        self._app.pop_screen()

    def draw_again(self) -> None:
        """The theme is another one."""
        screen = self._shown()
        if screen is not None:
            screen.show()
        if self._page is not None:
            self._page.draw()

    def leave(self) -> None:
        """Back to the tree; what runs goes on."""
        self._app.pop_screen()
        if self.running:
            self._app.inspector.status.say(f"{self.NAME}: the run goes on, {self.KEY} shows it")

    def _shown(self) -> "DrawnScreen | None":
        screen = self._screen
        return screen if screen is not None and screen in self._app.screen_stack else None


def progress_words(progress: "Progress", elapsed: float) -> tuple[str, float, str]:
    """How far a run is: what, its share, rate and remaining time."""
    total = max(1, progress.total)
    rate = progress.done / max(elapsed, 1e-3)
    text = f"{progress.done:,} of {progress.total:,} {clean(progress.unit, 20)}"
    if not progress.done:
        return text, 0.0, "opening the model" if progress.unit == "texts" else ""
    left = fmt.duration((progress.total - progress.done) / max(rate, 1e-9))
    speed = fmt.count(round(rate)) if rate >= 10 else f"{rate:.1f}"
    return text, progress.done / total, f"{speed}/s  {left} left"
