"""The dialog that asks which texts a model is run over, and what counts as an activation."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.widget import Widget
from textual.widgets import Input

from inspect_core.activations.rule import MAGNITUDE, MAX, OVER, POSITIVE, TOP, VALUE
from inspect_core.capture.texts.source import TextSource
from inspect_core.text import clean
from tui.activations.answers import Answers, answers_from, typed_fields
from tui.palette import Palette
from tui.screens.asking import TryOut
from tui.screens.text_file import TextFileDialog
from tui.widgets.choice import Choice

if TYPE_CHECKING:
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


class TextsDialog(TextFileDialog[Answers]):
    """Asks for texts and a rule; gives the answers, or None.

    Args:
        palette: colours and glyphs.
        answers: what it begins with; the path may be empty.
        where: whose neurons are meant, safe to show.
        taggers: the installed ones.
        try_out: looks into the file.
    """

    def __init__(
        self,
        palette: Palette,
        answers: Answers,
        where: str,
        taggers: Sequence[str],
        try_out: "TryOut[Answers, TextColumns]",
    ) -> None:
        title = f"What neurons listen to: {where}"
        super().__init__(palette, title, typed_fields(answers), try_out)
        self._taggers = taggers
        self._rule = answers.rule.kind

    def fields(self) -> Iterator[Widget]:
        """See `TextFileDialog.fields`."""
        for row in ROWS:
            yield self.typed_row(*row)
        taggers = [("", "none"), *[(name, clean(name, 20)) for name in self._taggers]]
        yield self.chosen_row("tagger", "tagger", taggers)
        yield self.chosen_row("rule", "counts", RULES)
        yield self.typed_row(("number", "k, threshold", ""))
        yield self.chosen_row("sign", "by the", SIGNS)

    def on_mount(self) -> None:
        """Begin with the file; see `TextFileDialog.on_mount`, which runs too."""
        self._show_rule()

    @on(Choice.Chosen)
    def rule_changed(self) -> None:
        """The number belongs to the rule: of another rule it says nothing."""
        if self.values()["rule"] != self._rule:
            self.query_one("#texts-number", Input).value = ""
            self._show_rule()

    def _show_rule(self) -> None:
        self._rule = rule = self.values()["rule"]
        field = self.query_one("#texts-number", Input)
        field.placeholder = {TOP: "10", OVER: "0"}.get(rule, "")
        field.disabled = rule == MAX

    def typed(self) -> Answers:
        """The answers; see `AskingScreen.typed`."""
        return answers_from(self.values())

    def source(self, asked: Answers) -> TextSource:
        """See `TextFileDialog.source`."""
        return asked.texts
