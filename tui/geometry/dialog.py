"""The dialog that asks which texts a landscape is of, where it is taken, and how measured."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.widget import Widget

from inspect_core.capture.texts.source import TextSource
from inspect_core.geometry.representations import POOLINGS
from inspect_core.text import clean
from inspect_core.work.geometry_jobs import PLACES
from tui.geometry.answers import Answers, answers_from, typed_fields
from tui.palette import Palette
from tui.screens.text_file import Field, TextFileDialog

if TYPE_CHECKING:
    from inspect_core.capture.texts import TextColumns
    from tui.screens.asking import TryOut

FIELDS: tuple[tuple[Field, ...], ...] = (
    (("path", "file", "one sentence a line, or .tsv .csv .jsonl"),),
    (
        ("text", "text column", "found by its name"),
        ("labels", "label columns", "none; rating:sign"),
    ),
    (("most", "first texts", "all"), ("tokenizer", "tokenizer", "the model's own")),
)
MEASURES: tuple[tuple[Field, ...], ...] = (
    (("k", "neighbours k", "16"), ("z", "z of peaks", "1.6"), ("overlap", "overlap of", "30")),
    (("shots", "shots", "none, or 0,2,5"), ("template", "prompt", "{text}\\nlabel: {label}\\n\\n")),
)


class LandscapeDialog(TextFileDialog[Answers]):
    """Asks for texts, places and measures; gives the answers, or None.

    Args:
        palette: colours and glyphs.
        answers: what it begins with; the path may be empty.
        where: whose landscape is meant, safe to show.
        try_out: looks into the file.
    """

    def __init__(
        self,
        palette: Palette,
        answers: Answers,
        where: str,
        try_out: "TryOut[Answers, TextColumns]",
    ) -> None:
        title = f"The landscape of representations: {where}"
        super().__init__(palette, title, typed_fields(answers), try_out)

    def fields(self) -> Iterator[Widget]:
        """See `TextFileDialog.fields`."""
        for row in FIELDS:
            yield self.typed_row(*row)
        places = dict(PLACES)
        places.setdefault(self._begin["where"], clean(self._begin["where"], 30))
        yield self.chosen_row("where", "taken from", list(places.items()))
        yield self.chosen_row("pooling", "of a text", list(POOLINGS.items()))
        for row in MEASURES:
            yield self.typed_row(*row)

    def typed(self) -> Answers:
        """The answers; see `AskingScreen.typed`."""
        return answers_from({"tags": ""} | self.values())

    def source(self, asked: Answers) -> TextSource:
        """See `TextFileDialog.source`."""
        return asked.texts
