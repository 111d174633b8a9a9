"""Comparisons made up, without a file that was compared."""

import numpy as np
from hypothesis import strategies as st

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.delta.summary import COUNTS, SUMS
from inspect_core.delta.table import SummaryTable
from inspect_core.pairing.match import Match
from inspect_core.results.comparison import Comparison, Side
from inspect_core.results.side_files import FileDifference

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SHAPES = st.lists(st.integers(0, 9), max_size=3).map(tuple)
DTYPE_NAMES = st.sampled_from(["F32", "BF16", "I64", "F8_E4M3", "BOOL", "C64"])
SUM_VALUES = st.floats(0.0, allow_nan=False, allow_infinity=True)
STATUSES = ["pair", "shape_mismatch", "unsupported", "added"]


def info(name, dtype, shape):
    numel = int(np.prod(shape, dtype=np.int64))
    return TensorInfo(name, dtype, shape, 0, 0, DTYPES[dtype].nbytes(numel))


@st.composite
def comparisons(draw):
    """Any comparison that could have been: names, shapes and numbers of all kinds."""
    names = draw(st.lists(TEXTS, unique=True, max_size=6))
    matches = [draw(_matches(name)) for name in names]
    for name in draw(st.lists(TEXTS, unique=True, max_size=2)):
        lone = info(name, draw(DTYPE_NAMES), draw(SHAPES))
        matches.append(Match(None, lone, "removed", draw(TEXTS)))
    table = SummaryTable(len(matches))
    kept = [at for at in range(len(matches)) if draw(st.booleans())]
    for at in kept:
        if matches[at].status == "pair":
            _fill(draw, table, at, matches[at].model.numel)
    sides = [draw(_sides()) for _ in range(2)]
    files = draw(st.lists(_differences(), max_size=2))
    rules = draw(st.dictionaries(st.sampled_from(["same name", "prefix 'a.'"]), st.integers(0, 9)))
    return Comparison(*sides, tuple(matches), rules, kept, table, tuple(files))


@st.composite
def _matches(draw, name):
    status = draw(st.sampled_from(STATUSES))
    shape = draw(SHAPES)
    model = info(name, draw(DTYPE_NAMES), shape)
    if status == "added":
        return Match(model, None, status, draw(TEXTS))
    other = draw(SHAPES) if status == "shape_mismatch" else shape
    partner = info(draw(st.sampled_from([name, f"x.{name}"])), draw(DTYPE_NAMES), other)
    joined = tuple(draw(st.lists(TEXTS, max_size=2)))
    return Match(model, partner, status, draw(TEXTS), None, joined)


def _fill(draw, table, at, numel):
    table.seen[at] = True
    table.apart[at] = draw(st.booleans())
    table.counts[:, at] = [numel, *[draw(st.integers(0, numel)) for _ in COUNTS[1:]]]
    table.sums[:, at] = [draw(SUM_VALUES) for _ in SUMS]
    table.sums[SUMS.index("dot"), at] = draw(st.floats())


@st.composite
def _sides(draw):
    uri = draw(st.one_of(TEXTS, st.lists(TEXTS, max_size=3).map(tuple)))
    return Side(uri, "a title", draw(st.integers(0, 9)), ("F32",), ("a warning",))


@st.composite
def _differences(draw):
    values = st.one_of(st.none(), st.sampled_from(["1", '"two"']))
    return FileDifference("config.json", "a.b", draw(values), draw(values), draw(st.booleans()))


def small_comparison():
    """Two tensors that changed, one that is new, one that is gone."""
    pairs = [Match(*[info(n, "F32", (2, 3))] * 2, "pair", "same name") for n in ("l.0.w", "l.1.w")]
    added = Match(info("new", "BF16", (4,)), None, "added", "no partner")
    removed = Match(None, info("old", "F32", ()), "removed", "no partner")
    table = SummaryTable(4)
    table.seen[:2] = True
    table.counts[:2, :2] = [[6, 6], [3, 0]]
    table.sums[:, :2] = 0.5
    sides = Side("m", "m", 3, ("F32", "BF16")), Side("r", "r", 3, ("F32",))
    files = (FileDifference("config.json", "hidden_size", "1", "2"),)
    matches = (*pairs, added, removed)
    return Comparison(*sides, matches, {"same name": 2}, range(4), table, files)
