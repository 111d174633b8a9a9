"""The dialog that asks which texts a model is run over, and what counts as an activation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from inspect_core.activations.rule import MAGNITUDE, MAX, OVER, POSITIVE, TOP, VALUE
from inspect_core.text import clean
from tui.activations.answers import ENDINGS, Answers, answers_from, typed_fields
from tui.palette import Palette
from tui.screens.asking import AskingScreen, TryOut
from tui.screens.reference import complete_path
from tui.widgets.choice import Choice
from tui.widgets.lines import LinesView

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.capture.texts import TextColumns

RULES = ((MAX, "strongest unit"), (TOP, "strongest k"), (OVER, "over a threshold"))
SIGNS = ((POSITIVE, "positive part"), (VALUE, "value"), (MAGNITUDE, "magnitude"))

ROWS = (
    (("path", "file", "one sentence a line, or .tsv .csv .jsonl"),),
    (("text", "text column", "found by its name"), ("tags", "tag column", "none")),
    (("labels", "label columns", "none"), ("most", "first texts", "all")),
    (("tokenizer", "tokenizer", "the model's own, or a folder with a tokenizer.json"),),
)
"""Key, name and placeholder of what is typed, row by row."""


class TextSuggester(Suggester):
    """Completes folders, and files that may hold texts."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry that continues what was typed."""
        import asyncio

        return await asyncio.to_thread(complete_path, value, ENDINGS)


class TextsDialog(AskingScreen[Answers, "TextColumns", Answers | None]):
    """Asks for texts and a rule; gives the answers, or None.

    Args:
        palette: colours and glyphs.
        answers: what it begins with; the path may be empty.
        where: whose neurons are meant, safe to show.
        taggers: the installed ones.
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
        answers: Answers,
        where: str,
        taggers: Sequence[str],
        try_out: TryOut[Answers, "TextColumns"],
    ) -> None:
        super().__init__(palette, try_out)
        self._answers, self._where, self._taggers = answers, where, taggers
        self._rule = answers.rule.kind

    def compose(self) -> ComposeResult:
        """A row for each answer, and what the file holds."""
        typed = typed_fields(self._answers)
        with Vertical(id="texts-box", classes="plan-box"):
            yield Static(f"What neurons listen to: {self._where}", markup=False)
            for row in ROWS:
                with Horizontal(classes="field"):
                    for key, name, example in row:
                        yield Label(name, classes="field-name")
                        yield Input(
                            typed[key],
                            id=f"texts-{key}",
                            placeholder=example,
                            select_on_focus=False,
                            suggester=TextSuggester() if key == "path" else None,
                        )
            with Horizontal(classes="field"):
                yield Label("tagger", classes="field-name")
                yield Choice(
                    self._palette,
                    [("", "none"), *[(name, clean(name, 20)) for name in self._taggers]],
                    typed["tagger"],
                    id="texts-tagger",
                )
            with Horizontal(classes="field"):
                yield Label("counts", classes="field-name")
                yield Choice(self._palette, RULES, typed["rule"], id="texts-rule")
            with Horizontal(classes="field"):
                yield Label("k, threshold", classes="field-name")
                yield Input(typed["number"], id="texts-number", select_on_focus=False)
            with Horizontal(classes="field"):
                yield Label("by the", classes="field-name")
                yield Choice(self._palette, SIGNS, typed["sign"], id="texts-sign")
            yield LinesView(id="texts-found")
            yield Static(
                "Enter runs the model, Tab completes or goes on, Esc leaves",
                markup=False,
                classes="quiet",
            )

    def on_mount(self) -> None:
        """Begin with the file."""
        field = self.query_one("#texts-path", Input)
        field.focus()
        field.cursor_position = len(field.value)
        self._show_rule()
        self.try_now()

    def action_go_on(self) -> None:
        """Complete the path, or go to the next field."""
        field = self.query_one("#texts-path", Input)
        longer = len(field._suggestion) > len(field.value)
        if field.has_focus and longer and field.cursor_at_end:
            field.action_cursor_right()
        else:
            self.focus_next()

    @on(Choice.Chosen)
    def rule_changed(self) -> None:
        """The number belongs to the rule: of another rule it says nothing."""
        if self._choice("rule") != self._rule:
            self.query_one("#texts-number", Input).value = ""
            self._show_rule()

    def _show_rule(self) -> None:
        self._rule = rule = self._choice("rule")
        field = self.query_one("#texts-number", Input)
        field.placeholder = {TOP: "10", OVER: "0"}.get(rule, "")
        field.disabled = rule == MAX

    def is_blank(self) -> bool:
        """Whether there is no file yet."""
        return not self._text("path").strip()

    def typed(self) -> Answers:
        """The answers; see `AskingScreen.typed`."""
        names = [key for row in ROWS for key, _, _ in row]
        typed = {key: self._text(key) for key in (*names, "number")}
        return answers_from(typed | {key: self._choice(key) for key in ("rule", "sign", "tagger")})

    def show(self, asked: Answers, found: "TextColumns") -> None:
        """What the file holds, and its first rows."""
        view = self.query_one(LinesView)
        view.show(found_lines(asked, found, self._palette, view.size.width))

    def take(self, asked: Answers) -> None:
        """Give the answers."""
        self.dismiss(asked)

    def _text(self, key: str) -> str:
        return self.query_one(f"#texts-{key}", Input).value

    def _choice(self, key: str) -> str:
        return self.query_one(f"#texts-{key}", Choice).value


def found_lines(
    asked: Answers, found: "TextColumns", palette: Palette, width: int
) -> "list[Strip]":
    """What a file of texts holds: rows and columns, the text that is taken, the first rows."""
    from tui.figures.parts import fitted, line, note_lines

    rows = "1 row" if found.rows == 1 else f"{found.rows:,} rows"
    names = [clean(name, 30) for name in found.columns]
    first = rows
    if len(names) > 1:
        what = "columns" if found.has_header else "columns without names"
        first = f"{rows}, {what} {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
    lines = [line((first, palette.styles["tunable"]))]
    text = asked.texts.text or found.text
    if text is not None and len(names) > 1:
        lines.append(line(("text: ", palette.styles["muted"]), clean(text, 30)))
    elif len(names) > 1:
        told = "which column is the text? type its name"
        lines += note_lines([f"{palette.glyphs.note} {told}"], palette, width)
    for row in found.first:
        shown = "   ".join([clean(cell, max(10, width)) for cell in row])
        lines.append(line((shown, palette.styles["muted"])))
    return fitted(lines, palette, width)
