"""TX-Ray's own tables: a TSV with one row a token, and which neuron it activated most.

Columns `inputs` (the token), `max_activations`, `max_activation_index` and mostly `POS`, in any
order and among others. Nothing in it is quoted.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.rule import MAX, VALUE, Rule
from inspect_core.activations.stage import Counts, Features, SiteCounts, Stage
from inspect_core.capture.output import Site
from inspect_core.capture.texts.lines import open_text_file, read_lines
from inspect_core.control import Control
from inspect_core.errors import LamellaError, UsageError
from inspect_core.text import clean

TABLE = Site("table")
"""The one site of a table, which does not say which module it is of."""

WORD, TAG, VALUE_COLUMN, UNIT = "inputs", "POS", "max_activations", "max_activation_index"

MOST_UNITS = 1 << 20
"""Neurons that a table may have: a number read from a stranger decides how much memory is taken."""

_LARGEST = float(np.finfo(np.float32).max)
_ENDS = ("eos", "eop")
_BLOCK = 1 << 16


def open_table(
    path: str,
    title: str | None = None,
    labels: Sequence[str] = (),
    control: Control | None = None,
) -> Stage:
    """Read a table as one stage.

    Each row is one activation, as published, `eos` and `eop` (ends of sentences and paragraphs)
    too; values keep their sign. The table knows no texts: `Stage.samples` is 0, and each
    `Counts.sample` -1.

    Args:
        path: the file.
        title: of the stage; the file's name without one.
        labels: further columns whose values are features.
        control: polled while reading.

    Raises:
        LamellaError: the file cannot be read, or a row of it makes no sense; with its line.
        UsageError: it has not the columns.
    """
    file = open_text_file(path)
    try:
        lines = read_lines(file, control)
        header = next(lines, None)
        if header is None:
            raise LamellaError("holds nothing", where=path, hint=_expected())
        reading = _Reading(path, header[1].split("\t"), tuple(labels))
        for number, line in lines:
            if line:
                reading.row(number, line.split("\t"))
    finally:
        file.close()
    return reading.stage(clean(Path(path).name) if title is None else title)


class _Reading:
    """The rows of a table as they are read; memory grows with distinct features."""

    def __init__(self, path: str, header: list[str], labels: tuple[str, ...]) -> None:
        self._path = path
        self._columns = len(header)
        self._word = _place(header, WORD, path)
        self._value = _place(header, VALUE_COLUMN, path)
        self._unit = _place(header, UNIT, path)
        self._tag = _place(header, TAG, path) if TAG in header else None
        self._labels = labels
        self._label_places = [_place(header, name, path) for name in labels]
        self._words: dict[tuple[str, str], int] = {}
        self._values: list[dict[str, int]] = [{} for _ in labels]
        self._sums = [_Sums() for _ in range(1 + len(labels))]
        self._units: list[int] = []
        self._masses: list[float] = []
        self._features: list[list[int]] = [[] for _ in self._sums]
        self._most = -1
        self._rows = 0

    def row(self, number: int, cells: list[str]) -> None:
        if len(cells) != self._columns:
            raise LamellaError(
                f"line {number:,} has {len(cells):,} columns, the first has {self._columns:,}",
                where=self._path,
                hint="each row needs the same columns",
            )
        unit = self._number(number, cells[self._unit])
        self._units.append(unit)
        self._masses.append(self._activation(number, cells[self._value]))
        tag = "" if self._tag is None else cells[self._tag]
        word = cells[self._word], tag
        self._features[0].append(self._words.setdefault(word, len(self._words)))
        for at, place in enumerate(self._label_places):
            known = self._values[at]
            self._features[1 + at].append(known.setdefault(cells[place], len(known)))
        self._most = max(self._most, unit)
        self._rows += 1
        if len(self._units) >= _BLOCK:
            self._fold()

    def _number(self, line: int, cell: str) -> int:
        digits = cell.strip().removesuffix(".0")  # pandas writes 7.0 where other rows are empty
        if not (digits.isascii() and digits.isdigit()):
            raise LamellaError(
                f"line {line:,}: '{clean(cell, 40)}' is no number of a neuron",
                where=self._path,
                hint=f"{UNIT} counts from 0",
            )
        if len(digits) > 12 or int(digits) >= MOST_UNITS:
            raise LamellaError(
                f"line {line:,}: neuron {clean(digits, 40)} of at most {MOST_UNITS:,}",
                where=self._path,
                hint=f"{UNIT} is the place of the strongest unit in its layer",
            )
        return int(digits)

    def _activation(self, line: int, cell: str) -> float:
        try:
            value = float(cell) if cell.isascii() and "_" not in cell else math.nan
        except ValueError:
            value = math.nan
        if not abs(value) <= _LARGEST:
            raise LamellaError(
                f"line {line:,}: '{clean(cell, 40)}' is no activation",
                where=self._path,
                hint=f"{VALUE_COLUMN} are finite numbers, with a point",
            )
        return value

    def _fold(self) -> None:
        units, masses = np.array(self._units, np.int64), np.array(self._masses, np.float64)
        for sums, features in zip(self._sums, self._features, strict=True):
            sums.add(units, np.array(features, np.int64), masses)
            features.clear()
        self._units.clear()
        self._masses.clear()

    def stage(self, title: str) -> Stage:
        if not self._rows:
            raise LamellaError("holds no row below its first", where=self._path, hint=_expected())
        self._fold()
        words, *labels = [sums.counts(self._most + 1) for sums in self._sums]
        names = tuple([word for word, _ in self._words])
        tags = None if self._tag is None else tuple([tag for _, tag in self._words])
        columns = zip(self._labels, self._values, labels, strict=True)
        return Stage(
            title=title,
            rule=Rule(kind=MAX, sign=VALUE, lower=False),
            words=Features("word", names, tags, _occurrences(words, len(names))),
            labels=tuple(
                [
                    Features(name, tuple(known), None, _occurrences(counts, len(known)))
                    for name, known, counts in columns
                ]
            ),
            sites=(SiteCounts(TABLE, words, tuple(labels)),),
            samples=0,
            tokens=self._rows,
            notes=self._notes(words),
        )

    def _notes(self, words: Counts) -> tuple[str, ...]:
        ends = [at for (word, _), at in self._words.items() if word in _ENDS]
        rows = int(words.count[np.isin(words.feature, ends)].sum())
        if not rows:
            return ()
        name = clean(Path(self._path).name, 60)
        return (f"{name}: {rows:,} ends of sentences (eos, eop) count as words, as published",)


class _Sums:
    """Activations by neuron and feature, merged whenever as many rows wait as there are sums."""

    def __init__(self) -> None:
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
        self._rows = 0
        self._merged = _merge([])

    def add(
        self, unit: NDArray[np.int64], feature: NDArray[np.int64], mass: NDArray[np.float64]
    ) -> None:
        self._waiting.append((unit, feature, mass))
        self._rows += len(unit)
        if self._rows >= len(self._merged.unit):
            self._merge()

    def _merge(self) -> None:
        parts = [_single(*rows) for rows in self._waiting]
        self._merged = _merge([self._merged, *parts])
        self._waiting.clear()
        self._rows = 0

    def counts(self, units: int) -> Counts:
        self._merge()
        done = self._merged
        return Counts(units, done.unit, done.feature, done.count, done.mass, done.best, done.sample)


def _single(
    unit: NDArray[np.int64], feature: NDArray[np.int64], mass: NDArray[np.float64]
) -> Counts:
    """Rows as counts of 1, in no order."""
    number = len(unit)
    return Counts(
        0,
        unit.astype(np.int32),
        feature.astype(np.int32),
        np.ones(number, np.int64),
        mass,
        mass,
        np.full(number, -1, np.int64),
    )


def _merge(parts: list[Counts]) -> Counts:
    """One entry for each neuron and feature, in order."""
    empty = np.zeros(0, np.int64)
    unit = np.concatenate([empty, *[part.unit for part in parts]])
    feature = np.concatenate([empty, *[part.feature for part in parts]])
    key = (unit << 32) | feature
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))[: len(key)])
    if not len(first):
        none = np.zeros(0, np.int32)
        return Counts(0, none, none, empty, np.zeros(0), np.zeros(0), empty)
    mass = np.concatenate([part.mass for part in parts])[order]
    best = np.concatenate([part.best for part in parts])[order]
    count = np.concatenate([part.count for part in parts])[order]
    return Counts(
        0,
        (key[first] >> 32).astype(np.int32),
        (key[first] & 0xFFFFFFFF).astype(np.int32),
        np.add.reduceat(count, first),
        np.add.reduceat(mass, first),
        np.maximum.reduceat(best, first),
        np.full(len(first), -1, np.int64),
    )


def _occurrences(counts: Counts, features: int) -> NDArray[np.int64]:
    found = np.bincount(counts.feature, weights=counts.count, minlength=features)
    return found.astype(np.int64)


def _place(header: list[str], name: str, path: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise UsageError(f"several columns are called '{clean(name)}'", where=path)
    listed = ", ".join([clean(column, 40) for column in header[:10]])
    raise UsageError(
        f"has no column '{clean(name)}'", where=path, hint=f"{_expected()}; it has {listed}"
    )


def _expected() -> str:
    return f"a table has the columns {WORD}, {TAG}, {VALUE_COLUMN} and {UNIT}, apart by tabs"
