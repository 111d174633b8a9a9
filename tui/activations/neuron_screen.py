"""The page of one neuron: its tags, its strongest words, the sentences around them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from inspect_core.text import clean
from tui.activations.state import ViewState
from tui.keys import ACTIVATIONS, ELSEWHERE
from tui.palette import Palette
from tui.screens.drawn import PageScreen
from tui.short_paths import short_path
from tui.widgets.bars import TitleBar

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.activations.neurons import NeuronDetail
    from tui.activations.control import ActivationControl

_HERE = ("choose", "up", "down", "page_up", "page_down", "top", "bottom", "copy", "export", "back",
         "site_before", "next_site")  # fmt: skip
"""Keys of the screen of activations that do something here."""


def _here(binding: Binding) -> Binding:
    """A key of that screen; those that go to another module go to another neuron here."""
    if not binding.description or not str(binding.id).endswith("next_site"):
        return binding
    return replace(binding, description="neuron")


class NeuronScreen(PageScreen["NeuronDetail"]):
    """Shows a neuron; its owner finds what there is of it.

    Args:
        palette: colours and glyphs.
        control: its owner.
        state: the result that the neuron is of.
        site: the neuron's site, by index.
        unit: its number.
        listed: neurons of the site in the order of the list that it was opened in.
    """

    PLACE = "activations"
    BINDINGS: ClassVar[list[BindingType]] = [
        *[_here(one) for one in ACTIVATIONS if str(one.id).partition(".")[2] in _HERE],
        *ELSEWHERE,
    ]

    def __init__(
        self,
        palette: Palette,
        control: "ActivationControl",
        state: ViewState,
        site: int,
        unit: int,
        listed: Sequence[int],
    ) -> None:
        super().__init__(palette)
        self._control, self._state = control, state
        self._site, self._unit, self._listed = site, unit, listed

    def on_mount(self) -> None:
        """Say whose page it is."""
        self._say_whose()
        self.draw()

    def _say_whose(self) -> None:
        report = self._state.report
        table = report.sites[self._site].neurons
        name = f"{short_path(table.site, 60)} neuron {self._unit}"
        self.query_one(TitleBar).show([(name, "module")], report.rule)
        if table.rare[self._unit]:
            some = [count for count in table.count[:, self._unit].tolist() if count]
            told = f"rare: {min(some)} activations on a side" if some else "never activated"
            self.status.say(f"{told}; a distance would be noise", "note")
        elif self._unit in self._listed and len(self._listed) > 1:
            at = self._listed.index(self._unit) + 1
            self.status.say(f"{at:,} of {len(self._listed):,} in the list: [ ] go on in it")
        else:
            self.status.say("")

    @property
    def _module(self) -> str:
        return self._state.report.sites[self._site].neurons.site

    def page_of(self, detail: "NeuronDetail", room: tuple[int, int]) -> "list[Strip]":
        """See `PageScreen.page_of`."""
        from tui.activations.figures import draw_neuron

        report = self._state.report
        table = report.sites[self._site].neurons
        return draw_neuron(detail, report.titles, self._palette, *room, table=table)

    def found(self, detail: "NeuronDetail") -> None:
        """Show what was found, if it is of this neuron."""
        if (detail.site, detail.unit) == (self._module, self._unit):
            super().found(detail)

    def find(self) -> None:
        """See `PageScreen.find`."""
        self._control.find_neuron(self._site, self._unit)

    def leave(self) -> None:
        """See `PageScreen.leave`."""
        self._control.leave_neuron(self._unit)

    def action_site(self, by: int) -> None:
        """The neuron before or after this one in the list, round and round."""
        if self._unit in self._listed and len(self._listed) > 1:
            at = (self._listed.index(self._unit) + by) % len(self._listed)
            self._unit = self._listed[at]
            self._say_whose()
            self.action_choose()

    def action_copy(self) -> None:
        """Copy the neuron's strongest words."""
        name = f"{clean(self._module, 200)} neuron {self._unit}"
        words = self.detail.words[1] if self.detail is not None else ()
        self.copy_text("   ".join([name, *[clean(strong.word, 60) for strong in words[:10]]]))

    def action_export(self) -> None:
        """Write the page to a file."""
        self._control.files.ask_screen(f"{self._module}-{self._unit}", self.lines())
