"""`lamella diff`."""

from typing import TYPE_CHECKING

import click

from tui.cli.options import device_option, look_options

if TYPE_CHECKING:
    from tui.terminal import Look


@click.command("diff")
@click.argument("base")
@click.argument("model")
@click.option("--by", type=click.Choice(("tensor", "layer")), help="Rows of the table.")
@click.option("--node", metavar="PATTERN", help="Only these tensors, or those in these modules.")
@click.option("--sort", type=click.Choice(("change", "name")), help="The most changed, or A to Z.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where the two differ.")
@device_option
@look_options
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
