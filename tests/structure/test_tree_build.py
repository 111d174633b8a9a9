"""A tree keeps every tensor of its listing, exactly once and under its exact name."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from inspect_core.structure.build import DEEPEST, ModuleFacts, build_tree, split_name
from inspect_core.structure.from_modules import model_listing, tree_of_model
from inspect_core.structure.tree import LeafSpec, ModuleTree

SPECS = [
    LeafSpec("F32", (4, 4)),
    LeafSpec("BF16", (4, 4)),
    LeafSpec("F32", ()),
    LeafSpec("I64", (1,), buffer=True),
    LeafSpec("F32", (4, 4), frozen=True),
    LeafSpec("F32", (0, 7), delta=True),
    LeafSpec("F32", (4, 4), tied=True, stored=False),
]

part = st.one_of(
    st.sampled_from(["", "a", "b", "weight", "0", "1", "10", "007", "层", "[red]", "\x1b[31m"]),
    st.text(max_size=3),
)
listing = st.lists(
    st.tuples(st.lists(part, min_size=1, max_size=6).map(".".join), st.sampled_from(SPECS)),
    max_size=25,
)


def walked(tree: ModuleTree) -> list[tuple[str, LeafSpec, int]]:
    """Full name, spec and ordinal of every leaf."""
    found = []
    for path, module, first in tree.root.walk():
        for leaf, offset in zip(module.leaves, module.leaf_offsets, strict=True):
            found.append((f"{path}.{leaf.name}" if path else leaf.name, leaf.spec, first + offset))
    return found


def check(tree: ModuleTree, names: list[str], specs: list[LeafSpec]) -> None:
    found = walked(tree)
    assert sorted(name for name, _, _ in found) == sorted(names)
    stored = [(name, spec, ordinal) for name, spec, ordinal in found if spec.stored]
    assert [ordinal for _, _, ordinal in stored] == list(range(len(stored)))
    for name, spec, ordinal in stored:
        index = tree.order[ordinal]
        assert names[index] == name and specs[index] == spec
    assert sorted(tree.order) == [at for at, spec in enumerate(specs) if spec.stored]
    assert tree.root.totals.tensors == len(stored)
    assert tree.root.totals.params == sum(s.numel for _, s, _ in stored if not s.buffer)


@given(listing)
def test_members_are_kept_exactly(items: list[tuple[str, LeafSpec]]) -> None:
    names, specs = [name for name, _ in items], [spec for _, spec in items]
    tree = build_tree(names, specs)
    check(tree, names, specs)
    again = pickle.loads(pickle.dumps(tree))
    assert again == tree and walked(again) == walked(tree)


@given(listing, st.lists(st.lists(part, max_size=5).map(".".join), max_size=8))
def test_facts_lose_nothing(items: list[tuple[str, LeafSpec]], paths: list[str]) -> None:
    unique = {name: spec._replace(tied=False, stored=True) for name, spec in items}
    names, specs = list(unique), list(unique.values())
    facts = ModuleFacts(
        types=dict.fromkeys(paths, "Kind"),
        leaves={name: at for at, name in enumerate(reversed(names[::2]))},
    )
    for bare in (False, True):
        check(build_tree(names, specs, facts, bare_modules=bare), names, specs)


@given(st.lists(part, min_size=1, max_size=6).map(".".join))
def test_a_name_splits_and_joins(name: str) -> None:
    path, leaf = split_name(name)
    assert (f"{path}.{leaf}" if path else leaf) == name


@pytest.mark.parametrize("length", [DEEPEST - 1, DEEPEST, DEEPEST + 1, DEEPEST + 2, 1500])
def test_long_names(length: int) -> None:
    name = ".".join(["m"] * length + ["weight"])
    check(build_tree([name], SPECS[:1]), [name], SPECS[:1])


def test_a_name_that_is_leaf_and_module() -> None:
    names = ["a", "a.b", "a.b.c", "a.", "a..", ".a", ".", ""]
    tree = build_tree(names, SPECS[:1] * 8)
    check(tree, names, SPECS[:1] * 8)
    assert [leaf.name for leaf in tree.root.leaves] == ["a", ".a", ".", ""]


def test_names_twice_are_both_there() -> None:
    check(build_tree(["a.w", "a.w"], SPECS[:2]), ["a.w", "a.w"], SPECS[:2])


def test_views_of_a_pickle_are_not_sent() -> None:
    tree = build_tree(["a.w", "b.w"], SPECS[:2])
    size = len(pickle.dumps(tree))
    list(tree.root.walk())
    assert len(pickle.dumps(tree)) == size


def test_numbers_and_weights_come_in_order() -> None:
    names = ["l.0.bias", "l.0.weight", "l.1.weight", "l.10.weight", "l.2.weight"]
    found = [name for name, _, _ in walked(build_tree(names, SPECS[:1] * 5))]
    assert found == ["l.0.weight", "l.0.bias", "l.1.weight", "l.2.weight", "l.10.weight"]


def test_declared_order_wins() -> None:
    facts = ModuleFacts(
        types={"": "Net", "z": "Z", "a": "A"}, leaves={"z.c": 0, "z.b": 1, "a.w": 2}
    )
    tree = build_tree(["a.w", "z.b", "z.c"], SPECS[:1] * 3, facts)
    assert [name for name, _, _ in walked(tree)] == ["z.c", "z.b", "a.w"]


def test_declared_numbers_are_not_sorted() -> None:
    model = nn.ModuleDict({"2": nn.Linear(1, 1), "0": nn.Linear(1, 1), "1": nn.Linear(1, 1)})
    assert [name for name, _ in tree_of_model(model).root.children] == ["2", "0", "1"]


def test_facts_mark_buffers_and_ties() -> None:
    facts = ModuleFacts(
        types={"": "Net"},
        buffers=frozenset({"a.mean", "b.mean"}),
        tied={"h.w": "a.w", "a.v": "a.w", "b.mean": "a.mean"},
        shapes={"h.w": ("F16", (4, 4)), "b.mean": ("F32", (2,))},
    )
    tree = build_tree(["a.w", "a.v", "a.mean"], SPECS[:1] * 3, facts)
    specs = {name: spec for name, spec, _ in walked(tree)}
    assert specs["a.mean"].buffer
    assert specs["h.w"] == LeafSpec("F16", (4, 4), tied=True, stored=False)
    assert specs["b.mean"] == LeafSpec("F32", (2,), buffer=True, tied=True, stored=False)
    assert specs["a.v"].tied and specs["a.v"].stored
    assert tree.tied == facts.tied and tree.root.totals.tensors == 3


def test_bare_modules_never_cover_others() -> None:
    facts = ModuleFacts(types={"": "Net", ".a": "Odd", "a": "A", "a.drop": "Dropout"})
    tree = build_tree(["a.w"], SPECS[:1], facts, bare_modules=True)
    check(tree, ["a.w"], SPECS[:1])
    assert [path for path, _, _ in tree.root.walk()] == ["", "a", "a.drop"]


def test_names_alone_give_the_same_members() -> None:
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16), 3, norm=nn.LayerNorm(8), enable_nested_tensor=False
    )
    names, specs, _ = model_listing(encoder)
    bare, typed = build_tree(names, specs), tree_of_model(encoder)
    assert {p for p, _, _ in bare.root.walk()} == {p for p, _, _ in typed.root.walk()}
    for tree in (bare, typed):
        check(tree, names, specs)
        layers = dict(tree.root.children)["layers"]
        assert [group.label for group in layers.groups] == ["0-2"]
    assert names == [name for name, _ in encoder.named_parameters()]


def test_names_can_spell_no_end_of_modules(monkeypatch) -> None:
    monkeypatch.setattr("inspect_core.structure.build.MOST_MODULES", 100)
    names = [".".join([str(at)] * 30) for at in range(20)]
    tree = build_tree(names, [LeafSpec("U8", (1,))] * len(names))
    assert sum(1 for _ in tree.root.walk()) < 100 + 30
    assert tree.root.totals.tensors == len(names)
    assert sorted(tree.order) == list(range(len(names)))
    whole = [leaf.name for leaf in tree.root.leaves]
    assert whole == names[-len(whole) :] and len(whole) > 10
