"""A saved result is what was saved; anything else in its place is refused in one line."""

import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from saved_made import comparisons, encode, info, put, small_comparison

from inspect_core.checkpoint import open_checkpoint
from inspect_core.delta.collect import EVERYTHING, Collect
from inspect_core.delta.histogram import PackedHistograms
from inspect_core.delta.kernel import Chunk, CpuKernel
from inspect_core.delta.metrics import METRICS, ORIGINALS
from inspect_core.delta.table_parts import PartRows
from inspect_core.errors import CheckpointError, UsageError
from inspect_core.pairing.match import Match
from inspect_core.results import saved_reader
from inspect_core.results.comparison import compare
from inspect_core.results.records import report_of
from inspect_core.results.saved import is_saved, load, read_saved, save
from inspect_core.results.saved_columns import file_parts
from tui.demo import demo_pair

QUIET = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def saved_bytes(comparison) -> bytes:
    return b"".join(file_parts(comparison, "2026-01-31 12:00", "1.2"))


def fields_of(comparison):
    table = comparison.table
    return (
        comparison.model, comparison.reference, comparison.matches, dict(comparison.rules),
        list(comparison.kept), comparison.files, table.seen.tolist(),
        table.apart[table.seen].tolist(), table.counts.tolist(), table.sums.tobytes(),
    )  # fmt: skip


@QUIET
@given(comparisons())
def test_what_was_saved_comes_back(tmp_path, comparison) -> None:
    path = tmp_path / "result"
    path.write_bytes(saved_bytes(comparison))
    assert fields_of(load(path)) == fields_of(comparison)


def test_a_real_comparison_gives_the_same_report(tmp_path) -> None:
    found = compare(*demo_pair())
    path = tmp_path / "movies.lamella"
    save(path, found)
    again = load(path)
    assert report_of(again) == replace(report_of(found), saved=again.made)
    assert len(again.made) == len("2026-01-31 12:00") and not found.made
    assert load(path).tree().order == found.tree().order
    assert is_saved(path)
    again = read_saved(path)
    sizes = [sum(info.nbytes for info in (m.model for m in found.matches) if info)] * 2
    assert list(again.nbytes) == sizes
    assert again.identity[0][0] == path


def parts_of(table):
    return table.taken(np.flatnonzero(table.seen)).parts


@pytest.mark.parametrize("collect", [
    Collect(histogram=True), Collect(rows=True), Collect(rows=True, columns=True), EVERYTHING,
])  # fmt: skip
def test_what_only_some_sweeps_collect_is_kept(tmp_path, collect) -> None:
    found = compare(*demo_pair(), collect=collect)
    path = tmp_path / "result"
    save(path, found)
    again = load(path)
    assert again.collected == found.collected == collect
    metrics = (METRICS | ORIGINALS).values()
    metrics = [metric for metric in metrics if collect.covers(metric.needs)]
    assert report_of(again, metrics).tensors == report_of(found, metrics).tensors
    total = [(0, len(found.matches))]
    for metric in metrics:
        assert metric.value(again.table.summary(total)) == metric.value(found.table.summary(total))
    assert (parts_of(again.table).angles is None) == (not collect.rows)
    assert path.stat().st_size < 100_000


def test_the_file_is_read_by_the_formats_own_library(tmp_path) -> None:
    path = tmp_path / "result"
    save(path, small_comparison())
    columns = load_file(path)
    assert columns["seen"].tolist() == [True, True, False, False]
    assert json.loads(columns["names"].tobytes()) == ["l.0.w", "l.1.w", "new", "old"]


def test_numbers_that_are_no_numbers_survive(tmp_path) -> None:
    found = small_comparison()
    wide = info("l.0.w", "F64", (2, 3))
    object.__setattr__(found, "matches", (Match(wide, wide, "pair", ""), *found.matches[1:]))
    raws = [encode([x, -x, 1e300, 1.0, 5e-324, np.nan], "F64") for x in (1e308, -1e308)]
    chunk = Chunk(raws[0], "F64", raws[1], "F64", 6)
    put(found.table, 0, CpuKernel().compare(chunk, False, None)[0])
    assert np.isnan(found.table.sums[:, 0]).any() and np.isinf(found.table.sums[:, 0]).any()
    path = tmp_path / "result"
    save(path, found)
    assert load(path).table.sums.tobytes() == found.table.sums.tobytes()


def test_a_name_that_utf_8_cannot_hold_is_saved_in_words(tmp_path) -> None:
    found = small_comparison()
    object.__setattr__(found.model, "uri", "caf\udce9")
    path = tmp_path / "result"
    save(path, found)
    assert load(path).model.uri == "caf\\udce9"


def test_nothing_is_written_over(tmp_path) -> None:
    path = tmp_path / "result"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        save(path, small_comparison())
    with pytest.raises(UsageError, match="cannot be written"):
        save(tmp_path / "nowhere" / "result", small_comparison())
    assert path.read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result"]


def test_it_is_no_model(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    save(path, small_comparison())
    with pytest.raises(CheckpointError, match="a saved result, which holds no weights"):
        open_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 600, b"PK\x03\x04"])
def test_another_file_is_no_saved_result(tmp_path, content) -> None:
    path = tmp_path / "x.lamella"
    path.write_bytes(content)
    assert not is_saved(path)
    with pytest.raises(CheckpointError, match="not a saved result"):
        load(path)
    assert not is_saved(tmp_path / "absent") and not is_saved(tmp_path)


def refused(path, content: bytes) -> str:
    """The one line with which it is refused."""
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@QUIET
@given(st.data())
def test_a_damaged_file_is_refused(tmp_path, data) -> None:
    whole = bytearray(saved_bytes(small_comparison()))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    refused(tmp_path / "result", bytes(whole))


def changed(**columns) -> bytes:
    """A saved result with other columns, and a checksum that fits them."""
    raw = saved_bytes(small_comparison())
    length = int.from_bytes(raw[:8], "little")
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    metadata = header.pop("__metadata__") | columns.pop("metadata", {})
    body, entries, checksum = b"", {}, 0
    for name, entry in header.items():
        part = data[slice(*entry["data_offsets"])]
        change = columns.pop(name, None)
        if change is not None:
            part, described = change(part, entry) if callable(change) else (change, entry)
            size = {"I64": 8, "F64": 8, "U32": 4}.get(described["dtype"], 1)
            shape = described["shape"] if len(described["shape"]) > 1 else [len(part) // size]
            entry.update(described, shape=shape)
        entries[name] = entry | {"data_offsets": [len(body), len(body) + len(part)]}
        body += part
        checksum = zlib.crc32(part, checksum)
    for name, (part, entry) in columns.items():
        entries[name] = entry | {"data_offsets": [len(body), len(body) + len(part)]}
        body += part
        checksum = zlib.crc32(part, checksum)
    metadata = {"lamella": "result"} | metadata | {"checksum": f"{checksum:08x}"}
    text = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + body


def about(**fields):
    def change(part, entry):
        return json.dumps(json.loads(part) | fields).encode(), entry

    return change


def at(place, value):
    """Another number at a place of a column."""

    def change(part, entry):
        kind = {"I64": "<i8", "F64": "<f8", "U32": "<u4"}.get(entry["dtype"], "u1")
        values = np.frombuffer(part, kind).copy()
        values[place] = value
        return values.tobytes(), entry

    return change


CONTRADICTIONS = {
    "version": ({"metadata": {"version": "9"}}, "version 9"),
    "extra column": ({"more": (b"abcd", {"dtype": "U8", "shape": [4]})}, "no part of it"),
    "dtype": ({"status": lambda p, e: (p, e | {"dtype": "I8"})}, "dtype I8"),
    "rank": ({"counts": lambda p, e: (p, e | {"shape": [len(p) // 8]})}, "1 dimensions"),
    "fewer lines": ({"reason": bytes(4)}, "1 lines for 4"),
    "fewer numbers": (
        {"counts": lambda p, e: (p[: len(p) // 2], e | {"shape": [e["shape"][0], 1]})},
        "not as many numbers",
    ),
    "status": ({"status": at(0, 99)}, "leads nowhere"),
    "status of one side": ({"status": at(0, 3)}, "does not fit its tensors"),
    "removed first": (
        {"status": at(0, 4), "dtype": at(0, 255)}, "after those of the reference",
    ),
    "numbers of what is new": ({"seen": bytes([0, 1, 1, 0])}, "cannot be compared"),
    "no numbers of a pair": (
        {"seen": bytes(4), "counts": lambda p, e: (b"", e | {"shape": [e["shape"][0], 0]}),
         "sums": lambda p, e: (b"", e | {"shape": [e["shape"][0], 0]})},
        "no numbers of tensors that were compared",
    ),
    "bool": ({"kept": at(0, 7)}, "other values than 0 and 1"),
    "reason": ({"reason": at(0, 9)}, "leads nowhere"),
    "shape": ({"shape": at(0, 9)}, "leads nowhere"),
    "dtype index": ({"dtype": at(0, 7)}, "leads nowhere"),
    "renamed": ({"renamed": np.array([9], "<i8").tobytes(), "partners": b'["x"]'}, "out of order"),
    "renamed without a name": ({"renamed": np.array([1], "<i8").tobytes()}, "0 names"),
    "joined": ({"joined": np.array([2, 1], "<i8").tobytes(), "joined_names": b"[[],[]]"}, "order"),
    "joined without a name": ({"joined": np.array([1], "<i8").tobytes()}, "0 names"),
    "a part alone": ({"bins_end": (b"", {"dtype": "I64", "shape": [0]})}, "is missing"),
    "negative count": ({"counts": at(0, -1)}, "negative count"),
    "more than there are": ({"counts": at(0, 7)}, "other numbers of values"),
    "fewer than there are": ({"counts": at(0, 5)}, "other numbers of values"),
    "more changed": ({"counts": at(2, 7)}, "more values counted"),
    "NaN": ({"sums": at(2, np.nan)}, "not a number"),
    "negative square": ({"sums": at(5, -1.0)}, "negative"),
    "a count without a sum": ({"counts": at([3, 13], 3)}, "without a difference"),
    "a sum without a count": ({"counts": at([2, 12], 0)}, "no value changed"),
    "not beyond": ({"counts": at(12, 0)}, "beyond rounding"),
    "beyond more": ({"counts": at(12, 5)}, "beyond rounding"),
    "not beyond by much": ({"sums": at(20, 0.0)}, "do not fit"),
    "rounding of one dtype": ({"counts": at(14, 6)}, "narrower dtype"),
    "flips": ({"counts": at(11, 1)}, "more signs"),
    "left out": ({"counts": at(4, 1)}, "left out"),
    "not left out": ({"counts": at(6, 1)}, "left out"),
    "all left out": ({"counts": at([4, 6], 6)}, "that counts"),
    "no squares": ({"sums": at([4, 20], 0.0)}, "do not fit"),
    "no sizes": ({"sums": at(2, 0.0)}, "do not fit"),
    "a large one": ({"sums": at(18, 1e300)}, "do not fit"),
    "more than its sizes": ({"sums": at(0, 9.0)}, "do not fit"),
    "infinite": ({"sums": at(slice(0, None, 2), np.inf)}, "make up"),
    "no model": ({"sums": at([6, 10], 0.0)}, "sizes of the tensors"),
    "another model": ({"sums": at([6, 10], 100.0)}, "do not fit"),
    "another product": ({"sums": at(14, -3.0)}, "product"),
    "a large product": ({"sums": at(14, 99.0)}, "product"),
    "another residual": ({"sums": at(16, 5.0)}, "residual"),
    "a partner of two": (
        {"renamed": np.array([1], "<i8").tobytes(), "partners": b'["l.0.w"]'}, "given to two",
    ),
    "a partner that is alone": (
        {"renamed": np.array([1], "<i8").tobytes(), "partners": b'["old"]'}, "there twice",
    ),
    "more by rules": ({"about": about(rules={"same name": 3})}, "rules that found 3"),
    "nobody asked": ({"kept": bytes(4)}, "nobody asked"),
    "not asked for": ({"kept": bytes([1, 0, 1, 1])}, "nobody asked"),
    "name twice": ({"names": b'["a","a","new","old"]'}, "there twice"),
    "name of a number": ({"names": b'["a",1,"new","old"]'}, "damaged"),
    "names nest": ({"names": b"[" * 100_000}, "damaged"),
    "half a surrogate": ({"names": rb'["a","\ud800","new","old"]'}, "damaged"),
    "not UTF-8": ({"names": b'["a","\xff","new","old"]'}, "damaged"),
    "shapes": ({"shapes": b"[[],[-1]]"}, "damaged"),
    "a huge shape": ({"shapes": b"[[],[%d,%d],[4]]" % (2**63 - 1, 2**63 - 1)}, "impossible"),
    "rank 65": ({"shapes": b"[[],[%s],[4]]" % b",".join([b"1"] * 65)}, "65 dimensions"),
    "about twice": ({"about": lambda p, e: (b'{"made":"",' + p[1:], e)}, "twice"),
    "about more": ({"about": about(more=1)}, "unknown field"),
    "about less": ({"about": b"{}"}, "missing required field"),
    "about no object": ({"about": b"[]"}, "damaged"),
    "about nests": ({"about": b"[" * 100_000}, "damaged"),
    "about floats": ({"about": about(rules={"same name": 1.5})}, "whole numbers"),
    "about bools": ({"about": about(rules={"same name": True})}, "damaged"),
    "rules": ({"about": about(rules={"same name": -1})}, "impossible number"),
    "unknown dtype": ({"about": about(dtypes=["F31", "BF16"])}, "unknown dtype"),
    "other counts": ({"about": about(counts=["numel"])}, "counted other things"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, case) -> None:
    columns, why = CONTRADICTIONS[case]
    assert why in refused(tmp_path / "result", changed(**columns))


def with_parts(ends=(2, 3), first=(5, 6), counts=(1, 2, 3), angles=None) -> bytes:
    """A saved result with histograms and rows, of these numbers."""
    found = small_comparison()
    for lines in (found.table.counts, found.table.sums):
        lines[:, 1] = lines[:, 0]
    rows = found.table.taken(np.arange(2))
    packed = PackedHistograms(
        np.array(first, np.int32), np.array(ends, np.int64), np.array(counts, np.uint16)
    )
    good = [[2.0, 1.0, 0.5, np.nan], [2.0, 0.0, 6.0, 1.0]]
    parts = PartRows(packed, np.array(good if angles is None else angles))
    written = replace(rows, parts=parts)
    found.table.taken = lambda ordinals: written
    return saved_bytes(found)


def test_the_made_up_parts_are_sound(tmp_path) -> None:
    path = tmp_path / "result"
    path.write_bytes(with_parts())
    found = load(path)
    assert found.table.row(0).histogram.sum() == 6
    assert found.table.row(0).rows.largest_column is None
    assert found.table.row(1).rows.angle_sum == 6.0


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"ends": (3,)}, "not as many histograms"),
        ({"first": (5,)}, "not as many histograms"),
        ({"ends": (3, 2)}, "do not follow each other"),
        ({"ends": (2, 4)}, "do not follow each other"),
        ({"ends": (-1, 3)}, "do not follow each other"),
        ({"first": (0, 6)}, "beyond its bins"),
        ({"first": (-5, 6)}, "beyond its bins"),
        ({"first": (5, 2041)}, "beyond its bins"),
        ({"first": (5, 2**31 - 1)}, "beyond its bins"),
        ({"counts": (1, 6, 3)}, "more values than have changed"),
        ({"counts": (1, 2, 7)}, "more values than have changed"),
        ({"angles": [[1.0] * 4]}, "not as many angles"),
        ({"angles": [[2, 1, np.nan, 1]] * 2}, "impossible angles"),
        ({"angles": [[np.nan, 1, 1, 1]] * 2}, "impossible angles"),
        ({"angles": [[2, 3, 1, 1]] * 2}, "impossible angles"),
        ({"angles": [[2, 1, 9, 1]] * 2}, "impossible angles"),
        ({"angles": [[2, 1, 1, -1]] * 2}, "impossible angles"),
        ({"angles": [[2.5, 1, 1, 1]] * 2}, "impossible angles"),
        ({"angles": [[np.inf, 1, 1, 1]] * 2}, "impossible angles"),
    ],
)
def test_parts_that_cannot_be_are_refused(tmp_path, parts, why) -> None:
    assert why in refused(tmp_path / "result", with_parts(**parts))


def test_the_made_up_files_are_otherwise_sound(tmp_path) -> None:
    path = tmp_path / "result"
    path.write_bytes(changed())
    assert len(load(path).matches) == 4


def test_too_many_tensors_are_not_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(saved_reader, "MOST_MATCHES", 3)
    assert "4 tensors, more than the 3" in refused(tmp_path / "result", changed())


@pytest.mark.parametrize("name", ["about", "names", "shapes"])
def test_texts_of_any_size_are_not_read(tmp_path, monkeypatch, name) -> None:
    monkeypatch.setitem(saved_reader.MOST_TEXT_BYTES, name, 1)
    assert f"'{name}' has" in refused(tmp_path / "result", changed())


def test_texts_of_a_stranger_are_safe_to_show(tmp_path) -> None:
    evil = "\x1b[2J\u202e"
    side = json.loads(b"{}") | {
        "uri": evil, "title": evil, "tensors": 3, "bytes": 1, "dtypes": [evil], "warnings": [evil],
    }  # fmt: skip
    path = tmp_path / "result"
    fields = about(made=evil, by=evil, model=side, files=[[evil, evil, evil, None, False]])
    path.write_bytes(changed(about=fields))
    found = read_saved(path)
    texts = [found.made, found.by, found.comparison.model.title, *found.comparison.model.warnings]
    texts += [found.comparison.files[0].file, found.comparison.files[0].old]
    assert all("\x1b" not in text and "\u202e" not in text for text in texts)
