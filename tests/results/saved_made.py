"""Comparisons made up, without a file that was compared."""

import numpy as np
import torch
from hypothesis import strategies as st

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.delta.kernel import Chunk, CpuKernel
from inspect_core.delta.summary import COUNTS, SUMS
from inspect_core.delta.table import SummaryTable
from inspect_core.pairing.match import Match
from inspect_core.results.comparison import Comparison, Side
from inspect_core.results.side_files import FileDifference

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SHAPES = st.lists(st.integers(0, 9), max_size=3).map(tuple)
COMPARED = ["F32", "BF16", "F16", "F64", "F8_E4M3", "F8_E5M2", "I8", "BOOL"]
DTYPE_NAMES = st.sampled_from([*COMPARED, "I64", "C64"])
EXTREMES = [0.0, -0.0, 1.0, -1.5, 5e-324, 1e-160, 3e-45, 1e38, -1e150, 1e300, np.nan, np.inf]
STATUSES = ["pair", "shape_mismatch", "unsupported", "added"]


TORCH = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


def encode(values, dtype):
    """Values as the bytes of a dtype."""
    tensor = torch.from_numpy(np.array(values, np.float64).reshape(-1))
    return tensor.to(TORCH[dtype]).view(torch.uint8).numpy().copy()


def info(name, dtype, shape):
    numel = int(np.prod(shape, dtype=np.int64))
    return TensorInfo(name, dtype, shape, 0, 0, DTYPES[dtype].nbytes(numel))


@st.composite
def comparisons(draw):
    """Any comparison that could have been: names, shapes and numbers of all kinds."""
    names = draw(st.lists(TEXTS.map("a.{}".format), unique=True, max_size=6))
    matches = [draw(_matches(name)) for name in names]
    for name in draw(st.lists(TEXTS.map("b.{}".format), unique=True, max_size=2)):
        lone = info(name, draw(DTYPE_NAMES), draw(SHAPES))
        matches.append(Match(None, lone, "removed", draw(TEXTS)))
    table = SummaryTable(len(matches))
    kept = [at for at in range(len(matches)) if draw(st.booleans())] or list(range(len(matches)))
    for at in kept:
        if matches[at].status == "pair":
            _fill(draw, table, at, matches[at])
    sides = [draw(_sides()) for _ in range(2)]
    files = draw(st.lists(_differences(), max_size=2))
    paired = sum(match.model is not None and match.reference is not None for match in matches)
    some = draw(st.integers(0, paired))
    rules = {"same name": some, "prefix 'a.'": paired - some}
    return Comparison(*sides, tuple(matches), rules, kept, table, tuple(files))


@st.composite
def _matches(draw, name):
    status = draw(st.sampled_from(STATUSES))
    shape = draw(SHAPES)
    dtypes = st.sampled_from(COMPARED) if status == "pair" else DTYPE_NAMES
    model = info(name, draw(dtypes), shape)
    if status == "added":
        return Match(model, None, status, draw(TEXTS))
    other = draw(SHAPES) if status == "shape_mismatch" else shape
    partner = info(draw(st.sampled_from([name, f"x.{name}"])), draw(dtypes), other)
    joined = tuple(draw(st.lists(TEXTS.map("c.{}".format), max_size=2)))
    return Match(model, partner, status, draw(TEXTS), None, joined)


def _fill(draw, table, at, match):
    """What the kernel finds in any bytes, near ones and extreme ones among them."""
    numel = match.model.numel
    model = draw(_values(match.model.dtype, numel))
    reference = draw(_values(match.reference.dtype, numel))
    if match.model.dtype == match.reference.dtype and draw(st.booleans()):
        reference = model.copy()
        if model.size and draw(st.booleans()):
            reference[draw(st.integers(0, model.size - 1))] ^= 1
    chunk = Chunk(model, match.model.dtype, reference, match.reference.dtype, numel)
    found, _ = CpuKernel().compare(chunk, False, None)
    put(table, at, found, draw(st.booleans()))


def put(table, at, summary, apart=False):
    """A summary as a row of a table."""
    table.seen[at], table.apart[at] = True, apart
    table.counts[:, at] = [getattr(summary, name) for name in COUNTS]
    table.sums[:, at] = [getattr(summary, name) for name in SUMS]


@st.composite
def _values(draw, dtype, numel):
    if dtype not in TORCH or draw(st.booleans()):
        raw = draw(
            st.binary(min_size=DTYPES[dtype].nbytes(numel), max_size=DTYPES[dtype].nbytes(numel))
        )
        return np.frombuffer(raw, np.uint8).copy()
    values = draw(st.lists(st.sampled_from(EXTREMES), min_size=numel, max_size=numel))
    return encode(values, dtype)


@st.composite
def _sides(draw):
    uri = draw(st.one_of(TEXTS, st.lists(TEXTS, max_size=3).map(tuple)))
    stored = draw(st.dictionaries(TEXTS, DTYPE_NAMES, max_size=2))
    return Side(uri, "a title", draw(st.integers(0, 9)), ("F32",), ("a warning",), stored)


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
    new = np.array([1.5, 2.0, 0.5, 1.0, -1.0, 0.25], np.float32)
    for at, old in enumerate((new - [0.5, -0.25, 0.125, 0, 0, 0], new)):
        raws = [side.astype(np.float32).view(np.uint8) for side in (new, old)]
        put(
            table, at, CpuKernel().compare(Chunk(raws[0], "F32", raws[1], "F32", 6), False, None)[0]
        )
    sides = Side("m", "m", 3, ("F32", "BF16")), Side("r", "r", 3, ("F32",))
    files = (FileDifference("config.json", "hidden_size", "1", "2"),)
    matches = (*pairs, added, removed)
    return Comparison(*sides, matches, {"same name": 2}, range(4), table, files)
