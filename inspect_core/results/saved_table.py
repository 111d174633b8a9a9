"""The numbers of a saved result, each checked against what a comparison can have found."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.histogram import HISTOGRAM_BINS, PackedHistograms
from inspect_core.delta.summary import COUNTS, SUMS
from inspect_core.delta.table import SummaryRows, SummaryTable
from inspect_core.delta.table_parts import PartRows
from inspect_core.pairing.match import Match
from inspect_core.results.saved_columns import ANGLES, NONE, STATUSES
from inspect_core.results.saved_numbers import contradiction

MOST_ELEMENTS = 1 << 60
"""Bytes or values of all tensors together that a sum over them can still hold."""

_MOST_COUNT = MOST_ELEMENTS // HISTOGRAM_BINS
"""A bin of more values is made up; and a histogram of fewer adds up without overflow."""

_MAY_BE_ANY = frozenset({"sum_d", "dot"})
"""Sums that have a sign, and are NaN where two infinite ones cancel."""

_MAY_BE_NAN = frozenset({"residual"})

_PAIR, _ADDED, _REMOVED = (STATUSES.index(status) for status in ("pair", "added", "removed"))

Columns = Mapping[str, NDArray[Any]]
"""The columns of the file by name."""


class Contradiction(Exception):  # noqa: N818 - whoever reads the file makes an error of it
    """The file contradicts itself, or is no saved result."""


def refuse(what: str) -> NoReturn:
    """Say what is wrong with the file.

    Raises:
        Contradiction: always.
    """
    raise Contradiction(what)


def check_statuses(columns: Columns) -> None:
    """Each status has the tensors that it speaks of, and numbers only where it is compared.

    Raises:
        Contradiction: it is not so.
    """
    status, seen = columns["status"], columns["seen"]
    lacks_ours = columns["dtype"] == NONE
    lacks_theirs = columns["partner_dtype"] == NONE
    removed = status == _REMOVED
    if (lacks_ours != removed).any() or (lacks_theirs != (status == _ADDED)).any():
        refuse("a status that does not fit its tensors")
    if (np.diff(removed.astype(np.int8)) < 0).any():
        refuse("tensors of the model after those of the reference alone")
    if (seen & (status != _PAIR)).any():
        refuse("numbers of tensors that cannot be compared")
    if (columns["kept"] & (status == _PAIR) & ~seen).any():
        refuse("no numbers of tensors that were compared")
    if (seen & ~columns["kept"]).any() or (status.size and not columns["kept"].any()):
        refuse("tensors that nobody asked for")


def check_partners(matches: Sequence[Match], rules: Mapping[str, int]) -> None:
    """No tensor of the reference is given away twice, and each partner was found by a rule.

    Several tensors may have parts of one: together they have no more of it than there is.

    Raises:
        Contradiction: it is not so.
    """
    lone = [match.name for match in matches if match.model is None]
    taken: set[str] = set()
    left: dict[str, int] = {}
    whole: dict[str, tuple[str, tuple[int, ...]]] = {}
    paired = 0
    for match in matches:
        model, reference = match.model, match.reference
        if model is None or reference is None:
            continue
        paired += 1
        taken.update(match.partners or (reference.name,))
        if match.partners or match.status != "pair":
            continue
        name, kind = reference.name, (reference.dtype, reference.shape)
        left[name] = left.get(name, reference.numel) - min(model.numel, reference.numel)
        if left[name] < 0 or whole.setdefault(name, kind) != kind:
            refuse("a tensor of the reference is given to two")
    if len(set(lone)) < len(lone) or not taken.isdisjoint(lone):
        refuse("a tensor of the reference is there twice")
    if sum(rules.values()) != paired:
        refuse(f"rules that found {sum(rules.values()):,} partners, where {paired:,} are")


def table_of(columns: Columns, matches: Sequence[Match]) -> SummaryTable:
    """The table that the columns hold.

    Raises:
        Contradiction: numbers that no comparison can find.
    """
    seen, counts, sums = columns["seen"], columns["counts"], columns["sums"]
    ordinals = np.flatnonzero(seen)
    if counts.shape != (len(COUNTS), len(ordinals)) or sums.shape != (len(SUMS), len(ordinals)):
        refuse(f"not as many numbers as the {len(ordinals):,} compared tensors have")
    if counts.size and counts.min() < 0:
        refuse("a negative count")
    numel = counts[COUNTS.index("numel")]
    if (counts > numel).any():
        refuse("more values counted than compared")
    for name, line in zip(SUMS, sums, strict=True):
        bad = line < 0.0 if name in _MAY_BE_NAN else ~(line >= 0.0)
        if name not in _MAY_BE_ANY and bad.any():
            refuse(f"'{name}' is negative or not a number")
    wrong = contradiction(counts, sums, [matches[at] for at in ordinals.tolist()])
    if wrong:
        refuse(wrong)
    changed = counts[COUNTS.index("changed")]
    parts = PartRows(_histograms(columns, changed), _angles(columns, len(ordinals)))
    table = SummaryTable(len(matches))
    table.put(ordinals, SummaryRows(counts.T, sums.T, columns["apart"][ordinals], parts))
    return table


def _histograms(columns: Columns, changed: NDArray[np.int64]) -> PackedHistograms | None:
    if "bins_end" not in columns:
        return None
    ends, first, counts = (columns[name] for name in ("bins_end", "bins_first", "bins_count"))
    if ends.size != changed.size or first.size != changed.size:
        refuse("not as many histograms as compared tensors")
    lengths = np.diff(ends, prepend=0)
    if (lengths < 0).any() or (ends[-1] if ends.size else 0) != counts.size:
        refuse("histograms that do not follow each other")
    filled = lengths > 0
    last = first.astype(np.int64) + lengths
    if (first < filled).any() or (last > HISTOGRAM_BINS).any():
        refuse("a histogram beyond its bins")
    if counts.size and int(counts.max()) > _MOST_COUNT:
        refuse("an impossible number of values in a bin")
    totals = (
        np.add.reduceat(counts.astype(np.int64), (ends - lengths)[filled]) if counts.size else 0
    )
    if (totals > changed[filled]).any():  # zeros are not told
        refuse("histograms of more values than have changed")
    return PackedHistograms(first.astype(np.int32), ends.astype(np.int64), counts)


def _angles(columns: Columns, count: int) -> NDArray[np.float64] | None:
    if ANGLES not in columns:
        return None
    angles: NDArray[np.float64] = columns[ANGLES]
    if angles.shape != (count, 4):
        refuse("not as many angles of rows as compared tensors")
    rows, undefined, angle_sum, largest = angles.T
    # Written so that NaN fails, except where it stands for a number that is not there.
    sound = (rows >= 0.0) & (rows <= MOST_ELEMENTS) & (undefined >= 0.0) & (undefined <= rows)
    sound &= (angle_sum >= 0.0) & (angle_sum <= 4.0 * rows) & ~(largest < 0.0)
    if not sound.all() or (rows % 1.0).any() or (undefined % 1.0).any():
        refuse("impossible angles of rows")
    return angles
