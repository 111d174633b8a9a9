"""An audit proves bits: what no metric tells apart has moved all the same."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results_files import bf16, write_model

import inspect_core
from inspect_core.delta import bits
from inspect_core.errors import UsageError
from inspect_core.results.audit import ZEROS_ONLY, audit


def f32(*values):
    return np.array(values, np.float32)


@pytest.fixture
def made(tmp_path):
    """Audit two models made of arrays."""

    def run(base, model, **options):
        paths = [
            write_model(tmp_path / f"{name}.safetensors", tensors)
            for name, tensors in (("base", base), ("model", model))
        ]
        return audit(*paths, **options)

    return run


def verdicts(found):
    return [(t.name, t.verdict, t.as_expected) for t in found.tensors]


def test_the_same_bits_are_proven(made) -> None:
    tensors = {"a.w": f32(1, 2), "b.w": f32(3)}
    found = made(tensors, tensors, frozen=["*"])
    assert found.held and not found.broken and not found.unproven
    assert verdicts(found) == [("a.w", "identical", True), ("b.w", "identical", True)]
    assert (found.tensors[0].changed, found.tensors[0].rel_l2) == (0, 0.0)


def test_what_moved_is_named_the_most_changed_first(made) -> None:
    base = {"a": f32(1, 1), "b": f32(1, 1), "c": f32(1, 1), "d": f32(0, 0)}
    model = {"a": f32(1, 1), "b": f32(1, 1.5), "c": f32(1, 3), "d": f32(0, 1)}
    found = made(base, model, frozen=["*"])
    assert verdicts(found) == [
        ("d", "changed", False),  # against zeros there is no ratio
        ("c", "changed", False),
        ("b", "changed", False),
        ("a", "identical", True),
    ]
    assert not found.held
    assert (found.tensors[2].changed, found.tensors[2].max_abs) == (1, 0.5)


@pytest.mark.parametrize("rounding", [False, True])
def test_minus_zero_and_other_nans_are_other_bits(made, rounding) -> None:
    other_nan = np.frombuffer(struct.pack("<I", 0x7FC00001), np.float32)
    base = {"zero": f32(0, 1), "nan": f32(float("nan")), "same": f32(float("nan"))}
    model = {"zero": f32(-0.0, 1), "nan": other_nan, "same": f32(float("nan"))}
    found = {t.name: t for t in made(base, model, frozen=["*"], rounding=rounding).tensors}
    assert found["same"].verdict == "identical"
    assert found["zero"].verdict == ("rounded" if rounding else "changed")
    assert (found["zero"].changed, found["zero"].reason) == (0, ZEROS_ONLY)
    assert not found["nan"].as_expected


def test_another_dtype_is_other_bits_unless_rounding_is_allowed(made) -> None:
    values = np.linspace(0.1, 3, 50, dtype=np.float32)
    base, model = {"w": values, "v": values}, {"w": bf16(values), "v": bf16(values + 1)}
    strict = made(base, model, frozen=["*"])
    assert [t.verdict for t in strict.tensors] == ["changed", "changed"]
    kind = made(base, model, frozen=["*"], rounding=True)
    assert [(t.name, t.verdict) for t in kind.tensors] == [("v", "changed"), ("w", "rounded")]
    assert kind.tensors[1].reason == "F32 became BF16, equal up to rounding"
    assert (kind.tensors[1].beyond, kind.tensors[0].beyond) == (0, 50)


def test_what_has_no_partner_or_shape_is_no_proof(made) -> None:
    base = {"gone": f32(1), "shape": f32(1, 2, 3), "same": f32(1)}
    model = {"new": f32(1, 1), "shape": f32(1, 2), "same": f32(1)}
    found = made(base, model, frozen=["gone", "new", "same", "shape"])
    assert {t.name: t.verdict for t in found.tensors} == {
        "gone": "unproven", "new": "unproven", "shape": "unproven", "same": "identical",
    }  # fmt: skip
    assert not found.held and not found.broken and len(found.unproven) == 3
    assert all(t.reason for t in found.unproven)


def test_rows_that_were_added_are_no_proof(made) -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    base = {"model.embed_tokens.weight": rows[:3], "norm.weight": f32(1)}
    model = {"model.embed_tokens.weight": rows, "norm.weight": f32(1)}
    found = made(base, model, frozen=["*"])
    assert [t.verdict for t in found.tensors] == ["unproven", "identical"]


def test_dtypes_that_are_not_compared_are_proven_bit_by_bit(made) -> None:
    base = {"c": ("C64", (2,), bytes(range(16))), "f": ("F4", (4,), b"\1\2")}
    model = {"c": base["c"], "f": ("F4", (4,), b"\1\3")}
    found = made(base, model, frozen=["*"])
    assert {t.name: t.verdict for t in found.tensors} == {"c": "identical", "f": "changed"}
    assert found.broken[0].changed is None


def test_what_should_train_must_move_by_more_than_rounding(made) -> None:
    values = np.linspace(0.1, 3, 50, dtype=np.float32)
    base = {**dict.fromkeys(("moved", "still", "rounded"), values), "zeros": f32(0)}
    model = {"moved": values * 2, "still": values, "rounded": bf16(values), "zeros": f32(-0.0)}
    found = made(base, model, trained=["*"])
    assert {t.name: t.as_expected for t in found.tensors} == {
        "moved": True, "still": False, "rounded": False, "zeros": False,
    }  # fmt: skip
    assert {t.verdict for t in found.broken} == {"identical", "rounded"}


def test_modules_and_patterns_are_named(made) -> None:
    tensors = {f"layers.{n}.w": f32(n) for n in range(12)} | {"head.w": f32(1)}
    found = made(tensors, tensors, frozen=["layers.1", "layers.[23]"], trained=["head"])
    assert [t.name for t in found.tensors if t.expected == "frozen"] == [
        "layers.1.w", "layers.2.w", "layers.3.w",
    ]  # fmt: skip
    assert [t.name for t in found.broken] == ["head.w"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"frozen": ["a.w", "absent"]}, "absent: no tensor of the two fits"),
        ({"frozen": ["*"], "trained": ["a"]}, "a.w: should be both"),
        ({}, "nothing to prove"),
    ],
)
def test_a_mistake_is_no_proof(made, options, why) -> None:
    with pytest.raises(UsageError, match=why):
        made({"a.w": f32(1)}, {"a.w": f32(1)}, **options)


def test_a_renamed_tensor_is_found(made) -> None:
    base = {f"model.layers.{n}.w": f32(n) for n in range(4)}
    model = {f"layers.{n}.w": f32(n) for n in range(4)}
    found = made(base, model, frozen=["layers"])
    assert found.held and found.tensors[1].reference_name == "model.layers.1.w"


def test_only_what_is_named_is_read(made, monkeypatch) -> None:
    read = []
    look = bits._Eye.look

    def noted(eye, at):
        read.append(eye._pairs[at.number].model.name)
        look(eye, at)

    monkeypatch.setattr(bits._Eye, "look", noted)
    made({"a": f32(1), "b": f32(1)}, {"a": f32(1), "b": f32(2)}, frozen=["a"])
    assert read == ["a"]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_one_other_bit_anywhere_is_found(tmp_path_factory, data) -> None:
    sizes = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=5))
    monkey = pytest.MonkeyPatch()
    monkey.setattr(bits, "CHUNK_BYTES", data.draw(st.sampled_from([8, 24, 1 << 20])))
    monkey.setattr(bits, "BATCH_BYTES", data.draw(st.sampled_from([8, 64, 1 << 20])))
    folder = tmp_path_factory.mktemp("bits")
    base = {f"t{n}": ("U8", (size,), bytes(size)) for n, size in enumerate(sizes)}
    flipped = data.draw(st.integers(0, len(sizes) - 1))
    model = dict(base)
    raw = bytearray(sizes[flipped])
    if raw:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    model[f"t{flipped}"] = ("U8", (len(raw),), bytes(raw))
    paths = [write_model(folder / name, tensors) for name, tensors in (("b", base), ("m", model))]
    found = audit(*paths, frozen=["*"])
    monkey.undo()
    assert [t.name for t in found.broken] == ([f"t{flipped}"] if raw else [])


def test_the_package_has_it() -> None:
    assert inspect_core.audit is audit
