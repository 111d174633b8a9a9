"""`lamella check`."""

from typing import TYPE_CHECKING

import click

from tui.cli.options import look_options, uri_of

if TYPE_CHECKING:
    from tui.terminal import Look


@click.command("check")
@click.argument("model", nargs=-1, required=True)
@click.option("--values/--no-values", default=True, help="Read every value, or headers only.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@look_options
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
    sound = print_check(uri_of(model), values=values, as_json=as_json, look=look)
    if not sound:
        raise click.exceptions.Exit(1)
