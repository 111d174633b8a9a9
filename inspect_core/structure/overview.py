"""The axes of an overview, derived from the fold: layers across, parameter kinds down.

No list of known architectures: wherever siblings are numbered and alike there is an axis,
whether they fold into one row (BERT) or into several (T5, whose block 0 differs), and whether
the number is a name of its own or a part of one (`layer_3`, `weight_ih_l0`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.structure.fold import is_index
from inspect_core.structure.kinds import kinds_of
from inspect_core.structure.numbered import Axis, leaf_axes, module_axes
from inspect_core.structure.tree import Module

MOST_SECTIONS = 12
"""Sections for the members of a fold of words; of more members their layers are merged."""


@dataclass(frozen=True, slots=True)
class Section:
    """One heatmap of an overview.

    Attributes:
        title: what the columns are members of; foreign text.
        columns: the members' names; one empty name where there is no axis.
        kinds: the rows' names; foreign text.
        cells: for each row and column the ordinals of its tensors, empty where it has none.
        paths: the columns' names with all that is before them; empty where there is no axis.
        stem: what is before a kind in the names of its tensors, with `*` for the number:
            `encoder.layer.*.`; empty where there is no axis.
    """

    title: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    cells: tuple[tuple[tuple[int, ...], ...], ...]
    paths: tuple[str, ...] = ()
    stem: str = ""


def overview(row: Row) -> list[Section]:
    """The sections of a row: one for its own fold, or one for each axis below it.

    A row in two folds (an expert of every layer) has one along each of them.
    """
    folds = _folds(row)
    numbered = [fold for fold in folds if is_index(fold.names[0])]
    if not folds:
        return _of_module(row)
    if not numbered:
        return _of_members(folds[0], row) or [_along(folds[0], row)]
    sections = list(_along_each(numbered[0], row))
    if len(numbered) > 1:
        sections.append(_across_inner(numbered, row))
    return sections


def _folds(row: Row) -> list[Branch]:
    """The folds on the way from the root down to a row, itself included."""
    found: list[Branch] = []
    branch = row.branch if isinstance(row, Twig) else row
    while branch is not None:
        if branch.folded:
            found.append(branch)
        if branch.parent is None:
            break
        branch = branch.parent
    return found[::-1]


def _of_module(row: Row) -> list[Section]:
    if isinstance(row, Twig):
        return [_plain("", [(row.leaf.name, tuple(row.firsts) if row.width else ())])]
    return _split(row.module, row.path, row.firsts[0])


def _split(module: Module, path: str, first: int) -> list[Section]:
    """The axes of one module, and what is outside of them."""
    sections: list[Section] = []
    rest: list[tuple[str, tuple[int, ...]]] = []
    for part in _below(module, "", first):
        if isinstance(part, Section):
            paths = tuple([_joined(path, name) for name in part.paths])
            title, stem = _joined(path, part.title), f"{path}.{part.stem}" if path else part.stem
            sections.append(replace(part, title=title, paths=paths, stem=stem))
        else:
            rest.append(part)
    if rest:
        sections.append(_plain("" if not sections else "outside the layers", rest))
    return sections


def _of_members(fold: Branch, row: Row) -> list[Section]:
    """Of a fold of words (an encoder and a decoder alike) the sections of each; or none."""
    if row is not fold or len(fold.firsts) > MOST_SECTIONS:
        return []
    sections: list[Section] = []
    for path, first in zip(fold.paths(), fold.firsts, strict=True):
        found = _split(fold.module, path, first)
        if found[0].columns == ("",):
            return []
        sections += [
            section if section.paths else replace(section, title=f"{path}, {section.title}")
            for section in found
        ]
    return sections


def _along_each(axis: Branch, row: Row) -> Iterator[Section]:
    """The members of a numbered fold across; once for each member of the folds above it."""
    count = len(axis.names)
    firsts, paths = list(axis.firsts), list(axis.paths())
    if len(firsts) == count or len(firsts) > count * MOST_SECTIONS:
        yield _along(axis, row)
        return
    for start in range(0, len(firsts), count):
        part = slice(start, start + count)
        title = paths[start].rpartition(".")[0]
        yield _members(axis, row, title, firsts[part], tuple(paths[part]))


def _along(axis: Branch, row: Row) -> Section:
    """The members of a fold across, the kinds of `row` in them down."""
    count = len(axis.names)
    firsts = list(axis.firsts)
    paths = tuple(axis.paths()) if len(firsts) == count else axis.names
    return _members(axis, row, axis.path, firsts, paths)


def _members(
    axis: Branch, row: Row, title: str, firsts: list[int], paths: tuple[str, ...]
) -> Section:
    """Members across; where there are several times as many, equal names are merged."""
    count = len(axis.names)
    inside = _mask(row, firsts[0], axis.width)
    kinds: list[str] = []
    cells: list[tuple[tuple[int, ...], ...]] = []
    for kind, offsets in kinds_of(axis.module).items():
        kept = [offset for offset in offsets if inside[offset]]
        if kept:
            kinds.append(kind)
            cells.append(
                tuple(
                    tuple([first + at for first in firsts[column::count] for at in kept])
                    for column in range(count)
                )
            )
    above = axis.path.rpartition(".")[0]
    return Section(title, axis.names, tuple(kinds), tuple(cells), paths, _joined(above, "*."))


def _across_inner(numbered: list[Branch], row: Row) -> Section:
    """The inner of two folds across (experts): kinds down; of one kind the outer one (layers)."""
    outer, inner = numbered[0], numbered[-1]
    section = _along(inner, row)
    layers, experts = outer.names, len(inner.names)
    if len(section.kinds) != 1 or len(inner.firsts) != len(layers) * experts:
        return section
    cells = tuple(
        tuple(at[layer * (len(at) // len(layers)) : (layer + 1) * (len(at) // len(layers))]
              for at in section.cells[0])
        for layer in range(len(layers))
    )  # fmt: skip
    above = outer.path.rpartition(".")[0].rpartition(".")[2]
    kinds = tuple([_joined(above, name) for name in layers])
    return Section(_joined(inner.path, section.kinds[0]), inner.names, kinds, cells, section.paths)


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
    leaves, in_leaf_axes = leaf_axes(module)
    for leaf, offset in zip(module.leaves, module.leaf_offsets, strict=True):
        if leaf.spec.stored and leaf.name not in in_leaf_axes:
            yield _joined(path, leaf.name), (first + offset,)
    for axis in leaves:
        yield _section(path, first, axis)
    modules, in_module_axes = module_axes(module)
    # A section stands where the first of its members does.
    starts = {axis.members[0].name: axis for axis in modules}
    for (name, child), offset in zip(module.children, module.child_offsets, strict=True):
        if name in starts:
            yield _section(path, first, starts[name])
        if name not in in_module_axes:
            yield from _below(child, _joined(path, name), first + offset)


def _section(path: str, first: int, axis: Axis) -> Section:
    """Numbered siblings across, the union of their kinds down."""
    kinds: dict[str, None] = {}
    for member in axis.members:
        kinds.update(dict.fromkeys(member.kinds))
    cells = tuple(
        tuple(tuple([first + at for at in m.kinds.get(kind, ())]) for m in axis.members)
        for kind in kinds
    )
    columns = tuple([member.number for member in axis.members])
    paths = tuple([_joined(path, member.name) for member in axis.members])
    stem = f"{path}.{axis.stem}" if path else axis.stem
    return Section(_joined(path, axis.title), columns, tuple(kinds), cells, paths, stem)


def _plain(title: str, rows: list[tuple[str, tuple[int, ...]]]) -> Section:
    return Section(
        title, ("",), tuple([name for name, _ in rows]), tuple([(at,) for _, at in rows])
    )


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name
