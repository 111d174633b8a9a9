"""From a file of texts and a model to a stage, and a planted neuron found again."""

import numpy as np
import pytest
import tiny_gpt2
import torch

from inspect_core.activations.collect import collect_stage
from inspect_core.activations.compare import compare_stages
from inspect_core.activations.neurons import RARE
from inspect_core.activations.ranking import ranking
from inspect_core.activations.rule import MAGNITUDE, OVER, TOP, VALUE, Rule
from inspect_core.capture.texts import TextSource, open_texts
from inspect_core.control import Control
from inspect_core.errors import Cancelled

MOODS = ["good", "bad", ""]
BLOCKS = [f"h.{number}" for number in range(tiny_gpt2.LAYERS)]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that wait for each other cost more than such small models."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def texts_of(folder, sentences):
    path = folder / "texts.tsv"
    rows = [f"{text}\t{MOODS[at % 3]}" for at, text in enumerate(sentences)]
    path.write_text("\n".join(["text\tmood", *rows]) + "\n")
    return open_texts(TextSource(str(path), labels=("mood",)))


def each_alone(module, path, sentences):
    """What a module gives for each text without padding, float64 `(tokens, units)`."""
    seen = []
    hook = module.get_submodule(path).register_forward_hook(
        lambda _m, _i, output: seen.append(output if torch.is_tensor(output) else output[0])
    )
    with torch.no_grad():
        for text in sentences:
            module(torch.tensor([tiny_gpt2.tokenizer().encode(text).ids]))
    hook.remove()
    return [values[0].double().numpy() for values in seen]


def plainly(sentences, outputs, sign, choose):
    """`{(unit, word): (count, mass)}`; `choose` gives the units of a word from its values."""
    found = {}
    for text, values in zip(sentences, outputs, strict=True):
        of = np.array(tiny_gpt2.tokenizer().encode(text).word_ids)
        for number, word in enumerate(text.split()):
            measured = sign(values[of == number]).max(axis=0)
            for unit in choose(measured):
                if measured[unit] != 0:
                    count, mass = found.get((int(unit), word), (0, 0.0))
                    found[int(unit), word] = (count + 1, mass + float(measured[unit]))
    return found


@pytest.fixture(scope="module")
def alone(one_thread):
    """A model, sentences, and by block what it gives for each of them without padding."""
    module, sentences = tiny_gpt2.model(), tiny_gpt2.sentences(60)
    return module, sentences, {path: each_alone(module, path, sentences) for path in BLOCKS}


@pytest.mark.parametrize(
    ("rule", "sign", "choose"),
    [
        (Rule(), lambda v: np.maximum(v, 0), lambda m: [m.argmax()]),
        (Rule(sign=VALUE), lambda v: v, lambda m: [m.argmax()]),
        (Rule(TOP, MAGNITUDE, k=3), np.abs, lambda m: np.argsort(-m)[:3]),
        (Rule(OVER, threshold=1.5), lambda v: v, lambda m: np.flatnonzero(m > 1.5)),
    ],
    ids=["max", "value", "top", "over"],
)
def test_a_stage_holds_what_the_model_gives_for_each_text_alone(
    tmp_path, alone, rule, sign, choose
):
    module, sentences, outputs = alone
    stage = collect_stage(
        tiny_gpt2.running(module), texts_of(tmp_path, sentences), BLOCKS, rule, Control()
    )
    assert [site.site.path for site in stage.sites] == BLOCKS
    for site in stage.sites:
        expected = plainly(sentences, outputs[site.site.path], sign, choose)
        counts, names = site.words, stage.words.names
        keys = [
            (unit, names[feature])
            for unit, feature in zip(counts.unit.tolist(), counts.feature.tolist(), strict=True)
        ]
        assert dict(zip(keys, counts.count.tolist(), strict=True)) == {
            key: count for key, (count, _) in expected.items()
        }
        np.testing.assert_allclose(counts.mass, [expected[key][1] for key in keys], rtol=1e-5)


def test_what_a_stage_says_of_its_texts(tmp_path):
    sentences = tiny_gpt2.sentences(30)
    model = tiny_gpt2.running(tiny_gpt2.model())
    texts = texts_of(tmp_path, sentences)
    stage = collect_stage(model, texts, BLOCKS[:1], Rule(), Control())
    words = " ".join(sentences).split()
    occurred = dict(zip(stage.words.names, stage.words.occurrences.tolist(), strict=True))
    assert occurred == {word: words.count(word) for word in set(words)}
    assert stage.samples == 30
    assert stage.tokens == sum(len(tiny_gpt2.tokenizer().encode(text).ids) for text in sentences)
    (mood,) = stage.labels
    assert (mood.kind, sorted(mood.names)) == ("mood", ["bad", "good"])
    good = [len(text.split()) for text in sentences[::3]]
    assert mood.occurrences[mood.names.index("good")] == sum(good)
    assert stage.sites[0].labels[0].count.sum() <= mood.occurrences.sum()
    assert (stage.title, stage.rule) == (model.title, Rule())
    again = collect_stage(model, texts, BLOCKS[:1], Rule(), Control(), title="other")
    assert again.title == "other"
    np.testing.assert_array_equal(again.sites[0].words.mass, stage.sites[0].words.mass)


def test_tags_of_a_tagger(tmp_path):
    def by_length(words):
        return ["SHORT" if len(word) < 4 else "LONG" for word in words]

    texts = texts_of(tmp_path, tiny_gpt2.sentences(10))
    model = tiny_gpt2.running(tiny_gpt2.model())
    stage = collect_stage(model, texts, BLOCKS, Rule(), Control(), tagger=by_length)
    pairs = dict(zip(stage.words.names, stage.words.tags, strict=True))
    assert pairs["cat"] == "SHORT"
    assert pairs["zebra"] == "LONG"


def test_it_stops(tmp_path):
    control = Control()
    control.cancel()
    model, texts = tiny_gpt2.running(tiny_gpt2.model()), texts_of(tmp_path, ["a cat"])
    with pytest.raises(Cancelled):
        collect_stage(model, texts, BLOCKS, Rule(), control)


def plant(module, path, unit, word, sentences):
    """Make a unit of a feed-forward layer fire on one word, and on nothing else.

    Its weights become the direction in which the layer's input is for that word and not for the
    others, its bias what keeps all others below zero.
    """
    layer = module.get_submodule(path)
    seen = []
    hook = layer.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0][0]))
    encoded = [tiny_gpt2.tokenizer().encode(text) for text in sentences]
    with torch.no_grad():
        for one in encoded:
            module(torch.tensor([one.ids]))
    hook.remove()
    inputs = torch.cat(seen)
    is_word = torch.tensor([token == word for one in encoded for token in one.tokens])
    direction = inputs[is_word].mean(0) - inputs[~is_word].mean(0)
    along = inputs @ direction
    least, most = along[is_word].min(), along[~is_word].max()
    assert least > most, "the word can be told from the others"
    scale = 30 / (least - most)
    with torch.no_grad():
        layer.weight[:, unit] = scale * direction
        layer.bias[unit] = -scale * (least + most) / 2


def test_a_planted_neuron_comes_first_with_its_word_on_top(tmp_path):
    sentences = tiny_gpt2.sentences(160)
    texts = texts_of(tmp_path, sentences)
    path, word = "h.1.mlp.c_fc", "zebra"
    sites = ["h.0.mlp.c_fc", path, "h.1.mlp.act"]
    base = tiny_gpt2.model()
    before = collect_stage(tiny_gpt2.running(base, "base"), texts, sites, Rule(), Control())
    counts = compare_stages(before, before).sites[1].neurons.count[0]
    unit = int(np.argsort(counts)[-5])
    assert counts[unit] >= RARE

    tuned = tiny_gpt2.model()
    plant(tuned, path, unit, word, sentences)
    after = collect_stage(tiny_gpt2.running(tuned, "tuned"), texts, sites, Rule(), Control())
    untouched, planted, behind = (site.neurons for site in compare_stages(before, after).sites)
    assert np.nanmax(untouched.distance) < 1e-6
    for table in (planted, behind):
        assert ranking(table, "distance", hide_rare=True)[0] == unit
        assert table.distance[unit] > 0.9
        assert not table.rare[unit]
        assert table.top_word[1][unit] == word
        assert table.top_word[0][unit] != word
        assert table.length[1, unit] == 1
