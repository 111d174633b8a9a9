"""The visible lines of the tree: what is expanded, what is opened, what a filter keeps.

Only lines that are on show exist. Open and expanded rows are remembered by the concrete
path of their first member, so they survive a tree that is built again with types.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.structure.tree import ModuleTree

MOST_SIBLINGS = 500
"""Lines shown of one parent's children; Enter on the line below shows as many more."""

MOST_SORTED = 2000
"""Children of one parent that are put in order of their change; of more it would take seconds."""

Key = tuple[str, str]
"""A row's first concrete path, and whether it is a `fold`, a `module` or a `leaf`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        row: what it stands for; None on a line that says how many are not shown.
        depth: how far it is indented.
        expandable: whether it has lines below.
        expanded: whether they are shown.
        hidden: lines not shown, on a `more` line.
        parent: on a `more` line, whose children they are.
    """

    row: Row | None
    depth: int
    expandable: bool = False
    expanded: bool = False
    hidden: int = 0
    parent: Key | None = None


def key_of(row: Row) -> Key:
    """What a row is remembered by."""
    # A tensor may have the name of a module beside it: `q.weight` and `q.weight.absmax`.
    kind = "leaf" if isinstance(row, Twig) else "fold" if row.folded else "module"
    return row.anchor, kind


class Outline:
    """The lines of a tree.

    Args:
        tree: the tree; replace it with `replace_tree`.
    """

    def __init__(self, tree: ModuleTree) -> None:
        self.root = Branch.root(tree)
        self.lines: list[Line] = []
        self._expanded: set[Key] = set()
        self._opened: set[str] = set()
        self._shown: dict[Key, int] = {}
        self._kept: array[int] | None = None
        self._size_of: Callable[[Row], float] | None = None
        self._expand_first_levels()
        self.rebuild()

    def _expand_first_levels(self) -> None:
        """Expand the single path that leads to something with a choice, and that."""
        branch = self.root
        for _ in range(6):
            self._expanded.add(key_of(branch))
            inner = [child for child in branch.branches if not child.folded]
            wide = [child for child in inner if child.module.children]
            if len(branch.branches) > 8 or len(wide) != 1:
                break
            branch = wide[0]

    def replace_tree(self, tree: ModuleTree, keep_members: bool = False) -> None:
        """Show another tree over the same tensors; what was open stays open.

        Args:
            tree: the tree.
            keep_members: whether the members of opened folds stay lines of their own where the
                fold falls apart.
        """
        if keep_members:
            self._opened.update(self._opened_members())
        self.root = Branch.root(tree)
        self._kept = None
        self.rebuild()

    def _opened_members(self) -> Iterator[str]:
        for line in self.lines:
            if isinstance(line.row, Branch) and line.expanded:
                for fold in line.row.branches:
                    if fold.folded and fold.anchor in self._opened:
                        yield from (member.anchor for member in fold.members())

    def rebuild(self) -> None:
        """Make all lines anew."""
        self.lines = list(self._lines(self.root, 0))

    def arrange(
        self, keep: Sequence[bool] | None, size_of: Callable[[Row], float] | None = None
    ) -> None:
        """Choose the rows and their order.

        Args:
            keep: by ordinal, which tensors rows must hold one of; None keeps all.
            size_of: siblings come in order of it, the largest first; None is the model's order.
        """
        self._kept = None if keep is None else array("q", accumulate(keep, initial=0))
        self._size_of = size_of
        self.rebuild()

    def next_leaf(self, at: int, by: int) -> int | None:
        """The next line after (or before) a line that has nothing expanded below it, around."""
        count = len(self.lines)
        for step in range(1, count + 1):
            place = (at + by * step) % count
            if self.lines[place].row is not None and not self.lines[place].expanded:
                return place
        return None

    @property
    def filtered(self) -> bool:
        """Whether a filter is on."""
        return self._kept is not None

    def index_of(self, key: Key) -> int | None:
        """Where a row is shown; where it is not, its fold or the module it is in will do."""
        fallback = None
        for at, line in enumerate(self.lines):
            if line.row is not None:
                if key_of(line.row) == key:
                    return at
                if isinstance(line.row, Branch) and _covers(line.row, key[0]):
                    fallback = at
        return fallback

    def key_at(self, at: int) -> Key | None:
        """What the row of a line is remembered by."""
        row = self.lines[at].row
        return None if row is None else key_of(row)

    def toggle(self, at: int) -> None:
        """Expand or collapse a line, or show more of a long list."""
        line = self.lines[at]
        if line.row is None and line.parent is not None:
            self._shown[line.parent] = self._shown.get(line.parent, MOST_SIBLINGS) + MOST_SIBLINGS
            self.rebuild()
        elif line.row is not None and line.expandable:
            self._splice(at, line.row, line.depth, expand=not line.expanded)

    def expand(self, at: int) -> bool:
        """Expand a line; False where there is nothing to expand."""
        line = self.lines[at]
        if not line.expandable or line.expanded:
            return False
        self.toggle(at)
        return True

    def collapse(self, at: int) -> int:
        """Collapse a line, or go to its parent; the line the cursor belongs on."""
        line = self.lines[at]
        if line.expanded:
            self.toggle(at)
            return at
        for above in range(at - 1, -1, -1):
            if self.lines[above].depth < line.depth:
                return above
        return at

    def open_fold(self, at: int) -> bool:
        """Open a fold to its members, or close it again from the fold or a member."""
        row = self.lines[at].row
        if not isinstance(row, Branch) or row.parent is None:
            return False
        siblings = next((b for b in row.parent.branches if set(row.names) <= set(b.names)), None)
        if siblings is None or not siblings.folded:
            return False
        if siblings.anchor in self._opened:
            self._opened.difference_update(member.anchor for member in siblings.members())
        else:
            self._opened.add(siblings.anchor)
        self.rebuild()
        return True

    def close_fold(self, anchor: str) -> None:
        """Show a fold as one line again; it is known by the path of its first member."""
        if anchor in self._opened:
            self._opened.discard(anchor)
            self.rebuild()

    def reveal(self, path: str, open_folds: bool = False) -> int | None:
        """Expand down to a concrete path, or to the fold it is in; the line that shows it.

        Args:
            path: of a module or tensor.
            open_folds: whether to open folds on the way to their members.
        """
        branch, rest = self.root, path
        while rest:
            self._expanded.add(key_of(branch))
            row, rest = self._toward(branch, rest, open_folds)
            if isinstance(row, Branch):
                branch = row
            elif row is None:
                return None
            else:
                self.rebuild()
                return self.index_of(key_of(row))
        self.rebuild()
        return self.index_of(key_of(branch))

    def _splice(self, at: int, row: Row, depth: int, expand: bool) -> None:
        end = at + 1
        while end < len(self.lines) and self.lines[end].depth > depth:
            end += 1
        if expand:
            self._expanded.add(key_of(row))
        else:
            self._expanded.discard(key_of(row))
        assert isinstance(row, Branch)
        self.lines[at:end] = self._lines(row, depth, forced=expand)

    def _lines(self, branch: Branch, depth: int, forced: bool | None = None) -> Iterator[Line]:
        expandable = bool(
            branch.module.leaves or branch.module.child_range[0] != branch.module.child_range[1]
        )
        expanded = expandable and self._is_expanded(branch, forced)
        yield Line(branch, depth, expandable, expanded)
        if not expanded:
            return
        key = key_of(branch)
        most = self._shown.get(key, MOST_SIBLINGS)
        for made, row in enumerate(self._below(branch)):
            if made >= most:
                hidden = self._count_below(branch) - made
                yield Line(None, depth + 1, hidden=hidden, parent=key)
                return
            if isinstance(row, Twig):
                yield Line(row, depth + 1)
            else:
                yield from self._lines(row, depth + 1)

    def _below(self, branch: Branch) -> Iterable[Row]:
        rows = self._rows_below(branch)
        if self._size_of is None or self._count_below(branch) > MOST_SORTED:
            return rows
        return sorted(rows, key=self._size_of, reverse=True)

    def _rows_below(self, branch: Branch) -> Iterator[Row]:
        for at in range(len(branch.module.leaves)):
            twig = Twig(branch, at)
            if self._matches(twig) or (not twig.width and self._is_found(branch)):
                yield twig
        rows: list[Branch] = []
        opened = 0
        for child in branch.branches:
            kept = self._filtered(child)
            if kept is None:
                continue
            if kept.folded and child.anchor in self._opened:
                rows += kept.members()
                opened += 1
            else:
                rows.append(kept)
        # Members of opened folds come in the order in which the model has them.
        yield from sorted(rows, key=lambda row: row.offsets[0]) if opened else rows

    def _count_below(self, branch: Branch) -> int:
        """How many rows `_below` gives, without making them all where no filter is on."""
        if self._kept is not None:
            return sum(1 for _ in self._rows_below(branch))
        opened = [child.folded and child.anchor in self._opened for child in branch.branches]
        rows = zip(branch.branches, opened, strict=True)
        return len(branch.module.leaves) + sum(len(b.names) if own else 1 for b, own in rows)

    def _toward(self, branch: Branch, rest: str, open_folds: bool) -> tuple[Row | None, str]:
        """The row below a branch on the way to a relative path, and what is left of the path."""
        for twig in branch.twigs:
            if twig.leaf.name == rest:
                return twig, ""
        for child in branch.branches:
            for at, name in enumerate(child.names):
                if rest == name or rest.startswith(f"{name}."):
                    if open_folds and child.folded and len(child.names) <= MOST_SIBLINGS:
                        self._opened.add(child.anchor)
                    opened = child.folded and child.anchor in self._opened
                    row = child.members()[at] if opened else child
                    return row, rest[len(name) + 1 :]
        return None, rest

    def _is_expanded(self, branch: Branch, forced: bool | None) -> bool:
        if forced is not None:
            return forced
        if self._kept is not None and not self._all_match(branch):
            return True
        return key_of(branch) in self._expanded

    def _filtered(self, branch: Branch) -> Branch | None:
        """The branch with only the members that match; None where none does."""
        if self._kept is None:
            return branch
        if not branch.width:  # it holds no name that could match; what a plan adds comes along
            return branch if branch.parent is not None and self._is_found(branch.parent) else None
        if self._all_match(branch):
            return branch
        if not branch.folded:
            return branch if self._matches(branch) else None
        members = [member for member in branch.members() if self._matches(member)]
        if not members:
            return None
        names = tuple([member.names[0] for member in members])
        offsets = tuple([member.offsets[0] for member in members])
        return Branch(branch.parent, names, offsets, branch.module)

    def _is_found(self, branch: Branch) -> bool:
        """Whether a filter found all of a branch; what has no tensor goes as its parent does."""
        if branch.width or branch.parent is None:
            return bool(branch.width) and self._all_match(branch)
        return self._is_found(branch.parent)

    def _matches(self, row: Row) -> bool:
        kept, width = self._kept, row.width
        return kept is None or any(kept[first + width] > kept[first] for first in row.firsts)

    def _all_match(self, row: Row) -> bool:
        kept, width = self._kept, row.width
        return kept is None or all(
            kept[first + width] - kept[first] == width for first in row.firsts
        )


def _covers(row: Branch, path: str) -> bool:
    """Whether a concrete path is one of a row's members, or below one; nothing is the root's."""
    if row.parent is None:
        return False
    above = row.parent.anchor
    if above and not path.startswith(f"{above}."):
        return False
    rest = path[len(above) + 1 :] if above else path
    return any(rest == name or rest.startswith(f"{name}.") for name in row.names)
