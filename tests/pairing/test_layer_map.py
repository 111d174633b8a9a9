"""A map says how the reference spells the model's names; it is read with care."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairing_made import by_name, listed, read, saved

from inspect_core.checkpoint import Checkpoint
from inspect_core.errors import LamellaError, UsageError
from inspect_core.pairing import LayerMap, Rename, pair_checkpoints

CASES = Path(__file__).parent.parent / "reference" / "vl_weight_table"

VOLTA = """
[[rename]]
match = "encoder.layer.{n}.attention_*"
to = "encoder.layer.{n:attention}.attention.*"

[[rename]]
match = "encoder.layer.{n}.intermediate.*"
to = "encoder.layer.{n:feed_forward}.intermediate.*"

[[rename]]
match = "encoder.layer.{n}.output.*"
to = "encoder.layer.{n:feed_forward}.output.*"

[layers.attention]
0 = 0
2 = 1
4 = 2

[layers.feed_forward]
1 = 0
3 = 1
5 = 2
"""
"""What the published comparison calls its volta rule."""


def map_of(tmp_path: Path, text: str) -> LayerMap:
    path = tmp_path / "map.toml"
    path.write_text(text)
    return LayerMap.read(path)


def case(tmp_path: Path, letter: str) -> tuple[Checkpoint, Checkpoint, dict]:
    (path,) = CASES.glob(f"case_{letter}_*.npz")
    arrays = np.load(path)
    sides = [
        saved(
            tmp_path / side, {n.partition("/")[2]: arrays[n] for n in arrays if n[:4] == side[:4]}
        )
        for side in ("volta", "bert")
    ]
    told = json.loads(path.with_suffix("").with_suffix(".expected.json").read_text())
    return sides[0], sides[1], told["ORIG_table"]


def test_the_published_pairs(tmp_path: Path) -> None:
    model, reference, table = case(tmp_path, "a")
    pairing = pair_checkpoints(model, reference, map_of(tmp_path, VOLTA))
    assert not pairing.warnings
    matches = by_name(pairing)
    assert matches.keys() == table.keys()
    for name, row in table.items():
        match = matches[name]
        partner = match.reference.name if match.reference else None
        assert partner == row["bert_weight"], match.reason
        assert (match.status == "pair") == row["transfarred"]
        if match.pair is not None:
            x, y = read(model, match.pair.model), read(reference, match.pair.reference)
            assert x.shape == y.shape
            delta = np.abs(x.astype("f8") - y).sum() / x.size
            assert delta == pytest.approx(row["delta"], rel=1e-5)
    types = matches["embeddings.token_type_embeddings.weight"]
    assert types.reason == "first 2 rows compared: 3 here, 2 in the reference"


def test_plain_against_plain_pairs_everything(tmp_path: Path) -> None:
    model, reference, table = case(tmp_path, "c")
    pairing = pair_checkpoints(model, reference)
    assert {match.status for match in pairing.matches} == {"pair"}
    assert pairing.rules == {"same name": len(table)}


def test_one_type_against_two_is_not_broadcast(tmp_path: Path) -> None:
    model, reference, _ = case(tmp_path, "e")
    pairing = pair_checkpoints(model, reference, map_of(tmp_path, VOLTA))
    match = by_name(pairing)["embeddings.token_type_embeddings.weight"]
    assert match.reason == "first 1 rows compared: 2 here, 1 in the reference"
    assert match.pair is not None and match.pair.reference is not None
    assert match.pair.model.shape == match.pair.reference.shape == (1, match.model.shape[1])


def test_a_zero_tensor_is_a_pair_like_others(tmp_path: Path) -> None:
    model, reference, table = case(tmp_path, "g")
    matches = by_name(pair_checkpoints(model, reference, map_of(tmp_path, VOLTA)))
    found = {name for name, match in matches.items() if match.status == "pair"}
    assert found == {name for name, row in table.items() if row["transfarred"]}


def test_the_map_goes_before_equal_names() -> None:
    names = {f"h.{n}.w": (2, 2) for n in range(3)}
    moved = LayerMap("m", (Rename("h.{n}.w", "h.{n:t}.w"),), (("t", ((1, 0), (2, 1))),))
    pairing = pair_checkpoints(listed(names), listed(names), moved)
    matches = by_name(pairing)
    assert matches["h.1.w"].reference.name == "h.0.w"
    assert matches["h.2.w"].reference.name == "h.1.w"
    assert matches["h.1.w"].reason == "map m, rule 1"
    assert matches["h.0.w"].status == "added"
    assert pairing.matches[-1].status == "removed" and pairing.matches[-1].name == "h.2.w"


def test_two_names_for_one_partner_are_left_alone() -> None:
    model = listed({"a.0.w": (2,), "b.0.w": (2,), "w": (2,)})
    pairing = pair_checkpoints(
        model, listed({"c.w": (2,), "w": (2,)}), LayerMap("m", (Rename("*.0.w", "c.w"),))
    )
    matches = by_name(pairing)
    for name in ("a.0.w", "b.0.w"):
        assert matches[name].status == "added"
        assert matches[name].reason.startswith("ambiguous: the map gives 'c.w' to 2 tensors")
    assert matches["w"].status == "pair"
    assert pairing.matches[-1].reason.startswith("ambiguous: the map gives")


def test_a_name_that_the_reference_lacks_is_said_and_not_guessed_around() -> None:
    layer_map = LayerMap("m", (Rename("h.{n}.*", "g.{n}.*"), Rename("nothing", "x")))
    pairing = pair_checkpoints(listed({"h.1.w": (2,)}), listed({"h.1.w": (2,)}), layer_map)
    assert pairing.matches[0].status == "added"
    assert "rule 1 gives 'g.1.w', which the reference lacks" in pairing.matches[0].reason
    assert pairing.warnings == ("m: rule 2 fits no tensor of the model: nothing",)


def test_shapes_that_differ_are_a_mismatch() -> None:
    layer_map = LayerMap("m", (Rename("a", "b"),))
    pairing = pair_checkpoints(listed({"a": (2,)}), listed({"b": (3,)}), layer_map)
    assert [match.status for match in pairing.matches] == ["shape_mismatch"]


@pytest.mark.parametrize(
    ("match", "to", "name", "expected"),
    [
        ("a.*", "b.*", "a.x.y", "b.x.y"),
        ("a.*", "b.*", "aa.x", None),
        ("*", "model.*", "w", "model.w"),
        ("*.h.{n}.*", "*.layers.{n}.*", "t.h.12.h.3.w", "t.layers.12.h.3.w"),
        ("{n}.{m}", "{m}.{n}", "3.40", "40.3"),
        ("a*b*c", "*-*", "axbbyc", "x-by"),
        ("a*b*c", "*-*", "abc", "-"),
        ("h.{n}", "h.{n}", "h.x", None),
        ("h.{n}5", "h.{n}", "h.15", None),
        ("a.w", "b.w", "a-w", None),
    ],
)
def test_what_a_rule_fits(match: str, to: str, name: str, expected: str | None) -> None:
    assert Rename(match, to).apply(name, {}) == expected


def test_hostile_names_do_not_hang() -> None:
    rule = Rename("*a*a*a*a*a*a*b", "x")
    started = time.process_time()
    assert rule.apply("a" * 4000, {}) is None
    assert rule.apply("a" * 100_000, {}) is None
    assert time.process_time() - started < 5  # minutes, if it tried all ways


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[rename", "not TOML"),
        ("", "rename: there is no rule"),
        ("x = 1", "'x' is not known"),
        ("rename = 3", "rename: there is no rule"),
        ("[[rename]]\nmatch = 'a'", "rename 1: needs 'match' and 'to'"),
        ("[[rename]]\nmatch = ''\nto = 'b'", "rename 1: 'match' is not a text"),
        ("[[rename]]\nmatch = 'a'\nto = '*'", "rename 1: 'to' has more * than 'match'"),
        ("[[rename]]\nmatch = 'a{n}{n}'\nto = 'b'", "rename 1: 'match' names two numbers alike"),
        ("[[rename]]\nmatch = 'a{n}'\nto = 'b{m}'", "rename 1: 'to' has {m}, which 'match' lacks"),
        ("[[rename]]\nmatch = 'a{n}'\nto = 'b{n:t}'", "there is no table [layers.t]"),
        ("[[rename]]\nmatch = 'a{n:t}'\nto = 'b'", "'match' has {n:t}"),
        ("[[rename]]\nmatch = 'a'\nto = 'b'\n[layers]\nt = 3", "layers.t: not a table"),
        ("[[rename]]\nmatch = 'a'\nto = 'b'\n[layers.t]\nx = 3", "'x' is not the number of a"),
        ("[[rename]]\nmatch = 'a'\nto = 'b'\n[layers.t]\n3 = true", "3 is not given the number"),
        ("a = " + "[" * 100_000, "not TOML"),
        ("[[rename]]\nmatch = 'a'\nto = 'b'\n" * 65, "65 rules, more than"),
    ],
)
def test_a_wrong_map_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(LamellaError) as error:
        map_of(tmp_path, text)
    line = str(error.value)
    assert told in line and "map.toml" in line and "\n" not in line


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LamellaError):
        LayerMap.read(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_text("#" * 300_000)
    with pytest.raises(LamellaError):
        LayerMap.read(tmp_path / "large.toml")


def test_what_a_map_leaves_alone_takes_nothing_from_others() -> None:
    """The name of a tensor that the map left alone was once cut to another's."""
    names = {"xb": (2,), "b": (2,), "\0c": (2,), "c": (2,)}
    layer_map = LayerMap("m", (Rename("xb", "gone"), Rename("\0c", "gone")))
    matches = by_name(pair_checkpoints(listed(names), listed({"b": (2,), "c": (2,)}), layer_map))
    assert {name: match.status for name, match in matches.items()} == {
        "xb": "added", "b": "pair", "\0c": "added", "c": "pair",
    }  # fmt: skip


rules = st.builds(
    Rename,
    st.sampled_from(["*", "a.*", "*.w", "a.{n}.*", "a.0"]),
    st.sampled_from(["b.0", "a", "w"]),
)
components = st.sampled_from(["a", "b", "0", "1", "w", "gamma"])
some = st.dictionaries(
    st.lists(components, min_size=1, max_size=3).map(".".join),
    st.sampled_from([(2,), (3,), (2, 2)]),
    max_size=8,
)  # fmt: skip


@given(some, some, st.lists(rules, max_size=3))
def test_each_tensor_is_in_exactly_one_match(ours, theirs, given_rules) -> None:
    layer_map = LayerMap("m", tuple(given_rules))
    try:
        pairing = pair_checkpoints(listed(ours), listed(theirs), layer_map)
    except UsageError:
        assert not any(rule.apply(name, {}) for rule in given_rules for name in ours)
        return
    assert [m.model.name for m in pairing.matches if m.model] == list(ours)
    found = [
        name for m in pairing.matches if m.reference for name in m.partners or (m.reference.name,)
    ]
    assert sorted(found) == sorted(theirs)
