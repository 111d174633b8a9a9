"""Folding has none of the failure modes of the trees it took the idea from."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from inspect_core.structure.build import ModuleFacts, build_tree
from inspect_core.structure.fold import Group, group_children, is_index, short_names
from inspect_core.structure.from_modules import tree_of_model
from inspect_core.structure.tree import LeafSpec, Module, ModuleTree, Totals

W = LeafSpec("F32", (4, 4))


def labels(module: Module) -> list[str]:
    return [group.label for group in module.groups]


def at(tree: ModuleTree, path: str) -> Module:
    module = tree.root
    for name in path.split("."):
        module = dict(module.children)[name]
    return module


def model(**children: nn.Module) -> nn.Module:
    root = nn.Module()
    for name, child in children.items():
        root.add_module(name, child)
    return root


def test_type_is_part_of_sameness() -> None:
    tree = tree_of_model(model(embed=nn.Embedding(8, 4), head=nn.Linear(4, 8, bias=False)))
    assert labels(tree.root) == ["embed", "head"]
    norms = model(ln=nn.LayerNorm(4), gn=nn.GroupNorm(2, 4), bn=nn.BatchNorm1d(4))
    assert labels(tree_of_model(norms).root) == ["ln", "gn", "bn"]


def test_nesting_does_not_collide() -> None:
    names = ["x.A.a", "x.B.b", "y.A.a", "y.A.B.b"]
    assert labels(build_tree(names, [W] * 4).root) == ["x", "y"]


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["0", "1", "2", "3", "4", "6"], "0-4,6"),
        (["0", "2", "4"], "0,2,4"),
        (["1", "2"], "1-2"),
        (["007"], "007"),
        (["007", "8"], "007,8"),
        (["0", "1", "shared"], "0-1,shared"),
        (["0", "1", "shared", "2"], "0-1,shared,2"),
        (["query", "key", "value"], "query,key,value"),
        (["9", "10", "11"], "9-11"),
        (["٣", "-1", "+1", "1_0"], "٣,-1,+1,1_0"),
        ([], ""),
    ],
)
def test_short_names(names: list[str], label: str) -> None:
    assert short_names(names) == label


def parsed(label: str) -> list[str]:
    names: list[str] = []
    for part in label.split(","):
        run = re.fullmatch(r"(0|[1-9]\d*)-(0|[1-9]\d*)", part)
        names += map(str, range(int(run[1]), int(run[2]) + 1)) if run else [part]
    return names


plain = st.text("abc_XYZ019", min_size=1, max_size=4)


@given(st.lists(st.integers(0, 60).map(str) | plain, min_size=1, unique=True))
def test_short_names_parse_back(names: list[str]) -> None:
    assert parsed(short_names(names)) == names


@given(st.sets(st.integers(0, 40)))
def test_integers_become_maximal_runs(numbers: set[int]) -> None:
    label = short_names([str(number) for number in sorted(numbers)])
    parts = label.split(",") if label else []
    assert len(parts) == sum(number - 1 not in numbers for number in numbers)


@given(st.lists(st.tuples(plain, st.integers(0, 5)), unique_by=lambda item: item[0]))
def test_groups_are_a_partition(children: list[tuple[str, int]]) -> None:
    names, structures = [name for name, _ in children], [kind for _, kind in children]
    groups = group_children(names, structures)
    assert sorted(p for group in groups for p in group.positions) == list(range(len(names)))
    for group in groups:
        assert group.names == tuple(names[p] for p in group.positions)
        assert len({structures[p] for p in group.positions}) == 1
    assert len(groups) == len(set(structures))
    assert [g.positions[0] for g in groups] == sorted(g.positions[0] for g in groups)


def test_positions_follow_the_first_member() -> None:
    assert group_children(["q", "k", "v", "o"], [1, 2, 2, 1]) == [
        Group(("q", "o"), (0, 3)),
        Group(("k", "v"), (1, 2)),
    ]
    assert is_index("0") and not is_index("00") and not is_index("") and not is_index("9" * 400)


def test_the_root_shows_its_own_parameters() -> None:
    root = nn.Linear(2, 3)
    root.register_parameter("scale", nn.Parameter(torch.zeros(5)))
    tree = tree_of_model(root)
    assert [leaf.name for leaf in tree.root.leaves] == ["weight", "bias", "scale"]
    assert tree.root.type == "Linear" and tree.root.totals.params == 14


def test_buffers_are_visible_and_split() -> None:
    quantised = nn.Module()
    quantised.register_buffer("qweight", torch.zeros(4, 4, dtype=torch.uint8))
    tree = tree_of_model(model(q=quantised, a=nn.BatchNorm1d(2), b=nn.BatchNorm1d(2)))
    assert labels(tree.root) == ["q", "a,b"]
    (leaf,) = at(tree, "q").leaves
    assert leaf.spec == LeafSpec("U8", (4, 4), buffer=True)
    assert at(tree, "q").totals == Totals(1, 0, 0, 0, 16)
    untracked = model(a=nn.BatchNorm1d(2), b=nn.BatchNorm1d(2, track_running_stats=False))
    assert labels(tree_of_model(untracked).root) == ["a", "b"]


def test_dtypes_split() -> None:
    kinds = {"x": torch.float32, "y": torch.float16, "z": torch.bfloat16, "w": torch.float32}
    layers = {name: nn.Linear(2, 2, dtype=dtype) for name, dtype in kinds.items()}
    assert labels(tree_of_model(model(**layers)).root) == ["x,w", "y", "z"]


def test_invisible_modules_do_not_split() -> None:
    first = nn.Sequential(nn.Linear(2, 2), nn.Identity())
    second = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    layers = nn.ModuleList([first, second])
    assert labels(tree_of_model(layers).root) == ["0-1"]
    assert [name for name, _ in at(tree_of_model(layers), "0").children] == ["0"]
    assert labels(tree_of_model(layers, bare_modules=True).root) == ["0", "1"]


def test_containers_of_nothing_are_hidden() -> None:
    holder = model(inner=nn.Linear(2, 2), empty=nn.ModuleDict({"drop": nn.Dropout()}))
    assert labels(tree_of_model(holder).root) == ["inner"]
    assert labels(tree_of_model(holder, bare_modules=True).root) == ["inner", "empty"]


def test_one_frozen_member_stands_alone() -> None:
    layers = nn.ModuleList([nn.Sequential(nn.Linear(2, 2)) for _ in range(6)])
    layers[3][0].weight.requires_grad_(False)
    tree = tree_of_model(layers)
    assert labels(tree.root) == ["0-2,4-5", "3"]
    assert at(tree, "3").totals.tunable == 2 and at(tree, "2").totals.tunable == 6


def test_frozen_and_delta_are_two_things() -> None:
    layer = nn.Linear(2, 2)
    layer.weight._is_delta = True
    layer.weight.requires_grad_(False)
    weight, bias = tree_of_model(layer).root.leaves
    assert weight.spec.delta and weight.spec.frozen
    assert not bias.spec.delta and not bias.spec.frozen
    assert tree_of_model(layer).root.totals == Totals(2, 6, 2, 4, 24)


def test_tied_parameters_are_marked_and_counted_once() -> None:
    net = model(embed=nn.Embedding(8, 4), mid=nn.Linear(4, 4), head=nn.Linear(4, 8, bias=False))
    net.head.weight = net.embed.weight
    tree = tree_of_model(net)
    assert tree.tied == {"head.weight": "embed.weight"}
    (leaf,) = at(tree, "head").leaves
    assert leaf.spec.tied and not leaf.spec.stored
    assert tree.root.totals.params == 32 + 20
    assert tree.root.totals.tensors == 3 == len(tree.order)


def test_a_shared_module_is_shown_under_both_names() -> None:
    shared = nn.Linear(2, 2)
    tree = tree_of_model(model(a=shared, b=shared, c=nn.Linear(2, 2)))
    assert labels(tree.root) == ["a,c", "b"]
    assert tree.tied == {"b.weight": "a.weight", "b.bias": "a.bias"}


def test_uninitialised_parameters_do_not_crash() -> None:
    tree = tree_of_model(
        model(lazy=nn.LazyLinear(4), norm=nn.LazyBatchNorm1d(), fc=nn.Linear(2, 2))
    )
    assert labels(tree.root) == ["lazy", "norm", "fc"]
    assert [leaf.spec.shape for leaf in at(tree, "lazy").leaves] == [(), ()]
    assert at(tree, "lazy").totals == Totals(0, 0, 0, 0, 0)


def test_names_with_markup_are_kept() -> None:
    odd = nn.ModuleDict({"w[red]x": nn.Linear(2, 2), "[/]": nn.Linear(2, 3), "0-4,6": nn.ReLU()})
    tree = tree_of_model(odd, bare_modules=True)
    assert labels(tree.root) == ["w[red]x", "[/]", "0-4,6"]


@pytest.mark.parametrize("bare", [False, True])
def test_depth_is_no_recursion_error(bare: bool) -> None:
    deep: nn.Module = nn.Linear(2, 2)
    for _ in range(1500):
        deep = nn.Sequential(deep)
    tree = tree_of_model(deep, bare_modules=bare)
    (path, module, _) = list(tree.root.walk())[-1]
    assert [f"{path}.{leaf.name}" for leaf in module.leaves] == [
        "0." * 1500 + "weight",
        "0." * 1500 + "bias",
    ]


def test_a_module_inside_itself_ends() -> None:
    loop = nn.Sequential(nn.Linear(2, 2))
    loop._modules["again"] = loop
    loop[0]._modules["up"] = loop
    assert tree_of_model(loop).root.totals.tensors == 2


def experts(layers: int, width: int) -> list[str]:
    return [
        f"model.layers.{layer}.mlp.experts.{expert}.{kind}_proj.weight"
        for layer in range(layers)
        for expert in range(width)
        for kind in ("gate", "up", "down")
    ]


def test_a_larger_mixture_of_experts_is_no_larger_tree() -> None:
    def tree_of(layers: int) -> ModuleTree:
        names = experts(layers, 256)
        specs = [W if "down" in name else LeafSpec("BF16", (8, 4)) for name in names]
        specs[-1] = specs[-1]._replace(frozen=True)
        tree = build_tree(names, specs)
        folded = at(tree, "model.layers").groups
        assert [group.label for group in folded] == [f"0-{layers - 2}", str(layers - 1)]
        assert labels(at(tree, f"model.layers.{layers - 1}.mlp.experts")) == ["0-254", "255"]
        return tree

    small, large = tree_of(15), tree_of(60)
    assert len(small.module_type) == len(large.module_type) < 20
    assert len(large.order) == 4 * len(small.order)


def test_types_refine_a_fold_of_names() -> None:
    names, specs = ["a.weight", "b.weight"], [W, W]
    assert labels(build_tree(names, specs).root) == ["a,b"]
    facts = ModuleFacts(types={"": "Net", "a": "Embedding", "b": "Linear"})
    typed = build_tree(names, specs, facts)
    assert labels(typed.root) == ["a", "b"]
    assert not typed.untyped and build_tree(names, specs).untyped
