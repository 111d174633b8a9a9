"""Every cell of an overview holds exactly the tensors of its member and kind."""

import pytest

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.structure.build import NO_FACTS, ModuleFacts, build_tree
from inspect_core.structure.fold import is_index
from inspect_core.structure.overview import Section, overview
from inspect_core.structure.tree import LeafSpec

LINEAR = ("weight", "bias")


class Model:
    """Names, their tree, and rows by their folded path."""

    def __init__(self, names: list[str], facts: ModuleFacts = NO_FACTS, parts: int = 2) -> None:
        self.names = names
        # Shapes by the last parts of a name: what differs in them does not fold.
        kinds = sorted({tuple(name.split(".")[-parts:]) for name in names})
        shapes = [kinds.index(tuple(name.split(".")[-parts:])) + 1 for name in names]
        self.tree = build_tree(names, [LeafSpec("F32", (size,)) for size in shapes], facts)
        self.root = Branch.root(self.tree)

    def row(self, path: str) -> Row:
        """The row with a folded path; a member of a fold by its own path."""
        queue: list[Branch] = [self.root]
        while queue:
            branch = queue.pop()
            for found in (branch, *branch.twigs):
                if found.path == path:
                    return found
            for child in branch.branches:
                queue += [child, *(child.members() if child.folded else [])]
        raise KeyError(path)

    def under(self, row: Row) -> list[str]:
        """Names of a row's tensors, by walking names alone."""
        branch = row.branch if isinstance(row, Twig) else row
        if isinstance(row, Twig):
            return [f"{path}.{row.leaf.name}".lstrip(".") for path in branch.paths()]
        inside = tuple([f"{path}." if path else "" for path in branch.paths()])
        return [name for name in self.names if name.startswith(inside)]


def fits(kind: str, rest: str) -> bool:
    """Whether a name below a member is of a kind: `*` is a number, and all else is itself."""
    parts, names = kind.split("."), rest.split(".")
    return len(parts) == len(names) and all(
        part == name or (part == "*" and is_index(name))
        for part, name in zip(parts, names, strict=True)
    )


def check(model: Model, row: Row) -> list[Section]:
    """Hold every cell of a row's overview to its names; together they are the row's."""
    sections = overview(row)
    wanted = sorted(model.under(row))
    twice = len([fold for fold in folds(row) if is_index(fold.names[0])]) > 1
    seen = [name for section in sections for name in cells_of(model, row, section)]
    assert sorted(seen) == sorted(wanted * (1 + twice))
    return sections


def folds(row: Row) -> list[Branch]:
    branch, found = (row.branch if isinstance(row, Twig) else row), []
    while branch is not None:
        found += [branch] if branch.folded else []
        branch = branch.parent
    return found


def cells_of(model: Model, row: Row, section: Section) -> list[str]:
    """The names in all cells, each held to its column and kind."""
    wanted, seen = model.under(row), []
    assert len(section.cells) == len(section.kinds) == len(set(section.kinds))
    for kind, cells in zip(section.kinds, section.cells, strict=True):
        assert len(cells) == len(section.columns)
        for at, ordinals in enumerate(cells):
            found = [model.names[model.tree.order[ordinal]] for ordinal in ordinals]
            seen += found
            if section.columns == ("",):
                assert len(found) == 1 and found[0].endswith(kind)
            elif len(section.paths) == len(section.columns) and "." in section.paths[at]:
                under = f"{section.paths[at]}."
                matching = [n for n in wanted if n.startswith(under)]
                matching = [n for n in matching if fits(kind, n.removeprefix(under))]
                assert sorted(found) == sorted(matching), (section.columns[at], kind)
    return seen


def llama(layers: int = 3) -> Model:
    names = ["model.embed.weight"]
    for layer in range(layers):
        at = f"model.layers.{layer}"
        names += [f"{at}.attn.{p}.weight" for p in ("query", "key", "value", "out")]
        names += [f"{at}.mlp.up.weight", f"{at}.mlp.down.weight", f"{at}.norm.weight"]
    names += ["model.norm.weight", "lm_head.weight"]
    return Model(names)


def bert(layers: int = 3) -> Model:
    names = ["embeddings.word.weight", "embeddings.norm.weight", "embeddings.norm.bias"]
    for layer in range(layers):
        for place in ("self.query", "self.key", "self.value", "output"):
            names += [f"encoder.layer.{layer}.attention.{place}.{leaf}" for leaf in LINEAR]
    names += ["pooler.dense.weight", "pooler.dense.bias"]
    return Model(names, parts=1)


def t5() -> Model:
    names = ["shared.weight"]
    for block in range(4):
        at = f"encoder.block.{block}.layer.0.SelfAttention"
        names += [f"{at}.q.weight", f"{at}.k.weight"]
        names += [f"{at}.relative_attention_bias.weight"] if block == 0 else []
        names += [f"encoder.block.{block}.layer.1.wi.weight"]
    return Model([*names, "encoder.final_layer_norm.weight"])


def experts() -> Model:
    names = []
    for layer in range(2):
        for expert in range(3):
            names += [f"m.layers.{layer}.mlp.experts.{expert}.w{k}.weight" for k in (1, 2)]
        names += [f"m.layers.{layer}.mlp.gate.weight"]
    return Model(["m.embed.weight", *names])


def test_a_fold_has_its_members_across() -> None:
    model = llama()
    (section,) = check(model, model.row("model.layers.0-2"))
    assert (section.title, section.columns) == ("model.layers.0-2", ("0", "1", "2"))
    assert {"attn.query.weight", "mlp.down.weight", "norm.weight"} < set(section.kinds)


@pytest.mark.parametrize("path", ["model.layers.0-2.attn", "model.layers.0-2.mlp.up"])
def test_a_row_in_a_fold_keeps_the_folds_columns_and_its_own_kinds(path: str) -> None:
    model = llama()
    (section,) = check(model, model.row(path))
    assert section.columns == ("0", "1", "2")
    assert all(kind.startswith(path.split("0-2.")[1]) for kind in section.kinds)


def test_a_parameter_in_a_fold_is_one_kind() -> None:
    model = llama()
    (section,) = check(model, model.row("model.layers.0-2.norm.weight"))
    assert section.kinds == ("norm.weight",)


def test_members_that_do_not_all_fold_still_make_an_axis() -> None:
    model = t5()
    assert [b.label for b in model.row("encoder.block").branches] == ["0", "1-3"]
    assert model.row("encoder.block.1-3").axis is not None
    (section,) = check(model, model.row("encoder.block"))
    assert (section.title, section.columns) == ("encoder.block", ("0", "1", "2", "3"))
    odd = next(k for k, kind in enumerate(section.kinds) if "relative_attention_bias" in kind)
    assert [len(cell) for cell in section.cells[odd]] == [1, 0, 0, 0]


def test_the_root_has_its_axes_and_what_is_outside_of_them() -> None:
    model = t5()
    axis, rest = check(model, model.root)
    assert axis.title == "encoder.block"
    assert (rest.title, rest.columns) == ("outside the layers", ("",))
    assert rest.kinds == ("shared.weight", "encoder.final_layer_norm.weight")


@pytest.mark.parametrize("path", ["encoder", "encoder.block", "encoder.block.0"])
def test_a_module_that_is_not_the_root_counts_from_its_own_first_tensor(path: str) -> None:
    model = t5()
    row = model.row(path)
    assert row.firsts[0] > 0
    section, *_ = check(model, row)
    assert section.title.startswith("" if section.columns == ("",) else path)


def test_a_plain_module_has_no_axis() -> None:
    model = bert()
    (section,) = check(model, model.row("embeddings"))
    assert (section.title, section.columns) == ("", ("",))
    assert section.kinds == ("word.weight", "norm.weight", "norm.bias")


def test_inner_numbers_are_one_kind() -> None:
    model = experts()
    (section,) = check(model, model.row("m.layers.0-1"))
    assert set(section.kinds) == {
        "mlp.experts.*.w1.weight", "mlp.experts.*.w2.weight", "mlp.gate.weight",
    }  # fmt: skip


def test_experts_of_all_layers_have_an_axis_of_their_own() -> None:
    model = experts()
    by_layer, by_expert = check(model, model.row("m.layers.0-1.mlp.experts.0-2"))
    assert by_layer.columns == ("0", "1")
    assert [len(cell) for cells in by_layer.cells for cell in cells] == [3] * 4
    assert by_expert.columns == ("0", "1", "2")
    assert [len(cell) for cells in by_expert.cells for cell in cells] == [2] * 6


def test_one_weight_of_all_experts_of_all_layers_is_a_matrix() -> None:
    model = experts()
    _, grid = check(model, model.row("m.layers.0-1.mlp.experts.0-2.w1"))
    assert (grid.kinds, grid.columns) == (("layers.0", "layers.1"), ("0", "1", "2"))
    assert grid.title == "m.layers.0-1.mlp.experts.0-2.w1.weight"
    for layer, cells in enumerate(grid.cells):
        for expert, ordinals in enumerate(cells):
            found = [model.names[model.tree.order[at]] for at in ordinals]
            assert found == [f"m.layers.{layer}.mlp.experts.{expert}.w1.weight"]


def test_an_opened_member_stands_for_itself() -> None:
    model = experts()
    sections = check(model, model.row("m.layers.1"))
    assert sections[0].title == "m.layers.1.mlp.experts"
    assert sections[0].columns == ("0", "1", "2")


def test_an_opened_member_of_an_inner_fold_keeps_the_outer_axis() -> None:
    model = experts()
    (section,) = check(model, model.row("m.layers.0-1.mlp.experts.2"))
    assert section.columns == ("0", "1")
    assert [len(cell) for cells in section.cells for cell in cells] == [1] * 4


def test_a_fold_of_words_under_a_fold_of_numbers() -> None:
    model = bert()
    (section,) = check(model, model.row("encoder.layer.0-2.attention.self.query,key,value"))
    assert section.columns == ("0", "1", "2")
    assert len(section.kinds) == 6


def test_a_fold_of_words_is_an_axis_of_its_own() -> None:
    names = [f"attn.{p}.weight" for p in ("query", "key", "value")]
    model = Model(["first", *names], parts=1)
    (section,) = check(model, model.row("attn.query,key,value"))
    assert section.columns == ("query", "key", "value")
    assert section.kinds == ("weight",)


def test_a_tensor_of_the_root_is_itself() -> None:
    model = Model(["scale", "a.weight"])
    (section,) = check(model, model.row("scale"))
    assert section.kinds == ("scale",)


def test_a_tied_name_without_values_has_no_cell() -> None:
    facts = ModuleFacts(
        types={"": "Net", "emb": "Embedding", "head": "Linear", "norm": "Norm"},
        tied={"head.weight": "emb.weight"},
    )
    model = Model(["emb.weight", "norm.weight"], facts)
    for path in ("head.weight", "head"):
        assert not any(cell for s in overview(model.row(path)) for row in s.cells for cell in row)


def test_hostile_names_are_only_names() -> None:
    names = [f"{a}.{k}.{b}" for a in ("[/]", "\x1b[31m") for k in range(2) for b in ("w", "b\n")]
    model = Model(names)
    for branch in (model.root, *model.root.branches):
        check(model, branch)
