"""From what is selected to the lines of the detail pane; runs on a thread, knows no widget."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.text import clean
from tui import aspects, remarks
from tui import format as fmt
from tui.palette import Palette
from tui.session import Session

if TYPE_CHECKING:
    from inspect_core.delta.table import Place
    from inspect_core.results.heatmap import Heatmap, HeatSection
    from inspect_core.structure.overview import Section
    from inspect_core.structure.tree import LeafSpec
    from inspect_core.work.adapted_places import Hits
    from inspect_core.work.adapted_sheet import ModuleFinding
    from inspect_core.work.inspections import TensorDetail
    from inspect_core.work.listings import Listing
    from tui.figures.figure import Figure
    from tui.figures.parts import Lines
    from tui.plan_words import PlanView


class Drawing:
    """Draws the selected row.

    Args:
        session: what is known.
        palette: colours and glyphs.
    """

    def __init__(self, session: Session, palette: Palette) -> None:
        self._session = session
        self._palette = palette
        self._selected: tuple[Row | None, tuple[TensorDetail, ...]] = (None, ())
        self._findings: tuple[tuple[aspects.Finding, ...], int] = ((), 0)
        self._message: tuple[str, list[str]] | None = None
        self._plan: PlanView | None = None
        self._kept_axes: tuple[Row, list[Section], list[list[Place | None]]] | None = None
        self._sheet: ModuleFinding | None = None
        self._kept_hits: tuple[Listing, list[Hits]] | None = None

    def select(self, row: Row | None, details: "tuple[TensorDetail, ...]" = ()) -> None:
        """What to draw from now on: a row, and what was computed of its tensors alone."""
        self._selected, self._findings = (row, details), ((), 0)
        self._sheet = None
        self._message = self._plan = None

    def find(self, row: Row | None, findings: "tuple[aspects.Finding, ...]", total: int) -> None:
        """The same of a row that is looked at in another way; `total` findings will come."""
        self.select(row)
        self._findings = (findings, total)

    def tell(self, row: Row | None, sheet: "ModuleFinding") -> None:
        """The same of a module: what adapters do to it."""
        self.select(row)
        self._sheet = sheet

    def say(self, title: str, text: list[str]) -> None:
        """Draw a message instead, until something is selected."""
        self._message, self._plan = (title, text), None

    def plan(self, view: "PlanView") -> None:
        """Draw a plan instead, until something is selected."""
        self._plan, self._message = view, None

    @property
    def shows_plan(self) -> bool:
        """Whether it is a plan that is drawn."""
        return self._plan is not None

    @property
    def shows_overview(self) -> bool:
        """Whether the drawing follows a sweep."""
        row, details = self._selected
        found = details or self._findings[0]
        other = self._message is not None or self._plan is not None or self._sheet is not None
        return row is not None and not found and not other

    @property
    def slices(self) -> int:
        """How many matrices the selected tensor holds."""
        row, details = self._selected
        found = details or self._findings[0]
        return found[0].view.slices if isinstance(row, Twig) and found else 1

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """Rows and columns to pool a matrix to, for a pane of a size."""
        from tui.figures.tensor import grid_for

        return grid_for(width, height, self._palette)

    def grids(self, row: Branch, width: int, height: int) -> tuple[int, int] | None:
        """The same for each tensor of a module; None where an overview says more."""
        from inspect_core.checkpoint.tensor_info import DTYPES
        from tui.figures.module import MOST_DRAWN, grid_for

        specs = stored_specs(row) if row.count == 1 and row.width <= MOST_DRAWN else []
        readable = all(s.dtype in DTYPES and DTYPES[s.dtype].comparable for s in specs)
        return grid_for(width, height, len(specs), self._palette) if specs and readable else None

    def _notes(self, row: Row) -> list[str]:
        return remarks.notes(row, self._session, self._palette)

    def figure(self, width: int, height: int) -> "Figure":
        """The lines for what is selected, and the cells in them."""
        from tui.figures.figure import Figure

        row, details = self._selected
        if self._message is not None:
            return self._said(*self._message, width)
        if self._plan is not None:
            from tui.figures.plan import plan_figure

            return Figure(plan_figure(self._plan, self._palette, width))
        if row is None:
            return Figure([])
        findings, total = self._findings
        if findings:
            about = (
                self._kind(row),
                self._notes(row),
                self._palette,
            )
            return aspects.draw(row, findings, total, *about, width, height)
        if self._sheet is not None:
            return self._of_adapters(row, self._sheet, width, height)
        if details and isinstance(row, Twig):
            from tui.figures.tensor import tensor_figure

            spec = row.leaf.spec
            return tensor_figure(
                details[0], spec.shape, spec.dtype, self._notes(row), self._palette, width, height,
                self._session.scale,
            )  # fmt: skip
        if details and isinstance(row, Branch):
            return self._module(row, details, width, height)
        if self._session.saved and isinstance(row, Twig) and row.branch.count == 1:
            return self._statistics(row, width)
        return self._overview(row, width, height)

    def _of_adapters(self, row: Row, sheet: "ModuleFinding", width: int, height: int) -> "Figure":
        from tui.figures.adapter import sheet_figure

        notes = remarks.notes(row, self._session, self._palette, adapters=False)
        about = (self._kind(row), sheet, notes, self._palette, width, height)
        return sheet_figure(clean(row.path), *about)

    def _statistics(self, row: Twig, width: int) -> "Figure":
        """A single tensor of a saved result."""
        from tui.figures.statistics import statistics_figure

        summary, notes = (
            self._session.summary(row),
            self._notes(row),
        )
        return statistics_figure(
            clean(row.path), self._kind(row), summary, notes, self._palette, width
        )

    def _module(
        self, row: Branch, details: "tuple[TensorDetail, ...]", width: int, height: int
    ) -> "Figure":
        from tui.figures.module import module_figure

        shapes = [f"{fmt.shape(spec.shape)} {clean(spec.dtype)}" for spec in stored_specs(row)]
        notes = self._notes(row)
        return module_figure(
            row.path, self._kind(row), details, shapes, notes, self._palette, width, height,
            self._session.scale,
        )  # fmt: skip

    def failure(self, error: Exception, width: int) -> "Figure":
        """A message in place of a figure that could not be drawn."""
        row = self._selected[0]
        what = f"could not be drawn: {type(error).__name__}: {error}; please report this"
        return self._said(row.path if row is not None else "", [what], width)

    def _said(self, title: str, text: list[str], width: int) -> "Figure":
        from tui.figures.figure import Figure
        from tui.figures.message import message_figure

        shown = [clean(part, 600) for part in text]
        return Figure(message_figure(clean(title), shown, self._palette, width))

    def _overview(self, row: Row, width: int, height: int) -> "Figure":
        from tui.figures.overview import View, overview_figure

        sections = self._axes(row)[0]
        view = View(
            self._session.metric,
            self._session.scale,
            self._palette,
            width,
            self._session.pairs is not None,
            partial(self._tell, sections),
            partial(self._find, sections),
        )
        title = clean(row.path) or clean(
            self._session.listing.title if self._session.listing else ""
        )
        summary, notes = (
            self._session.summary(row),
            self._notes(row),
        )
        drawn = self._filled(row)
        about = (view, summary, notes, height, self._adapters(row, width))
        return overview_figure(title, self._kind(row), drawn, *about)

    def _adapters(self, row: Row, width: int) -> "Lines":
        """The adapters of the whole model, at its root."""
        listing = self._session.listing
        if listing is None or listing.adapted is None or row.path:
            return []
        from inspect_core.work.adapted_places import hits_of
        from tui.figures.adapter import adapters_lines

        kept = self._kept_hits
        if kept is None or kept[0] is not listing:
            kept = self._kept_hits = listing, hits_of(listing.adapted, listing.names)
        told = self._session.read_of_adapters
        return adapters_lines(listing.adapted, kept[1], told, self._palette, width)

    def heatmap(self) -> "Heatmap | None":
        """The overview on show, for a picture; None where something else is."""
        from inspect_core.results.heatmap import Heatmap

        row, listing = self._selected[0], self._session.listing
        if row is None or listing is None or not self.shows_overview:
            return None
        pairs = self._session.pairs
        against = f" vs {pairs.title}" if pairs is not None else ""
        where = f", {row.path}" if row.path else ""
        title = f"{listing.title}{against}{where}"
        return Heatmap(title, self._session.metric, tuple(self._filled(row)))

    def _filled(self, row: Row) -> "list[HeatSection]":
        """The sections of a row with the values that are known by now."""
        from inspect_core.results.heatmap import HeatSection, section_values, shape_of

        table, metric = self._session.table, self._session.metric
        sections, places = self._axes(row)
        return [
            HeatSection(
                section.title,
                section.columns,
                section.kinds,
                *section_values(table, cells, metric, shape_of(section)),
            )
            for section, cells in zip(sections, places, strict=True)
        ]

    def _tell(
        self,
        sections: "list[Section]",
        number: int,
        row: int,
        column: int,
        several: tuple[str, ...],
    ) -> str:
        """What a cell of an overview is: layer, kind, and the numbers of its tensors."""
        section = sections[number]
        kind, layer = clean(section.kinds[row], 80), clean(section.columns[column], 40)
        if several:
            layer += f" (largest of {clean(several[0], 40)}-{clean(several[-1], 40)})"
        if layer and sum(other.columns != ("",) for other in sections) > 1:
            layer = f"{clean(section.title, 40)} {layer}".strip()
        name = f"{layer} · {kind}" if layer else kind
        ordinals = section.cells[row][column]
        if not ordinals:
            return f"{name}   not there"
        summary = self._session.summary_at(ordinals)
        if summary is None:
            return f"{name}   not compared"
        metric = self._session.metric
        parts = [f"{metric.name} {fmt.metric_value(metric, metric.value(summary))}"]
        if summary.left_out:
            parts.insert(0, f"{fmt.count(summary.left_out)} NaN or inf left out")
        if self._session.pairs is not None:
            parts.append(f"changed {fmt.percent(summary.changed_fraction)}")
            if metric.key != "max_abs":
                parts.append(f"max |d| {fmt.number(summary.largest)}")
        if len(ordinals) > 1:
            parts.append(f"{len(ordinals)} tensors")
        return "   ".join([name, *parts])

    def _find(self, sections: "list[Section]", number: int, row: int, column: int) -> str | None:
        """The tensor that a cell of an overview leads to."""
        ordinals, listing = sections[number].cells[row][column], self._session.listing
        if not ordinals or listing is None or ordinals[0] >= len(listing.tree.order):
            return None
        return listing.names[self._session.tensor_at(ordinals[0])]

    def _axes(self, row: Row) -> "tuple[list[Section], list[list[Place | None]]]":
        """The sections of a row and where their cells' tensors are; kept while a sweep runs."""
        from inspect_core.results.heatmap import places_of
        from inspect_core.structure.overview import overview

        kept = self._kept_axes
        if kept is None or kept[0] is not row:
            sections = self._without_factors(overview(row))
            kept = self._kept_axes = (row, sections, [places_of(section) for section in sections])
        return kept[1], kept[2]

    def _without_factors(self, sections: "list[Section]") -> "list[Section]":
        """Sections without the kinds that are adapters' own; all where nothing else is there."""
        listing = self._session.listing
        if listing is None or not listing.deltas:
            return sections
        import numpy as np

        def own(cells: "tuple[tuple[int, ...], ...]") -> bool:
            where = np.array([at for cell in cells for at in cell], np.int64)
            return bool(self._session.deltas(where).all())

        found = []
        for section in sections:
            kept = [number for number, cells in enumerate(section.cells) if not own(cells)]
            if kept:
                kinds = tuple([section.kinds[number] for number in kept])
                cells = tuple([section.cells[number] for number in kept])
                found.append(replace(section, kinds=kinds, cells=cells))
        return found or sections

    def _kind(self, row: Row) -> str:
        times = f" {self._palette.glyphs.times}{row.count}" if row.count > 1 else ""
        if isinstance(row, Twig):
            return f"{fmt.shape(row.leaf.spec.shape)} {clean(row.leaf.spec.dtype)}{times}"
        assert isinstance(row, Branch)
        amount = fmt.params(row.module.totals.params * row.count)
        kind = clean(row.module.type)
        if times and self._palette.glyphs.times in kind:  # the scale of an adapter
            kind = f"({kind})"
        return f"{kind}{times}  {amount}".strip()


def stored_specs(row: Branch) -> "list[LeafSpec]":
    """The specs of all tensors of one member of a row, by ordinal."""
    return [
        leaf.spec
        for _, module, _ in row.module.walk()
        for leaf in module.leaves
        if leaf.spec.stored
    ]
