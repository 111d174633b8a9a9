"""Which module of a reference answers which of a model."""

import pytest

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.match import Match
from inspect_core.work.module_pairs import module_pairs, paths_in_reference


def match(ours: str | None, theirs: str | None, **more) -> Match:
    infos = [
        None if name is None else TensorInfo(name, "F32", (2,), 0, 0, 8) for name in (ours, theirs)
    ]
    return Match(infos[0], infos[1], "pair", "", **more)


def found(matches, *paths):
    ours = [one.model.name for one in matches if one.model is not None]
    theirs = [one.reference.name for one in matches if one.reference is not None]
    return paths_in_reference(paths, module_pairs(matches), ours, theirs)


def test_equal_names_answer_each_other():
    matches = [match("a.b.weight", "a.b.weight")]
    assert found(matches, "a.b", "a", "c") == {"a.b": "a.b", "a": "a"}


@pytest.mark.parametrize("prefix", ["bert", "base.model"])
def test_a_prefix_of_one_side(prefix):
    matches = [match(f"{prefix}.layer.{k}.weight", f"layer.{k}.weight") for k in range(2)]
    assert found(matches, f"{prefix}.layer.1", f"{prefix}.layer") == {
        f"{prefix}.layer.1": "layer.1", f"{prefix}.layer": "layer",
    }  # fmt: skip
    other = [match(f"layer.{k}.weight", f"{prefix}.layer.{k}.weight") for k in range(2)]
    assert found(other, "layer.1") == {"layer.1": f"{prefix}.layer.1"}


def test_a_layer_that_a_map_moved():
    matches = [match("h.1.mlp.weight", "h.3.mlp.weight"), match("h.0.mlp.bias", "h.0.mlp.bias")]
    assert found(matches, "h.1", "h.1.mlp", "h.0") == {
        "h.1": "h.3", "h.1.mlp": "h.3.mlp", "h.0": "h.0",
    }  # fmt: skip


def test_a_module_without_tensors_follows_its_parent():
    matches = [match("model.layers.0.mlp.up.weight", "layers.0.mlp.up.weight")]
    assert found(matches, "model.layers.0.mlp.act_fn") == {
        "model.layers.0.mlp.act_fn": "layers.0.mlp.act_fn"
    }


def test_what_only_one_side_has_answers_nothing():
    matches = [match("a.new.weight", None), match(None, "a.old.weight")]
    assert found(matches, "a.new") == {}


def test_a_layer_that_the_reference_lacks_is_not_guessed_from_its_parent():
    matches = [match("m.layers.0.weight", "layers.0.weight"), match("m.layers.9.weight", None)]
    assert found(matches, "m.layers.9", "m.layers.0") == {"m.layers.0": "layers.0"}


def test_what_is_made_of_several_says_nothing():
    matches = [match("qkv.weight", "q.weight", partners=("q.weight", "k.weight"))]
    assert found(matches, "qkv") == {}
