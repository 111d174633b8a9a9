"""The cursor on an overview: what its cell says, and where Enter leads."""

import numpy as np
import pytest
from app_made import write_model
from app_running import WIDE, running

pytestmark = pytest.mark.no_color

F32 = np.float32


def stacks(encoder=3, decoder=2, seed=0, step=0.0):
    rng = np.random.default_rng(seed)
    names = [f"encoder.layers.{k}.{p}.weight" for k in range(encoder) for p in ("q", "wi")]
    names += [f"decoder.layers.{k}.{p}.weight" for k in range(decoder) for p in ("q", "xq", "wi")]
    values = {name: rng.normal(size=(2, 2)).astype(F32) for name in [*names, "head.weight"]}
    return {name: v + F32(step * k) for k, (name, v) in enumerate(values.items())}


def pair_of(tmp_path, **shape):
    base = write_model(tmp_path / "base" / "model.safetensors", stacks(**shape))
    return write_model(tmp_path / "model" / "model.safetensors", stacks(step=0.01, **shape)), base


async def test_from_one_stack_to_the_other_and_to_its_tensor(tmp_path):
    async with running(*pair_of(tmp_path), size=WIDE) as run:
        await run.until(lambda: len(run.app.inspector.detail._plots) == 3, "three sections")
        first, second, _ = run.app.inspector.detail._plots
        assert first.top == second.top, "side by side"
        await run.press("tab", "home", "down")
        assert run.app.inspector.detail.readout.startswith("encoder.layers 0 · wi.weight   ")
        await run.press("right", "right", "right")
        # The sections are in the order of the model.
        assert run.app.inspector.detail._spot == (1, 1, 0)
        assert run.app.inspector.detail.readout.startswith("decoder.layers 0 · xq.weight")
        await run.press("enter")
        await run.until(lambda: run.app.detail.row.anchor == "decoder.layers.0.xq.weight")


async def test_every_cell_leads_to_a_tensor_of_its_own_layer(tmp_path):
    async with running(*pair_of(tmp_path), size=WIDE) as run:
        await run.until(lambda: len(run.app.inspector.detail._plots) == 3, "three sections")
        seen = []
        for plot in run.app.inspector.detail._plots:
            for row in range(plot.rows):
                for column in range(plot.columns):
                    path = plot.target(row, column)
                    seen += [path] if path else []
                    assert path is None or path.startswith("head") or f".{column}." in path
        assert sorted(seen) == sorted(stacks())


@pytest.mark.parametrize("layers", [70, 130])
async def test_a_merged_cell_leads_to_the_layer_that_it_shows(tmp_path, layers):
    async with running(*pair_of(tmp_path, encoder=layers, decoder=2), size=WIDE) as run:
        await run.go_to("encoder.layers")
        await run.until(lambda: len(run.app.inspector.detail._plots) == 1, "the fold's overview")
        await run.shows("columns a cell: the largest")
        (plot,) = run.app.inspector.detail._plots
        path = plot.target(0, 3)
        said = plot.says(0, 3)
        layer = path.split(".")[2]
        assert said.startswith(f"{layer} (largest of ")
        each = -(-layers // plot.columns)
        assert 3 * each <= int(layer) < 4 * each


async def test_experts_and_layers_of_one_weight(tmp_path):
    rng = np.random.default_rng(0)
    names = [
        f"layers.{k}.experts.{e}.{w}" for k in range(3) for e in range(4) for w in ("up", "down")
    ]
    shapes = {"up": (2, 3), "down": (3, 2)}
    made = {name: rng.normal(size=shapes[name.rpartition(".")[2]]).astype(F32) for name in names}
    moved = dict(made)
    moved["layers.1.experts.2.up"] = made["layers.1.experts.2.up"] + F32(0.5)
    base = write_model(tmp_path / "base" / "model.safetensors", made)
    model = write_model(tmp_path / "model" / "model.safetensors", moved)
    async with running(model, base, size=WIDE) as run:
        await run.go_to("layers.0.experts.0.up")
        await run.until(lambda: len(run.app.inspector.detail._plots) == 2, "both axes")
        plots = run.app.inspector.detail._plots
        assert [(plot.rows, plot.columns) for plot in plots] == [(1, 3), (3, 4)]
        assert plots[0].peak == (0, 1) and plots[1].peak == (1, 2)
        assert plots[1].target(1, 2) == "layers.1.experts.2.up"
        assert "changed 100%" in plots[1].says(1, 2)


async def test_the_largest_is_what_became_nan_and_its_readout_says_so(tmp_path):
    tensors = stacks(step=0.01)
    tensors["encoder.layers.1.wi.weight"][0, 1] = np.nan
    base = write_model(tmp_path / "base" / "model.safetensors", stacks())
    model = write_model(tmp_path / "model" / "model.safetensors", tensors)
    async with running(model, base, size=WIDE) as run:
        await run.until(lambda: len(run.app.inspector.detail._plots) == 3, "three sections")
        await run.press("tab", "x")
        readout = run.app.inspector.detail.readout
        assert readout.startswith("encoder.layers 1 · wi.weight   1 NaN or inf left out   relative")
        await run.shows("! NaN or inf")
