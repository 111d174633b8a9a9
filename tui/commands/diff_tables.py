"""What `lamella diff` prints for people."""

from inspect_core.pairing import SAME_NAME
from inspect_core.results.comparison import Comparison, Side
from inspect_core.results.records import parts_of, summary_of
from inspect_core.results.sheets import WORDS, column_titles
from tui import format as fmt
from tui.commands.adapter_report import AdapterReport, print_above, print_below
from tui.commands.diff_view import View
from tui.commands.output import BOLD, Output
from tui.commands.sheet import print_sheet

MOST_DTYPES = 4
"""Dtypes named in the heading."""


def print_view(
    view: View, hidden: int, output: Output, adapters: AdapterReport | None = None
) -> None:
    """Print all of it: what was compared, the rows, how many tensors have which status.

    Args:
        view: what to print.
        hidden: how many rows there are beside those of the view.
        output: where to.
        adapters: what there is to say of adapters.
    """
    if len(view.found) > 1:
        _print_several(view, hidden, output, adapters)
        return
    (comparison,) = view.found
    old, new = comparison.reference.title, comparison.model.title
    if old == new:
        old, new = _place(comparison.reference), _place(comparison.model)
    if comparison.made:
        output.line((f"a saved result of {comparison.made} UTC, not of the files as they are now",
                     "note"))  # fmt: skip
    _print_side("---", old, comparison.reference, output)
    _print_side("+++", new, comparison.model, output)
    _print_rules(comparison, output)
    if adapters is not None:
        print_above(adapters, output)
    output.line()
    bars = view.by != "tensor" and not view.by_similarity
    print_sheet(view.sheet(), output, bars, bool(view.metrics.asked))
    _print_hidden(hidden, output)
    _print_counts(comparison, output)
    _print_files(comparison, output)
    if adapters is not None:
        print_below(adapters, output, listed=view.by == "tensor")


def _place(side: Side) -> str:
    """Where a side was opened from, in words."""
    words = [side.uri] if isinstance(side.uri, str) else list(side.uri)
    return " + ".join(map(str, words))


def _print_several(view: View, hidden: int, output: Output, adapters: AdapterReport | None) -> None:
    """Several models against one base: a column for each."""
    found, titles = view.found, column_titles(view.found)
    _print_side("---", found[0].reference.title, found[0].reference, output)
    for comparison, title in zip(found, titles, strict=True):
        _print_side("+++", title, comparison.model, output)
        _print_rules(comparison, output)
    if adapters is not None:
        print_above(adapters, output)
    output.line((f"{view.first.name} of each", "muted"))
    output.line()
    print_sheet(view.sheet(), output, asked=True)
    _print_hidden(hidden, output)
    for comparison, title in zip(found, titles, strict=True):
        _print_counts(comparison, output, title)
        _print_files(comparison, output)


def _print_hidden(hidden: int, output: Output) -> None:
    if hidden:
        text = f"{hidden:,} more {'row is' if hidden == 1 else 'rows are'} not listed"
        output.line((text, "muted"))


def _print_side(mark: str, title: str, side: Side, output: Output) -> None:
    some = " ".join(side.dtypes[:MOST_DTYPES]) + (" ..." if len(side.dtypes) > MOST_DTYPES else "")
    facts = f"{side.tensors:,} tensors  {some}"
    output.line((f"{mark} {output.cut(title)}", BOLD), (f"  {facts}", "muted"))


def _print_rules(comparison: Comparison, output: Output) -> None:
    if set(comparison.rules) - {SAME_NAME}:
        rules = ", ".join([f"{number:,} by {rule}" for rule, number in comparison.rules.items()])
        output.line((f"paired: {output.cut(rules)}", "muted"))


def _print_counts(comparison: Comparison, output: Output, title: str = "") -> None:
    """The last lines: how many tensors have which status."""
    summary = summary_of(comparison)
    counts = [f"{number:,} {WORDS[s]}" for s, number in summary.counts.items() if number]
    total = len(comparison.kept)
    output.line()
    tensors = "1 tensor" if total == 1 else f"{total:,} tensors"
    which = f"{output.cut(title)}: " if title else ""
    output.line(f"{which}{tensors}: {', '.join(counts) or 'none'}")
    output.line((f"{summary.numel:,} values compared", "muted"))
    parts = parts_of(comparison)
    if parts:
        names = [comparison.matches[at].name for at in parts]
        which = f"{output.cut(names[0])} was" if len(parts) == 1 else f"{len(parts):,} were"
        text = f"{which} compared in part: the model or the base has more rows"
        output.line((text, "note"))
    if summary.rounding:
        share = fmt.percent(summary.rounding)
        output.line((f"rounding to the narrower dtype explains {share} of the squared change",
                     "muted"))  # fmt: skip
    if summary.nonfinite:
        text = f"{summary.nonfinite:,} positions with NaN or inf are left out of the numbers"
        output.line((text, "note"))


def _print_files(comparison: Comparison, output: Output) -> None:
    """What else differs: configs, tokenizer, chat template."""
    if comparison.files:
        from tui.commands.files import print_files

        output.line()
        print_files(comparison.files, output)
