"""A table that was laid out elsewhere: a line of titles, rows below, a cursor."""

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.messages import PaneResized, RowPicked, TableRowHighlighted
from tui.palette import Palette
from tui.tables import Rows


class TableView(ScrollView, can_focus=True):
    """Shows rows that were laid out elsewhere; only those in sight are drawn."""

    cursor: var[int] = var(0)

    def __init__(self, palette: Palette, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self.rows: Rows | None = None

    @property
    def chosen(self) -> int | None:
        """What the row under the cursor stands for."""
        if self.rows is None or not 0 <= self.cursor < len(self.rows.at):
            return None
        return self.rows.at[self.cursor]

    def show(self, rows: Rows, chosen: int | None) -> None:
        """Show a table, with the cursor on what was chosen, or on its first row."""
        self.rows = rows
        # The line of titles stands above the first row, whatever was scrolled.
        self.virtual_size = Size(self.size.width, len(rows.at) + 1)
        at = rows.at.index(chosen) if chosen is not None and chosen in rows.at else 0
        if at == self.cursor:
            self._moved()
        else:
            self.cursor = at
        self.refresh()

    def move(self, by: int) -> None:
        """Move the cursor by rows."""
        if self.rows is not None and self.rows.at:
            self.cursor = max(0, min(len(self.rows.at) - 1, self.cursor + by))

    def page(self, by: int) -> None:
        """Move the cursor by screens."""
        self.move(by * max(1, self.size.height - 2))

    def edge(self, side: int) -> None:
        """Move the cursor to the first row or the last."""
        if self.rows is not None:
            self.move(side * len(self.rows.at))

    def go_to(self, chosen: int) -> bool:
        """Move the cursor to what a row stands for; False where none does."""
        if self.rows is None or chosen not in self.rows.at:
            return False
        self.cursor = self.rows.at.index(chosen)
        return True

    def watch_cursor(self) -> None:
        """Repaint, and keep the cursor in sight."""
        self._moved()
        self.refresh()

    def _moved(self) -> None:
        # One line more than the row: the titles cover the first line in sight.
        above = Region(0, self.cursor, max(1, self.size.width), 2)
        self.scroll_to_region(above, animate=False, force=True)
        if self.chosen is not None:
            self.post_message(TableRowHighlighted(self.chosen))

    def on_resize(self) -> None:
        """Ask for columns that fit."""
        self.post_message(PaneResized())

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; again on the row it is like Enter."""
        at = event.y + self.scroll_offset.y - 1
        if self.rows is None or event.y == 0 or not 0 <= at < len(self.rows.at):
            return
        if at == self.cursor:
            self.post_message(RowPicked())
        else:
            self.cursor = at

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width, rows = self.size.width, self.rows
        at = y + self.scroll_offset.y - 1
        if rows is None:
            strip = Strip.blank(width)
        elif y == 0:
            strip = rows.header()
        elif 0 <= at < len(rows.at):
            strip = rows.line(at, at == self.cursor)
        elif y == 2 and not rows.at:
            strip = Strip([Segment(f" {rows.empty}", self.palette.styles["muted"])])
        else:
            strip = Strip.blank(width)
        return strip.adjust_cell_length(width).apply_style(self.rich_style)
