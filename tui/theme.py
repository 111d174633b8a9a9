"""A theme file as Textual knows themes."""

from typing import Any

from textual.theme import Theme

from themes import UI, ThemeFile


def textual_theme(theme: ThemeFile) -> Theme:
    """The theme with its state colours as CSS variables, e.g. `$state-tunable`."""
    variables = {f"state-{state}": color for state, color in theme.states.items()}
    variables |= {
        # Textual takes no boost from a theme that has a panel.
        "boost": theme.ui["boost"],
        "block-cursor-background": theme.ui["primary"],
        "block-cursor-foreground": theme.ui["background"],
        "block-cursor-blurred-background": theme.ui["primary"],
        "block-cursor-blurred-foreground": theme.ui["background"],
        "input-cursor-background": theme.ui["foreground"],
        "input-cursor-foreground": theme.ui["background"],
        "text-muted": theme.states["muted"],
        "scrollbar": theme.ui["boost"],
        "scrollbar-hover": theme.ui["primary"],
        "scrollbar-active": theme.ui["primary"],
        "scrollbar-background": theme.ui["background"],
        "scrollbar-background-hover": theme.ui["background"],
        "scrollbar-background-active": theme.ui["background"],
        "scrollbar-corner-color": theme.ui["background"],
    }
    colors: dict[str, Any] = {name: theme.ui[name] for name in UI}
    return Theme(name=theme.name, dark=theme.dark, variables=variables, **colors)
