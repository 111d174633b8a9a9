"""Columns of labels over all texts: their counts, what chance gives, what should be told."""

import math
from collections import Counter
from collections.abc import Sequence

from inspect_core.geometry.landscape import LabelColumn, Measured
from inspect_core.geometry.representations import Representations
from inspect_core.text import clean

MOST_LABELS = 50
"""A column with more different labels is said to be perhaps none of labels."""

NAMED = 5
"""Labels that a note names."""

SHOWN = 30
"""Characters of a label in a note."""


def label_columns(spaces: Sequence[Representations]) -> tuple[LabelColumn, ...]:
    """Each column once, over the texts of the first space that has it.

    Args:
        spaces: of the same texts; see `aligning.aligned`.
    """
    found: dict[str, LabelColumn] = {}
    for space in spaces:
        for column, labels in space.labels:
            if column not in found:
                found[column] = label_column(column, labels)
    return tuple(found.values())


def label_column(column: str, labels: Sequence[str]) -> LabelColumn:
    """The counts of labels, and what the measures give if labels are dealt out at random.

    Args:
        column: its name; foreign.
        labels: one a text; foreign.
    """
    counts = Counter(labels).most_common()
    total = len(labels)
    pairs = total * (total - 1)
    nearest = overlap = math.nan
    if pairs:
        nearest = sum(count * (count - 1) for _, count in counts) / pairs
        overlap = sum(count - 1 for _, count in counts) / len(counts) / (total - 1)
    majority = counts[0][1] / total if total else math.nan
    return LabelColumn(column, tuple(counts), nearest, majority, overlap)


def label_notes(columns: Sequence[LabelColumn], measured: Measured) -> list[str]:
    """What should be known of columns before their numbers are read; safe to show.

    Args:
        columns: see `label_columns`.
        measured: how many neighbours count.
    """
    notes = []
    for one in columns:
        name, kinds = clean(one.column), len(one.counts)
        texts = sum(count for _, count in one.counts)
        if kinds > MOST_LABELS or 2 < texts == kinds:
            numeric = all(_is_number(label) for label, _ in one.counts)
            asked = number if (number := name.removeprefix("column ")).isdecimal() else name
            meant = f"; they are numbers: meant {asked}:sign?" if numeric else ""
            notes.append(f"{name}: {kinds:,} different labels of {texts:,} texts{meant}")
        elif kinds > 1:
            told = ", ".join(f"{_shown(label)} {count:,}" for label, count in one.counts[:NAMED])
            more = f" and {kinds - NAMED} more" if kinds > NAMED else ""
            notes.append(
                f"{name}: {told}{more}: always answering '{_shown(one.counts[0][0])}' is right "
                f"for {_share(one.majority)}"
            )
            notes += _few(one, measured)
    return notes


def _few(column: LabelColumn, measured: Measured) -> list[str]:
    """Labels with too few texts for all neighbours that count to have them."""
    k = measured.overlap_k
    few = [label for label, count in column.counts if count <= k]
    if measured.share is not None or not few:
        return []
    named = ", ".join(f"'{_shown(label)}'" for label in few[:NAMED])
    more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
    some = "has" if len(few) == 1 else "have"
    return [
        f"{clean(column.column)}: {named}{more} {some} too few texts for the {k} neighbours that "
        "count: the overlap cannot reach 1; a share of each label's texts can count instead"
    ]


def _shown(label: str) -> str:
    return clean(label, SHOWN) or "(empty)"


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _is_number(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False
