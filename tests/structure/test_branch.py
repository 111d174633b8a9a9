"""Rows of the folded tree against a walk over the concrete tensor names."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.structure.branch import Branch, Row, Twig, spans
from inspect_core.structure.build import ModuleFacts, build_tree
from inspect_core.structure.tree import LeafSpec, ModuleTree

Blueprint = dict[str, "Blueprint | None"]
"""Leaves are None."""

LEAVES = st.lists(st.sampled_from(["weight", "bias", "scale"]), unique=True, max_size=3)
SIBLINGS = st.sampled_from(
    [("0", "1", "2"), ("q", "k", "v", "o"), ("0", "1", "norm"), ("x",), ("0", "2", "10", "a")]
)


def _with_children(below: st.SearchStrategy[Blueprint]) -> st.SearchStrategy[Blueprint]:
    def made(drawn: tuple[list[str], tuple[str, ...], list[Blueprint], list[int]]) -> Blueprint:
        leaves, names, kinds, picks = drawn
        children = {
            name: kinds[pick % len(kinds)] for name, pick in zip(names, picks, strict=False)
        }
        return {**dict.fromkeys(leaves), **children}

    # Few kinds for many names: most siblings fold.
    kinds = st.lists(below, min_size=1, max_size=2)
    picks = st.lists(st.integers(0, 1), min_size=4, max_size=4)
    return st.tuples(LEAVES, SIBLINGS, kinds, picks).map(made)


BLUEPRINTS = st.recursive(LEAVES.filter(bool).map(dict.fromkeys), _with_children, max_leaves=6)


def flatten(blueprint: Blueprint, path: str = "") -> Iterator[str]:
    for name, below in blueprint.items():
        full = f"{path}.{name}" if path else name
        if below is None:
            yield full
        else:
            yield from flatten(below, full)


@st.composite
def models(draw: st.DrawFn) -> tuple[list[str], ModuleTree]:
    """Names in any order (as files hold them), and the tree over them."""
    names = draw(st.permutations(list(flatten(draw(BLUEPRINTS)))))
    shape = {"weight": (2, 3), "bias": (3,), "scale": ()}
    specs = [LeafSpec("F32", shape[name.rpartition(".")[2]]) for name in names]
    return list(names), build_tree(names, specs)


def rows_of(branch: Branch) -> Iterator[Row]:
    """All rows below a branch, opened folds too."""
    yield branch
    yield from branch.twigs
    for child in branch.branches:
        yield from rows_of(child)
        if child.folded:
            for member in child.members():
                yield from rows_of(member)


def under(names: list[str], path: str) -> set[str]:
    return {name for name in names if not path or name.startswith(f"{path}.")}


def concrete(names: list[str], tree: ModuleTree, first: int, width: int) -> list[str]:
    return [names[tensor] for tensor in tree.order[first : first + width]]


@settings(max_examples=80, deadline=None)
@given(models())
def test_firsts_and_width_are_the_tensors_under_the_paths(model) -> None:
    names, tree = model
    for row in rows_of(Branch.root(tree)):
        branch = row.branch if isinstance(row, Twig) else row
        paths = list(branch.paths())
        assert len(paths) == len(set(paths)) == len(row.firsts) == row.count
        for path, first in zip(paths, row.firsts, strict=True):
            found = concrete(names, tree, first, row.width)
            if isinstance(row, Twig):
                assert found == [f"{path}.{row.leaf.name}" if path else row.leaf.name]
            else:
                assert len(found) == len(set(found))
                assert set(found) == under(names, path)


@settings(max_examples=80, deadline=None)
@given(models())
def test_spans_are_the_same_ordinals_in_maximal_runs(model) -> None:
    for row in rows_of(Branch.root(model[1])):
        wanted = sorted(at for first in row.firsts for at in range(first, first + row.width))
        runs = spans(row)
        assert [at for start, stop in runs for at in range(start, stop)] == wanted
        assert all(one[1] < two[0] for one, two in pairwise(runs))


@settings(max_examples=80, deadline=None)
@given(models())
def test_every_tensor_is_in_exactly_one_row_of_each_level(model) -> None:
    for row in rows_of(Branch.root(model[1])):
        if isinstance(row, Branch):
            parts = [at for part in [*row.twigs, *row.branches] for at in _ordinals(part)]
            assert sorted(parts) == sorted(_ordinals(row))
            members = [at for member in row.members() for at in _ordinals(member)]
            assert sorted(members) == sorted(_ordinals(row))


def _ordinals(row: Row) -> list[int]:
    return [at for start, stop in spans(row) for at in range(start, stop)]


@settings(max_examples=80, deadline=None)
@given(models())
def test_anchor_and_axis_follow_the_parents(model) -> None:
    for row in rows_of(Branch.root(model[1])):
        branch = row.branch if isinstance(row, Twig) else row
        first = next(branch.paths())
        leaf = f".{row.leaf.name}" if isinstance(row, Twig) else ""
        assert row.anchor == f"{first}{leaf}".lstrip(".")
        folded, above = [], branch
        while above is not None:
            folded += [above] if above.folded else []
            above = above.parent
        assert row.axis is (folded[-1] if folded else None)


def two_levels() -> Branch:
    names = [f"h.{i}.attn.{p}.weight" for i in range(3) for p in ("q", "k")] + ["h.0.x", "ln.w"]
    return Branch.root(build_tree(names, [LeafSpec("F32", (2,))] * len(names)))


def test_a_fold_in_a_fold_has_the_outermost_slowest() -> None:
    container = two_levels().branches[0]
    assert [branch.label for branch in container.branches] == ["0", "1-2"]
    inner = container.branches[1].branches[0].branches[0]
    assert inner.path == "h.1-2.attn.q,k" and inner.anchor == "h.1.attn.q"
    assert list(inner.paths()) == ["h.1.attn.q", "h.1.attn.k", "h.2.attn.q", "h.2.attn.k"]
    assert list(inner.firsts) == sorted(inner.firsts)
    assert inner.axis is container.branches[1]
    assert [member.path for member in inner.members()] == ["h.1-2.attn.q", "h.1-2.attn.k"]


@pytest.mark.parametrize("known", [False, True])
def test_a_tied_name_without_values_takes_no_ordinal(known: bool) -> None:
    facts = ModuleFacts(
        types={"": "Net", "emb": "Embedding", "head": "Linear", "norm": "Norm"},
        tied={"head.weight": "emb.weight"},
        shapes={"head.weight": ("F32", (4, 2))} if known else {},
    )
    names = ["emb.weight", "norm.weight"]
    tree = build_tree(names, [LeafSpec("F32", (4, 2)), LeafSpec("F32", (2,))], facts)
    root = Branch.root(tree)
    twigs = {twig.path: twig for branch in root.branches for twig in branch.twigs}
    tied = twigs.pop("head.weight")
    assert (tied.width, tied.count, spans(tied)) == (0, 0, [])
    for path, twig in twigs.items():
        assert names[tree.order[twig.firsts[0]]] == path
