"""What differs beside the weights, printed below a table."""

from collections.abc import Sequence

from inspect_core.results.side_files import FileDifference
from tui.commands.output import Output
from tui.side_files import difference_lines

_ONLY_THERE = ", only in the reference"
"""In the words of the app; the command line calls the other side the base."""


def print_files(files: Sequence[FileDifference], output: Output) -> None:
    """Print the differences of configs, tokenizer and chat template, a line each.

    Args:
        files: what differs, the minor things last.
        output: where to.
    """
    arrow = "->" if output.ascii_only else "→"
    minor = sum(difference.minor for difference in files)
    for number, line in enumerate(difference_lines(files, arrow)):
        only_there = line.endswith(_ONLY_THERE)
        said = line.removesuffix("reference") + "base" if only_there else line
        text = said if output.width is None else output.cut(said, max(20, output.width))
        output.line((text, "muted" if number >= len(files) - minor else "note"))
