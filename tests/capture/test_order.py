"""Which token a value is of: proven by passes in which rows move and tokens change."""

import numpy as np
import pytest
import torch
import transformers
from running_made import FAMILIES, VOCABULARY, Lines, family, live, run, some_texts, to_ids
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from inspect_core.capture.layouts import FLAT, FLAT_TURNED, Layout
from inspect_core.capture.ordering import find_order, trial
from inspect_core.capture.sites import block_paths
from inspect_core.errors import UsageError

NOISE = 1e-5
LENGTHS = (3, 9, 3, 3, 1, 9)
UNITS = 8


class Plain(nn.Module):
    """Handles tokens one by one, in an order of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(VOCABULARY, UNITS)
        self.inner = nn.Linear(UNITS, UNITS)
        self.head = nn.Linear(UNITS, 3)

    def forward(self, ids):
        return self.head(self.read(self.embed(ids)))

    def read(self, x):
        return self.inner(x)


class FlatTime(Plain):
    def read(self, x):
        rows, positions, _ = x.shape
        y = self.inner(x.transpose(0, 1).reshape(-1, UNITS))
        return y.reshape(positions, rows, UNITS).transpose(0, 1)


class Sorted(Plain):
    def read(self, x):
        flat = x.reshape(-1, UNITS)
        order = flat[:, 0].argsort()
        made = self.inner(flat[order])
        return made[order.argsort()].view_as(x)


class SortedInRows(Plain):
    def read(self, x):
        order = x[:, :, :1].argsort(1).expand_as(x)
        return torch.empty_like(x).scatter(1, order, self.inner(x.gather(1, order)))


class Flipped(Plain):
    def read(self, x):
        return self.inner(x.flip(1)).flip(1)


class FlippedRows(Plain):
    def read(self, x):
        return self.inner(x.flip(0)).flip(0)


class Backwards(nn.Module):
    """Its second RNN reads a text from its end."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(VOCABULARY, UNITS)
        self.inner = nn.GRU(UNITS, UNITS, batch_first=True)

    def forward(self, ids):
        return self.inner(self.embed(ids).flip(1))[0].flip(1)


class TimeEncoder(nn.Module):
    """Takes `(positions, rows)`, as torch's encoders do unless told otherwise."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(VOCABULARY, UNITS)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(UNITS, 2, 16), 2)

    def forward(self, ids):
        return self.encoder(self.embed(ids))


class TimePacked(nn.Module):
    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(VOCABULARY, UNITS)
        self.rnn = kind(UNITS, 6)
        self.head = nn.Linear(6, 5)

    def forward(self, ids):
        lengths = torch.full((ids.shape[1],), ids.shape[0])
        given, _ = self.rnn(pack_padded_sequence(self.embed(ids), lengths))
        return self.head(pad_packed_sequence(given)[0])


def alone(module, texts, path, time_first=False):
    """What a module gives for each text by itself, `(positions, units)`."""
    found, kept = {}, []
    handle = module.get_submodule(path).register_forward_hook(lambda _m, _a, out: kept.append(out))
    for sample, text in enumerate(texts.texts):
        ids = torch.tensor([to_ids(text)])
        kept.clear()
        with torch.no_grad():
            module.eval()(ids.t() if time_first else ids)
        found[sample] = kept[0].reshape(ids.numel(), -1)
    handle.remove()
    return found


def same(kept, path, wanted):
    assert kept.values[path].keys() == wanted.keys()
    for sample, values in wanted.items():
        assert torch.allclose(kept.values[path][sample], values, atol=NOISE)


@pytest.mark.parametrize(
    "path", ["encoder.layers.0", "encoder.layers.1", "encoder.layers.1.linear1"]
)
def test_an_encoder_that_takes_positions_first(path):
    module, texts = TimeEncoder(), some_texts(LENGTHS)
    kept, _ = run(live(module), texts, [path])
    same(kept, path, alone(module, texts, path, time_first=True))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("paths", [["head"], ["rnn"], ["embed", "rnn", "head"]])
def test_packed_texts_with_positions_first(kind, paths):
    module, texts = TimePacked(kind), some_texts(LENGTHS)
    kept, report = run(live(module), texts, paths)
    assert [site.path for site in report.sites] == paths
    if "head" in paths:
        same(kept, "head", alone(module, texts, "head", time_first=True))


def test_tokens_in_one_row_with_positions_first():
    module, texts = FlatTime(), some_texts(LENGTHS)
    kept, _ = run(live(module), texts, ["inner"])
    same(kept, "inner", alone(module, texts, "inner"))


@pytest.mark.parametrize("kind", [Sorted, SortedInRows, Flipped, FlippedRows])
def test_an_order_of_its_own_is_left_out(kind):
    module, texts = kind(), some_texts(LENGTHS)
    with pytest.raises(UsageError, match=r"order.*inner|inner.*order"):
        run(live(module), texts, ["inner"])
    kept, report = run(live(module), texts, ["embed", "inner", "head"])
    assert [site.path for site in report.sites] == ["embed", "head"]
    assert "order" in dict(report.skipped)["inner"]
    same(kept, "head", alone(module, texts, "head"))


def test_an_rnn_that_reads_from_the_end_is_left_out():
    _, report = run(live(Backwards()), some_texts(LENGTHS), ["embed", "inner"])
    assert dict(report.skipped).keys() == {"inner"}


def test_experts_that_are_given_sorted_tokens_are_left_out():
    torch.manual_seed(0)
    config = transformers.OlmoeConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=24, num_experts=4, num_experts_per_tok=1,
        max_position_embeddings=40, pad_token_id=0,
    )  # fmt: skip
    module = transformers.OlmoeForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    inside = [path for path, _ in module.named_modules() if path.endswith("experts.act_fn")]
    assert inside
    blocks = ["model.layers.0", "model.layers.1"]
    _, report = run(live(module), some_texts(LENGTHS), [*blocks, *inside])
    assert [site.path for site in report.sites] == blocks


@pytest.mark.parametrize("name", list(FAMILIES))
def test_all_blocks_of_families_stay(name):
    model = live(family(name))
    for texts in (some_texts(LENGTHS), Lines(["w7"]), Lines(["w7 w8 w7", "w8"])):
        _, report = run(model, texts, block_paths(model))
        assert {site.path for site in report.sites} == set(block_paths(model))
        assert not any("order" in note or "differ" in note for note in report.notes)


def test_what_is_not_the_same_twice_is_told():
    class Drops(Plain):
        def read(self, x):
            return self.inner(nn.functional.dropout(x, 0.5))

    _, report = run(live(Drops()), some_texts(LENGTHS), ["embed", "inner"])
    assert [site.path for site in report.sites] == ["embed", "inner"]
    assert sum("inner" in note and "two passes" in note for note in report.notes) == 1
    _, report = run(live(Plain()), some_texts(LENGTHS), ["embed", "inner"])
    assert not any("two passes" in note for note in report.notes)


@pytest.mark.parametrize("most", [3, 5, 6, 9, 14, 16])
def test_padding_is_not_trusted_in_models_of_few_tokens(most):
    class Smears(nn.Module):
        """Reads the token behind, mask or not, and what padding is from another table."""

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embed = nn.Embedding(VOCABULARY, UNITS)
            self.inner = nn.Conv1d(UNITS, UNITS, 3, padding=1)
            self.out = nn.Identity()
            self.config = type("Config", (), {"max_position_embeddings": most})()

        def forward(self, input_ids, attention_mask):
            return self.out(self.inner(self.embed(input_ids).transpose(1, 2)).transpose(1, 2))

    module = Smears()
    model = live(module)
    assert model.most_tokens == most
    texts = some_texts((1, 3, 2, most))
    kept, _ = run(model, texts, ["out"])
    for sample, text in enumerate(texts.texts):
        ids = torch.tensor([to_ids(text)])
        with torch.no_grad():
            wanted = module(ids, torch.ones_like(ids))[0]
        assert torch.allclose(kept.values["out"][sample], wanted, atol=NOISE)


IDS = np.arange(5, 44).reshape(3, 13)


@pytest.mark.parametrize("attempt", [0, 1, 2, 9])
def test_a_trial_moves_rows_and_changes_one_token_ahead_of_the_middle(attempt):
    tried, at = trial(IDS, np.arange(50, 55), attempt)
    assert (tried[1] == IDS[0]).all() and (np.sort(tried[0]) == IDS[2]).all()
    assert (tried[0] != IDS[2]).all()
    assert np.flatnonzero(tried[2] != IDS[1]).tolist() == [at] and 0 < at < 6
    assert 50 <= tried[2, at] < 55


@pytest.mark.parametrize("ids", [np.full((3, 1), 7), np.full((3, 13), 1), np.zeros((3, 5), int)])
def test_a_trial_of_few_ids_has_none_that_a_model_may_not_know(ids):
    tried, _ = trial(ids, np.unique(ids), 0)
    assert tried.shape == ids.shape and tried.min() >= 0 and tried.max() <= ids.max()


@pytest.mark.parametrize("time_first", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_any_fixed_order_but_the_two_of_flat_rows_is_wrong(seed, time_first):
    table = torch.randn(60, 4, generator=torch.Generator().manual_seed(seed))
    call = ("inner", 0)

    def found(order):
        def again(ids):
            tokens = torch.from_numpy(ids).flatten()[order].reshape(3, 13)
            return {call: table[tokens]}

        return find_order({call: Layout((), FLAT)}, again(IDS), IDS, IDS, time_first, again)

    assert not found(torch.arange(39)).wrong
    other = found(torch.randperm(39, generator=torch.Generator().manual_seed(seed)))
    assert other.wrong == {call} and not other.turned
    # As `Layout` has them that takes rows for positions.
    mixed = torch.arange(39).reshape(3, 13)
    mixed = mixed.reshape(13, 3).t() if time_first else mixed.t()
    assert found(mixed.flatten()).turned == {call: Layout((), FLAT_TURNED)}
