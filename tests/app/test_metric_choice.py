"""Choosing a metric and a scale in the app."""

import pytest
from app_made import layers, write_model
from app_running import running

from inspect_core.delta.metrics import METRICS
from inspect_core.results.scale import SCALES
from tui import settings
from tui.screens.metric import MetricList

pytestmark = pytest.mark.no_color


@pytest.fixture
def pair_of(tmp_path):
    base = write_model(tmp_path / "base" / "model.safetensors", layers())
    model = write_model(tmp_path / "model" / "model.safetensors", layers(l2=0.5))
    return model, base


async def test_the_list_of_metrics_has_all_and_shows_the_one_that_is_chosen(pair_of):
    async with running(*pair_of) as run:
        await run.press("M")
        await run.until(lambda: isinstance(run.app.screen, MetricList))
        for metric in METRICS.values():
            await run.shows(metric.name)
        keys = list(METRICS)
        await run.press(*["down"] * keys.index("max_abs"), "enter")
        await run.until(lambda: run.app.session.metric_key == "max_abs")
        await run.shows("max |d|  ")


async def test_a_metric_that_was_not_collected_is_collected_and_then_shown(pair_of):
    async with running(*pair_of) as run:
        run.app.metric.use("median_abs")
        await run.until(lambda: run.app.session.metric_key == "median_abs", "the first numbers")
        await run.until(lambda: run.app.session.complete, "all numbers")
        await run.shows("median |d|")
        root = run.app.session.change(run.tree.outline.root)
        assert root.status == "changed"
        # What needs no more than the sums is there at once, and nothing is read for it.
        run.app.metric.use("rel_l2")
        assert run.app.session.metric_key == "rel_l2" and not run.app.desk.busy("sweep")


async def test_choosing_another_metric_ends_a_sweep_that_nobody_wants(pair_of):
    async with running(*pair_of) as run:
        run.app.metric.use("median_abs")
        run.app.metric.use("mean_abs")
        assert not run.app.desk.busy("sweep") and run.app.session.metric_key == "mean_abs"
        await run.shows("mean |d|")


async def test_a_metric_of_the_settings_is_collected_from_the_start(pair_of):
    chosen = settings.Settings(metric="lorenz_area")
    async with running(*pair_of, settings=chosen) as run:
        assert run.app.session.metric_key == "lorenz_area"
        assert run.app.session.collected.shown == METRICS["lorenz_area"].needs
        await run.shows("Lorenz area of |d|")


async def test_a_scale_is_stepped_through_and_remembered(pair_of):
    async with running(*pair_of) as run:
        seen = [run.app.session.scale]
        for _ in SCALES:
            await run.press("c")
            seen.append(run.app.session.scale)
        assert seen == [*SCALES, SCALES[0]]
        await run.press("c")
        await run.shows("linear scale")
        await run.until(lambda: settings.load_settings().scale == "linear", "the choice is kept")


def test_a_scale_that_there_is_not_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "lamella"
    folder.mkdir()
    (folder / "config.toml").write_text('scale = "cubic"\n')
    found = settings.load_settings()
    assert found.scale is None
    assert any("scale cannot be cubic" in problem for problem in found.problems)
