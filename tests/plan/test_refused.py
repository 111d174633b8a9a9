"""What PEFT refuses, or does in another way than meant; and what a refused plan shows."""

import pytest
from planned_models import listing_of_kind

from inspect_core.errors import UsageError
from inspect_core.plan import working
from inspect_core.plan.plan import Place, Plan
from inspect_core.plan.preview import preview


def error(kind: str, **place) -> str:
    names, specs, facts, config = listing_of_kind(kind)
    return preview(names, specs, facts, Plan((Place(**place),)), config).error


@pytest.mark.parametrize(
    "name", ["layer", "base_layer", "lora_A", "A", "default", "dropout", "magnitude_vector"]
)
def test_a_saved_module_is_not_one_that_peft_has_just_made(name):
    assert "PEFT would not do what is meant" in error(
        "llama", targets=("q_proj",), modules_to_save=(name,)
    )


def test_other_saved_modules_are_taken():
    assert not error("llama", targets=("q_proj",), modules_to_save=("lm_head", ".norm"))


def test_tasks_that_generate_need_a_model_that_can():
    assert "cannot generate" in error("bert", targets=("query",), task="CAUSAL_LM")
    assert not error("llama", targets=("q_proj",), task="CAUSAL_LM")


def test_the_head_of_a_token_classifier_is_not_spared():
    assert "classifier" in error("bert", target_expression="all-linear", task="TOKEN_CLS")
    assert not error("bert", target_expression="all-linear", task="SEQ_CLS")
    assert not error("bert", targets=("query",), task="TOKEN_CLS")


def test_an_expression_that_is_read_in_two_ways_is_refused():
    for text in (r".*\.layers\.{i}.*q_proj", ".*[[:alpha:]]_proj", ".*layer{s}.*q_proj"):
        with pytest.raises(UsageError):
            error("llama", target_expression=text)


@pytest.mark.parametrize(
    ("kind", "entry", "meant"),
    [
        ("bert", "key_proj", "key"),
        ("bert", "q_proj", "query"),
        ("bert", "c_attn", "query, key, value"),
        ("gpt2", "q_proj", "c_attn, which holds q, k and v"),
        ("gpt2", "key", "c_attn, which holds q, k and v"),
        ("t5", "v_proj", "v"),
        ("llama", "query", "q_proj"),
    ],
)
def test_a_hint_is_the_same_part_of_this_model(kind, entry, meant):
    names, specs, facts, config = listing_of_kind(kind)
    shown = preview(names, specs, facts, Plan((Place(targets=(entry,)),)), config)
    assert [hit.suggestion for hit in shown.hits] == [meant]


def test_where_nothing_is_near_the_modules_that_can_be_adapted_are_listed():
    names, specs, facts, config = listing_of_kind("llama")
    shown = preview(names, specs, facts, Plan((Place(targets=("zzz",)),)), config)
    assert shown.hits[0].suggestion.startswith("one of q_proj, k_proj")


def test_layers_that_do_not_exist_are_said():
    names, specs, facts, config = listing_of_kind("bert")
    plan = Plan((Place(targets=("query",), layers=(2, 99)),))
    assert (
        "no layer 99: the model's are 0 to 3" in preview(names, specs, facts, plan, config).warnings
    )


def test_a_target_without_tensors_beside_a_good_one_is_refused():
    assert "rotary_emb" in error("llama", targets=("q_proj", "rotary_emb"))


def test_steps_that_would_take_minutes_are_refused(monkeypatch):
    names, specs, facts, config = listing_of_kind("bert")
    monkeypatch.setattr(working, "MOST_WORK", 2 * len(names))
    plan = Plan((Place(targets=("query",)), Place(targets=("key",))))
    preview(names, specs, facts, plan, config)
    with pytest.raises(UsageError, match="too many"):
        preview(names, specs, facts, plan.then(Place(targets=("value",))), config)
