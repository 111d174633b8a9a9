"""`lamella tree`: the folded tree, printed or as JSON."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from inspect_core.checkpoint.strict_json import collector_paused
from inspect_core.errors import LamellaError
from inspect_core.opening import Live, open_model, spelled
from inspect_core.structure.branch import Branch, Twig
from inspect_core.structure.tree import ModuleTree
from inspect_core.text import DISPLAY_LIMIT
from inspect_core.work.backend import Workers
from inspect_core.work.jobs import FindTypes
from inspect_core.work.listings import Listing, Uri, listing_of
from tui import format as fmt
from tui.commands.output import BOLD, Output, Part, note, width_of
from tui.commands.tree_adapters import adapter_lines, adapter_members, never_trained
from tui.states import all_delta, marks_of, shares_of, state_of, style_of
from tui.terminal import Look

if TYPE_CHECKING:
    from inspect_core.structure.common import CommonNames

    Sources = Mapping[str, tuple[str, bool]]

MOST_INLINE = 6
"""Parameters beside their module's name; more of them get a line each."""

MOST_DTYPES = 4
"""Dtypes named on the first line."""

LEAST_NAME = 24
"""Cells that a name keeps on a narrow terminal."""

_GUIDES = {False: ("├── ", "└── ", "│   ", "    "), True: ("|-- ", "`-- ", "|   ", "    ")}


@collector_paused()  # or it walks a million rows again and again: half of the time
def print_tree(
    model: Uri,
    *,
    types: bool = True,
    bare: bool = False,
    depth: int | None = None,
    as_json: bool = False,
    common: bool = False,
    look: Look | None = None,
) -> None:
    """Print the tree of a model.

    Args:
        model: what to open.
        types: find the module types, in a worker process that has torch.
        bare: show modules that hold no tensor; needs the types.
        depth: levels below the model; None for all.
        as_json: print JSON.
        common: under the names of the structure that all architectures have in common.
        look: how to draw it.

    Raises:
        CheckpointError: the model cannot be read.
    """
    listing = _listing(model, types, bare)
    for part in listing.aside:
        note(part.told)
    for warning in (*listing.warnings, *never_trained(model)):
        note(f"warning: {warning}")
    if types and listing.tree.untyped:
        note(listing.note)
    called = None
    if common:
        from inspect_core.structure.common import common_tree

        tree, called = common_tree(listing.tree)
        listing = replace(listing, tree=tree)
    root = Branch.root(listing.tree)
    if as_json:
        document = _document(listing, root, depth, called)
        sys.stdout.write(json.dumps(document, ensure_ascii=True) + "\n")
        return
    output = Output(look)
    output.line(*_title(listing, output))
    # A live model says more of its adapters, those that are not active too: see below.
    if listing.adapted is not None and not isinstance(model, Live):
        for parts in adapter_lines(listing.adapted, listing.names, output):
            output.line(*parts)
    if called is not None:
        output.line((called.told, "muted"))
    for told in listing.notes:
        output.line((output.cut(told), "muted"))
    own = () if called is None else (c for c, (_, own) in called.sources().items() if own)
    printer = _Printer(output, depth, frozenset(own))
    for line in printer.below(root, "", 1):
        output.line(*line)


def print_branches(tree: ModuleTree, output: Output, depth: int | None = None) -> None:
    """Print the lines below the model's own; see `print_tree`."""
    for line in _Printer(output, depth).below(Branch.root(tree), "", 1):
        output.line(*line)


def _listing(model: Uri, types: bool, bare: bool) -> Listing:
    """The opened model; with its types where they can be found."""
    with open_model(model) as checkpoint:
        if isinstance(model, Live):
            return listing_of(checkpoint, bare_modules=bare)
        if not types:
            return listing_of(checkpoint)
        if checkpoint.config is None:
            return listing_of(checkpoint, note="no config.json: module types are not known")
        workers = Workers()
        try:
            found: Listing = workers.submit(FindTypes(model, bare)).result()
            return found
        except LamellaError as error:
            return listing_of(checkpoint, note=f"no module types: {error}")
        finally:
            workers.close()


def _title(listing: Listing, output: Output) -> list[Part]:
    """The first line: what the model is, and how much of it there is."""
    root = listing.tree.root
    parts: list[Part] = [(output.cut(listing.title), BOLD)]
    if root.type:
        parts.append((f" ({output.cut(root.type)})", "type"))
    files = "1 file" if listing.files == 1 else f"{listing.files:,} files"
    dtypes = _dtypes(listing.tree)
    named = " ".join(dtypes[:MOST_DTYPES])
    if len(dtypes) > MOST_DTYPES:
        named += f" and {len(dtypes) - MOST_DTYPES} more"
    facts = (
        f"{fmt.params(root.totals.params)} parameters",
        *shares_of(root.totals),
        f"{fmt.count(root.totals.tensors)} tensors",
        fmt.size(listing.nbytes),
        listing.format,
        *([files] if listing.files else []),
        output.cut(named),
    )
    return [*parts, ("  " + "  ".join(facts), "muted")]


def _dtypes(tree: ModuleTree) -> list[str]:
    """Dtypes of the stored tensors, in the order in which they appear."""
    specs = [tree.specs[index] for index in range(len(tree.specs.dtypes))]
    return list(dict.fromkeys([spec.dtype for spec in specs if spec.stored]))


class _Printer:
    """Makes the lines below the first, one at a time."""

    def __init__(
        self, output: Output, depth: int | None, own_names: frozenset[str] = frozenset()
    ) -> None:
        self.output = output
        self.depth = depth
        self.own_names = own_names
        self.guides = _GUIDES[output.ascii_only]

    def below(self, branch: Branch, guide: str, level: int) -> Iterator[list[Part]]:
        """Lines of a branch's children; of its parameters, where they have their own."""
        if self.depth is not None and level > self.depth:
            return
        twigs = [] if branch.parent and self._fits(branch, guide) else branch.twigs
        left = len(twigs) + len(branch.branches)
        middle, end, through, nothing = self.guides
        for twig in twigs:
            left -= 1
            yield [(guide + (middle if left else end), "muted"), *self._twig(twig, True)]
        for child in branch.branches:
            left -= 1
            yield self._line(child, guide + (middle if left else end), level)
            yield from self.below(child, guide + (through if left else nothing), level + 1)

    def _line(self, branch: Branch, prefix: str, level: int) -> list[Part]:
        parts = self._head(branch, prefix)
        # A child's guide is as long as this line's: what fits is decided alike in both places.
        inline = self._fits(branch, prefix)
        if inline and branch.twigs:
            parts += ["  ", *self._inline(branch)]
        hidden = bool(branch.branches) or not inline
        if self.depth is not None and level == self.depth and hidden:
            parts.append((f" {self.output.palette.glyphs.more}", "muted"))
        return parts

    def _head(self, branch: Branch, prefix: str) -> list[Part]:
        """Name, members, type, state and number of parameters."""
        output, glyphs = self.output, self.output.palette.glyphs
        rest: list[Part] = []
        if branch.folded:
            rest.append((f" {glyphs.times}{len(branch.names)}", "fold"))
        if branch.module.type:
            rest.append((f" ({output.cut(branch.module.type)})", "type"))
        totals = branch.module.totals
        if totals.params:
            state, glyph = state_of(branch, glyphs)
            rest += [(f" {glyph} ", state), fmt.params(totals.params * branch.count)]
        most = DISPLAY_LIMIT
        if output.width is not None:
            most = max(LEAST_NAME, min(most, output.width - len(prefix) - width_of(rest)))
        name = output.cut(branch.label, most) or '""'
        style = "fold" if branch.folded else "delta" if all_delta(branch) else "module"
        return [(prefix, "muted"), (name, style), *rest]

    def _fits(self, branch: Branch, prefix: str) -> bool:
        """Whether a module's parameters are few and short enough to stand beside its name."""
        if len(branch.module.leaves) > MOST_INLINE:
            return False
        if self.output.width is None or not branch.module.leaves:
            return True
        parts = [*self._head(branch, prefix), "  ", *self._inline(branch)]
        return width_of(parts) <= self.output.width

    def _inline(self, branch: Branch) -> list[Part]:
        """All parameters of a module; a dtype stands after the last one that has it."""
        parts: list[Part] = []
        twigs = branch.twigs
        for twig, after in zip(twigs, [*twigs[1:], None], strict=True):
            last = after is None or after.leaf.spec.dtype != twig.leaf.spec.dtype
            parts += [*([" "] if parts else []), *self._twig(twig, last)]
        return parts

    def _twig(self, twig: Twig, dtype: bool) -> list[Part]:
        """`weight:[768, 768] BF16`, and what is special about it."""
        leaf, spec = twig.leaf, twig.leaf.spec
        sizes = ", ".join(map(str, spec.shape))
        parts: list[Part] = [(self.output.cut(leaf.name) or '""', style_of(spec)), f":[{sizes}]"]
        marks = [self.output.cut(spec.dtype)] if dtype and spec.dtype else []
        marks += marks_of(spec)
        if twig.anchor in self.own_names:
            marks.append("own name")
        if spec.tied:
            owner = twig.branch.module.tree.tied.get(twig.anchor, "")
            marks.append(
                f"tied to {self.output.cut(owner, 60)}" if twig.branch.count == 1 else "tied"
            )
        if marks:
            parts.append((" " + " ".join(marks), "muted"))
        return parts


def _document(
    listing: Listing, root: Branch, depth: int | None, called: "CommonNames | None" = None
) -> dict[str, object]:
    sources = None if called is None else called.sources()
    return {
        "model": spelled(listing.uri),
        "title": listing.title,
        "format": listing.format,
        "files": listing.files,
        "bytes": listing.nbytes,
        "dtypes": _dtypes(listing.tree),
        "metadata": listing.metadata,
        "types": None if listing.tree.untyped else listing.note,
        "aside": [part._asdict() for part in listing.aside],
        "warnings": listing.warnings,
        **adapter_members(listing.adapted),
        **({} if called is None else {"common": called.family or None}),
        "tree": _node(root, depth, sources),
    }


def _node(branch: Branch, depth: int | None, sources: "Sources | None") -> dict[str, object]:
    """A row of the folded tree and all below it; totals are over all its members."""
    totals, count = branch.module.totals, branch.count
    hidden = depth == 0 and bool(branch.branches)
    below = None if depth is None else depth - 1
    return {
        "path": branch.anchor,
        "members": branch.names if branch.parent else (),
        "count": count,
        "type": branch.module.type or None,
        "totals": {
            "tensors": totals.tensors * count,
            "parameters": totals.params * count,
            "tunable": totals.tunable * count,
            "delta": totals.delta * count,
            "bytes": totals.nbytes * count,
        },
        "tensors": [_leaf(twig) | _source(twig, sources) for twig in branch.twigs],
        "children": None if hidden else [_node(one, below, sources) for one in branch.branches],
    }


def _source(twig: Twig, sources: "Sources | None") -> dict[str, object]:
    """What the first tensor of a row is called in the model itself."""
    if sources is None:
        return {}
    source, own = sources[twig.anchor]
    return {"source": source, "own_name": own}


def _leaf(twig: Twig) -> dict[str, object]:
    leaf, spec = twig.leaf, twig.leaf.spec
    return {
        "name": leaf.name,
        "shape": spec.shape,
        "dtype": spec.dtype or None,
        "kind": "buffer" if spec.buffer else "parameter",
        "state": "delta" if spec.delta else "frozen" if spec.frozen else "tunable",
        "trained": not (spec.frozen or spec.buffer),
        "tied_to": twig.branch.module.tree.tied.get(twig.anchor, "") if spec.tied else None,
        "stored": spec.stored,
        "quantised": spec.quantised,
    }
