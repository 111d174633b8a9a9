"""A theme file as Textual knows themes."""

from typing import Any

from textual.theme import Theme

from themes import ThemeFile

_UI = ("primary", "secondary", "warning", "error", "success", "accent", "foreground",
       "background", "surface", "panel", "boost")  # fmt: skip


def textual_theme(theme: ThemeFile) -> Theme:
    """The theme with its state colours as CSS variables, e.g. `$state-tunable`."""
    colors: dict[str, Any] = {name: theme.ui[name] for name in _UI if name in theme.ui}
    return Theme(
        name=theme.name,
        dark=theme.dark,
        variables={f"state-{state}": color for state, color in theme.states.items()},
        **colors,
    )
