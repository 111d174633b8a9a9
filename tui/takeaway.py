"""Copying and exporting what is on show."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.errors import LamellaError
from inspect_core.new_file import write_new
from inspect_core.text import clean
from inspect_core.work.saved import SUFFIX, SaveResult

if TYPE_CHECKING:
    from textual.strip import Strip

    from tui.app import LamellaApp

MOST_COPIED = 2000
"""Characters of a name that are copied; a longer one is cut in its middle."""


class Takeaway:
    """Gives the user what is on show, for elsewhere.

    Args:
        app: its session and its screen.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app

    def copy(self) -> None:
        """Copy what the cell under the cursor says, or the name of the selected row."""
        inspector, row = self._app.inspector, self._app.detail.row
        if inspector.detail.has_focus and inspector.detail.readout:
            name = clean(row.path, MOST_COPIED) if row is not None else ""
            text = f"{name}   {inspector.detail.readout}".strip()
        elif row is not None:
            # Made safe: what is copied here is pasted into a shell.
            text = clean(row.path, MOST_COPIED)
        else:
            return
        self._app.copy_to_clipboard(text)
        # Terminals and tmux may refuse the clipboard: the text is there to be marked by hand.
        self._app.notify(f"copied: {text}", markup=False)

    def ask(self) -> None:
        """Ask for a file name, and write the screen as it is now."""
        from tui import export
        from tui.screens.export import ExportPrompt

        session, row = self._app.session, self._app.detail.row
        strips = self._app.screen_lines()
        title = clean(session.listing.title, 60) if session.listing else ""
        start = export.suggested_name(title, clean(row.path, 80) if row is not None else "")

        def answered(name: str | None) -> None:
            if name and Path(name).suffix == SUFFIX:
                self._save(Path(name).expanduser())
            elif name:
                self.write(Path(name).expanduser(), strips)

        self._app.push_screen(ExportPrompt(start), answered)

    def write(self, path: Path, strips: "list[Strip]") -> None:
        """Write the screen or its numbers, by the ending of the name; on a thread.

        Args:
            path: the file.
            strips: what the screen showed when it was asked for.
        """
        listing = self._app.session.listing
        work = partial(self._write, path, strips, clean(listing.title, 60) if listing else "")
        self._app.run_worker(work(), group="export")

    def _save(self, path: Path) -> None:
        """Write the finished sweep to a file that can be opened without the models."""
        session = self._app.session
        listing, pairs, table = session.listing, session.pairs, session.table
        if session.saved:
            self._app.warn("this is a saved result: copy its file")
        elif listing is None or pairs is None or table is None:
            self._app.warn("there is no comparison to save: press r")
        elif not session.complete:
            self._app.warn("the comparison is not finished: save it when it is")
        else:
            self._app.desk.submit(
                "save",
                SaveResult(
                    path=os.path.abspath(path),  # noqa: PTH100 - resolve() would follow links
                    model=listing.opened,
                    reference=pairs.opened,
                    table=session.in_listing_order(table),
                    collected=session.collected.shown,
                ),
            )

    async def _write(self, path: Path, strips: "list[Strip]", title: str) -> None:
        try:
            await asyncio.to_thread(self._write_now, path, strips, title)
        except LamellaError as error:
            self._app.warn(str(error))
        else:
            self._app.notify(f"written: {clean(str(path))}", markup=False)

    def _write_now(self, path: Path, strips: "list[Strip]", title: str) -> None:
        from tui import export

        if path.suffix == ".png" or path.name.endswith(export.MAP_SUFFIX):
            write_new(path, [self._picture(path)])
        else:
            export.write_new(path, self._content(path, strips, title))

    def _picture(self, path: Path) -> bytes:
        """The overview on show."""
        from inspect_core.errors import UsageError
        from tui.picture import picture

        heatmap = self._app.detail.drawing.heatmap()
        if heatmap is None:
            raise UsageError(
                "only an overview can be such a picture",
                where=str(path),
                hint="go to a fold or to the root; .svg writes the screen",
            )
        scale, theme = self._app.session.scale, self._app.appearance.theme
        return picture(heatmap, scale, theme, path.suffix.removeprefix("."))

    def _content(self, path: Path, strips: "list[Strip]", title: str) -> str:
        from inspect_core.errors import UsageError
        from tui import export

        row = self._app.detail.row
        if path.suffix == ".svg":
            return export.screen_svg(strips, f"lamella {title}")
        if path.suffix == ".txt":
            return export.screen_text(strips)
        if path.suffix == ".json" and row is not None:
            return export.numbers(self._app.session, row, self._app.detail.details)
        endings = " or ".join(export.SUFFIXES)
        raise UsageError("what to write is told by the ending", hint=f"use {endings}")
