"""Getting about in the tree: the filter, its matches, the order, where one was, bookmarks."""

from typing import TYPE_CHECKING

from inspect_core.structure.branch import Row
from inspect_core.text import clean
from tui.matching import keep_matching
from tui.outline import Key, key_of

if TYPE_CHECKING:
    from tui.app import LamellaApp

MOST_REMEMBERED = 200
"""Visited nodes that one can go back to."""


class Navigation:
    """Moves the cursor of the tree, and decides which rows are there and in which order.

    Args:
        app: its session and its screen.
        bookmark: a pattern of names; the cursor begins on the first that fits. Or None.
    """

    def __init__(self, app: "LamellaApp", bookmark: str | None = None) -> None:
        self._app = app
        self._bookmark = bookmark
        self._visited: list[Key] = []
        self._at = -1
        self.query = ""

    # Rows: which, and in which order

    def filter(self, query: str) -> None:
        """Keep the rows whose names match what was typed."""
        found = self.query and not query
        self.query = query
        tree_view = self._app.inspector.tree_view
        key, row = tree_view.current_key(), tree_view.current_row
        self.apply()
        if found and row is not None and tree_view.outline is not None:
            # What the filter found stays under the cursor, also if it is a part of a fold.
            at = tree_view.outline.reveal(row.anchor)
            whole = tree_view.outline.lines[at].row if at is not None else None
            if whole is not None and whole.count > row.count:
                self.go(row.anchor)
                return
        tree_view.lines_changed(key)

    def apply(self) -> None:
        """Filter and sort the lines that the tree has now."""
        outline, listing = self._app.inspector.tree_view.outline, self._app.session.listing
        if outline is None or listing is None:
            return
        query = self.query
        names = self._app.common.searched(listing) if query else ()
        keep = keep_matching(names, listing.tree.order, query) if query else None
        outline.arrange(keep, self._app.session.size_of if self._app.session.by_change else None)
        if keep is None:
            self._app.say_ready()
            return
        number = sum(keep)
        text = f"{number:,} {'tensor' if number == 1 else 'tensors'} of {len(keep):,} match"
        if not number:
            text = f"no name holds {clean(query)!r}"
        self._app.inspector.status.say(text, "muted" if number else "note")

    def sort(self, by_change: bool) -> None:
        """Put siblings in order of their change, or in that of the model."""
        self._app.session.by_change = by_change
        self._app.show_title()
        self.resort()

    def resort(self) -> None:
        """The order may be another: changes arrived."""
        tree_view = self._app.inspector.tree_view
        key = tree_view.current_key()
        self.apply()
        tree_view.lines_changed(key)

    # The cursor

    def opened(self) -> None:
        """The tree is there: go to the bookmark, once."""
        pattern, self._bookmark = self._bookmark, None
        listing = self._app.session.listing
        if pattern is None or listing is None:
            return
        from inspect_core.structure.patterns import first_fit

        path = first_fit(pattern, listing.names)
        if path is None:
            self._app.warn(f"no name fits {clean(pattern, 80)}")
        else:
            self.go(path)

    def go(self, path: str) -> None:
        """Put the cursor on a module or tensor; folds on the way are opened."""
        tree_view = self._app.inspector.tree_view
        if tree_view.outline is None:
            return
        at = tree_view.outline.reveal(self._app.common.in_view(path), open_folds=True)
        tree_view.lines_changed(None)
        if at is not None:
            tree_view.move_to(at)

    def reveal_again(self, key: Key | None) -> None:
        """A fold of the new tree may hide the row that the cursor is on: open it."""
        outline = self._app.inspector.tree_view.outline
        if outline is None or key is None or key[1] == "fold":
            return
        at = outline.index_of(key)
        if at is None or outline.key_at(at) != key:
            outline.reveal(key[0], open_folds=True)

    def first_match(self) -> None:
        """Enter in the filter: the cursor goes to a match, if it is on none."""
        tree_view = self._app.inspector.tree_view
        outline, at = tree_view.outline, tree_view.cursor
        if outline is not None and at < len(outline.lines) and outline.lines[at].expanded:
            self.next_match(1)

    def next_match(self, by: int) -> None:
        """Go to the next match of the filter, or the one before."""
        tree_view = self._app.inspector.tree_view
        if not self.query or tree_view.outline is None:
            self._app.notify("n goes to the next match of a filter: press / to type one")
            return
        at = tree_view.outline.next_leaf(tree_view.cursor, by)
        if at is not None:
            tree_view.move_to(at)

    # Where one was

    def visited(self, row: Row) -> None:
        """The cursor settled on a row."""
        key = key_of(row)
        if 0 <= self._at < len(self._visited) and self._visited[self._at] == key:
            return
        self._visited = [*self._visited[: self._at + 1], key][-MOST_REMEMBERED:]
        self._at = len(self._visited) - 1

    def step(self, by: int) -> None:
        """Go back to where one was before, or forward again."""
        tree_view = self._app.inspector.tree_view
        at = self._at + by
        if tree_view.outline is None or not 0 <= at < len(self._visited):
            self._app.notify("nothing further back" if by < 0 else "nothing further on")
            return
        self._at = at
        key = self._visited[at]
        if key[1] == "fold":
            tree_view.outline.close_fold(key[0])
        line = tree_view.outline.index_of(key)
        if line is None or tree_view.outline.key_at(line) != key:
            tree_view.outline.reveal(key[0])
            line = tree_view.outline.index_of(key)
        tree_view.lines_changed(None)
        if line is not None:
            tree_view.move_to(line)
