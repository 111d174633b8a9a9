"""The landscape of a live model: it runs in its own process, and is as it was afterwards."""

import pytest
import torch
from app_running import running
from torch import nn

from inspect_core.capture.texts import TextSource
from inspect_core.live import register
from inspect_core.live.tokenizers import attach_tokenizer


class Block(nn.Module):
    """A layer of a small model."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values + torch.tanh(self.linear(values))


class Tagging(nn.Module):
    """Blocks over words, in training mode as in a script."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(64, 6)
        self.layers = nn.ModuleList([Block() for _ in range(3)])

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        values = self.embed(input_ids)
        for layer in self.layers:
            values = layer(values)
        return values


def ids(text: str) -> list[int]:
    return [sum(map(ord, word)) % 64 for word in text.split()]


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "few.tsv"
    rows = [f"{'ab'[k % 2]}\tfilm number {k} of w{k}" for k in range(60)]
    path.write_text("\n".join(["label\ttext", *rows]) + "\n")
    return TextSource(str(path), labels=("label",))


async def test_a_live_model_and_another_have_a_landscape(texts):
    torch.manual_seed(0)
    models = Tagging().train(), Tagging().train()
    uris = [register(model) for model in models]
    for uri in uris:
        attach_tokenizer(uri, ids)
    async with running(*uris, texts=texts) as run:
        await run.press("d")
        await run.until(lambda: run.app.geometry.state or run.app.geometry.problem, "the landscape")
        assert not run.app.geometry.problem
        report = run.app.geometry.state.report
        assert report.texts == 60 and report.columns == ("label",)
        assert len(report.spaces) == 2 and len(report.pairs) == 3
        assert [one.name for one in report.spaces[0].layers][-1] == "layers.2"
        await run.press("enter")
        await run.shows("layers.2")
        await run.until(lambda: run.app.screen.detail is not None, "the page")
        assert len(run.app.screen.detail.samples) == report.spaces[1].layers[-1].points
        await run.press("o")
        assert run.tree.current_row.path == "layers.2"
    for model in models:
        assert model.training
        assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
        assert all(p.grad is None for p in model.parameters())
