"""Where values are in what modules give: RNNs, flat rows, tables for all rows, and lookalikes."""

import pytest
import torch
from running_made import VOCABULARY, live, run, some_texts, to_ids
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from inspect_core.capture.batches import BatchSize
from inspect_core.capture.layouts import Extent, Layout, find_layout
from inspect_core.capture.sites import block_paths
from inspect_core.errors import UsageError

NOISE = 1e-6
UNITS = 6


class Rnn(nn.Module):
    """An embedding and an RNN; `batch_first` also says how the model takes its ids."""

    def __init__(self, kind=nn.LSTM, batch_first=True, bidirectional=False, packed=False):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(VOCABULARY, 5)
        self.rnn = kind(5, UNITS, batch_first=batch_first, bidirectional=bidirectional)
        self.head = nn.Linear(UNITS * (2 if bidirectional else 1), 4)
        self.packed = packed

    def forward(self, ids, attention_mask=None):
        read = self.embed(ids)
        if self.packed and attention_mask is not None:
            lengths = attention_mask.sum(1)
            read = pack_padded_sequence(read, lengths, batch_first=True, enforce_sorted=False)
        given, _ = self.rnn(read)
        if self.packed and attention_mask is not None:
            given, _ = pad_packed_sequence(given, batch_first=True)
        return self.head(given)


class Unmasked(Rnn):
    def forward(self, ids):
        return super().forward(ids)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_rnns_with_positions_first_or_second(kind, batch_first, bidirectional):
    module = Unmasked(kind, batch_first, bidirectional)
    texts = some_texts((3, 9, 3, 3, 1))
    kept, report = run(live(module), texts, ["rnn", "embed"])
    assert [site.path for site in report.sites] == ["embed", "rnn"]
    for sample, text in enumerate(texts.texts):
        ids = torch.tensor([to_ids(text)])
        ids = ids if batch_first else ids.t()
        with torch.no_grad():
            wanted = module.rnn(module.embed(ids))[0]
        wanted = wanted[0] if batch_first else wanted[:, 0]
        assert torch.allclose(kept.values["rnn"][sample], wanted, atol=NOISE)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_texts(bidirectional):
    module = Rnn(bidirectional=bidirectional, packed=True)
    texts = some_texts((3, 9, 4, 1))
    kept, _ = run(live(module), texts, ["rnn"])
    for sample, text in enumerate(texts.texts):
        with torch.no_grad():
            wanted = module.rnn(module.embed(torch.tensor([to_ids(text)])))[0][0]
        assert torch.allclose(kept.values["rnn"][sample], wanted, atol=NOISE)


def test_a_model_without_blocks_has_its_modules_with_parameters():
    assert block_paths(live(Rnn())) == ("embed", "rnn", "head")


class Shapes(nn.Module):
    """Gives one thing of each kind, through modules that hand it on."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, UNITS)
        self.places = nn.Embedding(40, UNITS)
        for name in ("flat", "heads", "tuple", "weights", "ids", "scalar", "nothing", "named"):
            self.add_module(name, Hands())

    def forward(self, ids, attention_mask):
        rows, length = ids.shape
        found = self.embed(ids) + self.places(torch.arange(length))
        self.flat(found.reshape(rows * length, UNITS))
        self.heads(found.reshape(rows, length, 2, 3))
        weights = torch.zeros(rows, length, length, length)
        self.tuple((None, weights, (ids, found)))
        self.weights(weights)
        self.ids(ids)
        self.scalar(found.mean())
        self.nothing(None)
        self.named({"loss": found.mean(), "states": found})
        return found


class Hands(nn.Module):
    def forward(self, given):
        return given


def test_every_form():
    module, texts = Shapes(), some_texts((3, 3, 3, 2))
    paths = [name for name, _ in module.named_children()]
    # Three texts of three tokens: nothing but the probe can tell rows from positions.
    kept, report = run(live(module), texts, paths, size=BatchSize(rows=3))
    assert {site.path for site in report.sites} == {
        "embed", "places", "flat", "heads", "tuple", "named",
    }  # fmt: skip
    skipped = dict(report.skipped)
    assert skipped["nothing"] == "no tensor"
    assert "token ids" in skipped["ids"]
    assert "a number for 3 texts of 13 tokens" in skipped["scalar"]
    assert "3 x 13 x 13 x 13" in skipped["weights"]
    with torch.no_grad():
        for sample, text in enumerate(texts.texts):
            ids = torch.tensor(to_ids(text))
            places = module.places(torch.arange(len(ids)))
            wanted = module.embed(ids) + places
            assert torch.equal(kept.values["places"][sample], places)
            for path in ("flat", "heads", "tuple", "named"):
                assert torch.allclose(kept.values[path][sample], wanted, atol=NOISE)


class Lately(nn.Module):
    """Works in another way where a text is short."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, UNITS)
        self.inner = Hands()

    def forward(self, ids, attention_mask):
        found = self.embed(ids)
        return self.inner(found) if ids.shape[1] < 5 else self.inner(self.inner(found))


def test_a_module_that_works_in_another_way_is_refused():
    with pytest.raises(UsageError, match=r"inner: works in another way.*called 1 times"):
        run(live(Lately()), some_texts((3,)), ["inner"])


def test_what_fits_is_not_what_only_looks_like_it():
    extent = Extent(3, 13, 14)
    assert find_layout(torch.zeros(3, 13, 5), extent) == Layout((), "rows")
    assert find_layout(torch.zeros(3, 14, 5), extent) == Layout((), "rows", decoder=True)
    assert find_layout(torch.zeros(14, 3, 5), extent) == Layout((), "time", decoder=True)
    assert find_layout(torch.zeros(42, 5), extent) == Layout((), "flat", decoder=True)
    assert find_layout(torch.zeros(1, 13, 5), extent) == Layout((), "one")
    assert find_layout(torch.zeros(13, 5), extent) == Layout((), "one")
    # Heads as many as tokens: weights of attention all the same.
    assert isinstance(find_layout(torch.zeros(3, 14, 14, 14), extent), str)
    assert isinstance(find_layout(torch.zeros(3, 13), extent), str)
    assert isinstance(find_layout(torch.zeros(3, 5), extent), str)
    assert isinstance(find_layout(torch.zeros(13, 13, 2), extent), str)
    # What each row has goes before what all rows share.
    pair = (torch.zeros(1, 13, 5), torch.zeros(3, 13, 7))
    assert find_layout(pair, extent) == Layout((1,), "rows")
    assert Layout((), "rows").take(torch.zeros(3, 12, 5), extent) is None
    assert Layout((1,), "rows").take(torch.zeros(3), extent) is None
    assert Layout(("x",), "rows").take({}, extent) is None


def test_fused_encoder_layers_still_call_their_parts():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embed = nn.Embedding(VOCABULARY, 8)
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, ids, attention_mask):
            return self.encoder(self.embed(ids), src_key_padding_mask=attention_mask == 0)

    module = Encoder().eval()
    model, texts = live(module), some_texts((3, 9, 4))
    assert block_paths(model) == ("encoder.layers.0", "encoder.layers.1")
    paths = [*block_paths(model), "encoder.layers.1.linear1"]
    kept, report = run(model, texts, paths)
    assert len(report.sites) == 3
    for sample, text in enumerate(texts.texts):
        with torch.no_grad():
            wanted = module(torch.tensor([to_ids(text)]), torch.ones(1, len(to_ids(text))))[0]
        assert torch.allclose(kept.values["encoder.layers.1"][sample], wanted, atol=1e-5)
