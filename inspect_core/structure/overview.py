"""The axes of an overview, derived from the fold: layers across, parameter kinds down.

No list of known architectures: wherever siblings are numbered there is an axis, whether
they fold into one row (BERT) or into several (T5, whose block 0 differs).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.structure.fold import is_index
from inspect_core.structure.tree import Module

LEAST_AXIS = 2
"""Numbered siblings that make an axis."""


@dataclass(frozen=True, slots=True)
class Section:
    """One heatmap of an overview.

    Attributes:
        title: what the columns are members of; foreign text.
        columns: the members' names; one empty name where there is no axis.
        kinds: the rows' names; foreign text.
        cells: for each row and column the ordinals of its tensors, empty where it has none.
    """

    title: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    cells: tuple[tuple[tuple[int, ...], ...], ...]


def overview(row: Row) -> list[Section]:
    """The sections of a row: one for its own fold, or one for each axis below it."""
    if row.axis is not None:
        return [_along(row.axis, row)]
    if isinstance(row, Twig):
        return [_plain("", [(row.leaf.name, tuple(row.firsts) if row.width else ())])]
    sections: list[Section] = []
    rest: list[tuple[str, tuple[int, ...]]] = []
    for part in _below(row.module, "", row.firsts[0]):
        if isinstance(part, Section):
            sections.append(replace(part, title=_joined(row.path, part.title)))
        else:
            rest.append(part)
    if rest:
        sections.append(_plain("" if not sections else "outside the layers", rest))
    return sections


def _along(axis: Branch, row: Row) -> Section:
    """The members of a fold across, the kinds of `row` in them down."""
    firsts = list(axis.firsts)
    width = axis.module.totals.tensors
    inside = _mask(row, firsts[0], width)
    kinds: list[str] = []
    cells: list[tuple[tuple[int, ...], ...]] = []
    for kind, offsets in axis.module.kinds.items():
        kept = [offset for offset in offsets if inside[offset]]
        if kept:
            kinds.append(kind)
            cells.append(tuple(tuple([first + at for at in kept]) for first in firsts))
    return Section(axis.path, axis.names, tuple(kinds), tuple(cells))


def _mask(row: Row, first: int, width: int) -> bytearray:
    """Which of the first member's tensors belong to the row."""
    inside = bytearray(width)
    for start in row.firsts:
        if first <= start < first + width:
            inside[start - first : start - first + row.width] = b"\1" * row.width
    return inside


def _below(
    module: Module, path: str, first: int
) -> Iterator[Section | tuple[str, tuple[int, ...]]]:
    """Sections of the axes below a module, and the parameters outside of them."""
    for leaf, offset in zip(module.leaves, module.leaf_offsets, strict=True):
        if leaf.spec.stored:
            yield _joined(path, leaf.name), (first + offset,)
    numbered = [
        (name, child, first + offset)
        for (name, child), offset in zip(module.children, module.child_offsets, strict=True)
        if is_index(name)
    ]
    if len(numbered) >= LEAST_AXIS:
        yield _across(path, numbered)
    for (name, child), offset in zip(module.children, module.child_offsets, strict=True):
        if not (is_index(name) and len(numbered) >= LEAST_AXIS):
            yield from _below(child, _joined(path, name), first + offset)


def _across(path: str, members: list[tuple[str, Module, int]]) -> Section:
    """Numbered siblings across, the union of their kinds down."""
    kinds: dict[str, None] = {}
    for _, child, _ in members:
        kinds.update(dict.fromkeys(child.kinds))
    cells = tuple(
        tuple(
            tuple([first + at for at in child.kinds.get(kind, ())]) for _, child, first in members
        )
        for kind in kinds
    )
    return Section(path, tuple([name for name, _, _ in members]), tuple(kinds), cells)


def _plain(title: str, rows: list[tuple[str, tuple[int, ...]]]) -> Section:
    return Section(
        title, ("",), tuple([name for name, _ in rows]), tuple([(at,) for _, at in rows])
    )


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name
