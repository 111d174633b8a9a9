"""The other pictures of a row in a running app: singular values, ranks, which units moved."""

import numpy as np
import pytest
from app_made import write_model
from app_running import NARROW, running

from tui.aspects import Aspect

pytestmark = pytest.mark.no_color

QUERY = "layers.1.query.weight"


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    """Three layers; rank 2 was added to the query of one, and a row of its key moved."""
    rng = np.random.default_rng(0)
    base = {"embed.weight": rng.normal(size=(30, 16)).astype(np.float32)}
    for layer in range(3):
        for name, shape in (("query", (20, 16)), ("key", (20, 16))):
            base[f"layers.{layer}.{name}.weight"] = rng.normal(size=shape).astype(np.float32)
            base[f"layers.{layer}.{name}.bias"] = rng.normal(size=20).astype(np.float32)
    model = {name: values.copy() for name, values in base.items()}
    model[QUERY] += (rng.normal(size=(20, 2)) @ rng.normal(size=(2, 16))).astype(np.float32)
    model["layers.1.key.weight"][13] += 1.0
    folder = tmp_path_factory.mktemp("lora")
    written = (write_model(folder / n / "model.safetensors", t) for n, t in
               (("model", model), ("base", base)))  # fmt: skip
    return tuple(written)


async def test_a_key_goes_round_the_pictures_of_a_tensor(lora):
    async with running(*lora) as run:
        await run.go_to("embed.weight")
        await run.shows("relative L2 ")
        await run.press("v")
        await run.until(lambda: "rank 0: no value differs" in run.detail, "the spectrum")
        await run.press("v")
        await run.until(lambda: "in 0 of 30 rows" in run.detail, "the profile")
        await run.press("v")
        await run.until(lambda: "mean |d|" in run.detail, "the map")
        assert run.app.detail.aspect is Aspect.MAP


async def test_with_one_pane_the_key_opens_the_picture(lora):
    async with running(*lora, size=NARROW) as run:
        await run.go_to("embed.weight")
        assert not run.app.inspector.detail.display
        await run.press("v")
        await run.shows("rank 0: no value differs")
        assert run.app.inspector.detail.has_focus
        await run.press("v")
        await run.shows("rows, L2")
        await run.press("escape")
        assert run.tree.has_focus


async def test_the_picture_stays_while_the_cursor_moves(lora):
    async with running(*lora) as run:
        await run.go_to("embed.weight")
        await run.press("v")
        await run.until(lambda: "rank 0" in run.detail, "the first spectrum")
        await run.go_to("layers")
        await run.until(lambda: "rank effective" in " ".join(run.detail.split()), "the ranks")
        lines = [line.split() for line in run.detail.splitlines()]
        assert ["query", "2"] in [line[:2] for line in lines]
        assert ["key", "1"] in [line[:2] for line in lines]
        assert "4 of 6 did not change: rank 0" in run.detail


async def test_a_rank_leads_to_its_tensor(lora):
    async with running(*lora) as run:
        await run.go_to("layers")
        await run.press("v")
        await run.until(lambda: "4 of 6 did not change" in run.detail, "the ranks")
        await run.press("tab")
        assert run.app.inspector.detail.readout.startswith(QUERY)
        await run.press("enter")
        await run.until(lambda: "rank 2 of 16, above the" in run.detail, "its spectrum")


async def test_a_module_of_vectors_says_that_it_has_none(tmp_path):
    norm = {"norm.weight": np.ones(6, np.float32), "norm.bias": np.ones(6, np.float32)}
    path = write_model(tmp_path / "a" / "model.safetensors", norm)
    async with running(path, path) as run:
        await run.go_to("norm")
        await run.press("v")
        await run.until(lambda: "no matrix here" in run.detail, "the reason")
        await run.go_to("norm.weight")
        await run.until(lambda: "a vector has no singular values" in run.detail, "its reason")


async def test_without_a_reference_the_values_are_looked_at(lora):
    async with running(lora[0]) as run:
        await run.go_to("embed.weight")
        await run.press("v")
        await run.until(lambda: "rank 16 of 16" in run.detail, "the rank of the values")
        assert "values; exact" in run.detail


async def test_zooming_and_slices_do_nothing_where_there_is_no_map(lora):
    async with running(*lora, size=NARROW) as run:
        await run.go_to("embed.weight")
        await run.press("v")
        await run.until(lambda: run.app.detail.findings, "the spectrum")
        await run.press("plus", "0", "x", "right_square_bracket", "enter")
        await run.pilot.pause()
        assert run.app.detail.findings and "rank 0" in run.detail


async def test_a_new_size_is_drawn_for(lora):
    async with running(*lora) as run:
        await run.go_to("embed.weight")
        await run.press("v", "v")
        await run.until(lambda: "in 0 of 30 rows" in run.detail, "the profile")
        await run.pilot.resize_terminal(80, 24)
        await run.press("tab")
        await run.until(lambda: "rows" in run.detail and not run.app.desk.busy("inspect"), "it")
        width = run.app.inspector.detail.size.width
        assert all(strip.cell_length <= width for strip in run.app.inspector.detail._lines)


async def test_many_bytes_are_not_computed_unasked(lora, monkeypatch):
    monkeypatch.setattr("tui.detail_control.MOST_UNASKED_BYTES", 100)
    async with running(*lora) as run:
        await run.go_to("layers")
        await run.press("v")
        await run.until(
            lambda: "not computed unasked" in " ".join(run.detail.split()), "the question"
        )
        await run.press("enter")
        await run.until(lambda: "4 of 6 did not change" in run.detail, "the ranks")
