"""Activations of a live model: its tokenizer, and what is left of the run afterwards."""

import pytest
import torch
from app_running import running
from torch import nn

from inspect_core.capture.texts import TextSource
from inspect_core.live import register
from inspect_core.live.tokenizers import attach_tokenizer
from inspect_core.opening import Live
from tui.live import _attached


class Tagging(nn.Module):
    """An LSTM over words, in training mode as in a script."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(64, 6)
        self.lstm = nn.LSTM(6, 5, batch_first=True)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.lstm(self.embed(input_ids))[0]


def ids(text: str) -> list[int]:
    return [sum(map(ord, word)) % 64 for word in text.split()]


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "few.txt"
    path.write_text("a film\nno plot at all\na good one\n")
    return TextSource(str(path))


def made(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return Tagging().train()


async def test_a_live_model_runs_in_its_process_and_is_as_it_was(texts):
    after, before = made(0), made(1)
    uris = register(after), register(before)
    for uri in uris:
        attach_tokenizer(uri, ids)
    async with running(*uris, texts=texts) as run:
        await run.go_to("lstm")
        await run.press("i")
        await run.shows("Tagging vs Tagging")
        report = run.app.activations.state.report
        assert report.samples == (3, 3) and len(report.sites) == 1
        assert report.sites[0].neurons.units == 5
    for model in (after, before):
        assert model.training
        assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
        assert all(p.grad is None for p in model.parameters())


async def test_without_a_tokenizer_it_says_how_to_give_one(texts):
    model = made(0)
    async with running(register(model), texts=texts) as run:
        await run.press("i")
        await run.shows("tokenizer")
        await run.shows("inspect(model, tokenizer=...)")


def test_a_tokenizer_is_a_path_or_belongs_to_a_live_model(tmp_path):
    assert _attached(None, "model") is None
    assert _attached(tmp_path, "model") == str(tmp_path)
    with pytest.raises(TypeError, match="folder or file"):
        _attached(ids, "model", None)
    uri = register(made(0))
    assert isinstance(uri, Live)
    assert _attached(ids, uri, "base") is None
