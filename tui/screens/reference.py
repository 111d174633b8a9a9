"""The prompt for a reference: a path that completes."""

import os
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Static

MOST_ENTRIES = 5000
"""Entries of a folder that completion looks at."""


class PathSuggester(Suggester):
    """Completes folders, and files that can be opened."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry that continues what was typed."""
        import asyncio

        return await asyncio.to_thread(complete_path, value)


def complete_path(value: str, endings: tuple[str, ...] = ()) -> str | None:
    """The first folder or file, by name, that continues a typed path.

    Args:
        value: what was typed.
        endings: of the files that are wanted; by default those of weights.
    """
    if not value:
        return None
    from inspect_core.checkpoint.weight_files import NAMINGS

    weights = [suffix for naming in NAMINGS for suffix in naming.suffixes]
    endings = endings or (".index.json", *weights)
    typed = Path(value).expanduser()
    folder, start = (typed, "") if value.endswith(os.sep) else (typed.parent, typed.name)
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                entry.name + (os.sep if entry.is_dir() else "")
                for _, entry in zip(range(MOST_ENTRIES), entries, strict=False)
                if entry.name.startswith(start)
                and (not entry.name.startswith(".") or start.startswith("."))
                and entry.name.isprintable()
                and (entry.is_dir() or entry.name.lower().endswith(endings))
            )
    except OSError:
        return None
    return value[: len(value) - len(start)] + found[0] if found else None


class ReferencePrompt(ModalScreen[str | None]):
    """Asks for the reference; gives what was typed, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="reference.cancel"),
        Binding("tab", "complete", "complete", id="reference.complete", priority=True),
    ]

    def __init__(self, start: str) -> None:
        super().__init__()
        self._start = start

    def compose(self) -> ComposeResult:
        """A box with a question and a line to type in."""
        with Vertical(id="reference-box"):
            yield Static(
                "Compare with (folder, file, or org/name in the local cache)", markup=False
            )
            yield Input(self._start, suggester=PathSuggester(), id="reference-input")
            yield Static("Tab completes, Enter opens, Esc leaves", markup=False, classes="quiet")

    def action_complete(self) -> None:
        """Take the suggestion."""
        self.query_one(Input).action_cursor_right()

    def action_cancel(self) -> None:
        """Leave without a reference."""
        self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give what was typed."""
        event.stop()
        self.dismiss(event.value.strip() or None)
