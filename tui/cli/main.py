"""The command line. Nothing that the first frame does not need is imported here."""

import os
import sys
from io import StringIO
from typing import Any

import click

from inspect_core.errors import LamellaError
from inspect_core.text import clean
from tui.cli.activations import activations
from tui.cli.audit import audit
from tui.cli.check import check
from tui.cli.diff import diff
from tui.cli.geometry import geometry
from tui.cli.inspector import demo, open_app
from tui.cli.plan import plan
from tui.cli.tree import tree


class _ReaderGone(Exception):  # noqa: N818 - click makes exit code 1 of a broken pipe
    """Nobody reads our output any more: they have what they wanted."""


class ModelFirst(click.Group):
    """`lamella MODEL` opens the app; a first word that is a command runs that."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the app's command in front, where no command is named."""
        if not args:
            args = ["--help"]
        if args[0] not in self.commands and args[0] not in ("--help", "-h", "--version"):
            args = ["open", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, to the last byte of its output."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            raise _ReaderGone from None
        return result


@click.group(cls=ModelFirst, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lamella", message="lamella %(version)s")
def cli() -> None:
    """Open MODEL as a coloured, folded tree, and see what fine-tuning changed in it.

    \b
      lamella MODEL [--ref BASE]      the app (lamella MODEL --help: its options)
      lamella demo                    the app on a bundled pair, no network
      lamella tree MODEL              the folded tree, printed
      lamella diff BASE MODEL         what changed, printed
      lamella check MODEL             what it is, and whether it is sound
      lamella audit BASE MODEL        proof that what should be frozen is
      lamella plan MODEL              freezing and adapters, tried before training
      lamella activations MODEL       what its neurons listen to, before and after
      lamella geometry MODEL          the landscape of its representations, layer by layer
      lamella RESULT                  the app on a result of diff --save

    MODEL is a safetensors, PyTorch or GGUF file, a folder, a quoted pattern, several files, or
    an org/name that is in the local Hugging Face cache. A folder that is named like a command
    is reached as ./tree.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are


for command in (open_app, demo, tree, diff, check, audit, plan, activations, geometry):
    cli.add_command(command)


def main() -> None:
    """Run the command line; a problem is one line, and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A name that the terminal's encoding lacks is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run()
        # What cannot be written must be known here, not while the interpreter ends.
        sys.stdout.flush()
    except (BrokenPipeError, _ReaderGone):
        _drop_output()
        status = 0
    except OSError as error:
        _drop_output()
        where = f"{clean(str(error.filename))}: " if error.filename is not None else ""
        status = _problem(f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def _run() -> int:
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        # It quotes what was typed, and a shell types file names.
        text = StringIO()
        error.show(text)
        lines = [clean(line, 400) for line in text.getvalue().rstrip().split("\n")]
        click.echo("\n".join(lines), err=True)
        return 2
    except LamellaError as error:
        return _problem(str(error))
    return status if isinstance(status, int) else 0


def _problem(text: str) -> int:
    click.echo(f"lamella: {text}", err=True)
    return 2


def _drop_output() -> None:
    """Let nothing that is left to write raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
