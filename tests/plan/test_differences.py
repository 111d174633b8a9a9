"""Two plans side by side."""

import pytest
from hypothesis import given
from planned_models import QV, freeze, listing_of_kind, thaw
from test_files import PLANS

from inspect_core.plan.plan import Place, Plan, Precision
from inspect_core.plan.preview import trainable_names
from inspect_core.plan.written.differences import differences, trained_differences


def lines(one: Plan, other: Plan) -> list[str]:
    return [str(line) for line in differences(one, other)]


def test_what_is_in_both_and_what_is_not():
    one = Plan((freeze("embeddings"), QV))
    other = Plan((freeze("embeddings"), thaw("pooler"), QV))
    assert lines(one, other) == [
        "  1. freeze embeddings",
        "+ 2. thaw pooler",
        "  2. LoRA r=8 alpha=16 on query, value",
    ]
    assert lines(other, one)[1] == "- 2. thaw pooler"


def test_fields_that_differ_are_named():
    one = Plan((Place(targets=("query", "value"), layers=(0, 1)),), base="a")
    other = Plan(
        (Place(targets=("query", "key"), rank=4, rank_pattern={"key": 2}),),
        Precision(weights="BF16"), "b",
    )  # fmt: skip
    assert lines(one, other) == [
        "? base: a -> b",
        "? memory of weights: none -> BF16",
        "- 1. LoRA r=8 alpha=16 on query, value, layers 0-1",
        "+ 1. LoRA r=4 alpha=16 on query, key, rank key=2",
        "?   targets: -value +key",
        "?   rank: 8 -> 4",
        "?   layers: 0-1 -> all",
        "?   rank_pattern: none -> key=2",
    ]


@given(PLANS, PLANS)
def test_lines_are_safe_and_a_plan_does_not_differ_from_itself(one, other):
    assert all(line.isprintable() for line in lines(one, other))
    assert all(line.mark == " " for line in differences(one, one))
    if one != other:
        assert any(line.mark != " " for line in differences(one, other))


@pytest.mark.parametrize("swapped", [False, True])
def test_what_only_one_trains_is_folded_by_layer(swapped):
    names, specs, facts, config = listing_of_kind("bert")
    plans = [Plan((QV,)), Plan((Place(targets=("query", "key"), rank=2),))]
    sides = [trainable_names(names, specs, facts, plan, config) for plan in plans]
    one, other = reversed(sides) if swapped else sides
    found = {(kind.mark, kind.kind): kind for kind in trained_differences(one, other)}
    here, there = ("+", "-") if swapped else ("-", "+")
    inside = "bert.encoder.layer.{n}.attention.self"
    assert {kind for mark, kind in found if mark == here} == {
        f"{inside}.{name}.lora_{part}.default.weight" for name in ("value",) for part in "AB"
    }
    [query, _] = [kind for mark, kind in found if mark == "?"]
    assert query == f"{inside}.query.lora_A.default.weight"
    assert found["?", query].change == ("2 -> 8" if swapped else "8 -> 2")
    assert found[there, f"{inside}.key.lora_A.default.weight"].params == 4 * 2 * 16
    assert found[there, f"{inside}.key.lora_A.default.weight"].tensors == 4
    assert trained_differences(one, one) == ()
