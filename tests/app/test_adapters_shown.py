"""Adapters in the app: where they sit, what they change, and what is said of them."""

import json

import numpy as np
import pytest
from app_running import idle, running
from made_adapters import (
    MODULES,
    base_tensors,
    change,
    merged_tensors,
    write,
    write_base,
    write_lora,
)

from inspect_core.adapters.exact.adapter_sheet import ModuleSheet
from inspect_core.opening import Adapted
from inspect_core.structure.branch import Branch, Twig
from inspect_core.structure.build import build_tree
from inspect_core.structure.tree import LeafSpec
from inspect_core.work.adapted_places import hits_of
from inspect_core.work.adapted_sheet import ModuleChange, ModuleFinding
from inspect_core.work.jobs import OpenModel
from themes import load_theme
from tui import export
from tui.figures.adapter import sheet_figure
from tui.palette import ASCII, UNICODE, make_palette
from tui.states import marks_of, state_of, style_of

pytestmark = pytest.mark.no_color


@pytest.fixture
def base(tmp_path) -> str:
    return write_base(tmp_path / "base")


@pytest.fixture
def lora(tmp_path) -> str:
    return write_lora(tmp_path / "tuned")


def relative(module: str) -> float:
    weight = base_tensors()[f"{module}.weight"].astype(np.float64)
    return float(np.linalg.norm(change(module)) / np.linalg.norm(weight))


async def test_delta_modules_and_what_they_change(base, lora) -> None:
    async with running(Adapted(base, (lora,)), base) as run:
        values = sum(6 * 2 + rows * 2 for rows in (6, 8)) * 3
        assert f"{values} delta" in run.text
        assert "14 of 14 tensors compared" in run.text, run.text
        assert "warning" not in run.text
        session = run.app.session
        assert session.adapted.base == "base"
        for module in MODULES:
            await run.go_to(module)
        await run.press("g")
        row = run.tree.outline.root
        found = {}
        for branch in _modules(row):
            found[branch.path] = session.change(branch)
        assert found["embed"].status == found["norm"].status == "same"
        assert found["layers.3"].status == "same", "the adapter has nothing there"
        assert found["layers.3"].note == ""
        assert found["layers.0-2.q"].status == "changed"
        assert found["layers.0-2.q.lora_A"].status == "delta"
        assert found["layers.0-2.up"].status == "same"


def _modules(row: Branch):
    yield row
    for child in row.branches:
        yield from _modules(child)


async def test_the_root_says_where_the_adapter_sits_and_where_not(base, lora) -> None:
    async with running(Adapted(base, (lora,)), base) as run:
        await run.until(lambda: "not in 3" in run.detail, "the hits")
        assert "tuned  LoRA r=2 alpha=4 on 6 modules" in run.detail
        assert " ".join(run.detail.split()).count("3 modules layers 0-2") == 2
        assert "lora_A" not in run.detail, "factors are no rows of the heatmap"


async def test_a_changed_module_shows_its_sheet(base, lora) -> None:
    async with running(Adapted(base, (lora,)), base) as run:
        await run.go_to("layers.1.v")
        await run.press("h", "o", "n")
        run.tree.move_to(run.tree.outline.reveal("layers.1.v", open_folds=True))
        run.tree.lines_changed(None)
        await run.inspect("layers.1.v")
        await run.until(lambda: "singular values" in run.detail, run.detail)
        delta = change("layers.1.v")
        sizes = np.linalg.svd(delta, compute_uv=False)
        assert "tuned  LoRA on weight" in run.detail
        from tui import format as fmt

        assert fmt.number(relative("layers.1.v")) in run.detail
        for size in sizes[:2]:
            assert fmt.number(size) in run.detail


async def test_a_changed_weight_draws_its_delta(base, lora) -> None:
    async with running(Adapted(base, (lora,)), base) as run:
        run.tree.outline.reveal("layers.1.v.weight", open_folds=True)
        await run.inspect("layers.1.v.weight")
        await run.until(lambda: run.app.detail.details, "the delta")
        [detail] = run.app.detail.details
        assert detail.summary.l2 == pytest.approx(np.linalg.norm(change("layers.1.v")), rel=1e-9)
        await run.until(lambda: "tuned: LoRA r=2 alpha=4 scaling=2" in run.detail, run.detail)
        await run.inspect("layers.1.v.lora_A.weight")
        await run.until(lambda: "of tuned: LoRA r=2" in run.detail, run.detail)


async def test_an_adapter_that_never_trained(base, tmp_path) -> None:
    idle_lora = write_lora(tmp_path / "idle", trained=False)
    async with running(Adapted(base, (idle_lora,)), base) as run:
        await run.until(lambda: "never trained" in run.detail, "said at the root")
        await run.shows("1 warning")
        run.tree.outline.reveal("layers.1.v", open_folds=True)
        await run.inspect("layers.1.v")
        await run.until(lambda: "never trained" in run.detail, run.detail)
        assert run.app.session.change(run.tree.outline.root).status == "same"


async def test_alone_it_shows_the_change_and_finds_its_base(base, lora) -> None:
    async with running(lora) as run:
        await run.until(lambda: "without its base" in run.text, "the hint")
        root = run.tree.outline.root
        await run.until(lambda: run.app.session.summary(root) is not None, "the values")
        await run.until(lambda: not run.app.desk.busy("some"), "all of them")
        total = np.sqrt(sum(np.linalg.norm(change(module)) ** 2 for module in MODULES))
        changed = [twig for row in _modules(root) for twig in row.twigs if twig.leaf.spec.computed]
        sizes = [run.app.session.summary(twig).l2 for twig in changed]
        assert np.linalg.norm(sizes) == pytest.approx(total, rel=1e-9)
        await run.press("r")
        await run.until(lambda: len(run.app.screen_stack) > 1, "the prompt")
        from textual.widgets import Input

        run.app.screen.query_one(Input).value = base
        await run.press("enter")
        await run.until(lambda: run.app.session.pairs is not None, "the base")
        await run.until(lambda: idle(run.app), "the sweep")
        assert run.app.session.adapted.base == "base"
        assert run.app.session.summary(run.tree.outline.root).l2 == pytest.approx(total, rel=1e-9)


async def test_an_adapter_that_is_replaced_is_noticed_and_reloaded(base, lora, tmp_path) -> None:
    async with running(Adapted(base, (lora,)), base) as run:
        before = run.app.session.summary(run.tree.outline.root).l2
        write_lora(tmp_path / "tuned", seed=9)
        run.app.reloading._looked = 0.0
        await run.press("j")
        await run.shows("were replaced")
        await run.press("R")
        await run.until(lambda: run.app.reloading.generation == 1 and idle(run.app), "the sweep")
        await run.until(lambda: "replaced" not in run.text, "opened again")
        after = run.app.session.summary(run.tree.outline.root).l2
        total = np.sqrt(sum(np.linalg.norm(change(module, 9)) ** 2 for module in MODULES))
        assert after == pytest.approx(total, rel=1e-9) and after != before


async def test_several_adapters_are_named(base, lora, tmp_path) -> None:
    other = write_lora(tmp_path / "second", ["layers.1.v"], seed=5)
    async with running(Adapted(base, (lora, other)), base) as run:
        run.tree.outline.reveal("layers.1.v", open_folds=True)
        await run.inspect("layers.1.v.weight")
        await run.until(lambda: "second: LoRA" in run.detail, run.detail)
        assert "tuned: LoRA" in run.detail
        [detail] = run.app.detail.details
        both = change("layers.1.v") + change("layers.1.v", 5)
        assert detail.summary.l2 == pytest.approx(np.linalg.norm(both), rel=1e-9)


async def test_against_its_merge_nothing_but_rounding_is_left(base, lora, tmp_path) -> None:
    merged = write(tmp_path / "merged" / "model.safetensors", merged_tensors())
    async with running(Adapted(base, (lora,)), merged) as run:
        assert run.app.session.change(run.tree.outline.root).status == "rounded"


async def test_a_huge_change_is_not_made_unasked(tmp_path) -> None:
    size = 100_000
    more = {
        "base_model.model.q.lora_A.weight": np.ones((1, size), np.float32),
        "base_model.model.q.lora_B.weight": np.ones((size, 1), np.float32),
    }
    lora = write_lora(tmp_path / "huge", [], more=more)
    async with running(lora) as run:
        await run.until(lambda: "are not read unasked" in run.text, "what it would take")
        assert "80 GB" in run.text
        await run.inspect("q")
        await run.until(lambda: "singular values" in run.detail, run.detail)
        await run.go_to("q.weight")
        await run.until(lambda: "Enter makes all 80 GB" in run.detail.replace("\n", " "), "cells")


async def test_what_was_exported_is_json(base, lora) -> None:
    async with running(Adapted(base, (lora,)), base) as run:
        found = json.loads(export.numbers(run.app.session, run.tree.outline.root, ()))
        assert found["model"] == [base, lora] and found["reference"] == base


async def test_an_adapter_for_another_model_is_refused(base, tmp_path) -> None:
    more = {"base_model.model.other.lora_A.weight": np.ones((2, 6), np.float32)}
    lora = write_lora(tmp_path / "other", [], more=more)
    async with running(Adapted(base, (lora,)), None) as run:
        reason = "fits nothing of the base"
        await run.until(lambda: reason in " ".join(run.detail.split()), "the reason")


def test_a_delta_keeps_the_difference_between_trained_and_frozen() -> None:
    specs = {
        "m.weight": LeafSpec("F32", (2, 2), frozen=True),
        "m.lora_A.weight": LeafSpec("F32", (1, 2), delta=True),
        "m.lora_B.weight": LeafSpec("F32", (2, 1), delta=True, frozen=True),
    }
    root = Branch.root(build_tree(list(specs), list(specs.values())))
    [module] = root.branches
    trained, frozen = module.branches
    for glyphs in (UNICODE, ASCII):
        marks = [state_of(row, glyphs) for row in (trained, frozen, Twig(module, 0))]
        assert [style for style, _ in marks] == ["delta", "delta", "frozen"]
        assert len({glyph for _, glyph in marks}) == 3
    assert style_of(specs["m.lora_B.weight"]) == "delta"
    assert marks_of(specs["m.lora_B.weight"]) == ["frozen"]


def test_uneven_hits_say_which_layers_are_left_out(base, tmp_path) -> None:
    lora = write_lora(tmp_path / "some", ["layers.0.q", "layers.2.q", "layers.3.v"])
    from inspect_core.work.backend import Threads

    listing = Threads().submit(OpenModel(Adapted(base, (lora,)))).result()
    hits = {hit.kind: hit for hit in hits_of(listing.adapted, listing.names)}
    assert hits["q"].layers == (0, 2) and hits["q"].missed == (1, 3)
    assert hits["v"].layers == (3,) and hits["v"].missed == (0, 1, 2)


async def test_two_adapters_are_compared_by_what_they_do(base, tmp_path) -> None:
    one, other = (write_lora(tmp_path / name, seed=seed) for name, seed in (("a", 2), ("b", 3)))
    changes = [
        np.concatenate([change(module, seed).ravel() for module in MODULES]) for seed in (2, 3)
    ]
    far = float(np.linalg.norm(changes[0] - changes[1]) / np.linalg.norm(changes[1]))
    async with running(Adapted(None, (one,)), Adapted(None, (other,))) as run:
        session = run.app.session
        await run.until(lambda: session.complete, "all of it compared")
        root = run.tree.outline.root
        assert session.summary(root).numel == sum(change(module).size for module in MODULES)
        assert session.change(root).value == pytest.approx(far, rel=1e-9)
        found = {branch.path: session.change(branch).status for branch in _modules(root)}
        assert found["layers.0-2.q"] == "changed"
        assert found["layers.0-2.q.lora_A"] == "delta"
        assert "6 of 6 tensors compared" in run.text, run.text
        assert "warning" not in run.text
        assert "lora_A" not in run.detail, "factors are no rows of the overview"


async def test_the_values_of_an_adapter_alone_are_those_of_its_change(tmp_path) -> None:
    alone = write_lora(tmp_path / "tuned")
    async with running(Adapted(None, (alone,))) as run:
        session, root = run.app.session, run.tree.outline.root
        all_of_it = len(session.listing.names)
        await run.until(lambda: len(session.done) == all_of_it, "the values")
        size = float(np.linalg.norm([np.linalg.norm(change(module)) for module in MODULES]))
        assert session.summary(root).numel == sum(change(module).size for module in MODULES)
        assert session.summary(root).l2 == pytest.approx(size, rel=1e-9)


def test_what_is_saved_whole_has_no_rank_to_speak_of() -> None:
    changes = {}
    for method, rank in (("saved", None), ("LoRA", 2)):
        sheet = ModuleSheet(
            adapter=0, module="head", weight="head.weight", method=method, rank=rank, alpha=None,
            scaling=None, shape=(2, 3), l2=1.0, largest=None, effective_rank=None, base_l2=None,
            never_trained=None, nonfinite=0,
        )  # fmt: skip
        finding = ModuleFinding("head", (ModuleChange("tuned", sheet, ()),), ())
        figure = sheet_figure(
            "head", "Linear", finding, (), make_palette(load_theme("lamella-dark")), 80, 30
        )
        changes[method] = "\n".join(strip.text for strip in figure.lines)
    assert "not known" not in changes["saved"] and "ranks" not in changes["saved"]
    assert "not known" in changes["LoRA"] and "v the ranks below" in changes["LoRA"]
