"""What the parts of the screen of activations say to each other."""

from dataclasses import dataclass

from textual.message import Message
from textual.strip import Strip


@dataclass
class NeuronHighlighted(Message):
    """The cursor of the table rests on another row: a neuron, or a site where those are listed."""

    at: int

    def can_replace(self, message: Message) -> bool:
        """Only the newest row matters."""
        return isinstance(message, NeuronHighlighted)


@dataclass
class RowPicked(Message):
    """A second click on a row, as Enter."""


@dataclass
class ViewDrawn(Message):
    """A picture is ready.

    Attributes:
        number: which drawing; older ones are not wanted any more.
        lines: the picture.
        anew: whether it shows something else than before.
    """

    number: int
    lines: list[Strip]
    anew: bool = True


@dataclass
class PaneResized(Message):
    """A pane has another size: what it shows must be drawn for it."""
