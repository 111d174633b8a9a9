"""What the dialogs share that ask which texts a model is run over."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from inspect_core.capture.texts.source import TextSource
from inspect_core.text import clean
from tui.palette import Palette
from tui.screens.asking import AskingScreen, TryOut
from tui.screens.reference import complete_path
from tui.text_fields import ENDINGS, no_column
from tui.widgets.choice import Choice
from tui.widgets.lines import LinesView

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.capture.texts import TextColumns

Answers = TypeVar("Answers")

Field = tuple[str, str, str]
"""Key, name and placeholder of what is typed."""


class TextSuggester(Suggester):
    """Completes folders, and files that may hold texts."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry that continues what was typed."""
        import asyncio

        return await asyncio.to_thread(complete_path, value, ENDINGS)


class TextFileDialog(AskingScreen[Answers, "TextColumns", Answers | None], Generic[Answers]):
    """Asks for texts and more; gives the answers, or None.

    Subclasses give the fields (`fields`, one of them named `path`), and read them (`typed`).

    Args:
        palette: colours and glyphs.
        title: what is asked for, safe to show.
        begin: what the fields begin with, by their names.
        try_out: looks into the file.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="texts.cancel"),
        Binding("tab,down", "go_on", "next", priority=True, show=False),
        Binding("shift+tab,up", "app.focus_previous", "before", priority=True, show=False),
    ]

    def __init__(
        self,
        palette: Palette,
        title: str,
        begin: Mapping[str, str],
        try_out: "TryOut[Answers, TextColumns]",
    ) -> None:
        super().__init__(palette, try_out)
        self._title_line, self._begin = title, begin

    def fields(self) -> Iterator[Widget]:
        """A row of fields after the other."""
        raise NotImplementedError

    def source(self, asked: Answers) -> TextSource:
        """The file, with the columns that were asked for."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """A row for each answer, and what the file holds."""
        with Vertical(id="texts-box", classes="plan-box"):
            yield Static(self._title_line, markup=False)
            yield from self.fields()
            yield LinesView(id="texts-found")
            yield Static(
                "Enter runs the model, Tab completes or goes on, Esc leaves",
                markup=False,
                classes="quiet",
            )

    def typed_row(self, *fields: Field) -> Widget:
        """Lines to type in, beside each other."""
        row: list[Widget] = []
        for key, name, example in fields:
            row.append(Label(name, classes="field-name"))
            row.append(
                Input(
                    self._begin[key],
                    id=f"texts-{key}",
                    placeholder=example,
                    select_on_focus=False,
                    suggester=TextSuggester() if key == "path" else None,
                )
            )
        return Horizontal(*row, classes="field")

    def chosen_row(self, key: str, name: str, words: Sequence[tuple[str, str]]) -> Widget:
        """One of a few words."""
        choice = Choice(self._palette, words, self._begin[key], id=f"texts-{key}")
        return Horizontal(Label(name, classes="field-name"), choice, classes="field")

    def on_mount(self) -> None:
        """Begin with the file."""
        field = self.query_one("#texts-path", Input)
        field.focus()
        field.cursor_position = len(field.value)
        self.try_now()

    def action_go_on(self) -> None:
        """Complete the path, or go to the next field."""
        field = self.query_one("#texts-path", Input)
        longer = len(field._suggestion) > len(field.value)
        if field.has_focus and longer and field.cursor_at_end:
            field.action_cursor_right()
        else:
            self.focus_next()

    def is_blank(self) -> bool:
        """Whether there is no file yet."""
        return not self.values()["path"].strip()

    def values(self) -> dict[str, str]:
        """What stands in the fields, by their names."""
        found = {str(one.id): one.value for one in self.query(Input)}
        found |= {str(one.id): one.value for one in self.query(Choice)}
        return {name.removeprefix("texts-"): value for name, value in found.items()}

    def show(self, asked: Answers, found: "TextColumns") -> None:
        """What the file holds, and its first rows."""
        view, source = self.query_one(LinesView), self.source(asked)
        missing = no_column(source, found)
        if missing:
            self.refuse(asked, missing)
        else:
            view.show(found_lines(source.text, found, self._palette, view.size.width))

    def take(self, asked: Answers) -> None:
        """Give the answers."""
        self.dismiss(asked)


def found_lines(
    asked: str | None, found: "TextColumns", palette: Palette, width: int
) -> "list[Strip]":
    """What a file of texts holds: rows and columns, the text that is taken, the first rows.

    Args:
        asked: the column of the text that was typed; None for the one that is found.
        found: what is in the file.
        palette: colours and glyphs.
        width: cells across.
    """
    from tui.figures.parts import fitted, line, note_lines

    rows = "1 row" if found.rows == 1 else f"{found.rows:,} rows"
    names = [clean(name, 30) for name in found.columns]
    first = rows
    if len(names) > 1:
        what = "columns" if found.has_header else "columns without names"
        first = f"{rows}, {what} {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
    lines = [line((first, palette.styles["tunable"]))]
    text = asked or found.text
    if text is not None and len(names) > 1:
        lines.append(line(("text: ", palette.styles["muted"]), clean(text, 30)))
    elif len(names) > 1:
        told = "which column is the text? type its name"
        lines += note_lines([f"{palette.glyphs.note} {told}"], palette, width)
    for row in found.first:
        shown = "   ".join([clean(cell, max(10, width)) for cell in row])
        lines.append(line((shown, palette.styles["muted"])))
    return fitted(lines, palette, width)
