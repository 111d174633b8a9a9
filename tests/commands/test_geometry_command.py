"""`lamella geometry`, through the command line, on tiny models."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_readers import make_reader, make_texts, weights
from safetensors.numpy import save_file

from inspect_core.work import spaces
from inspect_core.work.backend import Threads
from tui.cli import main
from tui.commands import geometry as command

LAYERS = ["model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm"]
SMALL = ("-k", "4", "--overlap-k", "8", "--pool", "mean", "--device", "cpu")


@pytest.fixture
def pair(tmp_path):
    return make_reader(tmp_path / "base", 0), make_reader(tmp_path / "tuned", 1)


@pytest.fixture
def texts(tmp_path):
    return make_texts(tmp_path / "texts.tsv", 90)


@pytest.fixture
def lamella(monkeypatch, capsys):
    """Run the command in this process: status, output, errors."""
    spaces.forget()
    monkeypatch.setattr(command, "workers", Threads)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["lamella", "geometry", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        found = capsys.readouterr()
        return ended.value.code or 0, found.out, found.err

    return run


def test_a_table_for_people(lamella, pair, texts):
    status, out, err = lamella(pair[0], "--text", texts, "--labels", "mood", *SMALL)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "base  90 texts"
    assert lines[1] == "texts.tsv: text column text, labels mood"
    assert lines[2] == "mean of the tokens; k 4, Z 1.6, overlap of 8 neighbours"
    wanted = ["layer", "points", "ID", "scales", "peaks", "core", "ARI", "overlap", "1-NN"]
    assert lines[4].split() == wanted
    assert [line.split()[0] for line in lines[5:9]] == LAYERS and "±" in lines[5]


def test_notes_and_chance_stand_below_the_table_and_in_files_of_it(lamella, pair, texts, tmp_path):
    path = tmp_path / "table.txt"
    words = (pair[0], "--text", texts, "--labels", "mood", *SMALL)
    out = lamella(*words)[1]
    below = out.split("model.norm", 1)[1]
    assert "mood by chance: ARI 0, overlap 0." in below and "1-NN 0." in below
    assert "always answering" in below
    status, _, _ = lamella(*words, "--output", path)
    assert status == 0 and "always answering" in path.read_text()


def test_json_says_what_was_read(lamella, pair, texts):
    words = (pair[0], "--text", texts, "--labels", "mood", *SMALL, "--format", "json")
    found = json.loads(lamella(*words)[1])
    assert (found["file"], found["text_column"]) == (str(texts), "text")
    assert found["pooling"] and (found["measured"]["k"], found["measured"]["z"]) == (4, 1.6)
    (mood,) = found["labels"]
    assert mood["column"] == "mood" and 0 < mood["nearest"] < 1 and mood["counts"]


def test_a_layer_that_fits_several_lists_them(lamella, pair, texts):
    status, _, err = lamella(pair[0], "--text", texts, *SMALL, "--at", "m*.layers.*.m*",
                             "--layer", "mlp")  # fmt: skip
    assert status == 2 and "model.layers.0.mlp, model.layers.1.mlp" in err


def test_two_models_side_by_side(lamella, pair, texts):
    base, tuned = pair
    status, out, err = lamella(
        tuned, "--ref", base, "--text", texts, "--labels", "mood", *SMALL, "--ascii"
    )
    assert (status, err) == (0, "") and out.isascii()
    assert out.startswith("1 base  90 texts\n2 tuned  90 texts\n")
    for heading in ("ID 1", "ID 2", "1-NN 2", "kept 2", "CKA 2", "against 1 base", "mood"):
        assert heading in out
    assert out.count("model.layers.1") == 3


def test_a_model_against_itself_is_kept_whole(lamella, pair, texts):
    base, _ = pair
    words = (base, "--ref", base, "--text", texts, *SMALL, "--format", "json")
    found = json.loads(lamella(*words)[1])
    assert [space["title"] for space in found["spaces"]] == ["base (1)", "base (2)"]
    second = [row for row in found["layers"] if row["space"] == "base (2)"]
    assert [row["first_overlap"] for row in second] == [1.0] * 4
    assert all(row["first_cka"] == pytest.approx(1.0) for row in second)


def test_json_has_all(lamella, pair, texts):
    status, out, err = lamella(
        pair[1], "--ref", pair[0], "--text", texts, "--labels", "mood", *SMALL, "--format", "json",
    )  # fmt: skip
    found = json.loads(out)
    assert (status, err) == (0, "") and out.isascii()
    assert found["texts"] == 90 and found["columns"] == ["mood"]
    assert found["measured"] == {"k": 4, "z": 1.6, "overlap_k": 8, "share": None}
    assert [row["layer"] for row in found["layers"]] == LAYERS * 2
    row = found["layers"][-1]
    assert row["dimension"] > 0 and row["dimension_error"] > 0 and row["two_nn"] > 0
    assert 0 <= row["mood overlap"] <= 1 and 0 <= row["mood nearest"] <= 1 and row["clusters"] >= 1
    assert {(scale["n1"], scale["n2"]) for scale in found["scales"]} >= {(1, 2), (2, 4), (4, 8)}
    assert all((one["n1"] == 1) == (one["estimator"] == "two_nn") for one in found["scales"])
    assert row["dimension_n1"] == 4
    assert [(p["space"], p["other_space"]) for p in found["pairs"]] == [
        ("base", "base"), ("tuned", "tuned"), ("base", "tuned")
    ]  # fmt: skip
    assert np.array(found["pairs"][2]["cka"], float).shape == (4, 4)
    assert np.diag(found["pairs"][0]["overlap"]).tolist() == [1.0] * 4


@pytest.mark.parametrize("form", ["csv", "tsv", "md"])
def test_tables_for_other_programs(lamella, pair, texts, form):
    words = (pair[0], "--text", texts, "--labels", "mood", *SMALL)
    for more in ((), ("--matrix", "cka"), ("--layer", "layers.1")):
        status, out, _ = lamella(*words, *more, "--format", form)
        assert status == 0 and "model.layers.1" in out.replace("\\_", "_")
        if form == "csv":
            rows = list(csv.DictReader(io.StringIO(out)))
            assert len(rows) == (4 if not more else 16 if more[0] == "--matrix" else len(rows))
            assert {row["space"] for row in rows} == {"base"}


def test_layers_against_layers(lamella, pair, texts):
    words = (pair[1], "--ref", pair[0], "--text", texts, *SMALL)
    status, out, _ = lamella(*words, "--matrix", "overlap")
    assert status == 0 and "shared neighbours, base down, tuned across" in out
    assert out.count("0 model.embed_tokens") == 3


def test_one_layer_has_clusters_with_texts(lamella, pair, texts):
    words = (pair[1], "--ref", pair[0], "--text", texts, "--labels", "mood", *SMALL,
             "--layer", "layers.1")  # fmt: skip
    status, out, _ = lamella(*words)
    assert status == 0 and out.count("model.layers.1") == 2 and "cluster 1" in out
    assert "mood: " in out and "two components explain" in out
    found = json.loads(lamella(*words, "--format", "json")[1])
    assert [detail["space"] for detail in found["details"]] == ["base", "tuned"]
    detail = found["details"][1]
    lines = [line.split("\t")[1] for line in Path(texts).read_text().splitlines()[1:]]
    assert detail["clusters"][0]["examples"] and detail["points"]
    assert all(text in lines for one in detail["clusters"] for text in one["examples"])
    assert sum(one["size"] for one in detail["clusters"]) == len(detail["points"])


@pytest.mark.parametrize("name", ["layers", "nowhere", "7", ""])
def test_a_layer_that_is_none_is_told(lamella, pair, texts, name):
    status, out, err = lamella(pair[0], "--text", texts, *SMALL, "--layer", name)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1
    assert "model.embed_tokens to model.norm" in err


@pytest.mark.parametrize(("where", "names"), [
    ("blocks", LAYERS),
    ("mlp", ["model.layers.0.mlp", "model.layers.1.mlp"]),
    ("norm", ["model.norm"]),
])  # fmt: skip
def test_where_is_a_place_or_a_pattern(lamella, pair, texts, where, names):
    words = (pair[0], "--text", texts, *SMALL, "--at", where, "--format", "json")
    found = json.loads(lamella(*words)[1])
    assert [row["layer"] for row in found["layers"]] == names


def test_the_norms_before_attention_are_a_place(lamella, pair, texts):
    words = (pair[0], "--text", texts, *SMALL, "--at", "norm1", "--format", "json")
    names = [row["layer"] for row in json.loads(lamella(*words)[1])["layers"]]
    assert [name for name in names if "layernorm" in name] == [
        "model.layers.0.input_layernorm", "model.layers.1.input_layernorm"
    ]  # fmt: skip


def test_prompts_ask_the_same_questions(lamella, pair, texts):
    words = (pair[0], "--text", texts, "--labels", "mood", *SMALL, "--shots", "0", "--shots", "2",
             "--template", "{text} is {label}\\n")  # fmt: skip
    status, out, err = lamella(*words)
    assert status == 0 and out.startswith("1 base, 0-shot  80 texts\n2 base, 2-shot  80 texts\n")
    assert "10 texts are set aside as examples of prompts" in out and err == ""


def test_the_sign_of_a_number_is_a_label(lamella, pair, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "rated.tsv"
    words = [["good", "bad"][at % 2] + " film" * (1 + at // 9) for at in range(60)]
    rows = [f"{rng.normal() * 3:.2f}\t{' '.join(one.split()[:20])}" for one in words]
    path.write_text("rating\ttext\n" + "\n".join(rows) + "\n")
    status, out, _ = lamella(pair[0], "--text", path, "--labels", "rating:sign", *SMALL,
                             "--layer", "layers.0", "--format", "json")  # fmt: skip
    found = json.loads(out)
    assert status == 0 and found["columns"] == ["rating:sign"]
    assert {label for point in found["details"][0]["points"] for label in point["labels"]} == {
        "positive", "negative"
    }  # fmt: skip


def test_saved_representations_say_the_same(lamella, pair, texts, tmp_path):
    folder = tmp_path / "kept"
    words = ("--text", texts, "--labels", "mood")
    out = lamella(pair[0], *words, *SMALL, "--save-representations", folder, "--format", "json")
    first = json.loads(out[1])
    assert out[0] == 0 and "base.npz" in out[2]
    again = json.loads(lamella("--saved", folder / "base.npz", *SMALL, "--format", "json")[1])
    assert again["layers"] == first["layers"] and again["scales"] == first["scales"]
    status, out, err = lamella(pair[0], *words, *SMALL, "--save-representations", folder)
    assert status == 2 and "is there already" in err


def test_arrays_of_others_are_spaces_of_the_same_texts(lamella, texts, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "layer.npy"
    np.save(path, rng.normal(size=(90, 5)))
    words = ("--saved", path, "--text", texts, "--labels", "mood", *SMALL)
    status, out, err = lamella(*words)
    assert (status, err) == (0, "") and "layer" in out.splitlines()[0]
    np.save(tmp_path / "other.npy", rng.normal(size=(80, 5)))
    status, out, err = lamella("--saved", path, "--saved", tmp_path / "other.npy", *SMALL)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1 and "80" in err and "90" in err


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_curves_are_a_picture(lamella, pair, texts, tmp_path, ending):
    path = tmp_path / f"curves.{ending}"
    status, out, err = lamella(pair[1], "--ref", pair[0], "--text", texts, "--labels", "mood",
                               *SMALL, "--output", path)  # fmt: skip
    assert (status, out, err) == (0, "", "")
    content = path.read_bytes()
    assert content.startswith(b"<svg" if ending == "svg" else b"\x89PNG")
    if ending == "svg":
        for word in (b"intrinsic dimension", b"base", b"tuned", b"mood: adjusted Rand index",
                     b"by chance", b"always answering"):  # fmt: skip
            assert word in content
    assert lamella(pair[0], "--text", texts, *SMALL, "--output", path)[0] == 2


# What has no number


def test_too_few_points_have_a_reason(lamella, pair, tmp_path):
    path = make_texts(tmp_path / "few.tsv", 9)
    status, out, err = lamella(pair[0], "--text", path, "--labels", "mood", "--pool", "mean")
    assert status == 0 and "n/a" in out
    assert "n/a: 9 distinct points, and 32 neighbours are needed" in out
    assert "fewer than 160 distinct points" in out and err == ""


def test_one_text_is_no_landscape_and_no_error(lamella, pair, tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("the film is good\n")
    status, out, _ = lamella(pair[1], "--ref", pair[0], "--text", path)
    assert status == 0 and "1 text" in out and "n/a: 1 distinct point," in out
    status, out, _ = lamella(pair[1], "--text", path, "--layer", "layers.0")
    assert status == 0 and "n/a: 1 distinct point," in out


def test_constant_representations_have_a_reason(lamella, pair, tmp_path):
    path = tmp_path / "same_end.tsv"
    rng = np.random.default_rng(1)
    words = ("the", "film", "is", "good", "bad", "story")
    rows = [f"{at % 2}\t{' '.join(rng.choice(words, 5))} ." for at in range(70)]
    path.write_text("mood\ttext\n" + "\n".join(rows) + "\n")
    status, out, _ = lamella(pair[0], "--text", path, "--labels", "mood", "-k", "4")
    assert status == 0
    assert "n/a: constant: all texts give the same point: model.embed_tokens" in out
    row = next(line for line in out.splitlines() if line.startswith("model.layers.1"))
    assert "n/a" not in row.split()[2]


def test_one_label_for_all_has_a_reason(lamella, pair, tmp_path):
    path = tmp_path / "one_label.tsv"
    lines = Path(make_texts(tmp_path / "texts.tsv", 60)).read_text().splitlines()
    path.write_text("\n".join([lines[0], *["up" + line[line.index("\t") :] for line in lines[1:]]]))
    status, out, _ = lamella(pair[0], "--text", path, "--labels", "mood", *SMALL)
    assert status == 0 and "n/a: all texts have one label" in out


def test_nan_is_left_out_and_told(lamella, pair, texts):
    base, _ = pair
    made = weights(0)
    made["model.layers.1.mlp.down_proj.weight"][:] = np.nan
    save_file(made, Path(base) / "model.safetensors")
    status, out, _ = lamella(base, "--text", texts, "--labels", "mood", *SMALL)
    assert status == 0 and "texts with NaN or infinity, up to 90" in out
    first, last = (next(line for line in out.splitlines() if line.startswith(name))
                   for name in ("model.layers.0", "model.layers.1"))  # fmt: skip
    assert "n/a" not in first and last.split()[1:3] == ["0", "n/a"]
    found = json.loads(lamella(base, "--text", texts, *SMALL, "--format", "json")[1])
    assert found["layers"][2]["nonfinite"] == 90 and found["layers"][2]["dimension"] is None
    assert lamella(base, "--text", texts, *SMALL, "--layer", "layers.1")[0] == 0


# What goes wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--z", "-1"), "--z"), (("--z", "nan"), "--z"), (("--share", "0"), "--share"),
        (("--labels", "nobody"), "nobody"), (("--template", "x"), "--shots"),
        (("--shots", "2"), "labels"), (("--shots", "2", "--template", "x"), "{text}"),
        (("--layer", "x", "--matrix", "cka"), "--matrix"), (("--output", "x.pdf"), "ending"),
        (("--layer", "x", "--output", "x.svg"), "--layer"), (("--at", "nowhere"), "nowhere"),
        (("--saved", "nowhere.npy"), "nowhere.npy"), (("--labels", "text:sign"), "no number"),
        (("--output", "x.csv", "--format", "json"), "--format"),
        (("--stage", "nowhere"), "nowhere"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(lamella, pair, texts, words, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, out, err = lamella(pair[0], "--text", texts, *words)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1 and said in err, err
    assert "please report" not in err and not list(tmp_path.glob("x.*"))


def test_without_model_or_texts_it_says_what_to_give(lamella, pair):
    assert "give MODEL" in lamella("--text", "x")[2]
    assert "give --text FILE" in lamella(pair[0])[2]
    assert "give --text FILE" in lamella("--saved", "x", "--labels", "mood")[2]
    assert "give MODEL" in lamella("--saved", "x", "--ref", pair[0])[2]


# Strangers


def test_a_strangers_words_are_only_text(lamella, pair, tmp_path):
    odd = "\x1b]0;owned\x07 \u202e film"
    base, tuned = pair
    (tmp_path / "folder\x1b[2J").mkdir()
    path = tmp_path / "folder\x1b[2J" / "odd.tsv"
    rows = [f"the {' good' * (1 + at % 17)} {odd}\t{odd}{at % 2}" for at in range(40)]
    path.write_text(f"text\t{odd}\n" + "\n".join(rows) + "\n")
    for folder in (base, tuned):
        config = Path(folder) / "config.json"
        found = json.loads(config.read_text()) | {"_name_or_path": odd, "architectures": [odd]}
        config.write_text(json.dumps(found))
    words = (tuned, "--ref", base, "--text", path, "--labels", odd, *SMALL)
    runs = [
        (), ("--matrix", "cka"), ("--layer", "layers.1"), ("--format", "csv"), ("--format", "md"),
        ("--format", "csv", "--layer", "layers.1"), ("--labels", "\x1b[31m"), ("--at", "\x1b[31m"),
        ("--layer", "\x07"), ("--saved", "\x1b[2J"), ("--shots", "2", "--template", "\x1b[2J"),
    ]  # fmt: skip
    for more in runs:
        _, out, err = lamella(*words, *more)
        for char in "\x1b\x07\u202e":
            assert char not in out + err, (more, char)
    picture = tmp_path / "curves.svg"
    lamella(*words, "--output", picture)
    assert not any(char in picture.read_text() for char in "\x1b\x07\u202e")


def test_the_choices_are_those_of_the_core():
    from inspect_core.geometry import records, representations
    from tui.cli import geometry as line

    assert set(line.POOLINGS) == set(representations.POOLINGS)
    assert set(line.MATRICES) == {records.OVERLAP, records.CKA}


# As a program


def test_in_a_process_of_its_own(pair, texts):
    base, tuned = pair
    command_line = [sys.executable, "-m", "tui", "geometry", tuned, "--ref", base, "--text", texts,
                    "--labels", "mood", *SMALL, "--format", "json"]  # fmt: skip
    done = subprocess.run(command_line, capture_output=True, text=True, timeout=150, check=False,
                          env={**os.environ, "NO_COLOR": "1"})  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["layer"] for row in json.loads(done.stdout)["layers"]] == LAYERS * 2
