"""What `f` and `a` make of a row: steps that mean exactly that row."""

import re

import pytest
from app_made import row_at, tree_of

from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.plan.preview import preview
from inspect_core.structure.branch import Branch, Twig
from inspect_core.structure.build import NO_FACTS
from inspect_core.structure.tree import LeafSpec
from tui.plan_edits import freeze_toggled, patterns_of, place_of, place_toggled

LAYERS = 4
KINDS = {"self.query": (6, 6), "self.value": (6, 6), "self.dense": (6, 6), "mlp.dense": (6, 6),
         "norm": (6,)}  # fmt: skip


def names_and_specs(layers=LAYERS, lists=("encoder.layer",)):
    specs = {"embed.weight": LeafSpec("F32", (12, 6))}
    for parent in lists:
        for layer in range(layers):
            for kind, shape in KINDS.items():
                specs[f"{parent}.{layer}.{kind}.weight"] = LeafSpec("F32", shape)
    specs["pooler.dense.weight"] = LeafSpec("F32", (6, 6))
    return list(specs), list(specs.values())


class Model:
    """A model under a plan that keys change."""

    def __init__(self, **more) -> None:
        self.names, self.specs = names_and_specs(**more)
        self.plan = Plan()

    @property
    def tree(self):
        return preview(self.names, self.specs, NO_FACTS, self.plan).tree

    def row(self, path: str):
        return row_at(self.tree, path)

    def press_a(self, path: str) -> str:
        edit = place_toggled(self.plan, Place(rank=8, alpha=16), self.row(path))
        if edit.plan is not None:
            self.plan = edit.plan
        return edit.said

    def press_f(self, path: str) -> None:
        step = freeze_toggled(self.row(path))
        assert step is not None
        self.plan = self.plan.then(step)

    @property
    def place(self) -> Place | None:
        found = place_of(self.plan)
        return found[1] if found else None

    @property
    def adapted(self) -> set[str]:
        """Paths of the modules that have an adapter."""
        root = Branch.root(self.tree)
        found, queue = set(), [root]
        for row in queue:
            queue += row.branches
            if any(leaf.spec.planned for leaf in row.module.leaves):
                found.update(path.rpartition(".")[0] for path in row.paths())
        return {path.removesuffix(".lora_A").removesuffix(".lora_B") for path in found}

    @property
    def tunable(self) -> set[str]:
        root, found = Branch.root(self.tree), set()
        queue = [root]
        for row in queue:
            queue += row.branches
            for twig in row.twigs:
                if not twig.leaf.spec.frozen:
                    paths = twig.branch.paths()
                    found.update(f"{p}.{twig.leaf.name}" if p else twig.leaf.name for p in paths)
        return found


def paths(kinds, layers=range(LAYERS), parent="encoder.layer"):
    return {f"{parent}.{layer}.{kind}" for layer in layers for kind in kinds}


# Freezing


def test_a_fold_is_frozen_member_by_member_and_thawed_again():
    model = Model()
    model.press_f("encoder.layer.0-3")
    assert model.plan.steps == (
        Freeze(tuple(Pattern(f"encoder.layer.{k}", "exact") for k in range(LAYERS))),
    )
    assert model.tunable == {"embed.weight", "pooler.dense.weight"}
    model.press_f("encoder.layer.0-3")
    assert model.tunable == set(model.names)


def test_one_member_and_one_parameter_are_frozen_alone():
    model = Model()
    model.press_f("encoder.layer.2")
    model.press_f("embed.weight")
    gone = {name for name in model.names if ".layer.2." in name} | {"embed.weight"}
    assert model.tunable == set(model.names) - gone


def test_a_row_below_a_fold_means_that_place_in_every_member():
    model = Model()
    model.press_f("encoder.layer.0-3.mlp")
    assert model.tunable == {name for name in model.names if ".mlp." not in name}


def test_everything_is_frozen_at_the_root():
    model = Model()
    model.press_f("")
    assert model.tunable == set()
    assert model.plan.steps == (Freeze((Pattern("", "exact"),)),)


def test_many_members_are_named_by_their_list():
    tree = tree_of([f"m.{k}.experts.{j}.w[1]" for k in range(12) for j in range(20)])
    [pattern] = patterns_of(row_at(tree, "m.0-11.experts.0-19"))
    assert pattern == Pattern("m.{n}.experts.{n}", "glob")
    twig = next(t for t in row_at(tree, "m.0-11.experts.0-19").twigs if isinstance(t, Twig))
    [pattern] = patterns_of(twig)
    assert pattern == Pattern("m.{n}.experts.{n}.w[[]1]", "glob")


def test_many_members_of_some_layers_are_one_expression():
    names = [f"m.{k}.experts.{j}.w" for k in range(12) for j in range(20)] + ["m.0.b"]
    [pattern] = patterns_of(row_at(tree_of(names), "m.1-11.experts.0-19"))
    assert pattern.how == "regex"
    fits = {name for name in names if re.fullmatch(rf"{pattern.text}\.w", name)}
    assert fits == {name for name in names if name[2:4] != "0."}


def test_a_part_of_a_list_is_never_named_as_all_of_it():
    names = [f"m.{k}.w" for k in range(100)] + ["m.0.b"]
    row = row_at(tree_of(names), "m.1-99")
    assert [pattern.text for pattern in patterns_of(row)] == [f"m.{k}" for k in range(1, 100)]


def test_what_holds_no_parameter_cannot_be_frozen():
    from inspect_core.structure.build import ModuleFacts

    tree = tree_of(["a.table", "b.w"], facts=ModuleFacts(buffers=frozenset({"a.table"})))
    assert freeze_toggled(row_at(tree, "a")) is None


# Placing


def test_a_linear_module_gives_the_shortest_end_that_means_it_alone():
    model = Model()
    model.press_a("encoder.layer.0-3.self.query")
    assert model.place == Place(targets=("query",), rank=8, alpha=16)
    model.press_a("encoder.layer.0-3.self.dense")
    assert model.place is not None and model.place.targets == ("query", "self.dense")
    assert model.adapted == paths(["self.query", "self.dense"])
    model.press_a("encoder.layer.0-3.self.query")
    assert model.adapted == paths(["self.dense"])
    model.press_a("encoder.layer.0-3.self.dense")
    assert model.plan == Plan() and model.adapted == set()


def test_a_layer_gives_its_linear_modules_in_that_layer():
    model = Model()
    model.press_a("encoder.layer.1")
    assert model.place is not None and model.place.layers == (1,)
    every = ["self.query", "self.value", "self.dense", "mlp.dense"]
    assert model.adapted == paths(every, [1])
    model.press_a("encoder.layer.3")
    assert model.adapted == paths(every, [1, 3])
    model.press_a("encoder.layer.1")
    assert model.adapted == paths(every, [3])
    model.press_a("encoder.layer.3")
    assert model.plan == Plan()


def test_layers_that_a_freeze_left_over_are_placed_on_as_a_fold():
    model = Model()
    model.press_f("encoder.layer.0")
    model.press_a("encoder.layer.1-3")
    assert model.place is not None and model.place.layers == (1, 2, 3)
    assert model.adapted == paths(
        ["self.query", "self.value", "self.dense", "mlp.dense"], [1, 2, 3]
    )


def test_all_layers_need_no_numbers():
    model = Model()
    model.press_a("encoder.layer.0-3")
    assert model.place is not None and model.place.layers is None
    assert model.adapted == paths(["self.query", "self.value", "self.dense", "mlp.dense"])
    model.press_a("encoder.layer.2")
    assert model.place.layers == (0, 1, 3)


def test_one_member_off_and_on_again():
    model = Model()
    model.press_a("encoder.layer.0-3.self.query")
    model.press_a("encoder.layer.2.self.query")
    assert model.adapted == paths(["self.query"], [0, 1, 3])
    model.press_a("encoder.layer.2.self.query")
    assert model.place == Place(targets=("query",), rank=8, alpha=16)


def test_a_module_in_other_layers_than_the_placement_is_named_in_full():
    model = Model()
    model.press_a("encoder.layer.1.self.query")
    model.press_a("encoder.layer.2.self.value")
    assert model.adapted == {"encoder.layer.1.self.query", "encoder.layer.2.self.value"}


def test_one_of_two_lists_of_layers_is_named_in_full():
    model = Model(lists=("encoder.layer", "decoder.layer"), layers=2)
    model.press_a("encoder,decoder.layer.0-1.self.query")
    assert model.place is not None and model.place.targets == ("query",)
    model.press_a("encoder,decoder.layer.0-1.self.query")
    model.press_a("encoder.layer.0-1.self.query")
    assert model.adapted == paths(["self.query"], [0, 1])


@pytest.mark.parametrize("path", ["embed", "pooler.dense"])
def test_outside_the_layers(path):
    model = Model()
    model.press_a(path)
    assert model.adapted == {path}
    model.press_a(path)
    assert model.plan == Plan()


def test_a_whole_model_is_its_linear_modules_without_the_head():
    from inspect_core.structure.build import ModuleFacts

    types = {"wte": "Embedding", "h": "ModuleList", "h.0": "Block", "h.0.c_attn": "Conv1D",
             "h.0.conv": "Conv1d", "h.0.ln": "LayerNorm", "lm_head": "Linear"}  # fmt: skip
    names = ["wte.weight", "h.0.c_attn.weight", "h.0.conv.weight", "h.0.ln.weight",
             "lm_head.weight"]  # fmt: skip
    shapes = dict.fromkeys(names, (4, 4)) | {"h.0.ln.weight": (4,)}
    tree = tree_of(names, shapes, ModuleFacts(types=types))
    edit = place_toggled(Plan(), Place(), row_at(tree, ""))
    assert edit.plan == Plan((Place(targets=("c_attn",)),))
    edit = place_toggled(Plan(), Place(), row_at(tree, "lm_head"))
    assert edit.plan == Plan((Place(targets=("lm_head",)),))


def test_no_adapter_goes_on_a_vector():
    model = Model()
    assert "no adapter goes on" in model.press_a("encoder.layer.0-3.norm")
    assert model.plan == Plan()


def test_an_expression_is_left_to_its_dialog():
    model = Model()
    model.plan = Plan((Place(target_expression=".*query"),))
    assert "A changes them" in model.press_a("pooler.dense")
    model.press_a("encoder.layer.2.self.query")
    assert model.adapted == paths(["self.query"], [0, 1, 3])
