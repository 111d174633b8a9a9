"""What screens share whose pictures are drawn on threads; one kind is a page that scrolls."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.screen import Screen
from textual.timer import Timer

from inspect_core.text import clean
from tui.detail_control import SETTLE_SECONDS
from tui.messages import PaneResized, ViewDrawn
from tui.palette import Palette
from tui.widgets.bars import StatusLine, TitleBar
from tui.widgets.key_line import KeyLine
from tui.widgets.picture import PictureView

if TYPE_CHECKING:
    from textual.strip import Strip

Detail = TypeVar("Detail")

Drawing = Callable[[], "list[Strip]"]


class DrawnScreen(Screen[None]):
    """A screen around a picture; subclasses say what is drawn (`draw`).

    Args:
        palette: colours and glyphs.
    """

    PLACE: ClassVar[str] = ""
    """The place of its keys in `tui.keys`, which the help shows first."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._drawings = 0
        self._settling: Timer | None = None

    @property
    def picture(self) -> PictureView:
        """The picture."""
        return self.query_one(PictureView)

    @property
    def status(self) -> StatusLine:
        """The line of status."""
        return self.query_one("#status", StatusLine)

    def show(self) -> None:
        """Show everything anew: there is a result, or a run began or failed."""
        self.draw()

    def draw(self, anew: bool = True) -> None:
        """Draw the picture, by `draw_with`.

        Args:
            anew: whether it shows something else than before.
        """
        raise NotImplementedError

    def draw_with(self, drawing: Drawing, anew: bool = True) -> None:
        """Draw on a thread: plots take tens of milliseconds.

        Args:
            drawing: gives the lines; an error in it is shown in their place.
            anew: whether they show something else than before.
        """
        self._drawings += 1
        number, palette, width = self._drawings, self._palette, self.picture.room[0]

        def work() -> None:
            self.post_message(ViewDrawn(number, drawn_or_said(drawing, palette, width), anew))

        self.run_worker(work, thread=True, exclusive=True, group="draw")

    def draw_nothing_more(self) -> None:
        """What is being drawn is not wanted any more."""
        self._drawings += 1

    def draw_soon(self) -> None:
        """Draw when the cursor rests."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLE_SECONDS, partial(self.draw, anew=False))

    @on(ViewDrawn)
    def view_drawn(self, message: ViewDrawn) -> None:
        """Show a drawing, unless another was asked for meanwhile."""
        if message.number == self._drawings:
            self.picture.show(message.lines, message.anew)

    def lines(self) -> "list[Strip]":
        """What the screen shows now."""
        return self._compositor.render_strips()

    def copy_text(self, text: str) -> None:
        """Copy, and say what, for a terminal may refuse.

        Args:
            text: safe to paste and to show.
        """
        self.app.copy_to_clipboard(text)
        self.notify(f"copied: {text}", markup=False)


class PageScreen(DrawnScreen, Generic[Detail]):
    """A page that scrolls; its owner finds what stands on it.

    Attributes:
        detail: what was found; None before.
        problem: why nothing was, safe to show.
    """

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self.detail: Detail | None = None
        self.problem = ""

    def compose(self) -> ComposeResult:
        """Title, page, status, keys."""
        yield TitleBar(self._palette, id="title")
        yield PictureView(id="page")
        yield StatusLine(self._palette, id="status")
        yield KeyLine(self._palette, id="keys")

    def page_of(self, detail: Detail, room: tuple[int, int]) -> "list[Strip]":
        """The lines of the page; runs on a thread."""
        raise NotImplementedError

    def find(self) -> None:
        """Have the owner find what stands on the page."""
        raise NotImplementedError

    def leave(self) -> None:
        """Back to where it was opened."""
        raise NotImplementedError

    def found(self, detail: Detail) -> None:
        """Show what was found."""
        self.detail, self.problem = detail, ""
        self.draw()
        self.refresh_bindings()

    def failed(self, text: str) -> None:
        """Say why nothing was found."""
        self.detail, self.problem = None, text
        self.draw()
        self.refresh_bindings()

    def draw(self, anew: bool = True) -> None:
        """Draw the page; see `DrawnScreen.draw`."""
        if not self.is_mounted or not self.picture.size.width:
            return
        room, detail = self.picture.room, self.detail
        if detail is None:
            from tui.figures.message import message_figure

            self.draw_nothing_more()
            said = [self.problem, "Enter tries again."] if self.problem else ["reading"]
            self.picture.show(message_figure("", said, self._palette, room[0]))
            return
        self.draw_with(partial(self.page_of, detail, room), anew)

    @on(PaneResized)
    def page_resized(self) -> None:
        """Draw for the new size."""
        self.draw()

    # What keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter does something only where something failed."""
        return bool(self.problem) if action == "choose" else True

    def action_choose(self) -> None:
        """Try again."""
        self.detail, self.problem = None, ""
        self.draw()
        self.find()

    def action_move(self, by: int) -> None:
        """Scroll by lines."""
        self.picture.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by screens."""
        self.picture.scroll_relative(y=by * max(1, self.picture.size.height - 1), animate=False)

    def action_edge(self, side: int) -> None:
        """To the top or the bottom."""
        if side < 0:
            self.picture.scroll_home(animate=False)
        else:
            self.picture.scroll_end(animate=False)

    def action_back(self) -> None:
        """Back to where it was opened."""
        self.leave()


def drawn_or_said(drawing: Drawing, palette: Palette, width: int) -> "list[Strip]":
    """A picture; or, where it fails, a message: an error in one must not end the app.

    Args:
        drawing: gives the lines.
        palette: colours and glyphs.
        width: cells across.
    """
    try:
        return drawing()
    except Exception as error:
        from tui.figures.message import message_figure

        what = clean(f"{type(error).__name__}: {error}", 300)
        said = f"could not be drawn: {what}; please report this"
        return message_figure("", [said], palette, width)
