"""The visible lines: what is open stays open, what is filtered is gone, nothing else changes."""

from app_made import row_at, tree_of

from inspect_core.structure.build import ModuleFacts
from tui import outline as outline_module
from tui.matching import keep_matching
from tui.outline import MOST_SIBLINGS, Outline, key_of

NAMES = [
    "embed.weight",
    *[
        f"layers.{k}.{part}.weight"
        for k in range(4)
        for part in ("attn.q", "attn.k", "mlp.up", "mlp.down")
    ],
    "norm.weight",
]
SHAPES = {name: (len(name.split(".")[-2]), 2) for name in NAMES}


def outline(names=NAMES, shapes=SHAPES, facts=ModuleFacts()) -> Outline:  # noqa: B008
    return Outline(tree_of(names, shapes, facts))


def paths(lines: Outline) -> list[str]:
    return [line.row.path if line.row is not None else "…" for line in lines.lines]


def at(lines: Outline, path: str) -> int:
    return paths(lines).index(path)


def expand(lines: Outline, *wanted: str) -> None:
    for path in wanted:
        assert lines.expand(at(lines, path)), path


def keep(lines: Outline, names: list[str], query: str) -> None:
    lines.arrange(keep_matching(names, lines.root.module.tree.order, query) if query else None)


def test_it_begins_with_the_first_choice() -> None:
    assert paths(outline()) == ["", "embed", "layers", "layers.0-3", "norm"]
    deep = [f"a.b.c.{k}.w" for k in range(3)]
    assert paths(outline(deep, {}))[:4] == ["", "a", "a.b", "a.b.c"]


def test_expanding_and_collapsing_is_where_it_is_done() -> None:
    lines = outline()
    before = paths(lines)
    expand(lines, "layers.0-3", "layers.0-3.mlp")
    assert paths(lines)[3:7] == [
        "layers.0-3", "layers.0-3.attn", "layers.0-3.mlp", "layers.0-3.mlp.up",
    ]  # fmt: skip
    assert [line.depth for line in lines.lines[2:7]] == [1, 2, 3, 3, 4]
    assert not lines.expand(at(lines, "layers.0-3")), "it is expanded already"
    assert lines.collapse(at(lines, "layers.0-3")) == at(lines, "layers.0-3")
    assert paths(lines) == before
    expand(lines, "layers.0-3")
    assert "layers.0-3.mlp.up" in paths(lines), "what was open below stays open"


def test_collapsing_a_leaf_goes_to_its_parent() -> None:
    lines = outline()
    expand(lines, "norm")
    leaf = at(lines, "norm.weight")
    assert lines.collapse(leaf) == at(lines, "norm")
    assert not lines.expand(leaf)
    assert lines.collapse(0) == 0


def test_a_fold_opens_to_its_members_and_closes_from_any_of_them() -> None:
    lines = outline()
    assert lines.open_fold(at(lines, "layers.0-3"))
    assert paths(lines)[3:7] == [f"layers.{k}" for k in range(4)]
    expand(lines, "layers.2")
    assert "layers.2.attn" in paths(lines) and "layers.1.attn" not in paths(lines)
    assert lines.open_fold(at(lines, "layers.2"))
    assert "layers.0-3" in paths(lines) and "layers.2" not in paths(lines)
    assert lines.open_fold(at(lines, "layers.0-3"))
    assert "layers.2.attn" in paths(lines), "a member that was open is so again"


def test_what_is_no_fold_does_not_open() -> None:
    lines = outline()
    expand(lines, "norm")
    for path in ("", "norm", "norm.weight", "layers"):
        assert not lines.open_fold(at(lines, path)), path


def test_the_cursors_row_is_found_when_its_fold_opens_or_closes() -> None:
    lines = outline()
    fold = key_of(lines.lines[at(lines, "layers.0-3")].row)
    lines.open_fold(at(lines, "layers.0-3"))
    assert lines.index_of(fold) == at(lines, "layers.0")
    third = key_of(lines.lines[at(lines, "layers.3")].row)
    lines.open_fold(at(lines, "layers.3"))
    assert lines.index_of(third) == at(lines, "layers.0-3")
    assert lines.index_of(("nowhere", "module")) is None


def test_a_row_that_is_hidden_leaves_the_cursor_on_the_module_it_is_in() -> None:
    lines = outline()
    lines.open_fold(at(lines, "layers.0-3"))
    expand(lines, "layers.2", "layers.2.mlp")
    key = key_of(lines.lines[at(lines, "layers.2.mlp.up")].row)
    lines.collapse(at(lines, "layers.2"))
    assert lines.index_of(key) == at(lines, "layers.2")
    keep(lines, NAMES, "attn")
    lines.open_fold(at(lines, "layers.2"))
    assert lines.index_of(key) == at(lines, "layers.0-3")


def test_reveal_expands_down_to_a_path() -> None:
    lines = outline()
    found = lines.reveal("layers.2.mlp.up.weight")
    assert found == at(lines, "layers.0-3.mlp.up.weight")
    assert lines.reveal("norm.weight") == at(lines, "norm.weight")
    assert lines.reveal("layers") == at(lines, "layers")
    assert lines.reveal("") == 0
    assert lines.reveal("layers.9.mlp") is None


def test_reveal_goes_into_an_opened_fold() -> None:
    lines = outline()
    lines.open_fold(at(lines, "layers.0-3"))
    assert lines.reveal("layers.2.mlp.up") == at(lines, "layers.2.mlp.up")


def test_a_filter_narrows_a_fold_to_the_members_that_match() -> None:
    lines = outline()
    keep(lines, NAMES, "layers.1 up")
    assert paths(lines) == ["", "layers", "layers.1", "layers.1.mlp", "layers.1.mlp.up"]
    keep(lines, NAMES, "LAYERS.1")
    assert paths(lines) == ["", "layers", "layers.1"], "all of it matches: it stays closed"
    keep(lines, NAMES, "up")
    assert "layers.0-3.mlp.up" in paths(lines) and "norm" not in paths(lines)


def test_the_numbers_of_a_narrowed_fold_are_those_of_its_members() -> None:
    names = [*NAMES, "layers.1.mlp.extra.weight"]
    lines = outline(names, SHAPES)
    keep(lines, names, "layers.2")
    row = lines.lines[at(lines, "layers.2")].row
    assert sorted(names[t] for t in lines.root.module.tree.order[row.firsts[0] :][: row.width]) == (
        sorted(n for n in names if n.startswith("layers.2."))
    )


def test_ending_a_filter_brings_the_old_lines_back() -> None:
    lines = outline()
    expand(lines, "layers.0-3", "norm")
    before = paths(lines)
    keep(lines, NAMES, "layers.1 up")
    assert lines.filtered
    keep(lines, NAMES, "nothing like it")
    assert paths(lines) == [""]
    keep(lines, NAMES, "")
    assert not lines.filtered
    assert paths(lines) == before


def test_types_that_split_a_fold_keep_what_is_open_and_the_cursor() -> None:
    lines = outline()
    expand(lines, "layers.0-3", "layers.0-3.mlp", "norm")
    key = key_of(lines.lines[at(lines, "layers.0-3.mlp")].row)
    types = {"": "Net", "layers": "List", "embed": "Emb", "norm": "Norm"}
    types |= {f"layers.{k}": "Odd" if k == 1 else "Layer" for k in range(4)}
    lines.replace_tree(tree_of(NAMES, SHAPES, ModuleFacts(types=types)))
    assert {"layers.0,2-3", "layers.1", "layers.0,2-3.mlp.up", "norm.weight"} <= set(paths(lines))
    assert lines.index_of(key) == at(lines, "layers.0,2-3.mlp")


def test_a_fold_that_falls_apart_leaves_the_cursor_on_its_first_member() -> None:
    lines = outline()
    key = key_of(lines.lines[at(lines, "layers.0-3")].row)
    types = {"": "Net", "layers": "List", **{f"layers.{k}": f"L{k}" for k in range(4)}}
    lines.replace_tree(tree_of(NAMES, SHAPES, ModuleFacts(types=types)))
    assert lines.index_of(key) == at(lines, "layers.0")


def test_a_long_list_ends_in_how_many_more_there_are() -> None:
    names = [f"t{k:04}" for k in range(2 * MOST_SIBLINGS + 7)]
    lines = outline(names, {})
    assert len(lines.lines) == 1 + MOST_SIBLINGS + 1
    assert lines.lines[-1].hidden == MOST_SIBLINGS + 7
    lines.toggle(len(lines.lines) - 1)
    assert lines.lines[-1].hidden == 7
    lines.toggle(len(lines.lines) - 1)
    assert lines.lines[-1].row is not None and len(lines.lines) == 1 + len(names)


def test_more_counts_the_members_of_an_opened_fold(monkeypatch) -> None:
    monkeypatch.setattr(outline_module, "MOST_SIBLINGS", 5)
    names = [f"experts.{k}.w" for k in range(12)]
    lines = outline(names, {})
    lines.open_fold(at(lines, "experts.0-11"))
    assert paths(lines)[-2:] == ["experts.4", "…"]
    assert lines.lines[-1].hidden == 7


def test_more_counts_only_what_the_filter_keeps(monkeypatch) -> None:
    monkeypatch.setattr(outline_module, "MOST_SIBLINGS", 5)
    names = [f"{kind}{k:02}" for k in range(20) for kind in "ab"]
    lines = outline(names, {})
    keep(lines, names, "a1")
    assert lines.lines[-1].hidden == 5
    keep(lines, names, "a01")
    assert paths(lines) == ["", "a01"]


def test_a_module_and_a_tensor_of_one_name_are_two_rows() -> None:
    lines = outline(["a", "a.b", "a.c"], {})
    assert paths(lines)[:3] == ["", "a", "a"]
    module = lines.lines[2].row
    assert lines.index_of(key_of(module)) == 2
    row = row_at(lines.root.module.tree, "a.b")
    assert lines.reveal("a.b") is not None and row.path in paths(lines)
