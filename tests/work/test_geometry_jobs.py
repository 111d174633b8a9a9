"""The jobs about geometry, on tiny models: what they find, keep, and leave as it was."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made_readers import WORDS, make_reader, make_texts, weights
from safetensors.numpy import save_file

from inspect_core import landscape_report
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import Cancelled, FilesChanged, LamellaError, UsageError
from inspect_core.geometry import report as working
from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.representations import MEAN
from inspect_core.opening import Adapted
from inspect_core.work import spaces
from inspect_core.work.backend import Threads
from inspect_core.work.geometry_jobs import (
    AskedSpace,
    FindLandscape,
    FindLayer,
    GeometryQuery,
    SaveSpaces,
)
from inspect_core.work.jobs import OpenModel
from inspect_core.work.representation_store import representation_folder

SMALL = Measured(k=4, overlap_k=8)
LAYERS = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm")


@pytest.fixture(autouse=True)
def nothing_held():
    spaces.forget()


@pytest.fixture
def pair(tmp_path):
    return make_reader(tmp_path / "base", 0), make_reader(tmp_path / "tuned", 1)


@pytest.fixture
def texts(tmp_path):
    return TextSource(make_texts(tmp_path / "texts.tsv", 60), labels=("mood",))


def run(job, on_progress=lambda _: None):
    threads = Threads()
    try:
        return threads.submit(job, on_progress=on_progress).result(120)
    finally:
        threads.close()


def asked(models, texts, **more):
    usual = {"pooling": MEAN, "measured": SMALL, "device": "cpu"}
    return GeometryQuery(tuple(AskedSpace(one) for one in models), texts, **{**usual, **more})


def refuse_to_load(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("loaded again")

    monkeypatch.setattr("inspect_core.capture.loading.load_model", refuse)


def numbers(report):
    return [
        [(layer.name, layer.dimension.value, layer.clusters, layer.labels) for layer in one.layers]
        for one in report.spaces
    ]


def test_two_models_and_how_far_they_are(pair, texts):
    steps = []
    report = run(FindLandscape(asked(pair, texts)), steps.append)
    assert [space.title for space in report.spaces] == ["base", "tuned"]
    assert all(tuple(layer.name for layer in space.layers) == LAYERS for space in report.spaces)
    assert report.texts == 60 and report.columns == ("mood",)
    assert [(pair.one, pair.other) for pair in report.pairs] == [(0, 0), (1, 1), (0, 1)]
    assert np.allclose(np.diag(report.pairs[0].cka), 1.0)
    assert report.pairs[2].overlap.shape == (4, 4)
    assert np.nanmax(report.pairs[2].overlap) < 1.0
    for unit, total in (("texts", 120), ("layers", 8), ("pairs of spaces", 3)):
        done = [step.done for step in steps if step.unit == unit]
        assert done[0] == 0 and done[-1] == total and done == sorted(done)
    units = list(dict.fromkeys(step.unit for step in steps))
    assert [unit for unit in units if unit in ("texts", "layers", "pairs of spaces")] == [
        "texts", "layers", "pairs of spaces"
    ]  # fmt: skip


def test_representations_are_found_again_in_another_process(pair, texts, monkeypatch):
    query = asked(pair, texts)
    first = run(FindLandscape(query))
    files = list(representation_folder().iterdir())
    assert len(files) == 2 and all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    spaces.forget()
    refuse_to_load(monkeypatch)
    assert numbers(run(FindLandscape(query))) == numbers(first)
    other = asked(pair, texts, measured=Measured(k=2, overlap_k=4))
    assert numbers(run(FindLandscape(other))) != numbers(first)


@pytest.mark.parametrize("what", ["weights", "texts", "labels", "where", "pooling", "shots"])
def test_what_changed_is_found_anew(pair, texts, what, monkeypatch):
    query = asked(pair[:1], texts)
    run(FindLandscape(query))
    spaces.forget()
    if what == "weights":
        save_file(weights(7), Path(pair[0]) / "model.safetensors")
    elif what == "texts":
        make_texts(Path(texts.path), 60, seed=9)
    else:
        more = {"labels": TextSource(texts.path, labels=("mood", "tags")), "where": "mlp",
                "pooling": "last", "shots": (0,)}  # fmt: skip
        query = asked(pair[:1], more["labels"] if what == "labels" else texts,
                      **({what: more[what]} if what != "labels" else {}))  # fmt: skip
    refuse_to_load(monkeypatch)
    with pytest.raises(LamellaError, match="loaded again"):
        run(FindLandscape(query))


def test_several_prompts_of_one_model_load_it_once(pair, texts, monkeypatch):
    from inspect_core.capture import loading

    loaded, real = [], loading.load_model

    def load(*args, **more):
        loaded.append(args)
        return real(*args, **more)

    monkeypatch.setattr(loading, "load_model", load)
    report = run(FindLandscape(asked(pair, texts, shots=(0, 2), template="{text} is {label} .")))
    titles = ["base, 0-shot", "base, 2-shot", "tuned, 0-shot", "tuned, 2-shot"]
    assert [space.title for space in report.spaces] == titles and len(loaded) == 2
    assert report.texts == 50 and len(report.pairs) == 4 + 3
    labels = [space.layers[1].labels[0].nearest for space in report.spaces]
    assert len(set(labels)) > 1


def test_prompts_that_do_not_fit_are_left_out_of_every_space(texts, tmp_path, monkeypatch):
    model = make_reader(tmp_path / "short", max_position_embeddings=16)
    wanted = {
        "pooling": "last", "shots": (0, 1), "template": "{text} is {label} .",
    }  # fmt: skip
    report = run(FindLandscape(asked([model], texts, **wanted)))
    assert 4 < report.texts < 50
    left = 50 - report.texts
    told = f"{left} of 50 prompts are longer than the model takes (16 tokens)"
    bare, one = report.spaces
    assert not any("longer" in note or "cut" in note for note in bare.notes)
    assert any(note.startswith(told) and "every space" in note for note in one.notes)
    assert not any("cut" in note for note in one.notes)
    assert {layer.points + layer.repeated for each in report.spaces for layer in each.layers} == {
        report.texts
    }
    # Found again, they are the same ones and say the same.
    spaces.forget()
    refuse_to_load(monkeypatch)
    again = run(FindLandscape(asked([model], texts, **wanted)))
    assert numbers(again) == numbers(report)
    assert [each.notes for each in again.spaces] == [each.notes for each in report.spaces]


def test_where_no_prompt_fits_it_says_what_to_do(texts, tmp_path):
    model = make_reader(tmp_path / "short", max_position_embeddings=16)
    query = asked([model], texts, shots=(5,), template="{text} is {label} .")
    with pytest.raises(UsageError, match=r"all 50 prompts are longer .*16 tokens.* fewer"):
        run(FindLandscape(query))


def test_texts_that_are_no_prompts_are_cut_as_ever(texts, tmp_path):
    model = make_reader(tmp_path / "short", max_position_embeddings=4)
    report = run(FindLandscape(asked([model], texts)))
    assert report.texts == 60 and any("cut to 4 tokens" in one for one in report.spaces[0].notes)


def test_a_prompt_of_its_own_stands_beside_the_others(pair, texts):
    query = GeometryQuery(
        (AskedSpace(pair[0], shots=0, title="bare"), AskedSpace(pair[0])), texts, pooling=MEAN,
        measured=SMALL, shots=(2,), device="cpu",
    )  # fmt: skip
    report = run(FindLandscape(query))
    assert [space.title for space in report.spaces] == ["bare, 0-shot", "base, 2-shot"]


def test_a_layer_is_of_the_spaces_on_show(pair, texts, monkeypatch):
    query = asked(pair, texts)
    report = run(FindLandscape(query))
    refuse_to_load(monkeypatch)
    detail = run(FindLayer(query, 1, 2))
    assert detail.name == LAYERS[2] and detail.space == "tuned"
    assert len(detail.plane) == report.spaces[1].layers[2].points == len(detail.samples)
    lines = [line.split("\t")[1] for line in Path(texts.path).read_text().splitlines()[1:]]
    assert all(text in lines for one in detail.clusters for text in one.examples)
    for place in ((2, 0), (0, 4), (-1, 0)):
        with pytest.raises(UsageError, match="no layer"):
            run(FindLayer(query, *place))


def test_a_layer_without_a_report_finds_its_spaces(pair, texts):
    detail = run(FindLayer(asked(pair[:1], texts), 0, 1))
    assert detail.name == LAYERS[1] and detail.clusters


def test_without_its_texts_a_layer_has_no_examples_and_says_so(pair, texts):
    query = asked(pair[:1], texts)
    run(FindLandscape(query))
    make_texts(Path(texts.path), 60, seed=8)
    detail = run(FindLayer(query, 0, 1))
    assert detail.clusters and not any(one.examples for one in detail.clusters)
    assert len(detail.notes) == 1 and "without texts" in detail.notes[0]


def test_points_lie_in_files_where_memory_is_short(pair, texts, monkeypatch):
    first = run(FindLandscape(asked(pair, texts)))
    spaces.forget()
    monkeypatch.setattr(working, "POINTS_IN_MEMORY", 1000)
    again = run(FindLandscape(asked(pair, texts)))
    assert numbers(again) == numbers(first)
    for one, other in zip(again.pairs, first.pairs, strict=True):
        assert np.array_equal(one.overlap, other.overlap, equal_nan=True)
        assert np.array_equal(one.cka, other.cka, equal_nan=True)


def test_cancelled_it_keeps_nothing(pair, texts):
    threads = Threads()
    ticket = threads.submit(FindLandscape(asked(pair, texts)),
                            on_progress=lambda _: ticket.cancel())  # fmt: skip
    with pytest.raises(Cancelled):
        ticket.result(60)
    threads.close()
    assert not representation_folder().exists()


def test_a_model_that_changed_since_it_was_listed_is_refused(pair, texts):
    listing = run(OpenModel(pair[0]))
    save_file(weights(3), Path(pair[0]) / "model.safetensors")
    with pytest.raises(FilesChanged):
        run(FindLandscape(asked([listing.opened], texts)))


def test_only_models_need_torch(pair, texts):
    assert FindLandscape(asked(pair, texts)).needs_torch
    assert not FindLandscape(GeometryQuery((AskedSpace(saved="x.npz"),), None)).needs_torch


def test_saved_spaces_stand_beside_models(pair, texts, tmp_path):
    query = asked(pair, texts)
    first = run(FindLandscape(query))
    paths = run(SaveSpaces(query, str(tmp_path / "kept")))
    assert [Path(path).name for path in paths] == ["base.npz", "tuned.npz"]
    mixed = GeometryQuery(
        (AskedSpace(saved=paths[0]), AskedSpace(pair[1])), texts, pooling=MEAN, measured=SMALL,
        device="cpu",
    )  # fmt: skip
    assert numbers(run(FindLandscape(mixed))) == numbers(first)
    alone = GeometryQuery(tuple(AskedSpace(saved=one) for one in paths), None, measured=SMALL)
    report = run(FindLandscape(alone))
    assert numbers(report) == numbers(first) and report.pooling == "mean of the tokens"
    assert run(FindLayer(alone, 0, 1)).clusters[0].examples == ()


def test_nothing_asked_is_refused(texts):
    with pytest.raises(UsageError, match="no model"):
        run(FindLandscape(GeometryQuery((), texts)))


def test_an_adapter_is_a_space(tmp_path, texts):
    base = make_reader(tmp_path / "base", 0)
    folder = tmp_path / "adapter"
    folder.mkdir()
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    rng = np.random.default_rng(0)
    place = "base_model.model.model.layers.1.self_attn.q_proj"
    save_file({f"{place}.lora_A.weight": rng.normal(size=(2, 8)).astype(np.float32),
               f"{place}.lora_B.weight": rng.normal(size=(8, 2)).astype(np.float32)},
              folder / "adapter_model.safetensors")  # fmt: skip
    report = run(FindLandscape(asked([base, Adapted(base, (str(folder),))], texts)))
    same = np.diag(report.pairs[2].cka)
    assert np.allclose(same[:2], 1.0) and same[2] < 1.0 - 1e-6


# From Python


def to_ids(text: str) -> list[int]:
    return [WORDS.index(word) for word in text.split()]


def live_model():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=12, max_position_embeddings=32,
    )  # fmt: skip
    torch.manual_seed(0)
    return LlamaForCausalLM(config)


def test_a_live_model_is_left_as_it_was_and_never_stored(texts):
    model = live_model().train()
    report = landscape_report(model, texts=texts, pooling=MEAN, measured=SMALL, tokenizer=to_ids)
    assert tuple(layer.name for layer in report.spaces[0].layers) == LAYERS
    assert all(one.training for one in model.modules())
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
    assert not representation_folder().exists()
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.mul_(3)
    again = landscape_report(model, texts=texts, pooling=MEAN, measured=SMALL, tokenizer=to_ids)
    assert numbers(again) != numbers(report)


def test_a_list_of_texts_with_labels(pair, texts):
    rows = [line.split("\t") for line in Path(texts.path).read_text().splitlines()[1:]]
    more = {"pooling": MEAN, "measured": SMALL, "device": "cpu"}
    given = landscape_report(
        *pair, texts=[row[1] for row in rows], labels={"mood": [row[0] for row in rows]}, **more
    )
    of_file = landscape_report(*pair, texts=texts.path, labels=["mood"], **more)
    assert numbers(given) == numbers(of_file)


@pytest.mark.parametrize(
    "more",
    [
        {"texts": []}, {"texts": ["a film"], "labels": {"mood": []}}, {"texts": None},
        {"texts": "x.tsv", "labels": {"mood": ["a"]}}, {"texts": ["a"], "labels": {"text": ["b"]}},
        {"texts": ["the film"], "where": "nowhere"}, {"texts": ["the film"], "pooling": "most"},
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused(pair, more):
    with pytest.raises(LamellaError):
        landscape_report(pair[0], device="cpu", **more)
