"""Where in what a module gives the values of each token are.

Looked for once, on texts of a length that is told from the number of texts and from most other
sizes; later batches are only checked against it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

ROWS, TIME, FLAT, ONE, PACKED = "rows", "time", "flat", "one", "packed"
"""`(rows, positions, units)`; `(positions, rows, units)`; `(rows * positions, units)`;
`(1, positions, units)` or `(positions, units)`, the same for all rows; an RNN's packed texts."""

FLAT_TURNED = "flat, turned"
"""`(positions * rows, units)` in a model that takes rows first, or the other way around; it is
never found from a shape."""

WHOLE = "whole"
"""`(rows, units)`: one result a text, which counts as one position; only where that is wanted."""

_DEEPEST = 2
"""Tuples inside tuples that are looked into."""

Step = int | str
"""A place in a tuple or a mapping."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How many tokens a pass has.

    Attributes:
        rows: texts.
        positions: tokens of the longest.
        decoder: tokens that a decoder reads; 0 without one.
        time_first: whether the model takes `(positions, rows)`.
    """

    rows: int
    positions: int
    decoder: int = 0
    time_first: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the values are.

    Attributes:
        steps: the way into tuples and mappings.
        form: `ROWS`, `TIME`, `FLAT`, `FLAT_TURNED`, `ONE`, `PACKED` or `WHOLE`.
        decoder: whether the positions are the decoder's.
    """

    steps: tuple[Step, ...]
    form: str
    decoder: bool = False

    def take(self, value: object, extent: Extent) -> torch.Tensor | None:
        """The values of a pass, `(rows, positions, units)`; None if they are not there."""
        found = value
        try:
            for step in self.steps:
                found = found[step]  # type: ignore[index]
        except (LookupError, TypeError):
            return None
        positions = extent.decoder if self.decoder else extent.positions
        if self.form == PACKED:
            return _unpacked(found, extent.rows, positions)
        if not isinstance(found, torch.Tensor):
            return None
        if self.form in (FLAT, FLAT_TURNED):
            if found.ndim != 2 or len(found) != extent.rows * positions:
                return None
            if extent.time_first == (self.form == FLAT):
                return found.reshape(positions, extent.rows, -1).transpose(0, 1)
            return found.reshape(extent.rows, positions, -1)
        if self.form == WHOLE:
            fits = found.ndim == 2 and len(found) == extent.rows
            return found.unsqueeze(1) if fits else None
        if self.form == ONE and found.ndim == 2:
            found = found.unsqueeze(0)
        if found.ndim < 3:
            return None
        found = found.flatten(2)
        if self.form == TIME:
            found = found.transpose(0, 1)
        wanted = (1 if self.form == ONE else extent.rows, positions)
        if tuple(found.shape[:2]) != wanted:
            return None
        return found.expand(extent.rows, -1, -1)


def find_layout(value: object, extent: Extent, whole_texts: bool = False) -> Layout | str:
    """Where the values of each token are in what a module gave, or why there are none.

    Args:
        value: the output, or the inputs.
        extent: of the pass.
        whole_texts: whether one result a text will do where there is none a token.
    """
    candidates = list(_tensors(value, (), 0))
    wanted = ((ROWS, TIME, FLAT, PACKED), (ONE,), *(((WHOLE,),) if whole_texts else ()))
    for forms in wanted:
        for steps, one in candidates:
            for form in forms:
                decoder = _fit(one, form, extent)
                if decoder is not None:
                    return Layout(steps, form, decoder)
    return _why(candidates, extent)


def _tensors(
    value: object, steps: tuple[Step, ...], depth: int
) -> Iterator[tuple[tuple[Step, ...], Any]]:
    if isinstance(value, torch.Tensor | PackedSequence):
        yield steps, value
    elif depth <= _DEEPEST and isinstance(value, Mapping):
        for key, one in value.items():
            yield from _tensors(one, (*steps, key), depth + 1)
    elif depth <= _DEEPEST and isinstance(value, tuple | list):
        for at, one in enumerate(value):
            yield from _tensors(one, (*steps, at), depth + 1)


def _fit(value: Any, form: str, extent: Extent) -> bool | None:
    """Whether a tensor has a form with the decoder's positions (True) or the text's; else None."""
    if isinstance(value, PackedSequence):
        sizes = {extent.positions: False}
        if extent.decoder:
            sizes.setdefault(extent.decoder, True)
        return sizes.get(len(value.batch_sizes)) if form == PACKED else None
    if form == PACKED or not value.is_floating_point() or value.layout != torch.strided:
        return None
    shape = tuple(value.shape)
    for positions, decoder in ((extent.positions, False), (extent.decoder, True)):
        if positions and _is(shape, form, extent.rows, positions, extent):
            return decoder
    return None


def _is(shape: tuple[int, ...], form: str, rows: int, positions: int, extent: Extent) -> bool:
    if form == FLAT:
        return len(shape) == 2 and shape[0] == rows * positions
    if form == WHOLE:
        return len(shape) == 2 and shape[0] == rows
    if form == ONE and len(shape) == 2:
        return shape[0] == positions
    lead = {ROWS: (rows, positions), TIME: (positions, rows), ONE: (1, positions)}[form]
    lengths = {extent.positions, extent.decoder}
    # Weights of attention end in two lengths, whatever their number of heads is.
    weights = len(shape) == 4 and shape[2] in lengths and shape[3] in lengths
    return len(shape) in (3, 4) and shape[:2] == lead and not weights


def _unpacked(value: object, rows: int, positions: int) -> torch.Tensor | None:
    if not isinstance(value, PackedSequence):
        return None
    values, _ = pad_packed_sequence(value, batch_first=True)
    if len(values) != rows or values.shape[1] > positions:
        return None
    missing = positions - values.shape[1]
    padded: torch.Tensor = torch.nn.functional.pad(values, (0, 0, 0, missing))
    return padded


def _why(candidates: list[tuple[tuple[Step, ...], Any]], extent: Extent) -> str:
    shapes = [tuple(one.shape) for _, one in candidates if isinstance(one, torch.Tensor)]
    if not shapes:
        return "no tensor"
    if not any(one.is_floating_point() for _, one in candidates if isinstance(one, torch.Tensor)):
        return "no numbers with a point: token ids, or a mask"
    if any(shape[:1] == (extent.rows,) and len(shape) < 3 for shape in shapes):
        return "one result a text, not one a token"
    shown = ", ".join(" x ".join(map(str, shape)) or "a number" for shape in shapes[:2])
    return f"not one result a token: {shown} for {extent.rows} texts of {extent.positions} tokens"
