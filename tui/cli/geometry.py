"""`lamella geometry`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli.options import DEVICES, adapter_option, look_options, uri_of
from tui.cli.sections import SectionedCommand

if TYPE_CHECKING:
    from tui.terminal import Look

FILE = click.Path(path_type=Path)
FORMATS = ("table", "json", "csv", "tsv", "md")
POOLINGS = ("last", "mean")
MATRICES = ("overlap", "cka")

SECTIONS = {
    "Spaces": ("reference", "adapters", "between", "saved"),
    "Texts": ("texts", "text_column", "labels", "most"),
    "Prompts": ("shots", "template", "seed"),
    "Representations": ("pooling", "where", "tokenizer", "device", "save"),
    "Measures": ("k", "z", "overlap_k", "share"),
    "Rows": ("layer", "matrix"),
    "Output": ("form", "output"),
}


@click.command("geometry", cls=SectionedCommand, sections=SECTIONS)
@click.argument("model", nargs=-1)
@click.option("--ref", "reference", metavar="BASE", help="What it was before; the first space.")
@adapter_option
@click.option(
    "--stage",
    "between",
    metavar="CHECKPOINT",
    multiple=True,
    help="A stage of training between BASE and MODEL; can be repeated, in their order.",
)
@click.option(
    "--saved",
    metavar="FILE",
    multiple=True,
    help="Saved representations, .npy .npz .pt or a folder of them; can be repeated.",
)
@click.option("--text", "texts", metavar="FILE", help="Lines, or .tsv .csv .jsonl.")
@click.option("--text-column", metavar="COLUMN", help="A name, or a number from 1.")
@click.option(
    "--labels",
    metavar="COLUMN",
    multiple=True,
    help="What clusters and neighbours are held against; rating:sign for the sign of a number. "
    "Can be repeated.",
)
@click.option("--most", type=click.IntRange(min=1), metavar="N", help="The first N texts.")
@click.option(
    "--shots",
    type=click.IntRange(min=0),
    metavar="K",
    multiple=True,
    help="Each text as a prompt with K examples before it; can be repeated.",
)
@click.option(
    "--template",
    metavar="TEMPLATE",
    help="Of a prompt, with {text} and {label}; \\n ends a line.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True,
    metavar="N", help="Which texts become examples.",
)  # fmt: skip
@click.option(
    "--pool", "pooling", type=click.Choice(POOLINGS), default="last", show_default=True,
    help="Of the tokens of a text: the last one, or the mean of all.",
)  # fmt: skip
@click.option(
    "--at", "where", metavar="PLACE", default="blocks", show_default=True,
    help="blocks; norm1 or norm2: the norms before attention, or before the MLP; or a PATTERN.",
)  # fmt: skip
@click.option("--tokenizer", metavar="DIR", help="In place of the checkpoint's own.")
@click.option(
    "--device", type=click.Choice(DEVICES), default="auto", show_default=True,
    help="Where models run; auto is a GPU that has room, else the CPU.",
)  # fmt: skip
@click.option(
    "--save-representations", "save", type=FILE, metavar="DIR",
    help="Write them into a folder, to be read with --saved.",
)  # fmt: skip
@click.option(
    "-k", "k", type=click.IntRange(min=1), default=16, show_default=True, metavar="K",
    help="Neighbours for density and clusters; the dimension is that of K to 2 K.",
)  # fmt: skip
@click.option(
    "--z", type=float, default=1.6, show_default=True, metavar="Z",
    help="Standard errors that a peak stands above its saddles.",
)  # fmt: skip
@click.option(
    "--overlap-k", type=click.IntRange(min=1), default=30, show_default=True, metavar="K",
    help="Neighbours that count for overlaps.",
)  # fmt: skip
@click.option(
    "--share", type=float, metavar="X",
    help="For the overlap with labels, this share of each label's points; published: 0.3.",
)  # fmt: skip
@click.option("--layer", metavar="NAME", help="One layer: its clusters, with texts.")
@click.option("--matrix", type=click.Choice(MATRICES), help="Every layer against every other one.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="table where nothing says otherwise."
)
@click.option(
    "--output", type=FILE, metavar="FILE",
    help="A new file; its suffix says the format: .json .csv .tsv .md .txt, .svg .png: curves.",
)  # fmt: skip
@look_options
def geometry(
    model: tuple[str, ...], look: "Look", adapters: tuple[str, ...], **options: Any
) -> None:
    """Print the landscape of MODEL's representations of texts, layer by layer.

    Each text is a point in every layer. Printed is how many dimensions the points fill, how many
    density peaks they gather in, how far these agree with labels, and, with BASE, an adapter or
    several prompts, how much of each layer's neighbourhoods is kept. After Doimo et al., "The
    representation landscape of few-shot learning and fine-tuning".

    \b
      lamella geometry MODEL --ref BASE --text reviews.tsv --text-column 3 --labels rating:sign
      lamella geometry BASE --adapter DIR --text reviews.tsv --labels mood --pool mean
      lamella geometry MODEL --text questions.tsv --labels subject --shots 0 --shots 5
      lamella geometry MODEL --text reviews.tsv --labels mood --output curves.svg
      lamella geometry MODEL --text reviews.tsv --labels mood --layer layers.5
      lamella geometry --saved before.npz --saved after.npz --text reviews.tsv --labels mood

    \b
    Columns:
      points        distinct and finite; equal texts count once
      ID            intrinsic dimension (Gride) at K to 2 K, with its standard error
      scales        the same from the nearest neighbours to the farthest
      peaks, core   density peaks (ADP), and the share of points in their cores
      ARI           adjusted Rand index of the clusters and the labels
      overlap       share of neighbours with a point's label, all labels counting alike
      1-NN          share of points whose nearest neighbour has their label
      kept, CKA     neighbours shared with the first space, and linear CKA with it

    \b
    In files: ID is dimension (two_nn: its finest scale), peaks clusters, ARI rand, 1-NN nearest,
    kept first_overlap, CKA first_cka. Sizes, labels and ARI of clusters include their halos.

    PATTERN is the end of a dotted name (mlp, layer.5), or has the shell's * ? and [ ]. The same
    texts are examples for every K, and are not asked about. What was found for files is kept in
    the cache folder. JSON is ASCII, names exact; what is not defined is null, in CSV and TSV
    empty. No file is overwritten. Exit code: 0, and 2 for problems.
    """  # noqa: D301
    from tui.commands.geometry import Asked, print_geometry

    print_geometry(uri_of(model) if model else None, adapters, Asked(look=look, **options))
