"""PEFT's config and the Python snippet do what the preview shows, as PEFT itself says."""

import json
import warnings

import peft
import pytest
import torch
from planned_models import (
    AFTER,
    ALL_PLANS,
    PLACING,
    QV,
    TOGETHER,
    freeze,
    listing_of_kind,
    model_of,
    thaw,
    trained,
)  # fmt: skip

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Place, Plan
from inspect_core.plan.preview import preview, trainable_names
from inspect_core.plan.written.export import adapter_config, adapter_config_text
from inspect_core.plan.written.snippet import expression_of, snippet
from inspect_core.plan.written.spelling import pattern_of
from inspect_core.structure.build import ModuleFacts


def by_file(found, kind, folder):
    """What PEFT trains, given the file that was exported."""
    (folder / "adapter_config.json").write_text(adapter_config_text(found))
    config = peft.PeftConfig.from_pretrained(str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trained(peft.get_peft_model(model_of(kind), config))


@pytest.mark.parametrize("name", [*PLACING, *TOGETHER])
def test_peft_trains_what_the_preview_shows(name, tmp_path):
    kind, plan = ALL_PLANS[name]
    listing = listing_of_kind(kind)
    made = by_file(adapter_config(plan, *listing), kind, tmp_path)
    names, specs, facts, config = listing
    assert made == trainable_names(names, specs, facts, plan, config)
    totals = preview(names, specs, facts, plan, config).totals
    assert sum(map(size, made.values())) == totals.tunable


def size(shape):
    total = 1
    for side in shape:
        total *= side
    return total


def test_folded_placements_keep_their_scales():
    kind, plan = TOGETHER["two ranks"]
    found = adapter_config(plan, *listing_of_kind(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(model_of(kind), peft.LoraConfig(**without_type(found)))
    scales = {
        name.rpartition(".")[2]: module.scaling["default"]
        for name, module in model.named_modules()
        if hasattr(module, "lora_A")
    }
    assert scales == {"query": 4 / 2, "value": 16 / 6}


def test_folded_placements_are_said_in_short():
    listing = listing_of_kind("bert")
    found = adapter_config(TOGETHER["two ranks"][1], *listing)
    assert found["target_modules"] == ["query", "value"]
    assert found["rank_pattern"] == {"value": 6}
    assert found["alpha_pattern"] == {"value": 16}
    found = adapter_config(TOGETHER["two ranks by layer"][1], *listing_of_kind("llama"))
    assert found["target_modules"][0] == "q_proj"
    assert all("v_proj" in name for name in found["target_modules"][1:])


def without_type(found):
    return {key: value for key, value in found.items() if key != "peft_type"}


UNDONE = ("saved and thawed", "frozen all")
"""What goes on after the placement comes to nothing there."""


@pytest.mark.parametrize("name", [name for name in AFTER if name not in UNDONE])
def test_what_the_config_cannot_say_is_refused(name):
    kind, plan = AFTER[name]
    with pytest.raises(UsageError, match=r"PEFT's config cannot .*the plan file"):
        adapter_config(plan, *listing_of_kind(kind))


@pytest.mark.parametrize("name", UNDONE)
def test_what_comes_to_nothing_is_left_out(name, tmp_path):
    kind, plan = AFTER[name]
    listing = listing_of_kind(kind)
    found = adapter_config(plan, *listing)
    assert found == adapter_config(Plan(plan.steps[:1]))
    assert by_file(found, kind, tmp_path) == trainable_names(*listing[:3], plan, listing[3])


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan((freeze("embeddings"),)), "places no adapter"),
        (Plan((QV, Place("ia3", ("key",), feedforward=()))), "method"),
        (Plan((QV, Place(targets=("query",)))), "adapted it"),
        (Plan((Place(targets=("nowhere",)),)), "PEFT would refuse"),
        (Plan((Place("ia3", ("key",), layers=(1,)),)), "IA3"),
        (Plan((Place("lora", ("key",), feedforward=("key",)),)), "feedforward"),
    ],
)
def test_refusals_are_one_line(plan, said):
    with pytest.raises(UsageError) as refused:
        adapter_config(plan, *listing_of_kind("bert"))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_single_placement_needs_no_model():
    found = adapter_config(Plan((Place(targets=("q",), alpha=16.0, layers=(1,)),), base="org/name"))
    assert json.loads(adapter_config_text(found)) == found
    assert (found["lora_alpha"], found["layers_to_transform"]) == (16, [1])
    assert isinstance(found["lora_alpha"], int)
    assert found["base_model_name_or_path"] == "org/name"
    with pytest.raises(UsageError, match="needs the model"):
        adapter_config(Plan((QV, QV)))


@pytest.mark.parametrize("name", ALL_PLANS)
def test_the_snippet_does_what_the_preview_shows(name, capsys):
    kind, plan = ALL_PLANS[name]
    names, specs, facts, config = listing_of_kind(kind)
    space = {"model": model_of(kind)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(snippet(plan, names, specs, facts, config), space)
    wanted = trainable_names(names, specs, facts, plan, config)
    assert trained(space["model"]) == wanted
    count = sum(map(size, wanted.values()))
    assert capsys.readouterr().out == f"{count} parameters are trained; the plan has {count}\n"


@pytest.mark.parametrize(
    "steps",
    [
        (freeze("*"), thaw("lm_head")),
        (freeze("lm_head"),),
        (freeze("*", but=("lm_head",)),),
        (Place(targets=("c_attn",)), thaw("lm_head")),
        (Place(targets=("c_attn",)), thaw("*", but=("lm_head.weight",))),
        (Place(targets=("c_attn",), modules_to_save=("lm_head",)), thaw("wte", but=("lm_head",))),
    ],
)
def test_the_snippet_finds_a_tied_parameter_by_any_of_its_names(steps):
    names, specs, facts, config = listing_of_kind("gpt2")
    plan = Plan(steps)
    space = {"model": model_of("gpt2")}
    exec(snippet(plan, names, specs, facts, config), space)
    assert trained(space["model"]) == trainable_names(names, specs, facts, plan, config)


def test_the_snippet_finds_names_with_a_line_break():
    from inspect_core.structure.from_modules import model_listing

    def made():
        model = torch.nn.Module()
        for name in ("a\nb", "c\\", 'd"'):
            model.add_module(name, torch.nn.Sequential(torch.nn.Linear(2, 2)))
        return model

    for text in ("0.weight", "=a\nb.0.weight", "a\nb", "*\n*", 'd"', "c\\"):
        plan, space = Plan((freeze(text),)), {"model": made()}
        exec(snippet(plan, *model_listing(made())), space)
        wanted = trainable_names(*model_listing(made()), plan)
        assert len(wanted) < 6 and trained(space["model"]) == wanted, text


HOSTILE = 'x\'); import os; os.abort() #\n\u2028"""\\'


def test_no_name_becomes_code():
    plan = Plan(
        (
            Place(targets=(HOSTILE,), modules_to_save=(HOSTILE,), rank_pattern={HOSTILE: 2}),
            thaw(HOSTILE, f"={HOSTILE}", but=(HOSTILE,)),
        ),
        base=HOSTILE,
    )
    text = snippet(plan)
    assert all(ord(char) >= 32 or char == "\n" for char in text)
    assert "\u2028" not in text
    called = []

    class Config:
        def __init__(self, **settings):
            called.append(settings)

    class Model:
        def named_parameters(self, remove_duplicate=True):
            return []

        parameters = named_parameters

    body = text.replace("from peft import LoraConfig, get_peft_model", "")
    exec(body, {"LoraConfig": Config, "get_peft_model": lambda m, c: m, "model": Model()})
    assert called[0]["target_modules"] == [HOSTILE]


def test_a_file_without_the_models_prefix_is_planned_in_its_own_names():
    names, specs, facts, config = listing_of_kind("bert")
    bare = [name.removeprefix("bert.") for name in names]
    facts = ModuleFacts(renamed=("", "bert."), kept=frozenset({"classifier"}))
    plan = Plan((freeze("=encoder.layer.0", "encoder.layer.{n}.output"), thaw("=classifier.bias")))
    space = {"model": model_of("bert")}
    exec(snippet(plan, bare, specs, facts, config), space)
    wanted = trainable_names(bare, specs, facts, plan, config)
    there = {name.removeprefix("bert."): shape for name, shape in trained(space["model"]).items()}
    assert {name.removeprefix("bert."): shape for name, shape in wanted.items()} == there


def test_expressions_of_patterns():
    import re

    for text, fits in (("layer.0", True), ("ayer.0", False), ("a.*.0", True), ("=layer.0", False)):
        assert bool(re.fullmatch(expression_of(pattern_of(text)), "a.layer.0")) == fits
