"""Passes: what the visitor is given is what the model computes, and the model stays as it was."""

import pytest
import torch
from running_made import (
    FAMILIES,
    Lines,
    each_alone,
    family,
    live,
    run,
    some_texts,
    to_ids,
)

from inspect_core.capture.batches import BatchSize
from inspect_core.capture.passes import run_passes
from inspect_core.capture.sites import block_paths
from inspect_core.control import Control
from inspect_core.errors import Cancelled, LamellaError, UsageError

NOISE = 1e-5
LENGTHS = (3, 9, 1, 7, 13, 13, 13, 30)

ONE_STREAM = [name for name in FAMILIES if name not in ("t5", "bart", "albert", "mamba")]


def hidden(found, sample):
    """Hidden states behind each block, as the library tells them."""
    return [one[0] for one in found[sample].hidden_states[1:]]


@pytest.mark.parametrize("name", ONE_STREAM)
def test_blocks_give_what_the_library_calls_hidden_states(name):
    module, texts = family(name), some_texts(LENGTHS)
    kept, report = run(live(module), texts, block_paths(live(module)))
    assert len(report.sites) == 2 and not report.skipped
    assert (report.samples, report.tokens, report.words) == (8, sum(LENGTHS), sum(LENGTHS))
    alone = each_alone(module, texts)
    for sample in range(len(LENGTHS)):
        # The last one is behind the last norm where a model has one.
        for site, wanted in list(zip(report.sites, hidden(alone, sample), strict=True))[:-1]:
            assert torch.allclose(kept.values[site.name][sample], wanted, atol=NOISE)
    last = kept.values[report.sites[-1].name][4]
    if name.startswith(("bert", "roberta")):
        assert torch.allclose(last, hidden(alone, 4)[-1], atol=NOISE)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_values_do_not_depend_on_what_else_is_in_the_batch(name):
    module, texts = family(name), some_texts(LENGTHS)
    model = live(module)
    paths = block_paths(model)
    together, report = run(model, texts, paths)
    single, _ = run(model, texts, paths, size=BatchSize(rows=1))
    for site in report.sites:
        for sample, values in together.values[site.name].items():
            assert (values - single.values[site.name][sample]).abs().max() < NOISE


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "opt"])
def test_padding_on_the_left_with_its_positions_gives_the_same(name):
    module, texts = family(name), some_texts((4, 11))
    kept, report = run(live(module), texts, block_paths(live(module)))
    short = to_ids(texts.texts[0])
    ids = torch.tensor([[0] * 7 + short, to_ids(texts.texts[1])])
    mask = torch.ones_like(ids)
    mask[0, :7] = 0
    places = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        out = module(ids, attention_mask=mask, position_ids=places, output_hidden_states=True)
    first = report.sites[0].name
    assert torch.allclose(kept.values[first][0], out.hidden_states[1][0, 7:], atol=NOISE)
    assert torch.allclose(kept.values[first][1], out.hidden_states[1][1], atol=NOISE)


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_a_decoder_reads_the_text_behind_its_start(name):
    module, texts = family(name), some_texts((5, 9))
    model = live(module)
    paths = block_paths(model)
    kept, report = run(model, texts, paths)
    assert [site.path for site in report.sites] == list(paths) and len(paths) == 4
    start = module.config.decoder_start_token_id
    for sample, text in enumerate(texts.texts):
        ids = torch.tensor([to_ids(text)])
        decoder = torch.cat((torch.tensor([[start]]), ids), 1)
        with torch.no_grad():
            out = module(ids, decoder_input_ids=decoder, output_hidden_states=True)
        encoder = kept.values[paths[0]][sample]
        assert torch.allclose(encoder, out.encoder_hidden_states[1][0], atol=NOISE)
        # The position behind the start reads the first word.
        behind = kept.values[paths[2]][sample]
        assert torch.allclose(behind, out.decoder_hidden_states[1][0, 1:], atol=NOISE)


def test_a_module_that_layers_share_has_a_site_for_each_call():
    module, texts = family("albert", num_hidden_layers=3), some_texts((5, 2))
    model = live(module)
    kept, report = run(model, texts, block_paths(model))
    assert [site.call for site in report.sites] == [0, 1, 2]
    assert report.sites[1].name.endswith("#2") and report.sites[1].calls == 3
    for sample, found in enumerate(each_alone(module, texts)):
        for site, wanted in zip(report.sites, found.hidden_states[1:], strict=True):
            assert torch.allclose(kept.values[site.name][sample], wanted[0], atol=NOISE)


def test_the_embedding_that_both_halves_share_has_a_site_for_each():
    model = live(family("bart"))
    kept, report = run(model, some_texts((4, 6)), ["model.shared", "model.encoder.embed_tokens"])
    called = [site.path for site in report.sites]
    assert called and set(called) <= {"model.shared", "model.encoder.embed_tokens"}
    assert all(len(kept.values[site.name]) == 2 for site in report.sites)


def test_what_modules_read_is_what_the_one_before_gave():
    model = live(family("gpt2"))
    texts = some_texts((4, 6))
    given, _ = run(model, texts, ["transformer.h.0"])
    read, report = run(model, texts, ["transformer.h.1"], inputs=True)
    assert report.sites[0].name == "transformer.h.1 (input)"
    for sample in (0, 1):
        before = given.values["transformer.h.0"][sample]
        assert torch.equal(read.values["transformer.h.1 (input)"][sample], before)


def test_modules_without_a_value_for_each_token_are_left_out_and_named():
    model = live(family("bert"))
    _, report = run(model, some_texts((4, 6)), ["encoder.layer.1", "pooler", "encoder.layer"])
    assert [site.path for site in report.sites] == ["encoder.layer.1"]
    assert dict(report.skipped).keys() == {"pooler", "encoder.layer"}
    assert "one result a text" in dict(report.skipped)["pooler"]
    assert "not called" in dict(report.skipped)["encoder.layer"]
    assert sum("left out" in note for note in report.notes) == 2


def test_nothing_at_all_says_what_to_choose():
    model = live(family("bert"))
    with pytest.raises(UsageError, match=r"one result a text.*choose a block"):
        run(model, some_texts((4,)), ["pooler"])
    with pytest.raises(UsageError, match="no module of this path"):
        run(model, some_texts((4,)), ["encoder.layer.9"])
    with pytest.raises(UsageError, match="no module was chosen"):
        run(model, some_texts((4,)), [])


def test_a_pass_ends_behind_the_last_module_that_is_asked_for():
    module = family("llama")
    calls = []
    module.lm_head.register_forward_hook(lambda *_: calls.append("head"))
    module.model.layers[1].register_forward_hook(lambda *_: calls.append("second"))
    run(live(module), some_texts((4, 6, 5)), ["model.layers.0"], size=BatchSize(rows=1))
    # Once in the first pass that finds out what modules give, and never in the four others.
    assert sorted(calls) == ["head", "second"]


def _hooks(module):
    return [
        (*one._forward_hooks.values(), *one._forward_pre_hooks.values()) for one in module.modules()
    ]


@pytest.mark.parametrize("inputs", [False, True])
def test_hooks_are_taken_off_whatever_happens(inputs):
    module = family("bert")
    module.train()
    module.encoder.layer[0].eval()
    own = module.encoder.layer[1].register_forward_hook(lambda *_: None)
    before, modes = _hooks(module), [one.training for one in module.modules()]
    model, texts = live(module), some_texts((4, 6))

    class OwnError(Exception):
        pass

    def fails(*_):
        raise OwnError("mine")

    with pytest.raises(OwnError, match="mine"):
        run_passes(model, texts, ["encoder.layer.0"], fails, Control(), inputs=inputs)
    control = Control()

    def cancels(*_):
        control.cancel()

    with pytest.raises(Cancelled):
        run_passes(model, texts, ["encoder.layer.0", "encoder.layer.1"], cancels, control)
    run(model, texts, ["encoder.layer.0"], inputs=inputs)
    assert _hooks(module) == before and own.id in module.encoder.layer[1]._forward_hooks
    assert [one.training for one in module.modules()] == modes
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_live_model_can_be_trained_afterwards():
    module = family("llama")
    run(live(module), some_texts((4, 6)), ["model.layers.1"])
    module.train()
    module(torch.tensor([[5, 6, 7]]), labels=torch.tensor([[5, 6, 7]])).loss.backward()
    assert module.model.layers[0].mlp.up_proj.weight.grad is not None


def test_ids_that_the_model_does_not_know_are_the_wrong_tokenizer():
    model = live(family("bert"))
    with pytest.raises(UsageError, match=r"token 60, and the model knows 60.*--tokenizer"):
        run(model, Lines(["w5 w60"]), ["encoder.layer.0"])


def test_progress_is_in_texts():
    told = []
    model, texts = live(family("bert")), some_texts((4, 6, 5))
    control = Control(told.append)
    run_passes(model, texts, ["encoder.layer.0"], lambda *_: None, control, size=BatchSize(rows=2))
    assert [(one.done, one.total, one.unit) for one in told] == [(2, 3, "texts"), (3, 3, "texts")]


def test_long_texts_are_cut_to_what_the_model_takes():
    model = live(family("roberta"))
    assert model.most_tokens == 39  # the table has 40 rows, and positions are counted from 1
    _, report = run(model, some_texts((90, 4)), ["roberta.encoder.layer.0"])
    assert report.tokens == 39 + 4
    assert any("cut to 39 tokens" in note for note in report.notes)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("no\x1b[31m pictures"), r"the model fails on the texts: ValueError: no\\x1b"),
        (MemoryError(), "not enough memory for 3 texts of 13 tokens"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
    ],
)
def test_what_fails_in_the_model_is_told_in_one_line(error, says):
    module = family("bert")

    def fails(*_):
        raise error

    module.encoder.layer[1].register_forward_pre_hook(fails)
    with pytest.raises(LamellaError, match=says):
        run(live(module), some_texts((4,)), ["encoder.layer.1"])
