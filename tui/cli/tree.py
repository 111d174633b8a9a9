"""`lamella tree`."""

from typing import TYPE_CHECKING

import click

from tui.cli.options import adapter_option, look_options, uri_of

if TYPE_CHECKING:
    from tui.terminal import Look


@click.command("tree")
@click.argument("model", nargs=-1, required=True)
@click.option("--types/--no-types", default=True, help="Find the module types; needs torch.")
@click.option("--bare", is_flag=True, help="Show modules that hold no tensor, too.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Levels below the model.")
@click.option("--common", is_flag=True, help="Names that all architectures have in common.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; see below.")
@adapter_option
@look_options
def tree(
    model: tuple[str, ...],
    adapters: tuple[str, ...],
    types: bool,
    bare: bool,
    depth: int | None,
    as_json: bool,
    common: bool,
    look: "Look",
) -> None:
    """Print the folded tree of MODEL: one row for all siblings of one structure.

    Several files are one model. Module types come from its config.json, and are left out
    where it has none. Numbers are parameters, over all that a row stands for.

    --common calls what it knows by one set of names over all architectures (attn.q, ff.w1,
    layer_norm, ...): nothing is left out, what it does not know keeps its own name.

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
    With --common also common, the family whose names it has (null where none is
    known), and of each tensor source, its name in the model, and own_name, whether
    that is all there is.
    """  # noqa: D301
    from tui.commands.adapters import on_base
    from tui.commands.tree import print_tree

    if bare and not types:
        raise click.UsageError("--bare needs the types that --no-types leaves out.")
    if bare and common:
        raise click.UsageError("--common names tensors: it goes without --bare.")
    print_tree(
        on_base(uri_of(model), adapters),
        types=types,
        bare=bare,
        depth=depth,
        as_json=as_json,
        common=common,
        look=look,
    )
