"""Files round-trip the names that strangers made, and obey none of them."""

import csv
import io
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_made import F32, compared

from inspect_core.results.formats import json_object, sheet_text
from inspect_core.results.groups import groups_of
from inspect_core.results.sheets import group_sheet
from inspect_core.results.tables import Sheet, SheetColumn
from inspect_core.text import clean

HOSTILE = [
    "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "'quoted", "\uff1d1", "a\tb", "a\nb",
    "a\r\nb", 'say "x"', "a,b", "a|b", "\x1b]0;x\x07", "\u202eabc", "`code`", "``", "[x](http://x.y)",
    "<img src=x>", "![](http://x)", "", " ", "é", "\U0001f600",
]  # fmt: skip
FORMULAS = [
    " =1", "\uff1d1+1", "  \ufe66 1", "; =1+1", ',"=1', "\"-1", "|x", " \uff20a", "a=1", "\u00a0-1",
    "\t=1",
]  # fmt: skip
COLUMNS = (
    SheetColumn("name", "name", "tensor"),
    SheetColumn("shape", "text", "shape"),
    SheetColumn("rel_l2", "number", "rel. L2"),
    SheetColumn("dtypes", "text", to="people"),
    SheetColumn("note", "words"),
)


def sheet_of(names, note: str = "") -> Sheet:
    return Sheet("tensor", COLUMNS, [(name, (2, 3), -0.5, "F32", note) for name in names])


def unguarded(text: str) -> str:
    return text.removeprefix("'")


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_separated_values_round_trip(form, delimiter) -> None:
    names = [*HOSTILE, *FORMULAS]
    text = sheet_text(sheet_of(names), form)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert rows[0] == ["name", "shape", "rel_l2", "note"]
    assert [unguarded(row[0]) for row in rows[1:]] == [clean(name, None) for name in names]
    assert all(row[1:] == ["2x3", "-0.5", ""] for row in rows[1:])
    assert len(text.splitlines()) == 1 + len(names)
    firsts = [unicodedata.normalize("NFKC", row[0].lstrip(' ;,"')[:1]) for row in rows]
    assert not set(firsts) & set("=+-@|")
    assert [row[0] for row in rows[-5:]] == ["'|x", "' \uff20a", "a=1", r"\xa0-1", r"\x09=1"]
    assert all(char.isprintable() or char in "\n\t" for char in text)
    assert form == "csv" or all(line.count("\t") == 3 for line in text.splitlines())


@given(st.text(), st.sampled_from([("csv", ","), ("tsv", "\t")]))
def test_any_name_round_trips(name, form) -> None:
    text = sheet_text(sheet_of([name], note=name), form[0])
    _, row = csv.reader(io.StringIO(text, newline=""), delimiter=form[1])
    assert unguarded(row[0]) == unguarded(row[3]) == clean(name, None)


def test_texts_are_in_quotes_and_numbers_are_not() -> None:
    text = sheet_text(sheet_of(['say "x"', "", "1e5"], note="a; b"), "csv")
    assert text.splitlines() == [
        '"name","shape","rel_l2","note"', '"say ""x""","2x3",-0.5,"a; b"',
        ',"2x3",-0.5,"a; b"', '"1e5","2x3",-0.5,"a; b"',
    ]  # fmt: skip


def test_markdown_has_a_cell_for_each_column_and_no_markup() -> None:
    text = sheet_text(sheet_of(HOSTILE, note="<b>*x*|[y](z)"), "md")
    lines = text.splitlines()
    assert len(lines) == 2 + len(HOSTILE)
    for line, name in zip(lines[2:], HOSTILE, strict=True):
        cells = re.split(r"(?<!\\)\|", line)
        assert len(cells) == 2 + 4
        cell = cells[1].strip()
        ticks = re.match("`*", cell)[0]
        if name.strip():
            # Within code nothing is markup, and what fences it is longer than any run inside.
            assert ticks and cell.endswith(ticks)
            inside = cell[len(ticks) : -len(ticks)]
            assert ticks not in inside
            assert inside.strip().replace("\\|", "|") == clean(name, None)
        assert r"\<b\>\*x\*\|\[y\](z)" in line


def test_what_is_undefined() -> None:
    columns = (COLUMNS[0], SheetColumn("n", "count"), SheetColumn("x", "number"), COLUMNS[4])
    sheet = Sheet("t", columns, [("a", None, float("nan"), None)])
    assert sheet_text(sheet, "csv") == '"name","n","x","note"\n"a",,,\n'
    assert sheet_text(sheet, "md").splitlines()[2] == "| `a` | n/a | n/a |  |"
    assert json.loads(json_object({"rows": sheet.records()}))["rows"] == [
        {"name": "a", "n": None, "x": None, "note": None}
    ]


def test_columns_of_bands_are_told_apart() -> None:
    columns = [SheetColumn(key, "number", "mean", band=band) for key, band in ("ax", "by")]
    heading = sheet_text(Sheet("t", (COLUMNS[0], *columns), []), "md").splitlines()[0]
    assert heading == "| tensor | mean (x) | mean (y) |"


def test_json_is_ascii_and_names_are_exact() -> None:
    text = json_object({"rows": sheet_of(HOSTILE).records(), "none": [], "x": float("inf")})
    assert text.isascii() and all(char.isprintable() or char == "\n" for char in text)
    found = json.loads(text)
    assert [row["name"] for row in found["rows"]] == HOSTILE
    assert (found["none"], found["x"]) == ([], None)
    assert "dtypes" not in found["rows"][0]


def test_a_sheet_is_a_rectangle() -> None:
    with pytest.raises(ValueError, match="2 values for 5 columns"):
        Sheet("t", COLUMNS, [("a", 1)])


def test_a_comparison_with_hostile_names(tmp_path) -> None:
    import numpy as np

    names = [name for name in HOSTILE if name]
    base = {name: np.ones(2, F32) for name in names}
    found = compared(tmp_path, base, {name: v * 2 for name, v in base.items()})
    from inspect_core.delta.metrics import METRICS

    metrics = [METRICS["rel_l2"]]
    sheet = group_sheet(found, groups_of(found, "tensor"), "tensor", metrics)
    assert {row["name"] for row in sheet.records()} == set(names)
    text = sheet_text(sheet, "tsv")
    assert len(text.splitlines()) == 1 + len(names)
