"""The app says what a tensor is compared with, by which rule, and follows the user's map."""

from pathlib import Path

import numpy as np
import pytest
from app_made import layers, write_model
from app_running import idle, running

pytestmark = pytest.mark.no_color


def turned_pair(tmp_path: Path) -> tuple[str, str]:
    """A model that stores `[in, out]`, and a reference that stores `[out, in]`."""
    rng = np.random.default_rng(0)
    linear = {
        "h.0.attn.c_attn.weight": rng.normal(size=(24, 8)).astype(np.float32),
        "h.0.mlp.c_fc.weight": rng.normal(size=(32, 8)).astype(np.float32),
        "wte.weight": rng.normal(size=(10, 8)).astype(np.float32),
    }
    conv1d = {n: v if "wte" in n else np.ascontiguousarray(v.T) for n, v in linear.items()}
    grown = conv1d | {"wte.weight": np.concatenate([linear["wte.weight"], np.ones((2, 8), "f4")])}
    base = write_model(tmp_path / "base" / "model.safetensors", linear)
    return write_model(tmp_path / "model" / "model.safetensors", grown), base


async def test_a_transposed_tensor_and_first_rows(tmp_path: Path) -> None:
    model, base = turned_pair(tmp_path)
    async with running(model, base) as run:
        assert "3 of 3 tensors compared" in run.text
        await run.inspect("h.0.mlp.c_fc.weight")
        await run.until(lambda: "8 x 32 as 32 x 8" in run.detail)
        assert "transposed: stored [in, out] here" in run.detail
        await run.inspect("wte.weight")
        await run.until(lambda: "12 x 8 as 10 x 8" in run.detail)
        assert "first 10 rows compared: 12 here, 10 in the reference" in run.detail
        await run.press("w")
        await run.shows("2 paired by: transposed")
        await run.shows("1 paired by: first rows of a vocabulary")


async def test_the_map_is_read_again_with_R(tmp_path: Path) -> None:
    values = {f"h.{n}.w": np.full((4, 4), n, np.float32) for n in range(3)}
    base = write_model(tmp_path / "base" / "model.safetensors", values)
    moved = {f"h.{n + 1}.w": values[f"h.{n}.w"] for n in range(2)}
    model = write_model(tmp_path / "model" / "model.safetensors", moved)
    rules = tmp_path / "map.toml"
    rules.write_text("[[rename]]\nmatch = 'h.{n}.w'\nto = 'h.{n}.w'\n")
    async with running(model, base, map_file=str(rules)) as run:
        assert not run.app.session.pairs.renamed
        assert run.app.session.summary(run.tree.current_row).changed
        rules.write_text(
            "[[rename]]\nmatch = 'h.{n}.w'\nto = 'h.{n:t}.w'\n[layers.t]\n1 = 0\n2 = 1\n"
        )
        await run.press("R")
        await run.until(
            lambda: idle(run.app) and run.app.session.pairs.renamed == {0: "h.0.w", 1: "h.1.w"}
        )
        assert run.app.session.pairs.rules == {"map map.toml": 2}
        assert not run.app.session.summary(run.tree.current_row).changed


async def test_a_wrong_map_is_said(tmp_path: Path) -> None:
    model, base = turned_pair(tmp_path)
    rules = tmp_path / "map.toml"
    rules.write_text("rename = 3\n")
    async with running(model, base, swept=False, map_file=str(rules)) as run:
        await run.shows("rename: there is no rule")


async def test_rounding_is_not_shown_as_training(tmp_path):
    base = layers()
    as_bf16 = {name: rounded(values) for name, values in base.items()}
    moved = as_bf16 | {"layers.2.mlp.weight": rounded(base["layers.2.mlp.weight"] + 0.5)}
    model = write_model(tmp_path / "model.safetensors", moved)
    async with running(model, write_model(tmp_path / "base.safetensors", base)) as run:
        change = run.app.session.change
        status = {line.row.path: change(line.row).status for line in run.tree.outline.lines}
        assert status["embed"] == "rounded", status
        assert status["layers"] == "changed"
        await run.go_to("embed")
        await run.press("enter")
        await run.shows("equal up to rounding")
        assert "~0" in run.text


def rounded(values):
    """A float32 array as BF16, rounded to the nearest even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return "BF16", values.shape, bits.astype(np.uint16).tobytes()
