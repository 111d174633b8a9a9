"""Styled text over lines, and text of an exact width."""

from itertools import groupby

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspect_core.text import clean
from tui.figures.parts import Lines


def wrapped(runs: list[tuple[str, Style]], width: int) -> Lines:
    """Styled text over lines, broken at spaces; safe text."""
    cells = [(char, style) for text, style in runs for char in text]
    lines: list[list[tuple[str, Style]]] = [[]]
    room = width
    for is_space, group in groupby(cells, key=lambda cell: cell[0] == " "):
        word = list(group)
        size = sum(get_character_cell_size(char) for char, _ in word)
        if size > room and lines[-1]:
            lines.append([])
            room = width
        if is_space and not lines[-1]:
            continue
        for cell in word:  # one longer than a line goes on in the next
            size = get_character_cell_size(cell[0])
            if size > room:
                lines.append([])
                room = width
            lines[-1].append(cell)
            room -= size
    return [_strip(line) for line in lines if line]


def padded(text: str, width: int) -> str:
    """Foreign text made safe, in exactly so many cells."""
    safe = clean(text, width)
    return safe + " " * (width - cell_len(safe))


def _strip(cells: list[tuple[str, Style]]) -> Strip:
    runs = groupby(cells, key=lambda cell: cell[1])
    return Strip([Segment("".join([char for char, _ in run]), style) for style, run in runs])
