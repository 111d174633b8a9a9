"""Which rows are listed, in which order, and which are over a limit."""

import numpy as np
import pytest
from results_made import F32, compared

from inspect_core.delta.metrics import METRICS
from inspect_core.errors import UsageError
from inspect_core.results.groups import groups_of
from inspect_core.results.selection import Selection, natural, side_by_side
from inspect_core.results.sheets import beside_sheet
from inspect_core.results.thresholds import Threshold, breaches

ONE = np.ones(4, F32)
NAN = np.array([1, 1, np.nan, 1], F32)
BASE = {
    "l.10": ONE, "l.2": ONE, "zero": ONE * 0, "same": ONE, "shape": ONE, "nan": ONE,
    "cast": ONE / 3, "odd": ONE.astype(np.complex64), "mask": NAN, "gone": ONE,
}  # fmt: skip
MODEL = {
    "l.10": ONE * 1.5, "l.2": ONE * 3, "zero": ONE, "same": ONE, "shape": ONE[:2], "nan": NAN,
    "cast": (ONE / 3).astype(np.float16), "odd": ONE.astype(np.complex64), "mask": NAN, "new": ONE,
}  # fmt: skip


@pytest.fixture
def groups(tmp_path):
    return groups_of(compared(tmp_path, BASE, MODEL), "tensor")


def names(groups) -> list[str]:
    return [group.name for group in groups]


def test_by_change(groups) -> None:
    order = names(Selection("change").of(groups, METRICS["rel_l2"]))
    assert order[:3] == ["zero", "l.2", "l.10"]  # away from zero, then by the number
    assert order.index("nan") < order.index("cast")  # rounding is less than any change
    assert order.index("cast") < min(order.index(name) for name in ("new", "gone", "shape", "odd"))
    assert set(order[-2:]) == {"same", "mask"}
    by_cosine = names(Selection("change").of(groups, METRICS["cosine"]))
    assert by_cosine[0] == "zero"


def test_by_name(groups) -> None:
    order = names(Selection("name").of(groups, METRICS["rel_l2"]))
    assert order.index("l.2") < order.index("l.10")
    assert natural("a.2") < natural("a.10")


def test_top_and_over(groups) -> None:
    metric = METRICS["rel_l2"]
    assert names(Selection(top=2).of(groups, metric)) == ["zero", "l.2"]
    assert names(Selection("name", top=3).of(groups, metric)) == ["l.2", "l.10", "zero"]
    assert names(Selection(top=99).of(groups, metric)).count("same") == 0
    assert set(names(Selection(over=1.0).of(groups, metric))) == {"zero", "l.2", "nan"}
    least = names(Selection(over=0.5).of(groups, metric))
    assert "l.10" in least and "same" not in least  # at the limit is listed
    assert names(Selection(over=0.0).of(groups, metric)).count("new") == 0


def limit(text: str) -> list[Threshold]:
    return [Threshold.parse(text, METRICS)]


def failed(groups, text: str) -> set[str]:
    return {breach.name for breach in breaches(groups, limit(text))}


def test_limits(groups) -> None:
    """A row that nobody can vouch for fails: a NaN never passes silently."""
    unknown = {"zero", "nan", "shape", "odd"}
    assert failed(groups, "rel_l2=1") == {"l.2", *unknown}
    assert failed(groups, "rel_l2=2") == unknown  # at the limit is within it
    assert failed(groups, "rel_l2=inf") == unknown
    assert failed(groups, "max_abs=inf") == {"nan", "shape", "odd"}
    assert failed(groups, "rel_l2=0") == {"l.2", "l.10", "cast", *unknown}
    assert "cast" not in failed(groups, "beyond_fraction=0")
    assert failed(groups, "changed_fraction=1") == {"nan", "shape", "odd"}
    worst = breaches(groups, limit("max_abs=0"))
    numbers = [breach.value for breach in worst if breach.value is not None]
    assert numbers == sorted(numbers, reverse=True)


def test_a_group_fails_where_one_of_its_tensors_might(tmp_path) -> None:
    base = {"l.0.w": ONE, "l.0.mask": NAN, "l.1.w": ONE, "l.1.v": ONE}
    model = {"l.0.w": ONE * 2, "l.0.mask": NAN, "l.1.w": ONE, "l.1.v": NAN}
    layers = groups_of(compared(tmp_path, base, model), "layer")
    assert failed(layers, "rel_l2=5") == {"l.1"}  # the mask of layer 0 is what it was


@pytest.mark.parametrize(
    "text",
    [
        "rel_l2", "rel_l2=", "rel_l2=nan", "rel_l2=1e400", "rel_l2=-1", "nothing=1", "=1",
        "cosine=0.9", "",
    ],
)  # fmt: skip
def test_limits_that_mean_nothing(text) -> None:
    with pytest.raises(UsageError):
        Threshold.parse(text, METRICS)


def test_several_models(tmp_path) -> None:
    first = compared(tmp_path / "1", BASE, MODEL)
    other = {"model.l.2": ONE, "model.l.10": ONE * 9, "model.same": ONE * 1.25}
    second = compared(tmp_path / "2", BASE, other)
    found = [first, second]
    rows = side_by_side(found, [groups_of(one, "tensor") for one in found], "tensor")
    sheet = beside_sheet(found, rows, "tensor", METRICS["rel_l2"])
    values = {row[0]: row[1:] for row in sheet.for_files().rows}
    assert values["l.10"] == (0.5, 8.0)  # named after the base, whatever the prefix
    assert values["same"] == (0.0, 0.25)
    assert values["zero"] == (None, None)
    assert values["new"] == (None, None)
    assert len({column.key for column in sheet.for_files().columns}) == 3
    listed = Selection("change", top=2).of_rows(rows, METRICS["rel_l2"])
    assert [name for name, _ in listed] == ["zero", "l.10"]


def test_several_models_lose_no_row(tmp_path) -> None:
    """Three split projections have one fused partner: each keeps a row of its own."""
    rng = np.random.default_rng(6)
    split = {f"h.{at}.attn.{k}_proj.weight": rng.normal(size=(4, 4)).astype(F32)
             for at in range(2) for k in "qkv"}  # fmt: skip
    fused = {
        f"h.{at}.attn.in_proj_weight": np.concatenate(
            [split[f"h.{at}.attn.{k}_proj.weight"] for k in "qkv"]
        )
        for at in range(2)
    }
    found = [compared(tmp_path / str(at), fused, split) for at in range(2)]
    rows = side_by_side(found, [groups_of(one, "tensor") for one in found], "tensor")
    assert {name for name, _ in rows} == set(split)
    assert all(groups.keys() == {0, 1} for _, groups in rows)


def test_layers_and_kinds_of_other_prefixes_share_a_row(tmp_path) -> None:
    base = {f"model.h.{at}.w": ONE * (at + 1) for at in range(3)} | {"model.e.weight": ONE}
    bare = {name.removeprefix("model."): values * 2 for name, values in base.items()}
    found = [compared(tmp_path / str(at), base, some) for at, some in enumerate((base, bare))]
    for by, names in (
        ("layer", {"model.h.0", "model.h.1", "model.h.2", "model.e.weight"}),
        ("kind", {"model.h.{n}.w", "model.e.weight"}),
    ):
        rows = side_by_side(found, [groups_of(one, by) for one in found], by)
        assert {name for name, _ in rows} == names
        assert all(groups.keys() == {0, 1} for _, groups in rows)
