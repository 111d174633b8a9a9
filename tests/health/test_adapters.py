"""What is said of an adapter when it is opened: of its config, and of its tensors."""

import json

import peft
import pytest
from health_files import CONFIG, PEFT, filled, pair, write_adapter, write_safetensors

from inspect_core.checkpoint import open_checkpoint
from inspect_core.checkpoint.adapter_config import ALL_LINEAR, AdapterConfig
from inspect_core.checkpoint.adapter_config_file import KNOWN_TYPES, read_adapter_config
from inspect_core.checkpoint.adapter_tensors import lora_factors, missed_targets
from inspect_core.errors import CheckpointError

A, B = f"{PEFT}lora_A.weight", f"{PEFT}lora_B.weight"
MAGNITUDE = f"{PEFT}lora_magnitude_vector.weight"


def warnings_of(folder, config=CONFIG, tensors=None):
    return open_checkpoint(str(write_adapter(folder, config, tensors))).warnings


def without(key):
    return {name: value for name, value in CONFIG.items() if name != key}


def test_a_good_one_has_no_warnings(tmp_path):
    assert warnings_of(tmp_path) == ()
    hostile = pair("base_model.model.\x1b[2J.")
    assert warnings_of(tmp_path / "2", tensors=hostile) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"r": 0}, "r is 0, which is no rank"),
        ({"r": -4}, "r is -4, which is no rank"),
        ({"r": 10**30}, "more than any matrix has"),
        ({"r": 1 << 40}, "more than any matrix has"),
        ({"r": "8"}, 'r is "8", which is no rank'),
        ({"r": True}, "r is true, which is no rank"),
        ({"r": None}, "r is not given"),
        ({"r": [4]}, "r is a list"),
        ({"lora_alpha": 1e308}, "lora_alpha is 1e+308"),
        ({"lora_alpha": 0}, "lora_alpha is 0: the adapter changes nothing"),
        ({"lora_alpha": "8"}, 'lora_alpha is "8"'),
        ({"lora_alpha": None}, "lora_alpha is not given"),
        ({"base_model_name_or_path": None}, "names no base model"),
        ({"base_model_name_or_path": ""}, "names no base model"),
        ({"base_model_name_or_path": 5}, "the base model is 5, which is no name"),
        ({"base_model_name_or_path": "http://127.0.0.1:1/x"}, "a web address"),
        ({"target_modules": "(a+)+$"}, 'a regular expression ("(a+)+$"): run under'),
        ({"target_modules": "(["}, "run under a limit of time"),
        ({"target_modules": ["q_proj", 3, None]}, "holds 2 entries that are no names"),
        ({"target_modules": 3}, "target_modules is 3, not a list of names"),
        ({"modules_to_save": [[]]}, "modules_to_save holds an entry that is no name"),
        ({"peft_type": "EVIL"}, '"EVIL" is no kind of adapter'),
        ({"peft_type": 3}, "peft_type is 3"),
        ({"rank_pattern": {"(a+)+$": 8}}, "rank_pattern holds regular expressions ((a+)+$)"),
        ({"alpha_pattern": {"([": 3}}, "alpha_pattern holds regular expressions (([)"),
        ({"rank_pattern": {"q_proj": 0}}, "rank_pattern gives no usable number for q_proj"),
        ({"rank_pattern": []}, "rank_pattern is a list, not an object"),
        ({"use_dora": "yes"}, 'use_dora is "yes", neither true nor false'),
        ({"bias": 3}, "bias is 3, not a text"),
        ({"use_dora": True}, "1 of 1 modules have no magnitudes"),
        ({"r": 64}, "1 module has rank 4 (model.layers.0.self_attn.q_proj), but"),
    ],
)  # fmt: skip
def test_odd_fields(tmp_path, change, words):
    found = warnings_of(tmp_path, {**CONFIG, **change})
    assert any(words in line for line in found), found
    assert all(line.isprintable() for line in found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_model_name_or_path": "."}, 'a local path ("."): never followed'),
        ({"base_model_name_or_path": "/etc"}, 'a local path ("/etc"): never followed'),
        ({"base_model_name_or_path": "../x.safetensors"}, "never followed"),
        ({"base_model_name_or_path": "\x1b]0;x\x07"}, "never followed"),
        ({"auto_mapping": {"base_model_class": "Evil", "parent_library": "os"}}, "(Evil, os): not"),
    ],
)  # fmt: skip
def test_what_every_adapter_made_at_home_says_is_a_note(tmp_path, change, words):
    from inspect_core.health.report import check

    folder = write_adapter(tmp_path, {**CONFIG, **change})
    assert open_checkpoint(str(folder)).warnings == ()
    said = read_adapter_config(folder)[1]
    assert any(words in line for line in said) and all(line.isprintable() for line in said)
    [found] = [one for one in check(str(folder)).findings if words in one.text]
    assert found.severity == "note"


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_a_scale_that_is_no_number(tmp_path, number):
    (line,) = warnings_of(tmp_path, json.dumps(CONFIG).replace(": 8,", f": {number},"))
    assert "which scales nothing sensibly" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a JSON object"),
        ("{", "not valid JSON"),
        ('{"r": 4, "r": 8}', "'r' is there twice"),
        ('{"r":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ("", "not valid JSON"),
    ],
)
def test_unusable_configs(tmp_path, text, words):
    (line,) = warnings_of(tmp_path, text)
    assert line.startswith("adapter_config.json is not used: ")
    assert words in line


@pytest.mark.parametrize("key", ["peft_type", "r", "lora_alpha", "base_model_name_or_path"])
def test_missing_fields(tmp_path, key):
    assert len(warnings_of(tmp_path, without(key))) == 1


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({A: filled(4, 16)}, "lora_A without its lora_B"),
        ({B: filled(16, 4)}, "lora_B without its lora_A"),
        ({A: filled(4, 16), B: filled(16, 8)}, "B @ A is impossible"),
        ({A: filled(64), B: filled(64)}, "factors that are no matrices"),
        ({A: filled(0, 16), B: filled(16, 0)}, "factors of rank 0"),
        ({**pair(), MAGNITUDE: filled(16)}, "DoRA: the effective delta needs the base"),
        ({**pair(), MAGNITUDE: filled(16)}, "does not say use_dora"),
        ({**pair(), "unet.x": filled(4)}, "1 tensor is no part of a LoRA (unet.x)"),
        ({"[/]": filled(4)}, "1 tensor, and no LoRA factor ([/])"),
        ({}, "0 tensors, and no LoRA factor"),
        ({A: filled(1, 300), B: filled(300, 1)}, "1 module has rank 1"),
    ],
)
def test_odd_tensors(tmp_path, tensors, words):
    assert any(words in line for line in warnings_of(tmp_path, tensors=tensors))


def test_what_belongs_to_a_lora_is_not_odd(tmp_path):
    tensors = {
        **pair(),
        "base_model.model.lm_head.weight": filled(2, 2),
        "base_model.model.head.x.weight": filled(2, 2),
        "base_model.model.model.norm.bias": filled(2),
    }
    config = {**CONFIG, "modules_to_save": ["head"], "bias": "all"}
    assert warnings_of(tmp_path, config, tensors) == ()


def test_dora_with_its_magnitudes(tmp_path):
    (line,) = warnings_of(tmp_path, {**CONFIG, "use_dora": True}, {**pair(), MAGNITUDE: filled(16)})
    assert line.startswith("DoRA")


def test_no_config(tmp_path):
    (line,) = warnings_of(tmp_path, None)
    assert line.startswith("no adapter_config.json")
    other = write_safetensors(tmp_path / "2" / "kohya.safetensors", {
        "lora_unet_x.lora_down.weight": filled(4, 8), "lora_unet_x.lora_up.weight": filled(8, 4),
        "lora_unet_x.alpha": filled(),
    })  # fmt: skip
    assert open_checkpoint(str(other)).warnings == ()


def test_a_model_and_an_adapter_in_one_folder(tmp_path):
    write_safetensors(tmp_path / "model.safetensors", {"a": filled(2)})
    assert any("an adapter lies here too" in line for line in warnings_of(tmp_path))


def test_a_config_without_weights(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(CheckpointError, match="an adapter's config without its weights"):
        open_checkpoint(str(tmp_path))


def test_a_model_says_nothing_of_adapters(tmp_path):
    layers = {f"layers.{at}.weight": filled(2) for at in range(3)}
    for at, tensors in enumerate([{**pair(), **layers}, {"a.lora_B_norm.weight": filled(2)}]):
        path = write_safetensors(tmp_path / f"{at}.safetensors", tensors)
        assert open_checkpoint(str(path)).warnings == ()


# --- the config as values


def config_of(tmp_path, **fields):
    (tmp_path / "adapter_config.json").write_text(json.dumps({**CONFIG, **fields}))
    config, _ = read_adapter_config(tmp_path)
    assert config is not None
    return config


def test_fields(tmp_path):
    config = config_of(tmp_path, use_rslora=True, modules_to_save=["head"], lora_alpha=8.5)
    assert config == AdapterConfig(
        type="LORA", rank=4, alpha=8.5, base="org/base", task="CAUSAL_LM",
        target_modules=("q_proj",), modules_to_save=("head",), use_rslora=True,
    )  # fmt: skip
    assert read_adapter_config(tmp_path / "nowhere") == (None, [])


def test_ranks_and_scales(tmp_path):
    config = config_of(
        tmp_path, rank_pattern={"q_proj": 8, "1.k_proj": 2}, alpha_pattern={"k_proj": 4}
    )
    assert (config.rank_of("m.0.q_proj"), config.scale_of("m.0.q_proj")) == (8, 1.0)
    assert (config.rank_of("m.1.k_proj"), config.scale_of("m.1.k_proj")) == (2, 2.0)
    assert (config.rank_of("m.11.k_proj"), config.scale_of("m.v_proj")) == (4, 2.0)
    unknown = config_of(tmp_path, rank_pattern={".*q": 8, "k_proj": 2})
    assert (unknown.rank_of("m.q_proj"), unknown.scale_of("m.q_proj")) == (None, None)
    assert unknown.scale_of("m.k_proj") == 4.0
    assert config_of(tmp_path, use_rslora=True).scale_of("q_proj") == 4.0
    assert config_of(tmp_path, r=0).scale_of("q_proj") is None


def test_targets_that_are_an_expression(tmp_path):
    config = config_of(tmp_path, target_modules=ALL_LINEAR)
    assert (config.target_modules, config.target_expression) == ((), ALL_LINEAR)
    assert read_adapter_config(tmp_path)[1] == []


def test_adalora_means_something_else_by_patterns(tmp_path):
    config_of(tmp_path, peft_type="ADALORA", init_r=12, rank_pattern={"q.lora_E": [True, False]})
    assert read_adapter_config(tmp_path)[1] == []


def test_every_type_of_the_library_is_known():
    assert {kind.value for kind in peft.PeftType} <= KNOWN_TYPES


# --- which factors belong together


def test_factors():
    names = [
        f"{PEFT}lora_A.weight", f"{PEFT}lora_B.weight", f"{PEFT}lora_B.bias",
        "x.lora_A.second.weight", "x.lora_embedding_A", "x.lora_embedding_B.second",
        "deep.lora_magnitude_vector", "lora_A.weight", "plain.weight", "y.lora_E",
    ]  # fmt: skip
    found = lora_factors({name: name for name in names})
    assert [(f.module, f.adapter, f.a, f.b, f.magnitude) for f in found] == [
        ("model.layers.0.self_attn.q_proj", "", names[0], names[1], None),
        ("x", "second", names[3], names[5], None),
        ("x", "", names[4], None, None),
        ("deep", "", None, None, names[6]),
    ]


def test_targets_without_a_tensor(tmp_path):
    tensors = open_checkpoint(str(write_adapter(tmp_path))).tensors
    factors = lora_factors(tensors)
    names = ["q_proj", "self_attn.q_proj", "model.layers.0.self_attn.q_proj", "proj", "nope"]
    assert missed_targets(factors, names) == ["proj", "nope"]
