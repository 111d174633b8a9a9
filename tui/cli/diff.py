"""`lamella diff`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli.options import device_option, look_options
from tui.cli.sections import SectionedCommand

if TYPE_CHECKING:
    from tui.terminal import Look

FILE = click.Path(path_type=Path)
FORMATS = ("table", "json", "csv", "tsv", "md")

SECTIONS = {
    "Adapters": ("adapters", "onto"),
    "Rows": ("by", "nodes", "without", "sort", "top", "over"),
    "Numbers": ("metrics", "all_metrics", "original", "spectrum"),
    "Pictures": ("heatmap", "scale"),
    "Scripts": ("exit_code", "fail_over"),
    "Pairing": ("map_file", "common"),
    "Files": ("form", "output", "save"),
}


@click.command("diff", cls=SectionedCommand, sections=SECTIONS)
@click.argument("models", nargs=-1, required=True, metavar="BASE MODEL [MODEL...]")
@click.option(
    "--adapter",
    "adapters",
    metavar="DIR",
    multiple=True,
    help="A PEFT adapter to put on BASE; can be repeated. Without MODEL: what it changes.",
)
@click.option(
    "--to-adapter",
    "onto",
    metavar="DIR",
    multiple=True,
    help="BASE with this adapter in place of MODEL; can be repeated.",
)
@click.option(
    "--by",
    type=click.Choice(("tensor", "layer", "kind", "type")),
    default="tensor",
    show_default=True,
    help="A kind is one parameter of all layers, {n} their number; types are norms and others, "
    "weights and biases.",
)
@click.option(
    "--node", "nodes", metavar="PATTERN", multiple=True, help="Only what fits; can be repeated."
)
@click.option(
    "--not", "without", metavar="PATTERN", multiple=True, help="Nothing that fits; the same."
)
@click.option(
    "--sort",
    type=click.Choice(("change", "name")),
    help="The most changed first, or A to Z; if not given, in the model's order.",
)
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="The N that changed most.")
@click.option(
    "--over",
    type=float,
    metavar="X",
    help="Where the first metric is X or more, or does not count all that changed (NaN).",
)
@click.option("--metric", "metrics", metavar="KEYS", multiple=True, help="What to list; see above.")
@click.option("--all-metrics", is_flag=True, help="List all there are.")
@click.option(
    "--original", is_flag=True, help="As the published scripts count: l1, cossim, their types."
)
@click.option("--spectrum", is_flag=True, help="List singular values: the rank of each change.")
@click.option("--heatmap", is_flag=True, help="Layers across, parameter kinds down.")
@click.option(
    "--scale",
    type=click.Choice(("robust", "linear", "log")),
    help="How the heatmap spreads values over its colours; robust if not given.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 where a tensor differs.")
@click.option(
    "--fail-over",
    metavar="KEY=X",
    multiple=True,
    help="Exit with 1 where a metric is over X; can be repeated.",
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="table where nothing says otherwise."
)
@click.option(
    "--output",
    type=FILE,
    metavar="FILE",
    help="A new file; its suffix says the format: .json .csv .tsv .md .txt.",
)
@click.option("--save", type=FILE, metavar="FILE", help="Keep the result, to be opened again.")
@click.option(
    "--map", "map_file", type=FILE, metavar="FILE", help="Your own rules of pairing; see above."
)
@click.option(
    "--common",
    is_flag=True,
    help="Between architectures: pair what is at one place of the common structure, too.",
)
@device_option
@look_options
def diff(
    models: tuple[str, ...],
    adapters: tuple[str, ...],
    onto: tuple[str, ...],
    exit_code: bool,
    spectrum: bool,
    look: "Look",
    **options: Any,
) -> None:
    """Print what changed from BASE to MODEL: d is MODEL - BASE.

    BASE and MODEL are one word each; quote a pattern for several files. Several models have a
    column each, for the first metric. A result of --save stands for the two it was made of.
    PATTERN has the shell's * ? and [ ], and {n} for a number; it fits a tensor's name, in the
    model or in the base, or a module on the way to it. --by kind prints such patterns.

    An adapter's folder in place of MODEL is put on BASE; two of them alone are compared by the
    changes that they make. BASE MODEL --adapter DIR says whether MODEL is BASE with the adapter
    merged into it, and --exit-code then exits with 1 where it is not.

    \b
    KEYS are one metric or several, with commas:
      rel_l2 mean_abs sum_abs max_abs l2 angle angle_pi row_angle_pi cosine
      one_minus_cosine changed_fraction beyond_fraction rel_l2_beyond
      sign_flips mean_abs_model mean_abs_reference median_abs p90_abs
      p99_abs lorenz_area, and with --original l1 cossim

    "beyond" is what rounding to the narrower dtype does not explain. A row of row_angle_pi is
    an index of the first dimension, the others flattened. median_abs, p90_abs and p99_abs are
    estimates from a histogram, within 6%; so is lorenz_area, within 0.03. Their other digits
    mean nothing.

    --by type without --metric lists average sizes and cosines: each tensor counting the same,
    and weighted by size. --heatmap draws the first metric; several models have a section each,
    or with --by layer a row each; --output writes .svg and .png, too. As tsv it has no heading,
    a line for each kind, all of equal length; csv has a heading.

    \b
    --map is a TOML file; match is tried on the model's names, to is the base's:
      [[rename]]
      match = "bert.{n}.*"
      to = "encoder.layer.{n}.*"

    --fail-over looks at every row, listed or not. A row also fails where it changed and its
    number is undefined or leaves out NaN or inf, and where a tensor has a partner that it
    cannot be compared with. Exit code: 0; 1 by --exit-code or --fail-over; 2 for problems.

    JSON is ASCII, names exact; what is not defined is null, in CSV and TSV empty. Angles are
    radians. CSV, TSV and Markdown write hidden characters as \\xNN, and put a ' before what a
    spreadsheet would calculate. No file is overwritten.
    """  # noqa: D301
    from tui.commands.diff import DiffOptions, print_diff

    if len(models) == 1 and not (adapters or onto):
        _require_saved(models[0])
        compared: tuple[Any, ...] = models
    else:
        from tui.commands.adapters import compared_models

        compared = compared_models(models, adapters, onto)
    asked = DiffOptions(look=look, **options)
    if spectrum:
        from tui.commands.spectrum import print_spectra

        if exit_code:
            raise click.UsageError("--spectrum goes without --exit-code: vectors have no rank.")
        print_spectra(compared, asked)
        return
    outcome = print_diff(compared, asked)
    as_asked = outcome.identical if outcome.merged is None else outcome.merged
    if not outcome.held or (exit_code and not as_asked):
        raise click.exceptions.Exit(1)


def _require_saved(word: str) -> None:
    from inspect_core.results.saved import is_saved

    if not is_saved(Path(word)):
        raise click.UsageError(f"Give BASE and MODEL: {word} is no result of --save.")
