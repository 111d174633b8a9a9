"""The page of one neuron: its tags, its strongest words, the sentences around them."""

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from inspect_core.text import clean
from tui.activations.drawing import drawn_neuron
from tui.activations.messages import PaneResized, ViewDrawn
from tui.activations.picture import PictureView
from tui.activations.state import ViewState
from tui.keys import ACTIVATIONS, ELSEWHERE
from tui.palette import Palette
from tui.widgets.bars import StatusLine, TitleBar
from tui.widgets.key_line import KeyLine

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.activations.neurons import NeuronDetail
    from tui.activations.control import ActivationControl

_HERE = ("choose", "up", "down", "page_up", "page_down", "top", "bottom", "copy", "export", "back")
"""Keys of the screen of activations that do something here."""


class NeuronScreen(Screen[None]):
    """Shows a neuron; its owner finds what there is of it.

    Args:
        palette: colours and glyphs.
        control: its owner.
        state: the result that the neuron is of.
        site: the neuron's site, by index.
        unit: its number.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *[one for one in ACTIVATIONS if str(one.id).partition(".")[2] in _HERE],
        *ELSEWHERE,
    ]

    def __init__(
        self,
        palette: Palette,
        control: "ActivationControl",
        state: ViewState,
        site: int,
        unit: int,
    ) -> None:
        super().__init__()
        self._palette, self._control, self._state = palette, control, state
        self._site, self._unit = site, unit
        self.detail: NeuronDetail | None = None
        self.problem = ""
        self._drawings = 0

    def compose(self) -> ComposeResult:
        """Title, page, status, keys."""
        yield TitleBar(self._palette, id="title")
        yield PictureView(id="page")
        yield StatusLine(self._palette, id="status")
        yield KeyLine(self._palette, id="keys")

    @property
    def picture(self) -> PictureView:
        """The page itself."""
        return self.query_one(PictureView)

    def on_mount(self) -> None:
        """Say whose page it is."""
        report = self._state.report
        table = report.sites[self._site].neurons
        name = f"{clean(table.site, 80)} neuron {self._unit}"
        self.query_one(TitleBar).show([(name, "module")], report.rule)
        if table.rare[self._unit]:
            few = int(table.count[:, self._unit].min())
            text = f"rare: {few} activations on one side; its distance is noise"
            self.query_one(StatusLine).say(text, "note")
        self.draw()

    def take(self, detail: "NeuronDetail") -> None:
        """Show what was found."""
        if (detail.site, detail.unit) == (self._module, self._unit):
            self.detail, self.problem = detail, ""
            self.draw()

    def failed(self, text: str) -> None:
        """Say why nothing was found."""
        self.problem = text
        self.draw()

    @property
    def _module(self) -> str:
        return self._state.report.sites[self._site].neurons.site

    def draw(self) -> None:
        """Draw the page, on a thread."""
        if not self.is_mounted or not self.picture.size.width:
            return
        room = self.picture.room
        if self.detail is None:
            from tui.figures.message import message_figure

            said = [self.problem, "Enter tries again."] if self.problem else ["reading"]
            self.picture.show(message_figure("", said, self._palette, room[0]))
            return
        self._drawings += 1
        number, detail, titles = self._drawings, self.detail, self._state.report.titles

        def work() -> None:
            lines: list[Strip] = drawn_neuron(detail, titles, self._palette, room)
            self.post_message(ViewDrawn(number, lines))

        self.run_worker(work, thread=True, exclusive=True, group="draw-neuron")

    @on(ViewDrawn)
    def view_drawn(self, message: ViewDrawn) -> None:
        """Show a drawing, unless another was asked for meanwhile."""
        if message.number == self._drawings:
            self.picture.show(message.lines, message.anew)

    @on(PaneResized)
    def pane_resized(self) -> None:
        """Draw for the new size."""
        self.draw()

    # What keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter does something only where something failed."""
        return bool(self.problem) if action == "choose" else True

    def action_choose(self) -> None:
        """Try again."""
        self.problem = ""
        self.draw()
        self._control.find_neuron(self._site, self._unit)

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

    def action_copy(self) -> None:
        """Copy the neuron's strongest words."""
        name = f"{clean(self._module, 200)} neuron {self._unit}"
        words = self.detail.words[1] if self.detail is not None else ()
        text = "   ".join([name, *[clean(strong.word, 60) for strong in words[:10]]])
        self.app.copy_to_clipboard(text)
        self.notify(f"copied: {text}", markup=False)

    def action_export(self) -> None:
        """Write the page to a file."""
        self._control.files.ask_screen(
            f"{self._module}-{self._unit}", self._compositor.render_strips()
        )

    def action_back(self) -> None:
        """Back to the table."""
        self._control.leave_neuron()
