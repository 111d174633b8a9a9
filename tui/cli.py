"""The command line. Nothing that the first frame does not need is imported here."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from io import StringIO
from typing import TYPE_CHECKING, Any

import click

from inspect_core.errors import LamellaError
from inspect_core.text import clean

if TYPE_CHECKING:
    from tui.terminal import Look

DEVICES = ("auto", "cpu", "cuda", "mps")
COLORS = ("auto", "truecolor", "256", "16", "none")


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

    MODEL is a safetensors, PyTorch or GGUF file, a folder, a quoted pattern, several files, or
    an org/name that is in the local Hugging Face cache. A folder that is named like a command
    is reached as ./tree.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are


def _look(command: Callable[..., Any]) -> Callable[..., Any]:
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


_device = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="Where to compare; auto is the CPU.",
)


def _uri(models: tuple[str, ...]) -> Any:
    return models[0] if len(models) == 1 else models


@cli.command("open", hidden=True)
@click.argument("model", nargs=-1, required=True)
@click.option("--ref", "reference", metavar="BASE", help="Compare with this checkpoint.")
@click.option("--node", metavar="PATTERN", help="Begin on the first module or tensor that fits.")
@_device
@_look
def open_app(
    model: tuple[str, ...],
    reference: str | None,
    node: str | None,
    device: str,
    look: "Look",
) -> None:
    """Open the app on MODEL."""
    from tui.launch import launch

    launch(_uri(model), reference, device, look, bookmark=node)


@cli.command("demo")
@_device
@_look
def demo(device: str, look: "Look") -> None:
    """Open the app on the bundled pair.

    Without a terminal, print what it would show.
    """
    from tui.demo import demo_pair

    base, model = demo_pair()
    if sys.stdin.isatty() and sys.stdout.isatty():
        from tui.launch import launch

        launch(model, base, device, look)
        return
    from tui.commands.diff import print_layers
    from tui.commands.tree import print_tree

    print_tree(model, look=look)
    click.echo()
    print_layers(base, model, device=device, look=look)


@cli.command("tree")
@click.argument("model", nargs=-1, required=True)
@click.option("--types/--no-types", default=True, help="Find the module types; needs torch.")
@click.option("--bare", is_flag=True, help="Show modules that hold no tensor, too.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Levels below the model.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; see below.")
@_look
def tree(
    model: tuple[str, ...],
    types: bool,
    bare: bool,
    depth: int | None,
    as_json: bool,
    look: "Look",
) -> None:
    """Print the folded tree of MODEL: one row for all siblings of one structure.

    Several files are one model. Module types come from its config.json, and are left out
    where it has none. Numbers are parameters, over all that a row stands for.

    \b
    --json prints one object in ASCII, names exact:
      model, title, format, files, bytes, dtypes, metadata, warnings,
      aside      what is in the files beside the model: name, tensors, nbytes
      types      which model class gave the types; null without
      tree       the root row
    A row of the tree:
      path       of its first member; "" for the root
      members    names of all its members in their parent
      count      modules it stands for, folds above it included
      type       class name or null
      totals     tensors, parameters, tunable, delta, bytes: of all of them
      tensors    of each of them: name, shape, dtype, kind (parameter, buffer),
                 state (tunable, frozen, delta), tied_to, stored
      children   rows below; null where --depth ends
    """  # noqa: D301
    from tui.commands.tree import print_tree

    if bare and not types:
        raise click.UsageError("--bare needs the types that --no-types leaves out.")
    print_tree(
        _uri(model),
        types=types,
        bare=bare,
        depth=depth,
        as_json=as_json,
        look=look,
    )


@cli.command("diff")
@click.argument("base")
@click.argument("model")
@click.option("--by", type=click.Choice(("tensor", "layer")), help="Rows of the table.")
@click.option("--node", metavar="PATTERN", help="Only these tensors, or those in these modules.")
@click.option("--sort", type=click.Choice(("change", "name")), help="The most changed, or A to Z.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where the two differ.")
@_device
@_look
def diff(
    base: str,
    model: str,
    by: str | None,
    node: str | None,
    sort: str | None,
    form: str,
    exit_code: bool,
    device: str,
    look: "Look",
) -> None:
    """Print what changed from BASE to MODEL: d is MODEL - BASE.

    BASE and MODEL are one word each; quote a pattern for several files. PATTERN has the
    shell's * ? and [ ], and fits a tensor's name or a module on the way to it. By layer, what
    lies outside the layers has rows of its own.

    \b
    --format json prints one object in ASCII, names exact:
      model, reference, tensors: [...], summary: {...}
    What is not defined is null; angles are radians.
    """  # noqa: D301
    from tui.commands.diff import print_diff

    if form == "json" and by == "layer":
        raise click.UsageError("--by layer is for the table; JSON lists the tensors.")
    same = print_diff(
        base,
        model,
        as_json=form == "json",
        by=by or "tensor",
        node=node,
        sort=sort,
        device=device,
        look=look,
    )
    if exit_code and not same:
        raise click.exceptions.Exit(1)


@cli.command("check")
@click.argument("model", nargs=-1, required=True)
@click.option("--values/--no-values", default=True, help="Read every value, or headers only.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@_look
def check(model: tuple[str, ...], values: bool, form: str, look: "Look") -> None:
    """Say what MODEL is, and look for what is broken, missing or not a number.

    Problems come first: missing or broken files, NaN, infinity, BOOL that is neither 0 nor 1.
    Warnings want a look: odd files and configs, values near the limit of their dtype, an
    adapter that was never trained. Notes are often as they should be: constant tensors.

    \b
    Exit code: 0 no problem, 1 problems, 2 it cannot be read at all.
    --format json prints one object in ASCII, names exact:
      model, title, kind, format, family, adapter, files, parameters, bytes, dtypes,
      metadata, values_read, sound, counts,
      findings   severity, kind, tensors, text
      tensors    name, dtype, shape, numel, values: counts of nan, plus_inf, minus_inf,
                 near_limit, odd_bools, and the finite low and high; null if not read
    """  # noqa: D301
    from tui.commands.check import print_check

    as_json = form == "json"
    sound = print_check(_uri(model), values=values, as_json=as_json, look=look)
    if not sound:
        raise click.exceptions.Exit(1)


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


if __name__ == "__main__":
    main()
