"""Live models and tokenizers that are odd: one line that says so, or the right numbers."""

import sys

import pytest
import torch
from running_made import VOCABULARY, family, live, run, some_texts, to_ids

from inspect_core.errors import LamellaError, UsageError


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.e = torch.nn.Embedding(VOCABULARY, 8)
        self.l = torch.nn.Linear(8, 8)

    def forward(self, input_ids):
        return torch.relu(self.l(self.e(input_ids)))


class Raises(Small):
    @property
    def config(self):
        raise ValueError("no\x1b[31m")


class Exits(Small):
    def get_input_embeddings(self):
        raise SystemExit(9)


class Odd(Small):
    class config:
        max_position_embeddings = 10**30
        get_text_config = 5
        is_encoder_decoder = "no"


class OddTrue(Small):
    class config:
        max_position_embeddings = True
        n_ctx = torch.ones(2)


class Leaves(Small):
    def forward(self, input_ids):
        raise SystemExit(3)


def refusal(module, paths=("l",), tokenizer=to_ids):
    with pytest.raises(LamellaError) as caught:
        run(live(module, tokenizer), some_texts((4, 7)), paths)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", [Raises, Exits, Odd, OddTrue])
def test_a_config_that_is_none(kind):
    model = live(kind())
    assert model.most_tokens > 40
    kept, _ = run(model, some_texts((4, 7)), ["l"])
    wanted, _ = run(live(Small()), some_texts((4, 7)), ["l"])
    assert torch.equal(kept.values["l"][1], wanted.values["l"][1])


def test_a_model_without_values():
    assert "meta" in refusal(Small().to("meta"))


def test_a_model_that_ends_the_program():
    assert "fails on the texts: SystemExit: 3" in refusal(Leaves())


def test_a_scripted_model():
    assert "torch.jit" in refusal(torch.jit.script(Small()))
    outer = Small()
    outer.l = torch.jit.script(outer.l)
    assert "torch.jit" in refusal(outer)


@pytest.mark.parametrize("inside", [False, True])
def test_a_compiled_model_is_looked_at_without_compiling(inside, capfd):
    module, path = Small(), "l"
    wanted, _ = run(live(module), some_texts((4, 7)), ["l"])
    compiled = []

    def backend(graph, _):
        compiled.append(graph)
        return graph.forward

    if inside:
        module.compile(backend=backend)
    else:
        module, path = torch.compile(module, backend=backend), "_orig_mod.l"
    kept, _ = run(live(module), some_texts((4, 7)), [path])
    assert torch.equal(kept.values[path][1], wanted.values["l"][1])
    assert not compiled and capfd.readouterr() == ("", "")
    module(torch.ones(2, 3, dtype=torch.long))
    assert compiled  # as it was before
    assert "torch._dynamo" in sys.modules


@pytest.mark.parametrize(
    "tokenizer",
    [
        lambda text: [2**70 for _ in text.split()],
        lambda text: [-5 for _ in text.split()],
        lambda text: [1.7 for _ in text.split()],
        lambda _: [float("nan")],
        lambda _: "123",
        lambda _: {1: 2},
        lambda _: [[1, 2]],
        lambda _: 1 / 0,
        lambda _: [True],
        lambda _: [VOCABULARY],
    ],
)
def test_a_tokenizer_that_gives_no_ids(tokenizer):
    assert "token" in refusal(Small(), tokenizer=tokenizer)


@pytest.mark.parametrize(
    "given", [[5, 6], (5, 6), torch.tensor([5, 6]), torch.tensor([5, 6]).numpy(), iter([5, 6])]
)
def test_whole_numbers_in_any_list(given):
    found = live(Small(), lambda _: given).tokenizer.encode(["w5 w6"], 8)
    assert found[0].ids.tolist() == [5, 6]


def test_a_first_token_that_the_model_does_not_know():
    module = family("t5")
    module.config.decoder_start_token_id = VOCABULARY + 1
    assert f"token {VOCABULARY + 1}" in refusal(module, ("encoder.block.0",))
    module.config.decoder_start_token_id = -1
    assert "token -1" in refusal(module, ("encoder.block.0",))


def test_without_a_tokenizer_the_right_function_is_named():
    from inspect_core import activation_report

    with pytest.raises(UsageError, match=r"activation_report\(.*tokenizer="):
        activation_report(Small(), texts=["w1 w2"])
