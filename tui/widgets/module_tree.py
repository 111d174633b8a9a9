"""The folded tree: lines are made when they come into sight."""

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.text import clean
from tui import format as fmt
from tui.changes import Change
from tui.keys import TREE
from tui.messages import RowChosen, RowHighlighted
from tui.outline import Key, Line, Outline, key_of
from tui.palette import Palette
from tui.states import all_delta, counts, kind_of, state_of, style_of

INDENT = 2
COUNT_COLUMNS = 8
CHANGE_COLUMNS = 8

ChangeOf = Callable[[Row], Change]


class ModuleTreeView(ScrollView, can_focus=True):
    """Shows an outline; says which row the cursor is on and which was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [*TREE]

    cursor: reactive[int] = reactive(0, repaint=False)

    def __init__(self, palette: Palette, change_of: ChangeOf, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self.outline: Outline | None = None
        self._change_of = change_of
        self._title = ""
        self._largest: float | None = None
        self._announced: Row | None = None
        self._hint = "opening …"

    def show(self, outline: Outline, title: str) -> None:
        """Show an outline, the cursor on its first line.

        Args:
            outline: the lines.
            title: the name of the root, safe to show.
        """
        self.outline = outline
        self._title = title
        self.cursor = 0
        self.lines_changed(None)
        self._announce()

    def hint(self, text: str) -> None:
        """What to show while there is no tree; safe to show."""
        self._hint = text
        self.refresh()

    def current_key(self) -> Key | None:
        """What the row under the cursor is remembered by."""
        row = self.current_row
        return key_of(row) if row is not None else None

    @property
    def current_row(self) -> Row | None:
        """The row under the cursor."""
        line = self._line(self.cursor)
        return line.row if line else None

    def lines_changed(self, keep: Key | None) -> None:
        """The outline has other lines: keep the cursor on a row, or near where it was."""
        if self.outline is None:
            return
        self.virtual_size = Size(self.size.width, len(self.outline.lines))
        at = self.outline.index_of(keep) if keep is not None else None
        self.set_reactive(
            ModuleTreeView.cursor,
            at if at is not None else max(0, min(self.cursor, len(self.outline.lines) - 1)),
        )
        self._settle()
        self.refresh()
        self._largest = None
        if self.current_row is not self._announced:
            self._announce()

    def changes_arrived(self) -> None:
        """The change column has other values."""
        self._largest = None
        self.refresh()

    def move_to(self, at: int) -> None:
        """Put the cursor on a line."""
        if self.outline and self.outline.lines:
            self.cursor = max(0, min(at, len(self.outline.lines) - 1))

    # Actions

    def action_move(self, by: int) -> None:
        """Move the cursor by lines."""
        self.move_to(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.move_to(self.cursor + by * max(1, self.size.height - 1))

    def action_edge(self, side: int) -> None:
        """Move the cursor to the first or last line."""
        self.move_to(0 if side < 0 else len(self.outline.lines) - 1 if self.outline else 0)

    def action_fold(self) -> None:
        """Show or hide what is below the cursor."""
        if self.outline and self.outline.lines:
            key = self.current_key()
            self.outline.toggle(self.cursor)
            self.lines_changed(key)

    def action_expand(self) -> None:
        """Show what is below the cursor, or go to the first of it."""
        if not (self.outline and self.outline.lines):
            return
        key = self.current_key()
        if self.outline.expand(self.cursor):
            self.lines_changed(key)
        elif self.outline.lines[self.cursor].expanded:
            self.action_move(1)

    def action_collapse(self) -> None:
        """Hide what is below the cursor, or go to its parent."""
        if self.outline and self.outline.lines:
            at = self.outline.collapse(self.cursor)
            row = self.outline.lines[at].row
            self.lines_changed(key_of(row) if row is not None else None)

    def action_open_fold(self) -> None:
        """Open the fold under the cursor to its members, or close it again."""
        if self.outline and self.outline.lines:
            row, key = self.current_row, self.current_key()
            if self.outline.open_fold(self.cursor):
                # Opened: the cursor is on the first of the members, whichever that is.
                opened = isinstance(row, Branch) and row.folded
                self.lines_changed(None if opened else key)
            else:
                self.notify("this row is not a fold", timeout=2)

    def action_choose(self) -> None:
        """Inspect the row under the cursor; on a `more` line, show more."""
        row = self.current_row
        if row is not None:
            self.post_message(RowChosen(row))
        else:
            self.action_fold()

    # Events

    def watch_cursor(self, old: int, new: int) -> None:
        """Repaint two lines and keep the cursor in sight."""
        self._repaint(old)
        self._settle()
        self._announce()

    def on_resize(self) -> None:
        """The width of lines follows the widget's."""
        if self.outline:
            self.virtual_size = Size(self.size.width, len(self.outline.lines))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; on the mark it folds, and again on the row it chooses."""
        at = event.y + self.scroll_offset.y
        line = self._line(at)
        if line is None:
            return
        mark = line.depth * INDENT
        if line.row is None or mark <= event.x <= mark + 1:
            self.cursor = at
            self.action_fold()
        elif at == self.cursor:
            self.action_choose()
        else:
            self.cursor = at

    # Drawing

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        at = y + self.scroll_offset.y
        line = self._line(at)
        width = self.size.width
        if line is None:
            text = f" {self._hint}" if self.outline is None and y == 1 else ""
            hint = Strip([Segment(text.ljust(width)[:width], self.palette.styles["muted"])])
            return hint.apply_style(self.rich_style)
        return self._draw(line, width, at == self.cursor).apply_style(self.rich_style)

    def _draw(self, line: Line, width: int, selected: bool) -> Strip:
        glyphs, styles = self.palette.glyphs, self.palette.styles
        if line.row is None:
            text = f"{' ' * (line.depth * INDENT)}{glyphs.more} {line.hidden} more (Enter)"
            style = styles["muted"] + (Style(reverse=True) if selected else Style())
            return Strip([Segment(text, style)]).adjust_cell_length(width)
        mark = (glyphs.opened if line.expanded else glyphs.closed) if line.expandable else " "
        left = Segment(f"{' ' * (line.depth * INDENT)}{mark} ", styles["muted"])
        right = self._numbers(line.row)
        room = max(0, width - sum(segment.cell_length for segment in right))
        strip = Strip([left, *self._label(line.row, selected)])
        if strip.cell_length > room:
            strip = Strip([left, *self._label(line.row, selected, short=True)])
        if strip.cell_length > room:
            strip = Strip.join(
                [
                    strip.crop(0, max(0, room - 1)),
                    Strip([Segment("…" if not self.palette.ascii_only else "~", styles["muted"])]),
                ]
            )
        return Strip.join([strip.adjust_cell_length(room), Strip(right)])

    def _label(self, row: Row, selected: bool, short: bool = False) -> list[Segment]:
        """Name and type; in short, of a module with adapters only what they are."""
        styles, glyphs = self.palette.styles, self.palette.glyphs
        # The highlight covers the name alone: state glyphs and numbers keep their colours.
        over = Style(reverse=True, bold=self.has_focus) if selected else Style()
        if isinstance(row, Twig):
            spec = row.leaf.spec
            parts = [Segment(clean(row.leaf.name) or '""', styles[style_of(spec)] + over)]
            kind = f" {fmt.shape(spec.shape)} {kind_of(spec)}"
            if spec.tied:
                owner = row.branch.module.tree.tied.get(row.anchor, "")
                kind += f" tied to {clean(owner, 60)}"
            return [*parts, Segment(kind, styles["muted"])]
        name = self._title if row.parent is None else clean(row.label) or '""'
        state = "fold" if row.folded else "delta" if all_delta(row) else "module"
        parts = [Segment(name, styles[state] + over)]
        if row.folded:
            parts.append(Segment(f" {glyphs.times}{len(row.names)}", styles["fold"]))
        kind = clean(row.module.type.rpartition(" + ")[2] if short else row.module.type)
        if kind:
            text = f" ({kind})" if row.parent is not None else f" {kind}"
            parts.append(Segment(text, styles["type"]))
        return parts

    def _numbers(self, row: Row) -> list[Segment]:
        styles, glyphs = self.palette.styles, self.palette.glyphs
        total = counts(row)[0]
        state, glyph = state_of(row, glyphs)
        amount = f"{fmt.params(total) if total else '':>{COUNT_COLUMNS - 2}}"
        change = self._change_of(row)
        shown = {
            "none": ("", ""),
            "pending": ("", ""),
            "delta": ("", ""),
            "same": ("0", glyphs.same),
            "rounded": ("~0", glyphs.same),
            "partial": ("0", glyphs.note),
            "new": ("new", glyphs.new),
            "mismatch": ("shape", glyphs.note),
            "unsupported": ("dtype", glyphs.note),
            "changed": (fmt.number(change.value), self._bar(change.value)),
        }[change.status]
        mark = glyphs.note if change.note else " "
        style = {"same": "same", "rounded": "same", "changed": "module"}.get(change.status, "note")
        numbers = [
            Segment(f" {mark}", styles["note"]),
            Segment(glyph, styles[state]),
            Segment(f"{amount} ", styles["module"]),
        ]
        if change.status != "none":
            numbers.append(Segment(f"{shown[0]:>{CHANGE_COLUMNS - 1}} ", styles[style]))
            bar_style = "tunable" if change.status == "changed" else style
            numbers.append(Segment(f"{shown[1]:1} ", styles[bar_style]))
        return numbers

    def _bar(self, value: float | None) -> str:
        if self._largest is None:
            self._largest = self._find_largest()
        if value is None or self._largest <= 0.0:
            return " "
        return fmt.bar(min(1.0, value / self._largest), self.palette.ascii_only)

    def _find_largest(self) -> float:
        """The largest change among the lines in sight, for the bars."""
        if self.outline is None:
            return 0.0
        start = self.scroll_offset.y
        near = self.outline.lines[start : start + self.size.height]
        values = [self._change_of(line.row).value for line in near if line.row is not None]
        return max((value for value in values if value is not None), default=0.0)

    def _line(self, at: int) -> Line | None:
        if self.outline is None or not 0 <= at < len(self.outline.lines):
            return None
        return self.outline.lines[at]

    def _settle(self) -> None:
        self._repaint(self.cursor)
        before = self.scroll_offset.y
        self.scroll_to_region(
            Region(0, self.cursor, max(1, self.size.width), 1), animate=False, force=True
        )
        if self.scroll_offset.y != before:
            self._largest = None

    def _repaint(self, at: int) -> None:
        self.refresh_line(at)

    def _announce(self) -> None:
        row = self._announced = self.current_row
        if row is not None:
            self.post_message(RowHighlighted(row))
