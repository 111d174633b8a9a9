"""What the app knows: every row gets the status, number and note of its own tensors."""

from array import array

import numpy as np
import pytest
from app_made import listing_of, pairs_of, row_at
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.delta.metrics import METRICS, VALUE_METRIC
from inspect_core.delta.summary import Summary
from inspect_core.delta.table import SummaryRows, SummaryTable
from inspect_core.structure.build import NO_FACTS, ModuleFacts
from inspect_core.work.sweep import SweepPart
from tui import session as session_module
from tui.changes import ODD_FACTOR
from tui.matching import keep_matching
from tui.session import Session
from tui.wording import warnings

NAMES = [f"layers.{k}.{part}.weight" for k in range(4) for part in ("a", "b")] + ["norm.weight"]
SHAPES = {"norm.weight": (3,)}
TYPES = ModuleFacts(
    types={
        **{"": "Net", "norm": "Norm", "layers": "List"},
        **{f"layers.{k}": "Odd" if k == 1 else "Layer" for k in range(4)},
        # Declared the other way round than the file has them.
        **{f"layers.{k}.{part}": "Linear" for k in range(4) for part in ("b", "a")},
    }
)


def moved(by: float) -> Summary:
    """One value of 1 that moved."""
    return Summary(
        numel=2, changed=int(by != 0), sum_d=by, abs_d=abs(by), sq_d=by * by, abs_model=1 + by,
        abs_reference=1, sq_model=(1 + by) ** 2, sq_reference=1.0, dot=1 + by, max_abs=abs(by),
    )  # fmt: skip


def put(session: Session, changes: dict[str, float]) -> None:
    assert session.listing is not None
    indices = array("q", [session.listing.names.index(name) for name in changes])
    session.put(SweepPart(indices, SummaryRows.of([moved(by) for by in changes.values()])))


def session(status: list[str] | None = None, facts: ModuleFacts = NO_FACTS) -> Session:
    made = Session()
    made.open(listing_of(NAMES, facts, SHAPES))
    made.pair(pairs_of(status or ["pair"] * len(NAMES), NAMES))
    return made


def change(of: Session, path: str):
    assert of.tree is not None
    return of.change(row_at(of.tree, path))


def test_without_a_reference_there_is_no_change() -> None:
    made = Session()
    made.open(listing_of(NAMES))
    assert change(made, "").status == "none"
    assert made.metric is VALUE_METRIC
    assert made.missing(row_at(made.tree, "norm")) == (NAMES.index("norm.weight"),)


def test_pending_same_and_changed() -> None:
    made = session()
    assert change(made, "norm").status == "pending"
    put(made, {"norm.weight": 0.0, "layers.0.a.weight": 0.5})
    assert change(made, "norm") == type(change(made, "norm"))("same", 0.0)
    assert change(made, "layers.0").status == "changed"
    assert change(made, "layers.0").value == pytest.approx(0.5)
    assert change(made, "layers.2").status == "pending"
    assert change(made, "").value == pytest.approx((0.25 / 2) ** 0.5)


@pytest.mark.parametrize(
    ("wire", "shown"),
    [
        ("added", "new"),
        ("ambiguous", "new"),
        ("shape_mismatch", "mismatch"),
        ("unsupported", "unsupported"),
    ],
)
def test_what_cannot_be_compared_says_why(wire: str, shown: str) -> None:
    status = ["pair"] * 8 + [wire]
    made = session(status)
    assert change(made, "norm.weight").status == change(made, "norm").status == shown
    assert change(made, "").status == "pending"
    put(made, {"layers.0.a.weight": 0.5})
    assert change(made, "").status == "changed"


def test_a_mismatch_says_more_than_a_new_tensor() -> None:
    status = ["added", "shape_mismatch", *["added"] * 7]
    assert change(session(status), "").status == "mismatch"


def test_still_members_of_a_fold_are_named() -> None:
    made = session()
    put(made, {f"layers.{k}.{part}.weight": 0.1 * (k > 1) for k in range(4) for part in "ab"})
    assert change(made, "layers.0-3").note == "0-1 unchanged, 2-3 changed"
    assert change(made, "layers").note == "", "it is not the fold"


def test_a_member_that_moved_most_is_named() -> None:
    made = session()
    by = {f"layers.{k}.{part}.weight": 0.1 for k in range(4) for part in "ab"}
    put(made, {**by, "layers.2.a.weight": 0.1 * 2 * ODD_FACTOR})
    assert change(made, "layers.0-3").note == "2 moved most"
    put(made, by)
    assert change(made, "layers.0-3").note == ""


def test_nothing_is_said_of_members_before_all_were_compared() -> None:
    made = session()
    put(made, {"layers.0.a.weight": 0.0, "layers.1.a.weight": 0.5})
    assert change(made, "layers.0-3").note == ""


def test_types_keep_the_numbers_on_their_tensors() -> None:
    made = session()
    values = {name: 0.01 * (k + 1) for k, name in enumerate(NAMES)}
    put(made, values)
    made.open(listing_of(NAMES, TYPES, SHAPES))
    assert made.tree.order.tolist() != list(range(len(NAMES)))
    for name, value in values.items():
        path = name.replace("layers.0", "layers.0,2-3") if "layers.0" in name else name
        if "layers.2" in name or "layers.3" in name:
            continue
        found = change(made, path.replace("0,2-3", "0"))
        assert found.value == pytest.approx(value), name
    assert made.done == frozenset(range(len(NAMES)))
    made.open(listing_of(NAMES, NO_FACTS, SHAPES))
    assert change(made, "layers.1.b.weight").value == pytest.approx(values["layers.1.b.weight"])


def test_parts_that_come_after_the_types_land_on_their_tensors() -> None:
    made = session()
    put(made, {"layers.1.a.weight": 0.3})
    made.open(listing_of(NAMES, TYPES, SHAPES))
    put(made, {"layers.1.b.weight": 0.7})
    assert change(made, "layers.1.a").value == pytest.approx(0.3)
    assert change(made, "layers.1.b").value == pytest.approx(0.7)
    assert made.done == {NAMES.index("layers.1.a.weight"), NAMES.index("layers.1.b.weight")}


def test_another_model_takes_no_numbers_over() -> None:
    made = session()
    put(made, {"norm.weight": 0.5})
    made.open(listing_of([*NAMES, "more"], NO_FACTS, SHAPES))
    assert made.table is None


def test_another_reference_begins_anew() -> None:
    made = session()
    put(made, {"norm.weight": 0.5})
    made.pair(pairs_of(["pair"] * len(NAMES), NAMES))
    assert made.done == frozenset()
    assert change(made, "norm").status == "pending"


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 8)), st.sets(st.integers(0, 8)))
def test_missing_is_what_can_be_compared_and_was_not(seen, unpaired) -> None:
    made = session(["added" if k in unpaired else "pair" for k in range(9)], TYPES)
    put(made, {NAMES[k]: 0.5 for k in sorted(seen)})
    for path in ("", "layers", "layers.1", "norm.weight"):
        row = row_at(made.tree, path)
        inside = {k for k, n in enumerate(NAMES) if not path or n == path or n.startswith(path)}
        assert set(made.missing(row)) == inside - seen - unpaired
        assert set(made.tensors_of(row)) == inside


@pytest.mark.parametrize("key", METRICS)
def test_every_metric_is_the_one_of_the_summary(key: str) -> None:
    made = session()
    put(made, {"norm.weight": 0.5})
    assert change(made, "norm").value is not None
    before = made.metric
    if not made.show_metric(key):
        assert made.metric is before and made.done == frozenset()
        put(made, {"norm.weight": 0.5})
    assert made.metric is METRICS[key]
    assert change(made, "norm").value == METRICS[key].value(moved(0.5))


def test_what_a_metric_needs_is_collected_apart_and_never_mixed() -> None:
    made = session()
    put(made, dict.fromkeys(NAMES, 0.5))
    assert made.complete and made.show_metric("l2")
    assert not made.show_metric("median_abs")
    # Those of before stay on show until there is a first number.
    assert made.metric_key == "l2" and made.awaited == "median_abs" and not made.complete
    assert change(made, "layers").status == "changed"
    put(made, {"norm.weight": 0.5})
    assert made.metric_key == "median_abs" and not made.awaited
    assert change(made, "layers").status == "pending"
    assert made.done == {NAMES.index("norm.weight")}
    # Back to what the first sweep found, of which nothing was lost.
    assert made.show_metric("rel_l2") and made.complete
    assert change(made, "layers").status == "changed"


def test_another_choice_ends_the_wait() -> None:
    made = session()
    put(made, dict.fromkeys(NAMES, 0.5))
    made.show_metric("median_abs")
    assert made.show_metric("max_abs")
    assert made.metric_key == "max_abs" and not made.awaited and made.complete


def test_a_new_reference_is_compared_for_the_metric_that_was_wanted() -> None:
    made = session()
    put(made, {"norm.weight": 0.5})
    made.show_metric("median_abs")
    made.pair(pairs_of(["pair"] * len(NAMES), NAMES))
    assert made.metric_key == "median_abs" and made.table is None
    put(made, {"norm.weight": 0.5})
    assert made.collected.shown == METRICS["median_abs"].needs
    made.show_metric("l2")
    assert made.table is not None and made.table.seen_in([(0, len(NAMES))]) == 1


def test_all_tables_follow_a_new_order_of_the_tensors() -> None:
    made = session()
    put(made, dict(zip(NAMES, [0.1 * k for k in range(len(NAMES))], strict=True)))
    made.show_metric("median_abs")
    put(made, {"norm.weight": 0.5})
    made.open(listing_of(NAMES, TYPES, SHAPES))
    made.show_metric("max_abs")
    for k in range(4):
        for at, part in enumerate(("a", "b")):
            assert change(made, f"layers.{k}.{part}").value == pytest.approx(0.1 * (2 * k + at))


def test_a_change_is_worked_out_once_a_version() -> None:
    made = session()
    put(made, {"norm.weight": 0.5})
    row = row_at(made.tree, "norm")
    assert made.change(row) is made.change(row)
    put(made, {"norm.weight": 0.25})
    assert made.change(row).value == pytest.approx(0.25)


def test_wide_rows_may_be_late_and_catch_up(monkeypatch) -> None:
    monkeypatch.setattr(session_module, "WIDE", 3)
    monkeypatch.setattr(session_module, "PAINT_SECONDS", -1.0)
    made = session()
    put(made, {"norm.weight": 0.5, "layers.0.a.weight": 0.5})
    root, norm = row_at(made.tree, ""), row_at(made.tree, "norm")
    assert made.change(root).value == pytest.approx(0.5) and not made.behind
    put(made, {"layers.1.a.weight": 4.0, "norm.weight": 0.25})
    assert made.change(norm).value == pytest.approx(0.25), "narrow rows are never late"
    assert made.change(root).value == pytest.approx(0.5) and made.behind
    monkeypatch.setattr(session_module, "PAINT_SECONDS", 1.0)
    made.begin_paint()
    assert made.change(root).value > 1 and not made.behind


@pytest.mark.parametrize("anew", [lambda s: s.show_metric("mean_abs"), lambda s: s.pair(s.pairs)])
def test_nothing_is_late_when_something_else_is_shown(monkeypatch, anew) -> None:
    monkeypatch.setattr(session_module, "WIDE", 3)
    monkeypatch.setattr(session_module, "PAINT_SECONDS", -1.0)
    made = session()
    put(made, {"norm.weight": 0.5})
    before = made.change(row_at(made.tree, ""))
    anew(made)
    assert made.change(row_at(made.tree, "")) != before and not made.behind


def test_a_filter_wants_all_words_in_any_case() -> None:
    names = ["A.b.Weight", "a.c.bias", "x.b"]
    order = array("q", [2, 0, 1])
    assert keep_matching(names, order, "a. B") == [False, True, True]
    assert keep_matching(names, order, "weight b") == [False, True, False]
    assert keep_matching([], array("q"), "a") == []
    assert np.array_equal(keep_matching(names, order, "["), [False] * 3)


def test_many_tensors_with_one_reason_share_a_warning() -> None:
    made = session(["pair"] * 4 + ["added"] * 4 + ["shape_mismatch"])
    lines = warnings(made)
    assert len(lines) == 2
    assert lines[0].startswith("4 tensors: added: layers.2.a.weight, ") and lines[0].endswith("...")
    assert lines[1] == "norm.weight: shape_mismatch"


def test_nobody_sees_the_order_of_tensors_half_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that draws asks for it while the loop makes it: garbage would be an index."""
    made, seen = session(), []
    arange = np.arange

    def looked_at(count: int) -> np.ndarray:
        monkeypatch.setattr(np, "arange", arange)
        seen.append(made.in_listing_order(SummaryTable(count)).seen.tolist())
        return arange(count)

    monkeypatch.setattr(np, "arange", looked_at)
    monkeypatch.setattr(np, "empty", lambda size, kind: np.full(size, 10**9, kind))
    put(made, {"norm.weight": 1.0})
    assert seen == [[False] * len(NAMES)]
    assert made.done == {NAMES.index("norm.weight")}
