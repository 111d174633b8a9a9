"""The landscape of one space or several: every layer's numbers, and layers against each other."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inspect_core.control import Control, Part, Progress
from inspect_core.geometry.labelling import label_columns, label_notes
from inspect_core.geometry.landscape import LandscapeReport, Measured, Space, SpacePair
from inspect_core.geometry.measure import Layer, measure_space
from inspect_core.geometry.pairs import compare_layers
from inspect_core.geometry.representations import POOLINGS, Representations
from inspect_core.geometry.room import Room

LAYERS, PAIRS = "layers", "pairs of spaces"
"""What progress counts."""

POINTS_IN_MEMORY = 1 << 30
"""Bytes of the points of all layers that are held in memory; more lie in a file."""

Layers = tuple[Layer, ...]


def landscape(
    spaces: Sequence[Representations],
    measured: Measured,
    control: Control | None = None,
    notes: Sequence[str] = (),
) -> tuple[LandscapeReport, tuple[Layers, ...]]:
    """Work out all layers of all spaces.

    Args:
        spaces: of the same texts, row by row; see `aligning.aligned`.
        measured: how.
        control: polled; told of progress in layers of all spaces, then in pairs.
        notes: to be told with the report, safe to show.

    Returns:
        The report, and the layers of each space as they were worked out.

    Raises:
        Cancelled: by `control`.
        LamellaError: no room for the points.
    """
    control = control or Control()
    shelf = _Shelf()
    total = sum(len(space.names) for space in spaces)
    found: list[Space] = []
    layers: list[Layers] = []
    done = 0
    for space in spaces:
        part = Part(control, done, total, LAYERS)
        numbers, own = measure_space(space, measured, part, shelf.put)
        found.append(numbers)
        layers.append(own)
        done += len(own)
    columns = label_columns(spaces)
    poolings = dict.fromkeys(POOLINGS.get(space.pooling, "") for space in spaces)
    return LandscapeReport(
        spaces=tuple(found),
        pairs=_pairs(layers, measured, control),
        columns=tuple(one.column for one in columns),
        texts=len(spaces[0].samples) if spaces else 0,
        pooling=", ".join(one for one in poolings if one),
        measured=measured,
        notes=(*notes, *_by_position(spaces), *label_notes(columns, measured)),
        labels=columns,
    ), tuple(layers)


def _by_position(spaces: Sequence[Representations]) -> list[str]:
    """Which spaces have other layers than the first, to which theirs are held nevertheless."""
    notes = []
    for other in spaces[1:]:
        one, two = spaces[0].names, other.names
        if one != two:
            how = "their names differ"
            if len(one) != len(two):
                how = f"{len(one)} against {len(two)}"
            notes.append(
                f"{spaces[0].title} and {other.title}: layers are paired by position: {how}"
            )
    return list(dict.fromkeys(notes))


def _pairs(layers: Sequence[Layers], measured: Measured, control: Control) -> tuple[SpacePair, ...]:
    """Every space with itself, and the first with each other one."""
    asked = [(at, at) for at in range(len(layers))] + [(0, at) for at in range(1, len(layers))]
    found = []
    for at, (one, other) in enumerate(asked):
        control.report(Progress(at, len(asked), PAIRS))
        both = compare_layers(layers[one], layers[other], measured.overlap_k, control)
        found.append(SpacePair(one, other, *both))
    control.report(Progress(len(asked), len(asked), PAIRS))
    return tuple(found)


class _Shelf:
    """Keeps points: in memory as long as there is room."""

    def __init__(self) -> None:
        self._left = POINTS_IN_MEMORY

    def put(self, layer: Layer) -> Layer:
        """A layer whose points lie where there is room for them."""
        values = layer.points.values
        if values.nbytes <= self._left:
            self._left -= values.nbytes
            return layer
        kept = Room(0).array(values.shape, np.float64)
        kept[:] = values
        return replace(layer, points=replace(layer.points, values=kept))
