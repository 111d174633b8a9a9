"""`lamella audit`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.cli.options import look_options

if TYPE_CHECKING:
    from tui.terminal import Look


@click.command("audit")
@click.argument("base")
@click.argument("model")
@click.option(
    "--frozen", multiple=True, metavar="PATTERN", help="These must be bit-identical; repeatable."
)
@click.option(
    "--trained", multiple=True, metavar="PATTERN", help="Each of these must have moved; repeatable."
)
@click.option("--rounding", is_flag=True, help="Frozen ones may differ by rounding; see above.")
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own rules of pairing.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv", "tsv", "md")),
    default="table",
    help="The table names what is not as it should be; the others list all that was looked at.",
)
@look_options
def audit(
    base: str,
    model: str,
    frozen: tuple[str, ...],
    trained: tuple[str, ...],
    rounding: bool,
    map_file: Path | None,
    form: str,
    look: "Look",
) -> None:
    """Prove that MODEL kept of BASE what it should have kept.

    PATTERN has the shell's * ? and [ ], and {n} for a number; it fits a tensor's name, in the
    model or in the base, or a module on the way to it. Quote it. Only what fits is read.
    Bit-identical is the same dtype and the same bits: 0.0 against -0.0 has moved. What is
    trained must have moved by more than rounding explains.

    With --rounding a frozen tensor may be in a narrower or wider dtype, if rounding to the
    narrower one explains every difference; and values that are equal (0.0 and -0.0) count as
    the same.

    \b
    Exit code:
      0  every tensor is proven to be what it should be
      1  something moved, or did not; the tensors are named, the most changed first
      2  no proof: a pattern fits nothing, a tensor has no partner or cannot be compared, or a
         folder holds other weights too: then name the file
    """  # noqa: D301
    from tui.commands.audit import print_audit

    if not frozen and not trained:
        raise click.UsageError("Name what should have stayed: --frozen PATTERN.")
    found = print_audit(
        base,
        model,
        frozen=frozen,
        trained=trained,
        rounding=rounding,
        map_file=map_file,
        form=form,
        look=look,
    )
    if found.broken:
        raise click.exceptions.Exit(1)
    if not found.held:
        raise click.exceptions.Exit(2)
