"""`lamella activations`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli.options import DEVICES, adapter_option, look_options, uri_of
from tui.cli.sections import SectionedCommand

if TYPE_CHECKING:
    from tui.terminal import Look

FILE = click.Path(path_type=Path)
FORMATS = ("table", "json", "csv", "tsv", "md")
ROWS = ("module", "neuron", "tag", "label")
RULES = ("max", "top", "over")
SIGNS = ("positive", "value", "magnitude")
ORDERS = (
    "distance", "tag_distance", "new_gone", "shift", "union", "mass", "mass_change", "count",
    "original", "unit",
)  # fmt: skip

SECTIONS = {
    "Stages": ("reference", "adapters", "between", "tables"),
    "Texts": ("texts", "text_column", "tags_column", "labels", "most", "tagger"),
    "What counts": ("rule", "k", "threshold", "sign", "keep_case"),
    "What is recorded": ("modules", "inputs", "tokenizer", "device"),
    "Rows": ("by", "neuron", "sort", "show_rare", "top_rows", "original"),
    "Output": ("form", "output"),
}


@click.command("activations", cls=SectionedCommand, sections=SECTIONS)
@click.argument("model", nargs=-1)
@click.option("--ref", "reference", metavar="BASE", help="What it was before.")
@adapter_option
@click.option(
    "--stage",
    "between",
    metavar="CHECKPOINT",
    multiple=True,
    help="A stage of training between BASE and MODEL; can be repeated, in their order.",
)
@click.option(
    "--table",
    "tables",
    metavar="TSV",
    multiple=True,
    help="A table of TX-Ray in place of a model; twice: before, after.",
)
@click.option(
    "--text",
    "texts",
    metavar="FILE",
    multiple=True,
    help="Lines, or .tsv .csv .jsonl; twice: what is read before, and after.",
)
@click.option("--text-column", metavar="COLUMN", help="A name, or a number from 1.")
@click.option("--tags-column", metavar="COLUMN", help="A tag for each word, apart by spaces.")
@click.option(
    "--label",
    "labels",
    metavar="COLUMN",
    multiple=True,
    help="A value of the whole text that counts as a feature; NAME:sign for the sign of a "
    "number; can be repeated.",
)
@click.option("--most", type=click.IntRange(min=1), metavar="N", help="The first N texts.")
@click.option("--tagger", metavar="NAME", help="Tag the words; a wrong NAME lists them.")
@click.option(
    "--rule",
    type=click.Choice(RULES),
    help="max: the strongest unit of each word, as published, if not given; top: the K "
    "strongest; over: all beyond X.",
)
@click.option("--top", "k", type=click.IntRange(min=1), metavar="K", help="--rule top, with K.")
@click.option("--over", "threshold", type=float, metavar="X", help="--rule over, with X.")
@click.option(
    "--sign",
    type=click.Choice(SIGNS),
    default="positive",
    show_default=True,
    help="What is measured of a value: its positive part, the value, or without its sign.",
)
@click.option("--keep-case", is_flag=True, help="Words that differ in case are apart.")
@click.option(
    "--module",
    "modules",
    metavar="PATTERN",
    multiple=True,
    help="What is recorded; can be repeated. If not given, the blocks: every layer.",
)
@click.option("--inputs", is_flag=True, help="What modules read, not what they give.")
@click.option("--tokenizer", metavar="DIR", help="In place of the checkpoint's own.")
@click.option(
    "--device", type=click.Choice(DEVICES), default="auto", show_default=True,
    help="Where models run; auto is a GPU that has room, else the CPU.",
)  # fmt: skip
@click.option(
    "--by", type=click.Choice(ROWS), help="Rows; if not given, modules and the most moved."
)
@click.option("--neuron", metavar="[SITE:]N", help="One neuron: words, sentences, tags.")
@click.option("--sort", type=click.Choice(ORDERS), help="Of neurons; distance if not given.")
@click.option(
    "--all", "show_rare", is_flag=True, help="Also neurons with under 20 activations on a side."
)
@click.option("--top-rows", type=click.IntRange(min=1), metavar="N", help="The first N rows.")
@click.option("--original", is_flag=True, help="By the distance as TX-Ray's code computes it.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="table where nothing says otherwise."
)
@click.option(
    "--output", type=FILE, metavar="FILE",
    help="A new file; its suffix says the format: .json .csv .tsv .md .txt.",
)  # fmt: skip
@look_options
def activations(
    model: tuple[str, ...], look: "Look", adapters: tuple[str, ...], **options: Any
) -> None:
    """Print what the neurons of MODEL listen to, and how that moved since BASE.

    Both run over the same texts. Each word activates the units that react most; a neuron is
    then a distribution of activation mass over words, and its distance is that of Hellinger
    between before and after, 0 to 1. After TX-Ray.

    \b
      lamella activations MODEL --ref BASE --text reviews.tsv --text-column 3
      lamella activations BASE --adapter DIR --text reviews.txt --module '*.layer.5'
      lamella activations MODEL --text general.txt --text medical.txt
      lamella activations LATE --ref PRETRAINED --stage EARLY --text reviews.txt
      lamella activations MODEL --ref BASE --text reviews.txt --neuron encoder.layer.5:117
      lamella activations --table before.tsv --table after.tsv

    PATTERN is the whole of a dotted name or its end (output.dense, layer.5), also with the
    shell's * ? and [ ], or {n} for a number; re:REGEX fits whole names, =NAME just that one, *
    every module, (model) the model itself. NAME#2 in results is the second call of a module that
    layers share: --module takes NAME and records every call. Columns are names of the file's
    first row, or numbers from 1. A transformer's units are signed: --sign says what of them
    counts. The tokenizer is the checkpoint's own; nothing is fetched. What was found for files is
    kept in the cache folder.

    \b
    Columns:
      distance          Hellinger, of words; tag_distance: of tags; n/a where a side has none
      union             words of either side; length_*: words of each side; shift: from one
                        to the other; tag_union, tag_length_*: of tags
      count_*, mass_*   activations, and the sum of them; word_*: the strongest, by mass
      original          the distance as TX-Ray's code has it: divided by union
      state             shared, new, gone or dead; rare: under 20 activations on a side
      mean_*            of a module: the mean distance of its frequent neurons, those with 20
                        activations on each side; weighted_*: each by
                        the lesser number of its activations
      best              of a word: its strongest activation, with the sentence; mean, share: of
                        all its activations, of the neuron's mass

    JSON is ASCII, names exact; what is not defined is null, in CSV and TSV empty. No file is
    overwritten. Exit code: 0, and 2 for problems.
    """  # noqa: D301
    from tui.commands.activations import Asked, print_activations

    print_activations(uri_of(model) if model else None, adapters, Asked(look=look, **options))
