"""A comparison as heatmaps: layers across, parameter kinds down, one number a cell.

What the app draws, what `lamella diff --heatmap` prints and what a picture shows is this.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspect_core.results.scale import REST, Scale, ScaleKind
from inspect_core.structure.overview import Section, overview

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric
    from inspect_core.delta.summary import Summary
    from inspect_core.delta.table import Place, SummaryTable
    from inspect_core.results.comparison import Comparison

ABSENT, UNCOMPARED, UNDEFINED, SAME, VALUE, NOT_FINITE = range(6)
"""What a cell is: no such tensor; nothing compared (yet); a metric without a value; a value of
tensors in which nothing changed; a value; changed to or from NaN or infinities, which no sum
holds: the value is that of the other positions, and NaN where nothing else changed."""


@dataclass(frozen=True, eq=False)
class HeatSection:
    """One heatmap.

    Attributes:
        title: what its columns are members of; foreign text, may be empty.
        columns: the members' names; one empty name where there is no axis.
        kinds: the rows' names; foreign text.
        values: float64 `(kinds, columns)`; NaN where there is none.
        states: uint8 of the same shape: `ABSENT` to `NOT_FINITE`.
        names: for each row and column the names of the tensors behind the cell; foreign text.
        stem: what is before a kind in these names; see `Section`.
    """

    title: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    values: NDArray[np.float64]
    states: NDArray[np.uint8]
    names: tuple[tuple[tuple[str, ...], ...], ...] = ()
    stem: str = ""

    @property
    def has_axis(self) -> bool:
        """Whether its columns are layers, and not a single one without a name."""
        return self.columns != ("",)


@dataclass(frozen=True, eq=False)
class Heatmap:
    """All sections of a comparison, on one scale.

    Attributes:
        title: what was compared with what; foreign text.
        metric: what the values are.
        sections: those with an axis first, in the model's order.
    """

    title: str
    metric: "Metric"
    sections: tuple[HeatSection, ...]

    def scale(self, kind: ScaleKind) -> Scale:
        """The one scale of all sections."""
        return scale_of(kind, self.metric, [section.values for section in self.sections])


def scale_of(kind: ScaleKind, metric: "Metric", values: Iterable[NDArray[np.float64]]) -> Scale:
    """One scale for the values of several sections."""
    every = [part.ravel() for part in values]
    joined = np.concatenate(every) if every else np.zeros(0)
    return Scale.of(kind, joined, rest=REST.get(metric.key, 0.0))


def heatmap_of(comparison: "Comparison", metric: "Metric") -> Heatmap:
    """Layers across, parameter kinds down, over the model's tensors that were asked for.

    Args:
        comparison: of one model with its base. A removed tensor has no cell.
        metric: what to show; undefined where the comparison did not collect what it needs.
    """
    table, names, found = _laid_out(comparison)
    sections = []
    for section in found:
        values, states = section_values(table, places_of(section), metric, shape_of(section))
        cells = tuple(
            [tuple([tuple([names[o] for o in at]) for at in row]) for row in section.cells]
        )
        sections.append(
            HeatSection(
                section.title, section.columns, section.kinds, values, states, cells, section.stem
            )
        )
    title = f"{comparison.model.title} vs {comparison.reference.title}"
    return Heatmap(title, metric, tuple(sections))


def side_by_side(comparisons: Sequence["Comparison"], metric: "Metric") -> Heatmap:
    """Several models against one base: the sections of each, titled by the model."""
    if len(comparisons) == 1:
        return heatmap_of(comparisons[0], metric)
    sections = [
        replace(section, title=f"{name}: {section.title}" if section.title else name)
        for name, comparison in zip(model_names(comparisons), comparisons, strict=True)
        for section in heatmap_of(comparison, metric).sections
    ]
    return Heatmap(f"{len(comparisons)} models vs {comparisons[0].reference.title}", metric,
                   tuple(sections))  # fmt: skip


def by_steps(comparisons: Sequence["Comparison"], metric: "Metric") -> Heatmap:
    """Several models against one base: layers across, models (checkpoints of a run) down.

    A cell is a layer of a model, all its kinds merged. Models with other layers have sections
    of the same title in common where their columns are the same, and absent cells otherwise.
    """
    models = model_names(comparisons)
    grids: dict[str, dict[str, dict[int, _Cell]]] = {}
    for row, comparison in enumerate(comparisons):
        table, names, found = _laid_out(comparison)
        for section in map(_merged, found):
            values, states = section_values(table, places_of(section), metric, shape_of(section))
            columns = grids.setdefault(section.title, {})
            for at, column in enumerate(section.columns):
                cell = tuple([names[o] for o in section.cells[0][at]])
                columns.setdefault(column, {})[row] = _Cell(
                    float(values[0, at]), int(states[0, at]), cell
                )
    sections = [_stacked(title, columns, models) for title, columns in grids.items()]
    return Heatmap(f"{len(models)} models vs {comparisons[0].reference.title}", metric,
                   tuple(sections))  # fmt: skip


class _Cell(NamedTuple):
    value: float
    state: int
    names: tuple[str, ...]


def model_names(comparisons: Sequence["Comparison"]) -> list[str]:
    """The models' titles; where two are alike, what they were opened by."""
    titles = [comparison.model.title for comparison in comparisons]
    if len(set(titles)) == len(titles):
        return titles
    uris = [comparison.model.uri for comparison in comparisons]
    return [uri if isinstance(uri, str) else ", ".join(uri) for uri in uris]


def _merged(section: Section) -> Section:
    """A section whose kinds are one row; of what has no axis, the rows as columns' cells."""
    if section.columns == ("",):
        cell = tuple([at for cells in section.cells for at in cells[0]])
        return Section(section.title, ("all",), ("",), ((cell,),))
    cells = tuple(
        tuple([at for row in section.cells for at in row[column]])
        for column in range(len(section.columns))
    )
    return Section(section.title, section.columns, ("",), (cells,))


def _stacked(
    title: str,
    columns: dict[str, dict[int, "_Cell"]],
    models: list[str],
) -> HeatSection:
    shape = len(models), len(columns)
    values, states = np.full(shape, np.nan), np.full(shape, ABSENT, np.uint8)
    names: list[list[tuple[str, ...]]] = [[() for _ in columns] for _ in models]
    for at, cells in enumerate(columns.values()):
        for row, (value, state, found) in cells.items():
            values[row, at], states[row, at] = value, state
            names[row][at] = found
    return HeatSection(
        title, tuple(columns), tuple(models), values, states, tuple([tuple(row) for row in names])
    )


def section_values(
    table: "SummaryTable | None",
    places: Sequence["Place | None"],
    metric: "Metric",
    shape: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """The cells of one section.

    Args:
        table: summaries by ordinal; None before anything was compared.
        places: where the tensors of each cell are, row by row (see `places_of`).
        metric: what the values are.
        shape: kinds and columns.

    Returns:
        float64 values, NaN where there is none, and uint8 states, both of that shape.
    """
    values, states = np.full(len(places), np.nan), np.full(len(places), ABSENT, np.uint8)
    for at, where in enumerate(places):
        if where is None:
            continue
        if table is None or not table.seen_in(where):
            states[at] = UNCOMPARED
            continue
        summary = table.summary(where)
        value = metric.value(summary)
        if summary.changed and _became_nonfinite(summary):
            states[at] = NOT_FINITE
            values[at] = value if value not in (None, REST.get(metric.key, 0.0)) else np.nan
            continue
        if value is None:
            states[at] = UNDEFINED
            continue
        values[at] = value
        states[at] = VALUE if table.changed_in(where) else SAME
    return values.reshape(shape), states.reshape(shape)


def _became_nonfinite(summary: "Summary") -> bool:
    """Whether positions changed to or from NaN or an infinity, as far as the sums tell."""
    counts_differ = summary.nonfinite_model != summary.nonfinite_reference
    return counts_differ or (summary.left_out > 0 and not summary.max_abs)


def places_of(section: Section) -> list["Place | None"]:
    """Where the tensors of each cell are, row by row; None where it has none."""
    places: list[Place | None] = []
    for cells in section.cells:
        for at in cells:
            if len(at) > 1:
                places.append(np.array(at, np.int64))
            else:
                places.append(slice(at[0], at[0] + 1) if at else None)
    return places


def shape_of(section: Section) -> tuple[int, int]:
    """Kinds and columns of a section."""
    return len(section.kinds), len(section.columns)


def _laid_out(comparison: "Comparison") -> tuple["SummaryTable", list[str], list[Section]]:
    """The table and the names by ordinal, and the sections of what was asked for."""
    from inspect_core.structure.branch import Branch

    tree = comparison.tree()
    order = np.frombuffer(tree.order, np.int64) if len(tree.order) else np.empty(0, np.int64)
    kept = np.isin(order, np.fromiter(comparison.kept, np.int64, len(comparison.kept)))
    names = [comparison.matches[index].name for index in order.tolist()]
    sections = [_asked_for(section, kept) for section in overview(Branch.root(tree))]
    return comparison.table.reordered(order), names, [s for s in sections if s is not None]


def _asked_for(section: Section, kept: NDArray[np.bool_]) -> Section | None:
    """A section without the tensors that were not asked for, and without empty rows and columns."""
    if kept.all():
        return section
    cells = [[tuple([o for o in at if kept[o]]) for at in row] for row in section.cells]
    rows = [k for k, row in enumerate(cells) if any(row)]
    columns = [c for c in range(len(section.columns)) if any(row[c] for row in cells)]
    if not rows:
        return None
    return Section(
        section.title,
        tuple([section.columns[c] for c in columns]),
        tuple([section.kinds[k] for k in rows]),
        tuple([tuple([cells[k][c] for c in columns]) for k in rows]),
        tuple([section.paths[c] for c in columns]) if section.paths else (),
        section.stem,
    )
