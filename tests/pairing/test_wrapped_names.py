"""A PEFT model against its base: wrappers in names are taken off."""

import pytest

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.by_wrappers import RULE, pair_wrapped


def infos(*names: str, shape: tuple[int, ...] = (2, 2)) -> dict[str, TensorInfo]:
    return {name: TensorInfo(name, "F32", shape, 0, 0, 16) for name in names}


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_wrapped_modules_meet_what_they_wrap(prefix: str) -> None:
    ours = infos(
        "base_model.model.0.query.base_layer.weight", "base_model.model.0.query.lora_A.one.weight",
        "base_model.model.embed.token_adapter.base_layer.weight",
    )  # fmt: skip
    theirs = infos(f"{prefix}0.query.weight", f"{prefix}embed.weight")
    found, _, _ = pair_wrapped(ours, theirs)
    assert {name: match.reference.name for name, (match, _) in found.items()} == {
        "base_model.model.0.query.base_layer.weight": f"{prefix}0.query.weight",
        "base_model.model.embed.token_adapter.base_layer.weight": f"{prefix}embed.weight",
    }
    assert {(match.status, rule) for match, rule in found.values()} == {("pair", RULE)}
    assert all(match.name == name for name, (match, _) in found.items())


@pytest.mark.parametrize("turned", [False, True])
def test_what_an_adapter_saves_whole_counts(turned: bool) -> None:
    names = ["base_model.model.head.original_module.weight",
             "base_model.model.head.modules_to_save.one.weight"]  # fmt: skip
    ours = infos(*(reversed(names) if turned else names))
    found, _, _ = pair_wrapped(ours, infos("head.weight"))
    assert list(found) == ["base_model.model.head.modules_to_save.one.weight"]


def test_a_wrapped_reference() -> None:
    found, _, _ = pair_wrapped(infos("a.weight"), infos("base_model.model.a.base_layer.weight"))
    assert found["a.weight"][0].reference.name == "base_model.model.a.base_layer.weight"


def test_shapes_that_differ_are_said_to() -> None:
    theirs = infos("a.weight", shape=(3, 3))
    found, _, _ = pair_wrapped(infos("base_model.model.a.base_layer.weight"), theirs)
    assert [match.status for match, _ in found.values()] == ["shape_mismatch"]


def test_names_without_wrappers_are_left_to_the_other_rules() -> None:
    assert pair_wrapped(infos("a.b"), infos("a.b")) == ({}, {}, {})
