"""The theme of a running app: it changes everywhere at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.filter import ANSIToTruecolor, LineFilter

from themes import ThemeError, ThemeFile, load_theme, theme_names
from tui.look import TerminalFilter
from tui.palette import Depth, make_palette
from tui.theme import textual_theme

if TYPE_CHECKING:
    from tui.app import LamellaApp

REPAINT_SECONDS = 0.05
"""A change of theme is painted once, after so long, instead of piece by piece."""


class Appearance:
    """Holds the palette that everything draws with, and changes it.

    Args:
        app: whose widgets are painted.
        theme: what to begin with.
        depth: how many colours the terminal has.
        ascii_only: let out ASCII alone.
    """

    def __init__(self, app: "LamellaApp", theme: ThemeFile, depth: Depth, ascii_only: bool) -> None:
        self._app = app
        self._depth = depth
        self._ascii_only = ascii_only
        self.theme = theme
        self.palette = make_palette(theme, ascii_only, depth=depth)
        self._filter = TerminalFilter(theme, depth, ascii_only)
        # Textual's own way with NO_COLOR is grey, reversed where ours is reversed already.
        app.no_color = False
        app.register_theme(textual_theme(theme))

    def filters(self, given: Sequence[LineFilter]) -> list[LineFilter]:
        """The filters that lines pass, from those that Textual has."""
        few = self._depth in (Depth.NONE, Depth.ANSI)
        kept: list[LineFilter] = [] if few else [f for f in given if isinstance(f, ANSIToTruecolor)]
        return [*kept, self._filter] if self._filter.enabled else kept

    def use(self, name: str) -> None:
        """Draw with another theme from now on.

        Raises:
            ThemeError: there is none of that name, or its file is not a theme.
        """
        theme, app = load_theme(name), self._app
        self.theme = theme
        self.palette.become(make_palette(theme, self._ascii_only, depth=self._depth))
        self._filter = TerminalFilter(theme, self._depth, self._ascii_only)
        app.delay_update(REPAINT_SECONDS)
        app.register_theme(textual_theme(theme))
        app.theme = theme.name
        for screen in app.screen_stack:
            for widget in screen.walk_children(with_self=True):
                widget.refresh()
        app.detail.draw_now()
        app.activations.draw_again()
        app.geometry.draw_again()

    def next(self) -> str | None:
        """Go to the next theme that can be used; its name, or None if there is no other.

        A theme that cannot be used is passed over, and said.
        """
        names = theme_names()
        at = names.index(self.theme.name) if self.theme.name in names else -1
        for name in [*names[at + 1 :], *names[:at]]:
            try:
                self.use(name)
            except ThemeError as error:
                self._app.warn(str(error))
            else:
                return name
        return None
