"""One vector a text and layer: what transformers computes, in the order of the file."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from inspect_core.capture.output import Output, Site
from inspect_core.capture.prompts import FewShot
from inspect_core.capture.texts import Sample, TextSource
from inspect_core.control import Control
from inspect_core.errors import Cancelled, LamellaError
from inspect_core.geometry.collecting import collect_representations, pool
from inspect_core.geometry.places import BLOCKS, layer_paths
from inspect_core.geometry.representations import LAST, MEAN, text_digest
from inspect_core.geometry.room import Room

sys.path.append(str(Path(__file__).parents[1] / "capture"))
from running_made import Lines, each_alone, family, live, some_texts, to_ids

NOISE = 2e-5
LENGTHS = (3, 9, 1, 7, 4, 9, 2)


class Labelled(Lines):
    """Texts with numbers that are not their places, and a label each."""

    labels = ("mood",)
    source = TextSource("texts.tsv")

    def __iter__(self):
        return (Sample(7 * at + 2, t, None, (f"m{at}",)) for at, t in enumerate(self.texts))

    def sentences(self, numbers):
        return [self.texts[(number - 2) // 7] for number in numbers]


def made(lengths=LENGTHS, extra=()):
    return Labelled([*some_texts(lengths).texts, *extra])


def collected(model, texts, paths, pooling=MEAN, **options):
    return collect_representations(model, texts, paths, pooling, Control(), **options)


def reduced(states, pooling):
    return states[0, -1] if pooling == LAST else states[0].mean(0)


@pytest.mark.parametrize("pooling", [LAST, MEAN])
@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "llama", "mixtral"])
def test_it_is_what_transformers_computes(name, pooling):
    module, texts = family(name), made()
    model = live(module)
    found = collected(model, texts, layer_paths(model, BLOCKS), pooling)
    alone = each_alone(module, texts)
    for row, theirs in enumerate(alone):
        # The last state of transformers has gone through the final norm, where there is one.
        states = list(theirs.hidden_states)
        layers = [0, 1, 2] if len(found.names) == 3 else [0, 1, 3]
        for layer, wanted in zip(layers, states, strict=True):
            apart = found.values[layer][row] - reduced(wanted, pooling).numpy()
            assert np.abs(apart).max() < NOISE
    assert found.samples.tolist() == [7 * at + 2 for at in range(len(LENGTHS))]
    assert found.labels == (("mood", tuple(f"m{at}" for at in range(len(LENGTHS)))),)
    assert all(one.dtype == np.float32 for one in found.values)
    assert found.pooling == pooling and found.title == "model"


@pytest.mark.parametrize("pooling", [LAST, MEAN])
def test_an_encoder_and_a_decoder(pooling):
    module, texts = family("t5"), made()
    model = live(module)
    found = collected(model, texts, layer_paths(model, BLOCKS), pooling)
    by_name = dict(zip(found.names, found.values, strict=True))
    with torch.no_grad():
        for row, text in enumerate(texts.texts):
            ids = torch.tensor([to_ids(text)])
            start = torch.cat((torch.zeros_like(ids[:, :1]), ids), 1)
            theirs = module(input_ids=ids, decoder_input_ids=start, output_hidden_states=True)
            for name, wanted in (
                ("encoder.block.0", theirs.encoder_hidden_states[1]),
                ("encoder.final_layer_norm", theirs.encoder_hidden_states[2]),
                ("decoder.block.0", theirs.decoder_hidden_states[1]),
                ("decoder.final_layer_norm", theirs.decoder_hidden_states[2]),
            ):
                apart = by_name[name][row] - reduced(wanted, pooling).numpy()
                assert np.abs(apart).max() < NOISE
    assert list(by_name) == sorted(by_name, key=lambda name: name.startswith("decoder"))


def test_layers_come_as_the_model_runs_them():
    model = live(family("opt"))
    paths = layer_paths(model, BLOCKS)
    found = collected(model, made(), paths[::-1])
    assert found.names == paths
    shared = collected(live(family("albert")), made(), ["encoder.albert_layer_groups.0"])
    assert shared.names == tuple(f"encoder.albert_layer_groups.0#{call}" for call in (1, 2))


@pytest.mark.parametrize("side", ["left", "right"])
def test_either_side_may_be_padded(side):
    values = torch.arange(24.0).reshape(2, 4, 3)
    attended = torch.tensor([[True] * 4, [False, False, True, True]])
    values[1, :2] = torch.nan
    if side == "right":
        values, attended = values.flip(1), attended.flip(1)
    output = Output(Site("a"), values, torch.zeros(2, 4), attended)
    found = pool(output, LAST)
    at = -1 if side == "left" else 1
    assert torch.equal(found[1], values[1, at])
    assert torch.equal(found[0], values[0, -1])
    own = values[1, 2:] if side == "left" else values[1, :2]
    assert torch.equal(pool(output, MEAN)[1], own.mean(0))


def test_half_precision_is_added_up_in_float32():
    values = torch.full((1, 4000, 1), 1.001, dtype=torch.bfloat16)
    output = Output(Site("a"), values, torch.zeros(1, 4000), torch.ones(1, 4000, dtype=torch.bool))
    assert pool(output, MEAN).dtype == torch.float32
    assert float(pool(output, MEAN)) == pytest.approx(float(values[0, 0, 0]), rel=1e-6)


def test_a_pooler_is_taken_as_it_is():
    module, texts = family("bert"), made()
    found = collected(live(module), texts, ["encoder.layer.1", "pooler"], LAST)
    assert found.names == ("encoder.layer.1", "pooler")
    for row, theirs in enumerate(each_alone(module, texts)):
        assert np.abs(found.values[1][row] - theirs.pooler_output[0].numpy()).max() < NOISE


def test_texts_of_the_same_tokens_have_the_same_vectors():
    texts = made(LENGTHS * 12)
    again = [0, 5, 11, 40]
    texts.texts += [texts.texts[at] for at in again]
    found = collected(live(family("bert")), texts, ["encoder.layer.1"])
    for copy, at in zip(range(len(LENGTHS) * 12, texts.count), again, strict=True):
        assert found.values[0][copy].tobytes() == found.values[0][at].tobytes()
    assert len(np.unique(found.values[0], axis=0)) == len(set(texts.texts))


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_texts_without_words_are_left_out_in_memory_and_in_a_file(tmp_path, most):
    texts = made()
    whole = collected(live(family("gpt2")), made(), ["transformer.h.1"])
    texts.texts[2:2] = ["", ""]
    found = collected(
        live(family("gpt2")), texts, ["transformer.h.1"], room=Room(most, tmp_path / "room")
    )
    kept = [0, 1, 4, 5, 6, 7, 8]
    assert found.samples.tolist() == [7 * at + 2 for at in kept]
    assert found.labels[0][1] == tuple(f"m{at}" for at in kept)
    np.testing.assert_allclose(found.values[0], whole.values[0], atol=NOISE)
    assert any("2 texts have no words" in note for note in found.notes)
    assert not list(tmp_path.glob("room/*"))


def test_a_model_in_float64_stays_so():
    found = collected(live(family("llama").double()), made(), ["model.layers.0"])
    assert found.values[0].dtype == np.float64


def test_prompts_of_any_length_are_of_the_same_texts():
    texts, model = made((4,) * 12), live(family("llama"))
    texts.texts = [text if at % 2 else f"{text} w9" for at, text in enumerate(texts.texts)]
    template, found = "{text} {label} ", {}
    words = Worded(texts.texts)
    for shots in (0, 1, 2):
        prompts = FewShot(words, shots, template, pool=4)
        found[shots] = collected(model, prompts, ["model.layers.0"], LAST)
        # What is kept is the state at the end of the whole prompt.
        whole = Lines([sample.text for sample in prompts])
        for row, theirs in enumerate(each_alone(model.module, whole)):
            state = theirs.hidden_states[1][0, -1].numpy()
            assert np.abs(found[shots].values[0][row] - state).max() < NOISE
    for one in found.values():
        assert one.samples.tolist() == found[0].samples.tolist() and len(one.samples) == 8
        assert one.labels == found[0].labels
        # A text is told by what it says, not by the examples before it.
        asked = [text_digest(text) for text in words.sentences(one.samples.tolist())]
        assert one.digests is not None and one.digests.tolist() == asked
    assert np.abs(found[2].values[0] - found[0].values[0]).max() > 0.01


class Worded(Labelled):
    """The same, with labels that the toy tokenizer reads."""

    def __iter__(self):
        labels = ("w7", "w8")
        return (Sample(7 * at + 2, t, None, (labels[at % 2],)) for at, t in enumerate(self.texts))


def test_what_will_not_do():
    model = live(family("bert"))
    with pytest.raises(LamellaError, match="no pooling 'first'"):
        collected(model, made(), ["encoder.layer.0"], "first")
    with pytest.raises(LamellaError, match="no text has a word"):
        collected(model, Labelled(["", ""]), ["encoder.layer.0"])
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        collect_representations(model, made(), ["encoder.layer.0"], MEAN, control)
