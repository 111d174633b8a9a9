"""Everything that is said between the parts of the app, in one place."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.control import Progress
    from inspect_core.structure.branch import Row
    from tui.figures.figure import Figure


class ScreenReady(Message):
    """The widgets of the main screen exist; nothing was painted yet."""


@dataclass
class JobEnded(Message):
    """A job of the backend ended.

    Attributes:
        role: what the app wanted it for: `open`, `types`, `pair`, `sweep`, `some` or `inspect`.
        number: which request of that role; answers to older ones are not wanted any more.
        result: its result, or None.
        error: why there is none, or None. `Cancelled` where it was stopped.
    """

    role: str
    number: int
    result: Any
    error: BaseException | None


@dataclass
class SweepArrived(Message):
    """Some tensors were summarised, or a part of another result came ahead (see its role)."""

    role: str
    number: int
    part: Any


@dataclass
class ProgressMade(Message):
    """A job went on."""

    role: str
    number: int
    progress: "Progress"

    def can_replace(self, message: Message) -> bool:
        """Only the newest progress of a job matters."""
        return isinstance(message, ProgressMade) and message.role == self.role


@dataclass
class RowHighlighted(Message):
    """The cursor of the tree rests on another row."""

    row: "Row"

    def can_replace(self, message: Message) -> bool:
        """Only the newest row matters."""
        return isinstance(message, RowHighlighted)


@dataclass
class RowChosen(Message):
    """Enter, or a second click, on a row."""

    row: "Row"


@dataclass
class FilterTyped(Message):
    """The filter holds another query; an empty one keeps everything."""

    query: str


class FilterKept(Message):
    """Enter in the filter: on to what it found."""


class BackPressed(Message):
    """Esc in the tree, where there is nothing else to leave."""


@dataclass
class FigureDrawn(Message):
    """A detail is ready.

    Attributes:
        number: which drawing; older ones are not wanted any more.
        figure: its lines and cells.
        anew: whether they show something else than before.
    """

    number: int
    figure: "Figure"
    anew: bool


@dataclass
class CellChosen(Message):
    """Enter on a cell of a figure that leads somewhere.

    Attributes:
        path: the tensor that it stands for.
    """

    path: str


@dataclass
class ZoomAsked(Message):
    """Another part of the matrix on show is wanted.

    Attributes:
        row: matrix row to be in the middle.
        column: matrix column to be in the middle.
        factor: how much closer; 1 only moves, 0 shows everything.
    """

    row: int
    column: int
    factor: float


@dataclass
class TableRowHighlighted(Message):
    """The cursor of a table rests on another row.

    Attributes:
        at: what the row stands for.
    """

    at: int

    def can_replace(self, message: Message) -> bool:
        """Only the newest row matters."""
        return isinstance(message, TableRowHighlighted)


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
    lines: "list[Strip]"
    anew: bool = True


@dataclass
class PaneResized(Message):
    """A pane has another size: what it shows must be drawn for it."""
