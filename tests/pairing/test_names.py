"""Every tensor gets one partner or a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing import Match, Pairing, pair_tensors

Side = dict[str, TensorInfo]


def side(*names: str, shape: tuple[int, ...] = (4, 4), dtype: str = "F32") -> Side:
    return {name: TensorInfo(name, dtype, shape, 0, 0, 64) for name in names}


def only(pairing: Pairing) -> Match:
    (match,) = pairing.matches
    return match


def shown(pairing: Pairing) -> list[tuple[str, str, str]]:
    return [
        (m.model.name if m.model else "", m.reference.name if m.reference else "", m.status)
        for m in pairing.matches
    ]


def test_same_names() -> None:
    pairing = pair_tensors(side("b.w", "a.w"), side("a.w", "b.w"))
    assert shown(pairing) == [("b.w", "b.w", "pair"), ("a.w", "a.w", "pair")]
    assert pairing.rules == {"same name": 2}
    assert {m.reason for m in pairing.matches} == {"same name"}


@pytest.mark.parametrize(
    ("ours", "theirs", "rule"),
    [
        ("bert.", "", "prefix 'bert.' stripped"),
        ("", "bert.", "prefix 'bert.' added"),
        ("model.", "transformer.", "prefix 'model.' replaced by 'transformer.'"),
        ("base_model.model.", "", "prefix 'base_model.model.' stripped"),
        ("module.bert.", "", "prefix 'module.bert.' stripped"),
        ("_orig_mod.", "", "prefix '_orig_mod.' stripped"),
        ("", "language_model.", "prefix 'language_model.' added"),
    ],
)
def test_one_prefix_for_all(ours: str, theirs: str, rule: str) -> None:
    inner = [f"layer.{n}.weight" for n in range(5)]
    model, reference = side(*(ours + n for n in inner)), side(*(theirs + n for n in inner))
    pairing = pair_tensors(model, reference)
    assert [m.status for m in pairing.matches] == ["pair"] * 5
    assert pairing.rules == {rule: 5}
    assert pairing.matches[0].reason == rule


def test_a_head_beside_a_prefixed_body() -> None:
    model = side("bert.embed.weight", "bert.layer.weight", "cls.weight")
    pairing = pair_tensors(model, side("embed.weight", "layer.weight", "pooler.weight"))
    assert shown(pairing) == [
        ("bert.embed.weight", "embed.weight", "pair"),
        ("bert.layer.weight", "layer.weight", "pair"),
        ("cls.weight", "", "added"),
        ("", "pooler.weight", "removed"),
    ]
    tried = "(rules tried: same name, prefix)"
    assert pairing.matches[2].reason == f"no partner in the reference {tried}"
    assert pairing.matches[3].reason == f"no partner in the model {tried}"


def test_no_prefix_against_the_rest_of_the_file() -> None:
    same = [f"model.layer.{n}" for n in range(3)]
    pairing = pair_tensors(side(*same, "model.norm"), side(*same, "norm"))
    assert shown(pairing)[3:] == [("model.norm", "", "added"), ("", "norm", "removed")]


def test_the_same_name_goes_before_a_prefix() -> None:
    model = side("bert.a", "bert.b", "a")
    pairing = pair_tensors(model, side("a", "b"))
    assert shown(pairing) == [("bert.a", "", "added"), ("bert.b", "b", "pair"), ("a", "a", "pair")]
    assert pairing.matches[0].reason.startswith("ambiguous: with prefix 'bert.' stripped")


def test_two_rules_that_fit_equally_are_not_guessed() -> None:
    for model, reference in (
        (side("x.w", "y.w"), side("bert.x.w", "bert.y.w", "roberta.x.w", "roberta.y.w")),
        (side("bert.x.w", "bert.y.w", "roberta.x.w", "roberta.y.w"), side("x.w", "y.w")),
    ):
        pairing = pair_tensors(model, reference)
        assert {m.status for m in pairing.matches} == {"added", "removed"}
        reason = pairing.matches[0].reason
        assert reason.startswith("ambiguous: ")
        assert "'bert.'" in reason and "'roberta.'" in reason
        assert pairing.rules == {}


def test_an_unknown_prefix_is_not_stripped() -> None:
    pairing = pair_tensors(side("tower.a", "encoder.b"), side("a", "b"))
    assert {m.status for m in pairing.matches} == {"added", "removed"}


def test_shapes_that_differ() -> None:
    pairing = pair_tensors(side("e", shape=(30522, 384)), side("e", shape=(30524, 384)))
    assert only(pairing).status == "shape_mismatch"
    assert only(pairing).reason == "shape 30522x384 here, 30524x384 in the reference"
    scalar = only(pair_tensors(side("s", shape=()), side("s", shape=(1,))))
    assert scalar.reason == "shape scalar here, 1 in the reference"


def test_shapes_that_differ_behind_a_prefix() -> None:
    model = side("bert.a", "bert.b") | side("bert.e", shape=(8,))
    pairing = pair_tensors(model, side("a", "b") | side("e", shape=(9,)))
    assert shown(pairing)[2] == ("bert.e", "e", "shape_mismatch")
    assert pairing.rules == {"prefix 'bert.' stripped": 3}


def test_an_equal_shape_by_a_later_rule_goes_first() -> None:
    model = side("model.e", "model.a", "model.b")
    reference = side("e", "a", "b") | side("model.e", shape=(9,))
    pairing = pair_tensors(model, reference)
    assert shown(pairing)[0] == ("model.e", "e", "pair")
    assert shown(pairing)[-1] == ("", "model.e", "removed")


@pytest.mark.parametrize("dtype", ["F4", "C64", "NEW"])
def test_dtypes_that_are_not_compared(dtype: str) -> None:
    for model, reference in ((dtype, "F32"), ("F32", dtype), (dtype, dtype)):
        match = only(pair_tensors(side("a", dtype=model), side("a", dtype=reference)))
        assert match.status == "unsupported"
        assert match.reason == f"dtype {dtype} is listed but not compared"


def test_dtypes_may_differ() -> None:
    assert only(pair_tensors(side("a", dtype="BF16"), side("a"))).status == "pair"


def test_nothing_on_a_side() -> None:
    assert pair_tensors({}, {}) == Pairing((), {})
    assert shown(pair_tensors(side("a"), {})) == [("a", "", "added")]
    assert shown(pair_tensors({}, side("a"))) == [("", "a", "removed")]


parts = st.sampled_from(["bert", "model", "module", "base_model", "a", "b", "", "0", "roberta"])
sides = st.dictionaries(
    st.lists(parts, min_size=1, max_size=4).map(".".join),
    st.tuples(st.sampled_from([(), (1,), (2, 2)]), st.sampled_from(["F32", "F16", "F4"])),
    max_size=12,
).map(lambda d: {n: TensorInfo(n, dtype, shape, 0, 0, 1) for n, (shape, dtype) in d.items()})


@given(sides, sides)
def test_each_tensor_is_in_exactly_one_match(model: Side, reference: Side) -> None:
    pairing = pair_tensors(model, reference)
    assert [m.model for m in pairing.matches if m.model] == list(model.values())
    found = [m.reference for m in pairing.matches if m.reference]
    assert sorted(found) == sorted(reference.values()) and len(found) == len(reference)
    removed = [m.reference for m in pairing.matches if m.status == "removed"]
    assert removed == [info for info in reference.values() if info in removed]
    for match in pairing.matches:
        both = match.model is not None and match.reference is not None
        assert both == (match.status in {"pair", "shape_mismatch", "unsupported"})
        assert match.reason
        if match.model and match.reference:
            equal = match.model.shape == match.reference.shape
            assert equal == (match.status != "shape_mismatch")
    twosided = [m for m in pairing.matches if m.model and m.reference]
    assert sum(pairing.rules.values()) == len(twosided)


@given(sides)
def test_a_checkpoint_pairs_with_itself(model: Side) -> None:
    pairing = pair_tensors(model, model)
    assert all(m.model == m.reference for m in pairing.matches)


def test_a_very_large_pair() -> None:
    names = [f"layers.{n // 2000}.experts.{n % 2000}.weight" for n in range(200_000)]
    model, reference = side(*(f"model.{name}" for name in names)), side(*names)
    matches = pair_tensors(model, reference).matches
    assert len(matches) == 200_000
    assert {match.status for match in matches} == {"pair"}


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [
        ("I64", "F64", "unsupported"), ("I64", "U64", "unsupported"), ("F32", "U64", "unsupported"),
        ("I64", "BF16", "unsupported"), ("I64", "I64", "pair"), ("I64", "I32", "pair"),
        ("I64", "MXFP4", "unsupported"), ("F16", "Q4_K", "pair"), ("I64", "Q4_K", "pair"),
        ("U64", "U8", "pair"), ("F64", "F32", "pair"), ("I32", "F64", "pair"),
    ],
)  # fmt: skip
def test_dtypes_that_round_different_values_to_one_are_not_compared(one, other, status):
    ours = {"a": TensorInfo("a", one, (1,), 0, 0, 8)}
    theirs = {"a": TensorInfo("a", other, (1,), 0, 0, 8)}
    (match,) = pair_tensors(ours, theirs).matches
    assert match.status == status
