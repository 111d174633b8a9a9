"""The jobs about activations, on tiny models: what they find, keep, and leave as it was."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made_readers import WORDS, make_reader, make_texts, weights, write_tokenizer
from safetensors.numpy import save_file

from inspect_core import activation_report, neuron_report
from inspect_core.activations.rule import MAGNITUDE, TOP, Rule
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import Cancelled, FilesChanged, LamellaError, UsageError
from inspect_core.live.registry import View, register
from inspect_core.live.tokenizers import attach_tokenizer
from inspect_core.work import stages
from inspect_core.work.activation_jobs import (
    ActivationQuery,
    FindActivations,
    FindNeuron,
    FindSeveral,
    LookAtTexts,
)
from inspect_core.work.backend import Threads
from inspect_core.work.jobs import OpenModel
from inspect_core.work.stage_store import stage_folder


@pytest.fixture(autouse=True)
def nothing_held():
    stages.forget()


@pytest.fixture
def pair(tmp_path):
    return make_reader(tmp_path / "base", 0), make_reader(tmp_path / "tuned", 1)


@pytest.fixture
def texts(tmp_path):
    return TextSource(make_texts(tmp_path / "texts.tsv"))


def run(job, on_progress=lambda _: None):
    threads = Threads()
    try:
        return threads.submit(job, on_progress=on_progress).result(120)
    finally:
        threads.close()


def found(query, on_progress=lambda _: None):
    return run(FindActivations(query), on_progress)


def refuse_to_load(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("loaded again")

    monkeypatch.setattr("inspect_core.capture.loading.load_model", refuse)


def masses(report):
    return [site.neurons.mass.tolist() for site in report.sites]


def test_what_is_in_a_file_of_texts(texts):
    columns = run(LookAtTexts(texts.path))
    assert columns.columns == ("mood", "text", "tags") and columns.rows == 40
    assert not LookAtTexts(texts.path).needs_torch


def test_two_models_side_by_side(pair, texts):
    base, tuned = pair
    steps = []
    report = found(ActivationQuery(tuned, base, texts), steps.append)
    assert report.titles == ("base", "tuned")
    assert [site.neurons.site for site in report.sites] == ["model.layers.0", "model.layers.1"]
    assert report.samples == (40, 40) and report.tokens[0] == report.tokens[1] > 80
    assert np.isfinite(report.sites[0].neurons.distance).any()
    done = [(step.done, step.total, step.unit) for step in steps]
    assert done[0] == (0, 80, "texts") and done[-1] == (80, 80, "texts")
    # What is read of the weights is told in tensors, between the texts of the two models.
    counted = [step for step in steps if step.unit == "texts"]
    assert [step.done for step in counted] == sorted(step.done for step in counted)
    assert {step.total for step in counted} == {80}
    assert {step.unit for step in steps} <= {"texts", "tensors"}


def test_a_model_alone_has_no_distance(pair, texts):
    report = found(ActivationQuery(pair[0], None, texts))
    assert np.isnan(report.sites[0].neurons.distance).all()
    assert report.sites[0].neurons.mass[1].sum() > 0


def test_two_files_of_texts_on_one_model_load_it_once(pair, texts, tmp_path, monkeypatch):
    from inspect_core.capture import loading

    loaded = []
    real = loading.load_model

    def load(*args, **more):
        loaded.append(args)
        return real(*args, **more)

    monkeypatch.setattr(loading, "load_model", load)
    other = TextSource(make_texts(tmp_path / "other.tsv", 20, seed=5))
    report = found(ActivationQuery(pair[0], None, texts, reference_texts=other))
    assert report.titles == ("base on other.tsv", "base on texts.tsv")
    assert report.samples == (20, 40) and len(loaded) == 1


def test_stages_of_training_in_their_order(pair, texts, tmp_path):
    base, tuned = pair
    early = make_reader(tmp_path / "early", 2)
    report = run(FindSeveral(ActivationQuery(tuned, base, texts), (early,)))
    assert report.titles == ("base", "early", "tuned")
    assert report.pairs == ((0, 1), (0, 2), (1, 2))


def test_a_reference_without_the_prefix_answers(pair, texts, tmp_path):
    base, tuned = pair
    bare = tmp_path / "bare"
    bare.mkdir()
    config = json.loads((Path(base) / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps(config | {"architectures": ["LlamaModel"]}))
    made = weights(0, "")
    del made["lm_head.weight"]
    save_file(made, bare / "model.safetensors")
    write_tokenizer(bare)
    same = found(ActivationQuery(tuned, base, texts))
    other = found(ActivationQuery(tuned, str(bare), texts))
    assert [site.neurons.site for site in other.sites] == ["model.layers.0", "model.layers.1"]
    assert masses(other) == masses(same)


def test_modules_that_are_asked_for(pair, texts):
    query = ActivationQuery(pair[0], None, texts, modules=("mlp.act_fn",), paths=("model.norm",))
    report = found(query)
    sites = {site.neurons.site: site.neurons.units for site in report.sites}
    assert sites == {"model.norm": 8, "model.layers.0.mlp.act_fn": 12,
                     "model.layers.1.mlp.act_fn": 12}  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("layers.*", 29), ("layer?.1", 1), ("mlp.*_proj", 6), ("*.mlp.act_fn", 2), ("(model)", 1),
     ("re:.*layers.[01]", 2), ("=model.layers.1", 1)],
)  # fmt: skip
def test_a_pattern_is_the_end_of_a_name_or_all_of_it(pair, texts, pattern, count):
    report = found(ActivationQuery(pair[0], None, texts, modules=(pattern,)))
    sites = [site.neurons.site for site in report.sites]
    assert 0 < len(sites) <= count and all(sites)
    if pattern == "(model)":
        assert sites == ["(model)"]


def test_a_star_is_every_module_that_gives_values_of_tokens(pair, texts):
    report = found(ActivationQuery(pair[0], None, texts, modules=("*",)))
    sites = {site.neurons.site for site in report.sites}
    assert {"model", "lm_head", "model.layers.0", "model.layers.1.mlp.act_fn"} <= sites
    assert "" not in sites and len(report.notes) < 15


@pytest.mark.parametrize(
    ("pattern", "said"), [("", "the end of a name"), ("layers.0#2", "every call is recorded")]
)
def test_a_pattern_that_fits_nothing_says_what_to_give(pair, texts, pattern, said):
    with pytest.raises(UsageError, match=said):
        found(ActivationQuery(pair[0], None, texts, modules=(pattern,)))


def test_a_module_without_tensors_is_found_in_the_reference(pair, texts):
    report = found(ActivationQuery(pair[1], pair[0], texts, modules=("layers.0.mlp.act_fn",)))
    assert [site.neurons.site for site in report.sites] == ["model.layers.0.mlp.act_fn"]


# What is kept


def test_what_was_found_is_found_again_in_another_process(pair, texts, monkeypatch):
    query = ActivationQuery(pair[1], pair[0], texts, rule=Rule(TOP, MAGNITUDE, k=3))
    first = found(query)
    files = list(stage_folder().iterdir())
    assert len(files) == 2 and all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    stages.forget()
    refuse_to_load(monkeypatch)
    assert masses(found(query)) == masses(first)


@pytest.mark.parametrize("what", ["weights", "config", "tokenizer", "texts", "rule", "modules"])
def test_what_changed_is_found_anew(pair, texts, what, monkeypatch):
    base, _ = pair
    query = ActivationQuery(base, None, texts)
    found(query)
    stages.forget()
    if what == "weights":
        save_file(weights(7), Path(base) / "model.safetensors")
    elif what in ("config", "tokenizer"):
        path = Path(base) / ("config.json" if what == "config" else "tokenizer.json")
        path.write_text(path.read_text() + " ")
    elif what == "texts":
        make_texts(Path(texts.path), seed=9)
    elif what == "rule":
        query = ActivationQuery(base, None, texts, rule=Rule(sign=MAGNITUDE))
    else:
        query = ActivationQuery(base, None, texts, modules=("model.norm",))
    refuse_to_load(monkeypatch)
    with pytest.raises(LamellaError, match="loaded again"):
        found(query)


@pytest.mark.parametrize("name", ["tekken.json", "tokenizer.4.0.0.json", "bpe.codes", "source.spm"])
def test_whatever_a_tokenizer_may_read_is_in_the_key(pair, texts, name, monkeypatch):
    found(ActivationQuery(pair[0], None, texts))
    stages.forget()
    (Path(pair[0]) / name).write_text("changed")
    refuse_to_load(monkeypatch)
    with pytest.raises(LamellaError, match="loaded again"):
        found(ActivationQuery(pair[0], None, texts))


def test_what_a_run_writes_beside_a_model_is_not_in_the_key(pair, texts, monkeypatch):
    first = found(ActivationQuery(pair[0], None, texts))
    stages.forget()
    for name in ("found.csv", "training.log", "optimizer.pt", "picture.svg"):
        (Path(pair[0]) / name).write_text("written")
    refuse_to_load(monkeypatch)
    assert masses(found(ActivationQuery(pair[0], None, texts))) == masses(first)


def test_a_tokenizer_beside_a_file_that_is_given_is_in_the_key(pair, texts, monkeypatch):
    given = Path(pair[1]) / "model.safetensors"
    query = ActivationQuery(pair[0], None, texts, tokenizer=str(given))
    found(query)
    stages.forget()
    path = given.parent / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    refuse_to_load(monkeypatch)
    with pytest.raises(LamellaError, match="loaded again"):
        found(query)


def test_what_was_left_out_is_told_of_the_file_that_is_read(pair, tmp_path):
    whole, torn = tmp_path / "whole.tsv", tmp_path / "torn.tsv"
    whole.write_text("text\ttags\nthe film\tX X\nis good\tX X\n")
    torn.write_text("text\ttags\nthe film\tX X\nis bad\tX\nis good\tX X\n")
    notes = [
        found(ActivationQuery(pair[0], None, TextSource(str(path), tags="tags"))).notes
        for path in (torn, whole, torn)
    ]
    told = [any("left out (line 3)" in note for note in one) for one in notes]
    assert told == [True, False, True]
    assert notes[0] == notes[2]


def test_other_tokenizers_on_the_two_sides_are_told(pair, texts):
    base, tuned = pair
    query = ActivationQuery(tuned, base, texts)
    assert not any("tokenizers" in note for note in found(query).notes)
    path = Path(base) / "tokenizer.json"
    content = json.loads(path.read_text())
    # What only says how long texts may be makes no other tokens.
    more = {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0}
    path.write_text(json.dumps(content | {"truncation": more}))
    assert not any("tokenizers" in note for note in found(query).notes)
    path.write_text(json.dumps(content | {"normalizer": None}))
    for _ in range(2):  # and when it is found again
        assert any("the tokenizers differ" in note for note in found(query).notes)
        stages.forget()
    several = run(FindSeveral(query, (tuned,)))
    assert any("the tokenizers differ" in note for note in several.notes)


def test_the_same_texts_under_another_name_are_the_same(pair, texts, tmp_path, monkeypatch):
    found(ActivationQuery(pair[0], None, texts))
    copy = tmp_path / "copy.tsv"
    copy.write_bytes(Path(texts.path).read_bytes())
    refuse_to_load(monkeypatch)
    report = found(ActivationQuery(pair[0], None, TextSource(str(copy))))
    assert report.samples == (40, 40)


def test_a_model_that_changed_since_it_was_listed_is_refused(pair, texts):
    listing = run(OpenModel(pair[0]))
    save_file(weights(3), Path(pair[0]) / "model.safetensors")
    with pytest.raises(FilesChanged):
        found(ActivationQuery(listing.opened, None, texts))


def test_cancelled_it_keeps_nothing(pair, texts):
    threads = Threads()
    ticket = threads.submit(FindActivations(ActivationQuery(pair[0], None, texts)),
                            on_progress=lambda _: ticket.cancel())  # fmt: skip
    with pytest.raises(Cancelled):
        ticket.result(60)
    threads.close()
    assert not stage_folder().exists()


# One neuron


def strongest(report):
    table = report.sites[0].neurons
    return table.site, int(table.count[1].argmax())


def test_a_neuron_has_its_sentences(pair, texts):
    query = ActivationQuery(pair[1], pair[0], TextSource(texts.path, tags="tags"))
    site, unit = strongest(found(query))
    detail = run(FindNeuron(query, site, unit, 5))
    assert detail.words[1] and not detail.notes
    lines = [line.split("\t")[1] for line in Path(texts.path).read_text().splitlines()[1:]]
    for one in detail.words[1]:
        assert one.word in one.sentence.split() and one.sentence in lines
        assert one.tag in ("ADJ", "X")


@pytest.mark.parametrize("gone", [False, True])
def test_without_its_texts_a_neuron_has_no_sentences_and_says_so(pair, texts, gone):
    query = ActivationQuery(pair[1], pair[0], texts)
    site, unit = strongest(found(query))
    before = run(FindNeuron(query, site, unit, 5))
    if gone:
        Path(texts.path).unlink()
    else:
        make_texts(Path(texts.path), seed=8)
    detail = run(FindNeuron(query, site, unit, 5))
    assert [one.word for one in detail.words[1]] == [one.word for one in before.words[1]]
    assert not any(one.sentence for words in detail.words for one in words)
    assert len(detail.notes) == 1 and "without sentences" in detail.notes[0]


# Live models


def live_pair():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=12, max_position_embeddings=32,
    )  # fmt: skip
    torch.manual_seed(0)
    return LlamaForCausalLM(config)


def to_ids(text: str) -> list[int]:
    return [WORDS.index(word) for word in text.split()]


def test_a_live_model_is_left_as_it_was(texts):
    model = live_pair().train()
    model.model.layers[1].eval()
    modes = [one.training for one in model.modules()]
    report = activation_report(model, texts=texts, tokenizer=to_ids)
    assert [site.neurons.site for site in report.sites] == ["model.layers.0", "model.layers.1"]
    assert [one.training for one in model.modules()] == modes
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
    assert all(one.grad is None for one in model.parameters())
    assert not stage_folder().exists()


def test_a_live_model_after_a_step_is_found_anew(texts):
    model = live_pair()
    uri = register(model)
    attach_tokenizer(uri, to_ids)
    query = ActivationQuery(uri, None, texts)
    first = masses(found(query))
    assert masses(found(query)) == first
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.mul_(3)
    assert masses(found(query)) != first


def test_a_live_model_without_a_tokenizer_says_how_to_give_one(texts):
    model = live_pair()
    with pytest.raises(UsageError, match="tokenizer"):
        found(ActivationQuery(register(model), None, texts))


def test_before_its_adapters_a_live_model_runs_without_them(texts):
    import peft

    plain = live_pair()
    bare = masses(activation_report(plain, texts=texts, tokenizer=to_ids))
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    model = peft.get_peft_model(plain, config)
    after, before = register(model), register(model, View(before=True))
    for uri in (after, before):
        attach_tokenizer(uri, to_ids)
    report = found(ActivationQuery(after, before, texts))
    assert [site.neurons.site for site in report.sites] == [
        "base_model.model.model.layers.0", "base_model.model.model.layers.1"
    ]  # fmt: skip
    sides = [[side[at] for side in masses(report)] for at in (0, 1)]
    assert sides[0] == [side[0] for side in bare] and sides[1] != sides[0]
    assert not any(getattr(one, "_disable_adapters", False) for one in model.modules())
    assert masses(activation_report(model, texts=texts, tokenizer=to_ids)) == masses(report)
    model.merge_adapter()
    with pytest.raises(UsageError, match="merged"):
        found(ActivationQuery(after, before, texts))


# From Python


def test_a_list_of_texts(pair):
    report = activation_report(*pair[::-1], texts=["the film is good", "the film is bad"])
    assert report.samples == (2, 2) and report.titles == ("base", "tuned")
    site, unit = strongest(report)
    detail = neuron_report(
        *pair[::-1], site=site, unit=unit, texts=["the film is good", "the film is bad"]
    )
    assert detail.words[1][0].sentence.startswith("the film is")


def test_what_is_no_text_is_refused(pair):
    with pytest.raises(UsageError, match="texts"):
        activation_report(pair[0], texts=[])
    with pytest.raises(TypeError):
        activation_report(7, texts=["a film"])  # type: ignore[arg-type]


def test_layers_that_the_reference_lacks_are_told(pair, texts):
    base, tuned = pair
    made = weights(0)
    path = Path(base) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 1}))
    save_file({name: v for name, v in made.items() if "layers.1" not in name},
              Path(base) / "model.safetensors")  # fmt: skip
    report = found(ActivationQuery(tuned, base, texts))
    assert [site.neurons.site for site in report.sites] == ["model.layers.0"]
    assert any("base shows nothing of model.layers.1" in told for told in report.notes)
    with pytest.raises(UsageError, match="has none of the modules"):
        found(ActivationQuery(tuned, base, texts, modules=("model.layers.1",)))
