"""Options that several commands share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

DEVICES = ("auto", "cpu", "cuda", "mps")
COLORS = ("auto", "truecolor", "256", "16", "none")


def look_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of everything that draws; the command is given them as one `look`."""

    @wraps(command)
    def drawing(
        *args: Any, theme: str | None, light: bool, ascii_only: bool, colors: str, **more: Any
    ) -> Any:
        from tui.terminal import Look

        if light and theme is not None:
            raise click.UsageError("--light is short for --theme lamella-light: give one of them.")
        return command(*args, look=Look(theme, light, ascii_only, colors), **more)

    for option in (
        click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII alone."),
        click.option(
            "--colors",
            type=click.Choice(COLORS),
            default="auto",
            show_default=True,
            help="Colours of the terminal; auto asks COLORTERM, TERM and NO_COLOR.",
        ),
        click.option("--light", is_flag=True, help="Short for --theme lamella-light."),
        click.option("--theme", metavar="NAME", help="Colours; a wrong NAME lists them."),
    ):
        drawing = option(drawing)
    return drawing


device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="Where to compare; auto is the CPU.",
)


adapter_option = click.option(
    "--adapter",
    "adapters",
    metavar="DIR",
    multiple=True,
    help="A PEFT adapter to put on it; can be repeated.",
)


def uri_of(models: tuple[str, ...]) -> Any:
    """What names the model: one word, or several files."""
    return models[0] if len(models) == 1 else models
