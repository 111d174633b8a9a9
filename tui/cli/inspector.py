"""`lamella MODEL` and `lamella demo`: the app."""

import sys
from typing import TYPE_CHECKING

import click

from tui.cli.options import adapter_option, device_option, look_options, uri_of

if TYPE_CHECKING:
    from tui.terminal import Look


@click.command("open", hidden=True)
@click.argument("model", nargs=-1, required=True)
@click.option("--ref", "reference", metavar="BASE", help="Compare with this checkpoint.")
@click.option("--map", "map_file", metavar="FILE", help="Your own rules of pairing.")
@click.option("--node", metavar="PATTERN", help="Begin on the first module or tensor that fits.")
@click.option("--plan", "plan_file", metavar="FILE", help="Begin in plan mode, with this plan.")
@click.option("--text", metavar="FILE", help="Texts for neurons (key i) and the landscape (key d).")
@click.option("--text-column", metavar="NAME", help="The column of FILE with the text.")
@click.option("--label", "labels", metavar="COLUMN", multiple=True, help="A column of labels.")
@click.option("--tokenizer", metavar="PATH", help="A tokenizer to use instead of the model's own.")
@adapter_option
@device_option
@look_options
def open_app(
    model: tuple[str, ...],
    adapters: tuple[str, ...],
    reference: str | None,
    map_file: str | None,
    node: str | None,
    plan_file: str | None,
    text: str | None,
    text_column: str | None,
    labels: tuple[str, ...],
    tokenizer: str | None,
    device: str,
    look: "Look",
) -> None:
    """Open the app on MODEL.

    With --adapter it is MODEL with the adapters on it, compared with MODEL by itself where no
    --ref is given. An adapter's folder opens alone, too.
    """
    from tui.launch import launch

    if text is None and (text_column is not None or labels):
        raise click.UsageError("--text-column and --label need --text FILE.")
    texts = None
    if text is not None:
        from inspect_core.capture.texts.source import TextSource

        texts = TextSource(text, text_column, labels=labels)
    uri, against = uri_of(model), None
    if adapters or reference is not None:
        from tui.commands.adapters import app_models

        uri, against = app_models(uri, reference, adapters)
    launch(
        uri, against, device, look, bookmark=node, map_file=map_file, plan_file=plan_file,
        texts=texts, tokenizer=tokenizer,
    )  # fmt: skip


@click.command("demo")
@device_option
@look_options
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
