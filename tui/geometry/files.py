"""Numbers and curves of a landscape, and its screens, written to files."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tui.geometry.state import MATRIX
from tui.result_files import SCREEN_ENDINGS, ResultFiles

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.geometry.landscape import LandscapeReport
    from tui.app import LamellaApp
    from tui.geometry.state import GeometryState

CURVES_SUFFIX = ".curves.svg"
"""The curves as a picture, without the screen around them; `.png` is the same."""

FORMS = (".tsv", ".csv", ".json", ".md")

ENDINGS = f"""\
.json, .csv, .tsv and .md: all numbers, or the matrix   .png and {CURVES_SUFFIX}: all curves
{SCREEN_ENDINGS}"""


class LandscapeFiles:
    """Asks for file names, and writes.

    Args:
        app: where the prompt is shown, and whose theme the curves have.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app
        self._files = ResultFiles(app)

    def ask(self, state: "GeometryState", strips: "list[Strip]") -> None:
        """Write numbers, curves, or the screen as it is now."""
        name = state.report.spaces[-1].title if state.report.spaces else ""
        self._files.ask(
            "geometry",
            name,
            strips,
            endings=ENDINGS,
            known=(*FORMS, ".png", CURVES_SUFFIX),
            write=partial(self._write, state),
        )

    def ask_screen(self, name: str, strips: "list[Strip]") -> None:
        """Write the screen as it is now."""
        self._files.ask("geometry", name, strips)

    def _write(self, state: "GeometryState", path: Path) -> bool:
        """Write numbers or curves; see `result_files.Write`."""
        from tui import export
        from tui.commands.geometry_files import report_text

        if path.suffix in FORMS:
            matrix = state.matrix if state.kind == MATRIX else None
            export.write_new(path, report_text(state.report, path.suffix[1:], matrix))
        elif path.suffix == ".png" or path.name.endswith(CURVES_SUFFIX):
            self._write_curves(state.report, path)
        else:
            return False
        return True

    def _write_curves(self, report: "LandscapeReport", path: Path) -> None:
        from inspect_core.new_file import write_new
        from tui.curves_picture import curves_picture

        theme = self._app.appearance.theme
        write_new(path, [curves_picture(report, theme, path.suffix.removeprefix("."))])
