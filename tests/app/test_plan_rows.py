"""Every key on every row of a planned tree: what a plan adds has no values to look at."""

import pytest
from app_made import layers, write_model
from app_running import running

from inspect_core.plan.plan import Freeze, Pattern, Place
from inspect_core.structure.branch import Twig
from tui.keys import PLAN, SCREEN, TREE

LEAVING = ("q", "p", "R", "e", "t")
KEYS = [
    key
    for binding in (*TREE, *SCREEN, *PLAN)
    for key in binding.key.split(",")[:1]
    if key not in LEAVING
]


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model" / "model.safetensors", layers(2))


async def planned(run, *steps) -> None:
    await run.press("p")
    await settled(run)
    plan = run.app.plan.plan
    for step in steps:
        plan = plan.then(step)
    run.app.plan.change(plan)
    await settled(run)


async def settled(run) -> None:
    await run.until(lambda: not run.app.desk.busy("plan", "trial", "inspect", "some", "types"))
    await run.pilot.pause()


def expand_all(run) -> list[str]:
    """The paths of all rows, each module open."""
    tree, at = run.tree, 0
    while at < len(tree.outline.lines):
        tree.outline.expand(at)
        at += 1
    tree.lines_changed(None)
    return [line.row.anchor for line in tree.outline.lines if line.row is not None]


LORA = Place(targets=("attn", "mlp"), rank=2, alpha=4, modules_to_save=("norm",))


async def test_a_planned_row_has_no_values_and_says_so(model):
    async with running(model) as run:
        await planned(run, LORA)
        rows = expand_all(run)
        own = [path for path in rows if "lora_A" in path or "modules_to_save" in path]
        assert len(own) >= 3
        for path in own:
            at = rows.index(path)
            row = run.tree.outline.lines[at].row
            assert not row.width
            if isinstance(row, Twig):
                assert row.leaf.spec.planned and not row.leaf.spec.stored and row.count == 0
            run.tree.move_to(at)
            await run.press("enter")
            await settled(run)
            await run.until(lambda: "planned: it has no values" in run.detail)


async def test_a_module_with_an_adapter_shows_its_own_matrix(model):
    """The figure was drawn of as many matrices as there are tensors, and counted the planned."""
    async with running(model) as run:
        await planned(run, LORA)
        await run.go_to("norm")
        await run.press("enter")
        await settled(run)
        await run.until(lambda: "weight" in run.detail)
        assert "could not be drawn" not in run.detail
        tree = run.app.session.listing.tree
        ordinals = [
            run.app.session.listing.names[tree.order[line.row.firsts[0]]]
            for line in run.tree.outline.lines
            if isinstance(line.row, Twig) and line.row.width
        ]
        shown = [
            line.row.anchor
            for line in run.tree.outline.lines
            if isinstance(line.row, Twig) and line.row.width
        ]
        assert ordinals == shown


async def test_every_key_on_the_rows_of_a_planned_tree(model, tmp_path):
    base = write_model(tmp_path / "base" / "model.safetensors", layers(2, l1=0.1))
    steps = (LORA, Freeze((Pattern("layers.1.mlp.lora_A", "end"),)))
    async with running(model, base) as run:
        await planned(run, *steps)
        rows, made = expand_all(run), run.app.plan.plan
        for number, path in enumerate(rows):
            run.app.plan.change(made)
            await settled(run)
            await run.go_to(path)
            # All keys on all rows take minutes: each row gets enter, and its share of the others.
            for key in ["enter", *KEYS[number % 24 :: 24]]:
                await run.press(key)
                await settled(run)
                assert "could not be drawn" not in run.detail, (path, key, run.detail)
                while run.app.screen is not run.app.inspector:
                    await run.press("escape")
                    await run.pilot.pause()
                if run.app.inspector.query("#filter"):
                    await run.press("escape")
                if not run.app.plan.active:
                    await run.press("p")
                    await settled(run)
        assert run.app.is_running


async def test_what_cannot_be_drawn_is_said_and_the_app_lives(model, monkeypatch):
    async with running(model) as run:
        await planned(run, LORA)

        def broken(*_):
            raise ValueError("zip() argument\x1b[31m 2")

        monkeypatch.setattr(run.app.detail.drawing, "_overview", broken)
        monkeypatch.setattr(run.app.detail.drawing, "_module", broken)
        await run.go_to("layers.0")
        await run.press("enter")
        await run.until(lambda: "could not be drawn: ValueError: zip()" in run.detail)
        assert "\x1b" not in run.detail and run.app.is_running
        run.app.detail.draw_now()
        assert run.app.plan.plan.steps == (LORA,)


async def test_a_plan_that_nobody_wrote_outlives_a_crash(model, tmp_path, monkeypatch):
    from inspect_core.plan.written.files import read_plan

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(ZeroDivisionError):
        async with running(model) as run:
            app = run.app
            await planned(run, LORA)
            app.call_later(lambda: 1 // 0)
            await run.until(lambda: not app.is_running)
    [kept] = (tmp_path / "state" / "lamella" / "plans").iterdir()
    assert app.plan.files.rescued == str(kept)
    assert read_plan(kept).steps == (LORA,)
