"""The tree under the names that all architectures have in common, and back."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Twig, module_around
from inspect_core.structure.tree import ModuleTree
from tui.outline import Outline

if TYPE_CHECKING:
    from inspect_core.work.common_jobs import CommonListing
    from inspect_core.work.listings import Listing
    from tui.app import LamellaApp

MOST_ASKED = 200
"""Tensors of a module by which its place in the other tree is found."""

BLOCKS = ("encoder.block.0", "decoder.block.0")
"""What a tree under common names begins expanded to, where it has it."""


class CommonView:
    """Switches between a model's own names and the common ones.

    Only the tree is another: tensors keep their indices in the listing, so numbers, pairs and
    what was compared stay.

    Args:
        app: its desk, its session and its screen.

    Attributes:
        on: whether common names are wanted; they may be on their way.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app
        self.on = False
        self._own: Listing | None = None
        self._own_outline: Outline | None = None
        self._searched: tuple[ModuleTree, list[str]] | None = None

    def toggle(self) -> None:
        """Common names, or the model's own again."""
        if self.on:
            self.leave()
        elif self._app.session.listing is None:
            self._app.notify("the model is not open yet")
        elif self._app.plan.active:
            self._app.notify("a plan is made under the model's own names: leave plan mode first")
        else:
            self.on = True
            self._ask(self._app.session.listing)

    def leave(self) -> None:
        """Show the model's own names."""
        if not self.on:
            return
        self.on = False
        self._app.desk.cancel("common")
        own, outline, listing = self._own, self._own_outline, self._app.session.listing
        self._own = self._own_outline = None
        self._app.session.common = None
        if own is not None and outline is not None and listing is not None:
            self._show(replace(listing, tree=own.tree, adapted=own.adapted), outline)
        self.pair_again()

    def took_types(self, listing: "Listing") -> bool:
        """Types came while common names are on show: they will come under these."""
        shown = self._app.session.listing
        if self._own is None or self._own_outline is None or shown is None:
            return False
        self._own = listing
        self._own_outline.replace_tree(listing.tree)
        self._app.session.open(replace(listing, tree=shown.tree, adapted=shown.adapted))
        self._ask(listing)
        return True

    def arrived(self, found: "CommonListing") -> None:
        """The tree under common names is there."""
        listing, outline = self._app.session.listing, self._app.inspector.tree_view.outline
        if not self.on or listing is None or outline is None:
            return
        if self._own is None:
            self._own, self._own_outline = listing, outline
            outline = Outline(found.tree)
            for blocks in BLOCKS:
                outline.reveal(blocks)
        else:
            outline.replace_tree(found.tree)
        self._app.session.common = found
        self._show(replace(listing, tree=found.tree, adapted=found.adapted), outline)
        self._app.notify(found.told)
        self.pair_again()

    def failed(self, text: str) -> None:
        """It could not be built: all stays as it is."""
        self.on = self._own is not None
        self._app.warn(text)

    def pair_again(self) -> None:
        """Pair by common names, too, while they are on show, where that can find anything."""
        pairs = self._app.session.pairs
        if pairs is None or self._app.session.saved:
            return
        asked = pairs.layer_map is not None and pairs.layer_map.common
        lone = pairs.paired < len(pairs.status) and bool(pairs.removed)
        if self.on != asked and (asked or lone):
            self._app.comparison.start()

    def searched(self, listing: "Listing") -> Sequence[str]:
        """What a filter looks at for each tensor: its name, and the common one with it."""
        if self._own is None:
            return listing.names
        if self._searched is None or self._searched[0] is not listing.tree:
            both = list(listing.names)
            for path, module, first in listing.tree.root.walk():
                for leaf, offset in zip(module.leaves, module.leaf_offsets, strict=True):
                    if leaf.spec.stored:
                        both[listing.tree.order[first + offset]] += f"\n{path}.{leaf.name}"
            self._searched = listing.tree, both
        return self._searched[1]

    def in_view(self, path: str) -> str:
        """What a tensor or a module of the model is called on show."""
        listing = self._app.session.listing
        if self._own is None or listing is None:
            return path
        inside = f"{path}."
        tensors = [
            at for at, name in enumerate(listing.names) if name == path or name.startswith(inside)
        ]
        if not tensors:
            return path
        single = listing.names[tensors[0]] == path
        return _place(listing.tree, tensors[:1] if single else _some(tensors), single)

    def _ask(self, listing: "Listing") -> None:
        from inspect_core.work.common_jobs import FindCommonNames

        self._app.inspector.status.say("finding common names")
        self._app.desk.submit("common", FindCommonNames(listing.tree, listing.adapted))

    def _show(self, listing: "Listing", outline: Outline) -> None:
        """The same tensors under other names; the cursor stays on its tensors."""
        app, tree_view = self._app, self._app.inspector.tree_view
        row = tree_view.current_row
        tensors: Sequence[int] = ()
        if row is not None and row.width and app.session.listing is not None:
            first = row.firsts[0]
            tensors = _some(app.session.listing.tree.order[first : first + row.width])
        app.session.open(listing)
        tree_view.outline = outline
        app.navigation.apply()
        at = outline.reveal(_place(listing.tree, tensors, isinstance(row, Twig))) if tensors else 0
        tree_view.lines_changed(None)
        tree_view.move_to(at or 0)
        app.detail.replace_row(tree_view.current_row)
        app.show_title()


def _some(tensors: Sequence[int]) -> Sequence[int]:
    """A few of many tensors, the first and the last among them."""
    if len(tensors) <= MOST_ASKED:
        return tensors
    return [*tensors[:: -(-len(tensors) // MOST_ASKED)], tensors[-1]]


def _place(tree: ModuleTree, tensors: Sequence[int], single: bool) -> str:
    """The path of a tensor, or of the innermost module that holds all of several."""
    wanted = set(tensors)
    ordinals = [ordinal for ordinal, tensor in enumerate(tree.order) if tensor in wanted]
    paths = [_path_of(tree, ordinal) for ordinal in ordinals]
    return paths[0] if single else module_around(paths)


def _path_of(tree: ModuleTree, ordinal: int) -> str:
    """The full name of the tensor at an ordinal."""
    module, parts = tree.root, []
    while True:
        offsets = module.child_offsets
        child = bisect_right(offsets, ordinal) - 1
        if child < 0:
            # Of leaves at one offset all but the last have no values of their own.
            parts.append(module.leaves[bisect_right(module.leaf_offsets, ordinal) - 1].name)
            return ".".join(parts)
        name, inner = module.children[child]
        parts.append(name)
        ordinal -= offsets[child]
        module = inner
