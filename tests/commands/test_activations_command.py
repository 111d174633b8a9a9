"""`lamella activations`, through the command line, on tiny models."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_readers import make_reader, make_texts, weights
from safetensors.numpy import save_file

from inspect_core.control import Progress
from inspect_core.work import stages
from inspect_core.work.backend import Threads
from tui import format as fmt
from tui.cli import main
from tui.commands import activations as command

LAYERS = ["model.layers.0", "model.layers.1"]


@pytest.fixture
def pair(tmp_path):
    return make_reader(tmp_path / "base", 0), make_reader(tmp_path / "tuned", 1)


@pytest.fixture
def texts(tmp_path):
    return make_texts(tmp_path / "texts.tsv", 60)


@pytest.fixture
def lamella(monkeypatch, capsys):
    """Run the command in this process: status, output, errors."""
    stages.forget()
    monkeypatch.setattr(command, "workers", Threads)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["lamella", "activations", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        found = capsys.readouterr()
        return ended.value.code or 0, found.out, found.err

    return run


def test_a_table_for_people(lamella, pair, texts):
    base, tuned = pair
    status, out, err = lamella(tuned, "--ref", base, "--text", texts)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("--- base  60 texts") and lines[1].startswith("+++ tuned")
    assert lines[2] == "strongest unit a word, by positive part; what the modules give"
    assert [line.split()[0] for line in lines[5:7]] == LAYERS
    assert "moved most" in out and "neuron " in out and " → " in out
    assert "fewer than 20 activations are not listed; --all lists them" in out
    assert not any(line.endswith(" ") for line in lines)


def test_a_model_alone_is_listed_by_mass(lamella, pair, texts):
    status, out, _ = lamella(pair[0], "--text", texts, "--all")
    assert status == 0 and "distance" not in out and "by activation mass" in out


def test_json_has_all(lamella, pair, texts):
    base, tuned = pair
    status, out, err = lamella(
        tuned, "--ref", base, "--text", texts, "--label", "mood", "--tags-column", "tags",
        "--all", "--format", "json",
    )  # fmt: skip
    found = json.loads(out)
    assert (status, err) == (0, "") and out.isascii()
    assert found["model"] == "tuned" and found["reference"] == "base"
    assert [row["site"] for row in found["modules"]] == LAYERS
    assert len(found["neurons"]) == 16 and found["hidden"] == 0
    assert {row["column"] for row in found["tags"]} == {"tag", "mood"}
    first = found["neurons"][0]
    assert 0 <= first["distance"] <= 1 and 0 <= first["mood distance"] <= 1
    assert first["union"] >= max(first["length_before"], first["length_after"])


def test_hidden_neurons_are_counted(lamella, pair, texts):
    words = (pair[1], "--ref", pair[0], "--text", texts, "--by", "neuron", "--format", "json")
    few, all_of_them = (json.loads(lamella(*words, *more)[1]) for more in ((), ("--all",)))
    assert few["hidden"] > 0 and all_of_them["hidden"] == 0
    assert len(few["neurons"]) + few["hidden"] == len(all_of_them["neurons"]) == 16
    assert not any(row["rare"] for row in few["neurons"]) and "modules" not in few


@pytest.mark.parametrize("by", ["neuron", "module", "tag", "label"])
def test_tables_for_other_programs(lamella, pair, texts, by):
    words = (pair[1], "--ref", pair[0], "--text", texts, "--label", "mood", "--tags-column",
             "tags", "--by", by)  # fmt: skip
    status, out, _ = lamella(*words, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0 and {row["site"] for row in rows} == set(LAYERS)
    if by in ("tag", "label"):
        assert {row["column"] for row in rows} == {"tag" if by == "tag" else "mood"}
    status, out, _ = lamella(*words)
    assert status == 0 and all(site in out for site in LAYERS)


def test_rows_are_sorted_as_asked(lamella, pair, texts):
    words = (pair[1], "--ref", pair[0], "--text", texts, "--module", "layers.1", "--all")
    for key in ("mass", "count", "union"):
        out = lamella(*words, "--sort", key, "--format", "json")[1]
        column = key if key == "union" else f"{key}_after"
        values = [row[column] for row in json.loads(out)["neurons"]]
        assert values == sorted(values, reverse=True) and len(values) == 8
    out = lamella(*words, "--sort", "unit", "--format", "json", "--top-rows", "3")[1]
    assert [row["unit"] for row in json.loads(out)["neurons"]] == [0, 1, 2]


def test_the_published_distance_on_request(lamella, pair, texts):
    words = (pair[1], "--ref", pair[0], "--text", texts, "--module", "layers.1")
    out = lamella(*words, "--original", "--format", "json", "--all")[1]
    values = [row["original"] for row in json.loads(out)["neurons"]]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=True) and known and max(known) < 0.5
    assert "TX-Ray's" in lamella(*words, "--original")[1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "strongest unit a word, by positive part"),
        (("--top", "3", "--sign", "magnitude"), "strongest 3 units a word, by magnitude"),
        (("--over", "0.5", "--sign", "value"), "all units over 0.5, by value"),
        (("--inputs",), "what the modules read"),
    ],
)
def test_what_counts_is_always_said(lamella, pair, texts, more, said):
    status, out, _ = lamella(pair[0], "--text", texts, *more)
    assert status == 0 and said in out.splitlines()[1]


def test_one_neuron_has_words_and_sentences(lamella, pair, texts):
    words = (pair[1], "--ref", pair[0], "--text", texts, "--tags-column", "tags")
    [first, *_] = json.loads(lamella(*words, "--format", "json", "--sort", "count")[1])["neurons"]
    place = f"{first['site'].removeprefix('model.')}:{first['unit']}"
    status, out, _ = lamella(*words, "--neuron", place)
    assert status == 0 and f"neuron {first['unit']} of {first['site']}" in out
    assert "before: base" in out and "after: tuned" in out and "of mass after" in out
    found = json.loads(lamella(*words, "--neuron", place, "--format", "json")[1])
    assert found["unit"] == first["unit"]
    lines = [line.split("\t")[1] for line in Path(texts).read_text().splitlines()[1:]]
    assert all(row["sentence"] in lines for row in found["words"])
    status, out, _ = lamella(*words, "--neuron", place, "--format", "tsv")
    assert out.startswith('"site"\t"unit"\t"side"\t"word"')


def test_a_number_alone_needs_one_module(lamella, pair, texts):
    words = (pair[0], "--text", texts)
    status, _, err = lamella(*words, "--neuron", "3")
    assert status == 2 and "model.layers.1:3" in err
    assert lamella(*words, "--neuron", "3", "--module", "layers.1")[0] == 0
    for wrong in ("x", "nowhere:3", "layers.1:99999", "layers.1:-1"):
        status, out, err = lamella(*words, "--neuron", wrong)
        assert status == 2 and not out and len(err.splitlines()) == 1


def test_two_texts_on_one_model(lamella, pair, texts, tmp_path):
    other = make_texts(tmp_path / "other.tsv", 30, seed=3)
    status, out, _ = lamella(pair[0], "--text", other, "--text", texts)
    assert status == 0
    assert out.startswith("--- base on other.tsv  30 texts")
    assert "+++ base on texts.tsv  60 texts" in out


def test_three_stages_in_one_table(lamella, pair, texts, tmp_path):
    early = make_reader(tmp_path / "early", 2)
    words = (pair[1], "--ref", pair[0], "--stage", early, "--text", texts)
    status, out, _ = lamella(*words, "--all")
    assert status == 0
    assert [line[:7] for line in out.splitlines()[:3]] == ["1 base ", "2 early", "3 tuned"]
    assert "1 to 2  1 to 3  2 to 3" in out
    found = json.loads(lamella(*words, "--format", "json")[1])
    assert found["stages"] == ["base", "early", "tuned"]
    assert [row["site"] for row in found["modules"]] == LAYERS
    out = lamella(*words, "--format", "csv", "--by", "module")[1]
    assert "mean_2_3" in out.splitlines()[0]


def table_of(path: Path, shift: int) -> str:
    rows = ["inputs\tPOS\tmax_activations\tmax_activation_index"]
    rows += [f"w{(at * 7 + shift) % 9}\tNN\t{1 + at % 3}.5\t{at % 3}" for at in range(120)]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_tables_of_the_original(lamella, tmp_path):
    tables = [table_of(tmp_path / f"{name}.tsv", at) for at, name in enumerate("abc")]
    two = ("--table", tables[0], "--table", tables[1])
    status, out, err = lamella(*two)
    assert (status, err) == (0, "") and out.startswith("--- a.tsv") and "moved most" in out
    assert "after: b.tsv" in lamella(*two, "--neuron", "2")[1]
    status, out, _ = lamella(*two, "--table", tables[2])
    assert status == 0 and "1 to 3" in out
    assert lamella("--table", tables[0])[0] == 0


def test_a_newly_made_neuron_is_shown(lamella, tmp_path):
    head = "inputs\tPOS\tmax_activations\tmax_activation_index"
    sides = ([("same", 0)] * 40 + [("old", 2)] * 25, [("same", 0)] * 40 + [("probe", 1)] * 32)
    tables = []
    for name, rows in zip(("before", "after"), sides, strict=True):
        path = tmp_path / f"{name}.tsv"
        lines = [f"{word}\tNN\t2.0\t{unit}" for word, unit in rows]
        path.write_text("\n".join([head, *lines]) + "\n")
        tables += ["--table", path]
    status, out, err = lamella(*tables)
    assert (status, err) == (0, "")
    assert "moved most" not in out and "none moved" in out, "the shared one is where it was"
    section = out.partition("newly active / gone silent, by mass")[2].splitlines()
    new, gone = section[1:3]
    assert new.split()[1] == "1" and "probe" in new and "64" in new and "nothing before" in new
    assert gone.split()[1] == "2" and "old" in gone and "50" in gone and "nothing after" in gone
    rows = json.loads(lamella(*tables, "--format", "json")[1])["neurons"]
    found = {row["unit"]: (row["state"], row["rare"], row["distance"]) for row in rows}
    assert found[1] == ("new", 0, None) and found[2] == ("gone", 0, None)
    assert rows[0]["unit"] == 0, "by distance first those that have one"


def test_a_file_is_written_once(lamella, pair, texts, tmp_path):
    words = (pair[1], "--ref", pair[0], "--text", texts)
    for name in ("out.json", "out.csv", "out.md", "out.txt"):
        path = tmp_path / name
        status, out, err = lamella(*words, "--output", path)
        assert (status, out, err) == (0, "", "") and path.stat().st_size > 100
        status, _, err = lamella(*words, "--output", path)
        assert status == 2 and "is there already" in err
    assert json.loads((tmp_path / "out.json").read_text())["model"] == "tuned"


def test_a_model_alone_has_no_two_sides(lamella, pair, texts):
    words = (pair[0], "--text", texts, "--label", "mood", "--tags-column", "tags", "--all",
             "--format", "json")  # fmt: skip
    found = json.loads(lamella(*words)[1])
    assert found["reference"] is None and found["reference_path"] is None
    assert found["samples"] == [None, 60] and found["tokens"][0] is None
    for rows in (found["neurons"], found["modules"], found["tags"]):
        for row in rows:
            assert all(value is None for key, value in row.items() if key.endswith("_before"))
    assert {row["state"] for row in found["neurons"]} <= {"active", "dead"}
    place = f"{found['neurons'][0]['site']}:{found['neurons'][0]['unit']}"
    one = json.loads(lamella(*words, "--neuron", place)[1])
    assert {row["side"] for row in one["words"]} == {"after"}
    assert all(row["mass_before"] is None for row in one["tags"])


def test_a_report_from_python_is_json_too(pair, texts):
    from inspect_core import activation_report, to_json

    report = activation_report(pair[1], pair[0], texts=texts, device="cpu")
    assert len(repr(report)) < 200 and len(repr(report.sites[0])) < 400
    found = json.loads(to_json(report))
    assert (found["model"], found["reference"]) == ("tuned", "base")
    assert len(found["neurons"]) == 16 and [row["site"] for row in found["modules"]] == LAYERS


def test_json_says_how_it_was_made(lamella, pair, texts):
    found = json.loads(
        lamella(pair[1], "--ref", pair[0], "--text", texts, "--top", "3", "--sign", "magnitude",
                "--tokenizer", pair[0], "--format", "json", "--all")[1]
    )  # fmt: skip
    assert found["rule_details"] == {
        "kind": "top", "k": 3, "threshold": None, "sign": "magnitude", "lower": True,
    }  # fmt: skip
    assert (found["model_path"], found["reference_path"]) == (pair[1], pair[0])
    assert found["texts"] == [texts] and found["tokenizer"] == pair[0]
    assert found["inputs"] is False and found["version"]
    assert {type(row["rare"]) for row in found["neurons"]} == {bool}


@pytest.mark.parametrize("form", ["csv", "tsv", "md"])
def test_without_rows_there_is_still_a_header(lamella, pair, tmp_path, form):
    path = tmp_path / "one.txt"
    path.write_text("the film is good\n")
    words = (pair[1], "--ref", pair[0], "--text", path, "--format", form)
    few, some = lamella(*words)[1], lamella(*words, "--all")[1]
    assert few.splitlines()[0] == some.splitlines()[0] and "distance" in few
    assert few.count("\n") == (2 if form == "md" else 1)


def test_a_neuron_tells_its_numbers(lamella, pair, texts):
    words = (pair[1], "--ref", pair[0], "--text", texts, "--all")
    rows = json.loads(lamella(*words, "--format", "json", "--sort", "count")[1])["neurons"]
    row = next(row for row in rows if row["distance"])
    out = lamella(*words, "--neuron", f"{row['site']}:{row['unit']}")[1]
    assert f"distance {fmt.number(row['distance'])}" in out
    assert f"{row['length_before']} " in out and f"{row['count_after']}" in out
    assert "activations" in out and "mass" in out


def test_a_neuron_of_a_module_that_is_not_among_the_usual_ones(lamella, pair, texts):
    status, out, err = lamella(pair[0], "--text", texts, "--neuron", "layers.1.mlp.act_fn:3")
    assert (status, err) == (0, "") and "neuron 3 of model.layers.1.mlp.act_fn" in out


def test_stages_tell_tokens_and_activations(lamella, pair, texts, tmp_path):
    early = make_reader(tmp_path / "early", 2)
    words = (pair[1], "--ref", pair[0], "--stage", early, "--text", texts, "--all")
    out = lamella(*words)[1]
    assert "60 texts  " in out.splitlines()[0] and " tokens" in out.splitlines()[0]
    assert "activations" in out


# What goes wrong


def no_tokenizer(base, texts, folder):
    (Path(base) / "tokenizer.json").unlink()
    return [base, "--text", texts], ("no tokenizer", "--tokenizer DIR")


def no_text_column(base, texts, folder):
    path = folder / "odd.tsv"
    path.write_text("7\tgood film\n8\tbad film\n")
    return [base, "--text", path], ("which column", "--text-column")


def no_text(base, texts, folder):
    path = folder / "empty.txt"
    path.write_text("\n\n")
    return [base, "--text", path], ("no text",)


def no_such_text(base, texts, folder):
    return [base, "--text", folder / "nowhere.txt"], ("no such file",)


def no_output(base, texts, folder):
    return [base, "--text", texts, "--module", "model.layers"], ("gives values", "choose")


def no_such_module(base, texts, folder):
    return [base, "--text", texts, "--module", "nowhere"], ("nowhere", "lamella tree")


def no_config(base, texts, folder):
    (Path(base) / "config.json").unlink()
    return [base, "--text", texts], ("config.json",)


def no_such_tagger(base, texts, folder):
    return [base, "--text", texts, "--tagger", "nobody"], ("nobody", "textblob")


@pytest.mark.parametrize(
    "make",
    [no_tokenizer, no_text_column, no_text, no_such_text, no_output, no_such_module, no_config,
     no_such_tagger],
)  # fmt: skip
def test_what_cannot_be_done_says_what_to_do(lamella, pair, texts, tmp_path, make):
    words, said = make(pair[0], texts, tmp_path)
    status, out, err = lamella(*words)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1 and err.startswith("lamella: ")
    assert all(part in err for part in said), err
    assert "please report" not in err and "Traceback" not in err


def test_one_line_is_enough(lamella, pair, tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("the film is good\n")
    status, out, err = lamella(pair[1], "--ref", pair[0], "--text", path)
    assert (status, err) == (0, "") and "1 text " in out
    assert "no neuron has 20 activations on both sides" in out
    status, out, _ = lamella(pair[1], "--ref", pair[0], "--text", path, "--all")
    assert status == 0 and "neuron " in out


def test_a_model_too_large_for_memory_says_so_before_it_is_read(lamella, pair, texts, monkeypatch):
    from inspect_core.capture import memory

    monkeypatch.setattr(memory, "free_bytes", lambda *_: 1000)
    status, out, err = lamella(pair[0], "--text", texts)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1
    assert "memory" in err and "please report" not in err


@pytest.mark.parametrize(
    "words",
    [
        ("--rule", "max", "--top", "3"), ("--rule", "top", "--over", "1"),
        ("--top", "3", "--over", "1"), ("--table", "x.tsv"), ("--output", "x.pdf"),
        ("--output", "x.csv", "--format", "json"), ("--tagger", "textblob", "--tags-column", "t"),
        ("--text", "b", "--text", "c"), ("--stage", "x", "--neuron", "3"), ("--over", "nan"),
        ("--over", "inf"), ("--by", "tag"), ("--by", "label"), ("--stage", "x", "--by", "tag"),
        ("--text", "-"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(lamella, pair, texts, words):
    status, out, err = lamella(pair[0], "--text", texts, *words)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1


def test_without_model_or_texts_it_says_what_to_give(lamella, pair):
    assert "give MODEL" in lamella("--text", "x")[2]
    assert "give --text FILE" in lamella(pair[0])[2]


def test_progress_without_bytes_has_a_rate_that_leaves_loading_out(monkeypatch):
    from tui.commands import progress

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream, now = Terminal(), [0.0]
    monkeypatch.setattr(progress, "columns", lambda _: 80)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.ProgressLine() as control:
        for seconds, done in ((10, 0), (100, 50), (105, 100)):
            now[0] = seconds
            control.report(Progress(done, 200, "texts"))
    assert "100 of 200 texts  10 a second  10 s left" in stream.getvalue()


def test_the_choices_are_those_of_the_core():
    from inspect_core.activations import ranking, rule
    from tui.cli import activations as line

    assert tuple(ranking.ORDERS) == line.ORDERS
    assert set(line.RULES) == {rule.MAX, rule.TOP, rule.OVER}
    assert set(line.SIGNS) == {rule.VALUE, rule.POSITIVE, rule.MAGNITUDE}


# Strangers


ODD = "\x1b]0;owned\x07 \u202e film"


def test_a_strangers_words_are_only_text(lamella, pair, tmp_path):
    base, tuned = pair
    (tmp_path / "folder\x1b[2J").mkdir()
    path = tmp_path / "folder\x1b[2J" / "odd.tsv"
    rows = [f"the {ODD} is good\t{ODD}" for _ in range(30)]
    path.write_text(f"text\t{ODD}\n" + "\n".join(rows) + "\n")
    for folder in (base, tuned):
        config = Path(folder) / "config.json"
        found = json.loads(config.read_text()) | {"_name_or_path": ODD, "architectures": [ODD]}
        config.write_text(json.dumps(found))
    words = (tuned, "--ref", base, "--text", path, "--label", ODD, "--all")
    runs = [
        (), ("--by", "label"), ("--by", "neuron"), ("--format", "csv"), ("--format", "md"),
        ("--neuron", "layers.1:0"), ("--format", "csv", "--by", "label"),
        ("--label", "\x1b[31mnone"), ("--module", "\x1b[31m"), ("--text-column", "\x07"),
    ]  # fmt: skip
    for more in runs:
        _, out, err = lamella(*words, *more)
        for char in "\x1b\x07\u202e":
            assert char not in out + err, (more, char)
    out = lamella(*words, "--format", "json")[1]
    found = json.loads(out)
    assert out.isascii() and any(row["column"] == ODD for row in found["tags"])


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 50_000, b"\xff\xfe", b'{"model": "\x1b[2J"}']
)
def test_a_strangers_tokenizer_is_one_line(lamella, pair, texts, content):
    (Path(pair[0]) / "tokenizer.json").write_bytes(content)
    status, out, err = lamella(pair[0], "--text", texts)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1
    assert "\x1b" not in err and "please report" not in err


# As a program


def test_in_a_process_of_its_own(pair, texts):
    base, tuned = pair
    save_file(weights(0), Path(tuned) / "model.safetensors")  # the same weights: nothing moved
    command_line = [sys.executable, "-m", "tui", "activations", tuned, "--ref", base, "--text",
                    texts, "--by", "module", "--format", "json"]  # fmt: skip
    done = subprocess.run(command_line, capture_output=True, text=True, timeout=150, check=False,
                          env={**os.environ, "NO_COLOR": "1"})  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["weighted_distance"] for row in json.loads(done.stdout)["modules"]] == [0, 0]
