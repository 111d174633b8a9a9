"""S shows common names: the same tensors and numbers, and the cursor where it was."""

import json
from pathlib import Path

import numpy as np
import pytest
from app_made import row_at, write_model
from app_running import idle, running
from made_adapters import write_base, write_lora
from two_architectures import GPT2, OPT, as_gpt2, opt

from inspect_core.opening import Adapted
from inspect_core.pairing.by_common_names import RULE

pytestmark = pytest.mark.no_color


def llama(layers: int = 3, seed: int = 0, prefix: str = "model.") -> dict[str, np.ndarray]:
    """A tiny Llama; every value differs from all others."""
    rng = np.random.default_rng(seed)

    def made(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    tensors = {f"{prefix}embed_tokens.weight": made(12, 6)}
    for layer in range(layers):
        at = f"{prefix}layers.{layer}"
        for part, shape in {"q": (10, 6), "k": (4, 6), "v": (4, 6), "o": (6, 10)}.items():
            tensors[f"{at}.self_attn.{part}_proj.weight"] = made(*shape)
        tensors |= {f"{at}.mlp.{part}_proj.weight": made(8, 6) for part in ("gate", "up")}
        tensors[f"{at}.mlp.down_proj.weight"] = made(6, 8)
        tensors[f"{at}.mlp.odd.scale"] = made(2)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{at}.{norm}.weight"] = made(6)
    return tensors | {f"{prefix}norm.weight": made(6), "lm_head.weight": made(12, 6)}


def pair(tmp_path: Path) -> tuple[str, str]:
    base = llama()
    moved = {name: value + np.float32("q_proj" in name) for name, value in base.items()}
    return (
        write_model(tmp_path / "model" / "model.safetensors", moved),
        write_model(tmp_path / "base" / "model.safetensors", base),
    )


async def switched(run, shows: str) -> None:
    await run.press("S")
    await run.until(lambda: run.tree.outline.root.branches[0].label == shows, shows)


async def test_there_and_back(tmp_path: Path) -> None:
    model, base = pair(tmp_path)
    async with running(model, base) as run:
        await run.go_to("model.layers.1.self_attn.q_proj.weight")
        before = list(run.paths)
        summary = run.app.session.summary(run.tree.current_row)
        await switched(run, "embeddings")
        row = run.tree.current_row
        assert row.path == "decoder.block.0-2.attn.q.weight"
        assert run.app.session.summary(row) == summary
        await run.until(
            lambda: "in the model: model.layers.0.self_attn.q_proj.weight" in run.detail
        )
        assert "and 2 more" in run.detail
        await run.press("S")
        await run.until(lambda: run.paths == before, "the own names")
        assert run.tree.current_row.path == "model.layers.0-2.self_attn.q_proj.weight"
        assert "in the model" not in run.detail


async def test_every_number_stays(tmp_path: Path) -> None:
    model, base = pair(tmp_path)
    async with running(model, base) as run:
        session = run.app.session

        def numbers() -> dict[str, float]:
            order = session.listing.tree.order
            return {
                session.listing.names[order[at]]: session.summary_at([at]).changed
                for at in range(len(order))
            }

        own = numbers()
        assert sum(value > 0 for value in own.values()) == 3
        await switched(run, "embeddings")
        assert numbers() == own
        assert [leaf for leaf in run.paths if leaf == "embeddings"]


async def test_modules_find_their_place(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors", llama())
    async with running(model) as run:
        places = [
            ("model.layers.0", "decoder.block.0-2"),
            ("model.layers.1.self_attn", "decoder.block.0-2.attn"),
            ("model.layers.0.mlp", "decoder.block.0-2.ff"),
            ("model", ""),
        ]
        for own, common in places:
            await run.go_to(own)
            await switched(run, "embeddings")
            assert run.tree.current_row.path == common
            await switched(run, "model")


async def test_what_no_table_knows_says_so(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors", llama())
    async with running(model) as run:
        await switched(run, "embeddings")
        assert "common names" in run.text.splitlines()[0]
        await run.press("w")
        await run.shows("common names, from those of llama: 30 of 33 names known, 3 keep their own")
        await run.press("escape")
        await run.inspect("decoder.block.1.ff.odd.scale")
        await run.until(lambda: "no table of common names" in run.detail)


async def test_a_filter_knows_both_names(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors", llama())
    async with running(model) as run:
        await switched(run, "embeddings")
        for query in ("attn.proj", "o_proj"):
            await run.press("slash", *query)
            await run.shows("3 tensors of 33 match")
            assert "decoder.block.0-2.attn.proj" in run.paths
            await run.press("escape")


async def test_a_cell_of_the_picture_leads_to_its_tensor(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors", llama())
    async with running(model) as run:
        await switched(run, "embeddings")
        run.app.navigation.go("model.layers.2.mlp.up_proj.weight")
        assert run.tree.current_row.path == "decoder.block.2.ff.w3.weight"
        run.app.navigation.go("model.layers.1.self_attn")
        assert run.tree.current_row.path == "decoder.block.1.attn"


async def test_a_reload_keeps_common_names(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors", llama())
    async with running(model) as run:
        await switched(run, "embeddings")
        write_model(tmp_path / "model.safetensors", llama(layers=4))
        await run.press("R")
        await run.until(lambda: run.app.session.common and "decoder.block" in run.paths)
        assert row_at(run.app.session.tree, "decoder.block.0-3")
        await switched(run, "model")
        assert "model.layers.0-3" in run.paths


async def test_architectures_are_paired_while_it_is_on(tmp_path: Path) -> None:
    model, base = tmp_path / "gpt2", tmp_path / "opt"
    write_model(model / "model.safetensors", as_gpt2(opt()))
    write_model(base / "model.safetensors", opt())
    (model / "config.json").write_text(json.dumps(GPT2))
    (base / "config.json").write_text(json.dumps(OPT))
    async with running(str(model), str(base)) as run:
        assert "tensors compared" in run.text and not run.app.session.pairs.paired
        await switched(run, "embeddings")
        await run.until(lambda: idle(run.app) and run.app.session.pairs.paired)
        assert set(run.app.session.pairs.rules) == {RULE}
        run.app.navigation.go("h.1.mlp.c_fc.weight")
        await run.press("enter")
        await run.until(lambda: "same place in" in run.detail)
        await run.press("S")
        await run.until(lambda: idle(run.app) and not run.app.session.pairs.paired)


async def test_a_pair_of_one_architecture_is_not_paired_again(tmp_path: Path) -> None:
    model, base = pair(tmp_path)
    async with running(model, base) as run:
        pairs = run.app.session.pairs
        await switched(run, "embeddings")
        await switched(run, "model")
        assert run.app.session.pairs is pairs


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_nothing_known_changes_nothing(tmp_path: Path, size: tuple[int, int]) -> None:
    model = write_model(tmp_path / "model.safetensors", {"a.b": np.ones((2, 2), np.float32)})
    async with running(model, size=size) as run:
        before = list(run.paths)
        await run.press("S")
        await run.until(lambda: run.app.session.common is not None)
        assert "no table" in run.app.session.common.told
        assert run.paths == before


async def test_plan_mode_has_the_own_names(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors", llama())
    async with running(model) as run:
        await switched(run, "embeddings")
        await run.press("p")
        await run.until(lambda: run.app.plan.active)
        assert not run.app.common.on and run.tree.outline.root.branches[0].label == "model"
        await run.press("S")
        await run.until(lambda: any("plan mode" in one.message for one in run.app._notifications))
        assert not run.app.common.on


async def test_adapters_are_at_their_places(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    lora = write_lora(tmp_path / "tuned")
    async with running(Adapted(base, (lora,)), base) as run:
        own = len(run.app.session.adapted.within(run.tree.outline.root))
        await run.press("S")
        await run.until(lambda: run.app.session.common is not None)
        assert len(run.app.session.adapted.within(run.tree.outline.root)) == own > 0
        await run.inspect("decoder.block.1.q")
        assert run.app.session.adapted.within(run.tree.current_row)
        await run.until(lambda: "LoRA" in run.detail)
        await run.press("S")
        await run.until(lambda: run.tree.current_row.path.startswith("layers"))
        assert run.app.session.adapted.within(run.tree.current_row)
