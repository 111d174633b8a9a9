"""The other pictures of a row beside its map: singular values, and which units moved.

Which tensors have them, and how what came back is drawn; the control of the detail pane only
passes both on.
"""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.structure.branch import Row, Twig
from inspect_core.text import clean
from inspect_core.work.spectra import TensorProfile, TensorSpectrum
from tui import format as fmt
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.structure.tree import LeafSpec
    from tui.figures.figure import Figure
    from tui.session import Session

MOST_RANKS = 4000
"""Ranks of more tensors at once nobody reads."""

Finding = TensorSpectrum | TensorProfile
"""What the jobs of the aspects give."""


class Aspect(Enum):
    """What is looked at in a row."""

    MAP = "the map"
    SPECTRUM = "singular values"
    PROFILE = "which rows and columns moved"

    def after(self, single: bool) -> "Aspect":
        """The one that the next press of the key shows; units are those of a single tensor."""
        order = list(Aspect) if single else [Aspect.MAP, Aspect.SPECTRUM]
        at = order.index(self) if self in order else 0
        return order[(at + 1) % len(order)]


def matrices_of(row: Row, session: "Session") -> list[int]:
    """Indices in the listing of a row's tensors that have a rank: compared, and no vectors."""
    from tui.drawing import stored_specs

    specs = [row.leaf.spec] if isinstance(row, Twig) else stored_specs(row)
    ranked = [_has_rank(spec) for spec in specs]
    pairs, found = session.pairs, []
    for place, tensor in enumerate(session.tensors_of(row)):
        # The members of a fold have the same specs in the same order.
        if ranked[place % len(ranked)] and (pairs is None or session.is_compared(tensor)):
            found.append(tensor)
    return found


def _has_rank(spec: "LeafSpec") -> bool:
    known = DTYPES.get(spec.dtype)
    return len(spec.shape) > 1 and spec.numel > 0 and known is not None and known.comparable


def draw(
    row: Row,
    findings: Sequence[Finding],
    total: int,
    kind: str,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
) -> "Figure":
    """The figure of what was found.

    Args:
        row: the selected row.
        findings: what was found so far.
        total: how many findings there will be.
        kind: what kind of row it is, safe to show.
        notes: what to know about it, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
    """
    if isinstance(row, Twig) and row.branch.count == 1:
        from tui.figures.spectrum import spectrum_figure

        [found], spec = findings, row.leaf.spec
        about = (spec.shape, clean(spec.dtype), notes, palette, width, height)
        if isinstance(found, TensorSpectrum):
            return spectrum_figure(found, *about)
        from tui.figures.profile import profile_figure

        return profile_figure(found, *about, row.branch.module.type)
    from tui.figures.ranks import ranks_figure

    title = clean(row.path) or "all of it"
    ranks = [found for found in findings if isinstance(found, TensorSpectrum)]
    return ranks_figure(title, kind, ranks, total, notes, palette, width, height)


def asking(count: int, nbytes: int) -> list[str]:
    """What to say before the ranks of many tensors are found."""
    if count > MOST_RANKS:
        return [f"ranks of {count:,} tensors are too many: choose a part of it, or v for the map"]
    return [
        f"the singular values of {count} tensors, {fmt.size(nbytes)}, are not computed unasked",
        "Press Enter to find their ranks, or v for the map.",
    ]
