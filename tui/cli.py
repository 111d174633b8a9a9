"""The command line. Nothing that the first frame does not need is imported here."""

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from inspect_core.errors import LamellaError

DEVICES = ("auto", "cpu", "cuda", "mps")


class ModelFirst(click.Group):
    """`lamella MODEL` opens the app; a first word that is a command runs that."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the app's command in front, where no command is named."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h", "--version"):
            args = ["open", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ModelFirst, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lamella", message="lamella %(version)s")
def cli() -> None:
    r"""Open MODEL as a coloured, folded tree, and see what fine-tuning changed in it.

    \b
      lamella MODEL [--ref BASE]      the app
      lamella demo                    the app on a bundled pair, no network
      lamella tree MODEL              the folded tree, printed
      lamella diff BASE MODEL         what changed, printed

    MODEL is a .safetensors file, a sharded folder, a quoted pattern, several files, or an
    org/name that is in the local Hugging Face cache. A folder that is named like a command
    is reached as ./tree.
    """


def _look(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of everything that draws."""
    for option in (
        click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII alone."),
        click.option("--light", is_flag=True, help="Colours for a light terminal."),
    ):
        command = option(command)
    return command


def _uri(models: tuple[str, ...]) -> Any:
    return models[0] if len(models) == 1 else models


@cli.command("open", hidden=True)
@click.argument("model", nargs=-1, required=True)
@click.option("--ref", "reference", metavar="BASE", help="Compare with this checkpoint.")
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True)
@_look
def open_app(
    model: tuple[str, ...], reference: str | None, device: str, ascii_only: bool, light: bool
) -> None:
    """Open the app on MODEL."""
    from tui.launch import launch

    launch(_uri(model), reference, device, light, ascii_only)


@cli.command("demo")
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True)
@_look
def demo(device: str, ascii_only: bool, light: bool) -> None:
    """Open the app on the bundled pair; without a terminal, print what it would show."""
    from tui.demo import demo_pair

    base, model = demo_pair()
    if sys.stdin.isatty() and sys.stdout.isatty():
        from tui.launch import launch

        launch(model, base, device, light, ascii_only)
        return
    from tui.commands.diff import print_layers
    from tui.commands.tree import print_tree

    print_tree(model, light=light, ascii_only=ascii_only)
    print_layers(base, model)


def main() -> None:
    """Run the command line; a problem is one line, and exit code 2."""
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except LamellaError as error:
        click.echo(f"lamella: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output has gone: what is left must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
