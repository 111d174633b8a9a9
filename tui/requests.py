"""The jobs that the detail pane asks for, made from what the session knows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Branch
from inspect_core.work.adapted_sheet import InspectAdapted
from inspect_core.work.inspections import Inspect, InspectModule, ZoomIn
from inspect_core.work.listings import Opened
from inspect_core.work.spectra import FindProfile, FindSpectra, FindSpectrum
from inspect_core.work.sweep import Sweep
from tui.aspects import Aspect

if TYPE_CHECKING:
    from inspect_core.delta.heat import Window
    from inspect_core.work.inspections import TensorDetail
    from tui.session import Session

Grid = tuple[int, int]
"""Most rows and columns of cells."""


def tensor(
    session: "Session", index: int, grid: Grid, slice_index: int, device: str, asked: bool = False
) -> Inspect:
    """One tensor in full, by its index in the listing."""
    return Inspect(*_sides(session), *_named(session, index), grid, slice_index, device, asked)


def adapted(session: "Session", module: str, with_base: bool) -> InspectAdapted:
    """What adapters do to a module."""
    return InspectAdapted(_sides(session)[0], module, with_base)


def module(session: "Session", row: Branch, grid: Grid, device: str) -> InspectModule:
    """Each of the few tensors of a module."""
    names = tuple([_named(session, index) for index in session.tensors_of(row)])
    return InspectModule(*_sides(session), names, grid, device)


def zoom(
    session: "Session", detail: "TensorDetail", window: "Window", grid: Grid, device: str
) -> ZoomIn:
    """A part of the matrix that is on show."""
    names = detail.name, detail.reference_name
    return ZoomIn(*_sides(session), *names, detail.view, window, grid, device)


def values(session: "Session", tensors: tuple[int, ...], device: str) -> Sweep:
    """Summaries of the values of some tensors, where there is no reference."""
    return Sweep(_sides(session)[0], None, device, tensors)


def aspect(
    session: "Session", index: int, kind: Aspect, slice_index: int
) -> FindSpectrum | FindProfile:
    """One tensor in an aspect other than the map."""
    find = FindSpectrum if kind is Aspect.SPECTRUM else FindProfile
    return find(*_sides(session), *_named(session, index), slice_index)


def ranks(session: "Session", tensors: Sequence[int]) -> FindSpectra:
    """The ranks of several tensors."""
    return FindSpectra(*_sides(session), tuple([_named(session, index) for index in tensors]))


def _sides(session: "Session") -> tuple[Opened, Opened | None]:
    """What to open as the model and as the reference."""
    assert session.listing is not None
    return session.listing.opened, session.pairs.opened if session.pairs is not None else None


def _named(session: "Session", index: int) -> tuple[str, str | None]:
    """A tensor's name, and its partner's in the reference."""
    listing, pairs = session.listing, session.pairs
    assert listing is not None
    name = listing.names[index]
    if pairs is None or not pairs.is_pair(index):
        return name, None
    return name, pairs.renamed.get(index, name)
