"""What `lamella diff` can be asked for, through the command line."""

import csv
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tui.cli import main
from tui.demo import demo_pair

BASE, MODEL = demo_pair()
F32 = np.float32
NAN = np.array([1, np.nan], F32)


@pytest.fixture
def diff(monkeypatch, capsys):
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamella", "diff", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def made(tmp_path: Path):
    def make(*models: dict) -> list[str]:
        paths = [str(tmp_path / f"m{at}.safetensors") for at in range(len(models))]
        for path, tensors in zip(paths, models, strict=True):
            save_file(tensors, path)
        return paths

    return make


def records(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_metrics_are_columns_in_their_order(diff) -> None:
    words = ("--format", "csv", "--metric", "cosine,sum_abs", "--metric", "median_abs")
    status, out, err = diff(BASE, MODEL, *words)
    assert (status, err) == (0, "")
    keys = list(records(out)[0])
    assert keys[keys.index("numel") + 1 : keys.index("rounding")] == [
        "cosine", "sum_abs", "median_abs",
    ]  # fmt: skip
    changed = [row for row in records(out) if row["status"] == "changed"]
    assert changed and all(float(row["median_abs"]) > 0 for row in changed)


def test_all_metrics_have_numbers(diff) -> None:
    from inspect_core.delta.metrics import METRICS

    document = json.loads(diff(BASE, MODEL, "--all-metrics", "--format", "json", "--top", "1")[1])
    (tensor,) = document["tensors"]
    assert all(isinstance(tensor[key], float) for key in METRICS)
    by_kind = diff(BASE, MODEL, "--all-metrics", "--format", "json", "--by", "kind")[1]
    assert {*METRICS} <= json.loads(by_kind)["rows"][0].keys()


def test_a_wrong_metric_says_which_there_are(diff) -> None:
    status, out, err = diff(BASE, MODEL, "--metric", "nothing\x1b")
    assert (status, out) == (2, "") and "there are rel_l2, " in err and "\x1b" not in err
    assert "add --original" in diff(BASE, MODEL, "--metric", "l1")[2]
    assert diff(BASE, MODEL, "--metric", "l1", "--original")[0] == 0


@pytest.mark.parametrize("by", ["tensor", "layer", "kind", "type"])
def test_the_formats_say_the_same(diff, by) -> None:
    words = ("--by", by, "--metric", "rel_l2")
    document = json.loads(diff(BASE, MODEL, "--format", "json", *words)[1])
    rows = document["tensors" if by == "tensor" else "rows"]
    assert document["summary"]["counts"]["changed"] == 55
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        found = records(diff(BASE, MODEL, "--format", form, *words)[1], delimiter)
        assert [row["name"] for row in found] == [row["name"] for row in rows]
        numbers = [float(row["rel_l2"]) if row["rel_l2"] else None for row in found]
        assert numbers == [row["rel_l2"] for row in rows]
    lines = diff(BASE, MODEL, "--format", "md", *words)[1].splitlines()
    assert len(lines) == 2 + len(rows)


def test_types_have_averages_of_both_kinds(diff) -> None:
    status, out, _ = diff(BASE, MODEL, "--by", "type")
    assert status == 0
    assert out.index("every tensor counts the same") < out.index("weighted by size")
    document = json.loads(diff(BASE, MODEL, "--by", "type", "--format", "json")[1])
    rows = {row["type"]: row for row in document["rows"]}
    assert rows["all weight"]["n"] == 74 == sum(
        rows[name]["n"] for name in ("norm weight", "other weight")
    )  # fmt: skip
    published = diff(BASE, MODEL, "--by", "type", "--original", "--format", "tsv")[1]
    assert [row["type"] for row in records(published, "\t")][:2] == [
        "layer_norm_bias", "layer_norm_weight",
    ]  # fmt: skip


def test_top_over_and_what_is_left_out(diff) -> None:
    out = diff(BASE, MODEL, "--by", "layer", "--top", "2")[1]
    assert "8 more rows are not listed\n" in out
    document = json.loads(diff(BASE, MODEL, "--format", "json", "--top", "3")[1])
    assert len(document["tensors"]) == 3
    assert document["summary"]["counts"]["changed"] == 55  # of all, not of those listed
    changes = [tensor["rel_l2"] for tensor in document["tensors"]]
    assert changes == sorted(changes, reverse=True)
    over = json.loads(diff(BASE, MODEL, "--format", "json", "--over", changes[-1])[1])
    assert len(over["tensors"]) == 3
    assert diff(BASE, MODEL, "--top", "0")[0] == 2


def test_patterns_can_be_repeated_and_turned_around(diff) -> None:
    def names(*words: str) -> list[str]:
        return [row["name"] for row in records(diff(BASE, MODEL, "--format", "csv", *words)[1])]

    both = names("--node", "model.layers.1", "--node", "model.norm")
    assert len(both) == 10
    less = names("--node", "model.layers.1", "--not", "*norm*")
    assert less and set(less) < set(both) and not any("norm" in name for name in less)
    assert len(names("--not", "model.layers")) == 2
    for words in (("--node", "model.norm", "--node", "no"), ("--not", "no")):
        status, out, err = diff(BASE, MODEL, *words)
        assert (status, out) == (2, "")
        assert err == "lamella: no: no tensor of the two fits this pattern\n"
    status, out, err = diff(BASE, MODEL, "--node", "model.norm", "--not", "model")
    assert (status, out) == (2, "") and "leaves no tensor" in err


def test_limits_are_exit_codes(diff, made) -> None:
    assert diff(BASE, MODEL, "--fail-over", "rel_l2=100")[0] == 0
    status, out, err = diff(BASE, MODEL, "--fail-over", "rel_l2=0", "--format", "json", "--top", 1)
    assert status == 1 and len(json.loads(out)["tensors"]) == 1
    assert err.count("over the limit of 0") == 20 and "35 more are over a limit" in err
    assert diff(BASE, MODEL, "--by", "layer", "--fail-over", "max_abs=0")[0] == 1
    assert diff(BASE, BASE, "--fail-over", "max_abs=0", "--fail-over", "rel_l2=0")[0] == 0
    assert diff(BASE, MODEL, "--fail-over", "rel_l2=0", "--node", "model.layers.0")[0] == 0
    assert diff(BASE, MODEL, "--fail-over", "median_abs=0")[0] == 1
    pair = made({"w": np.ones(2, F32)}, {"w": NAN})
    status, _, err = diff(*pair, "--fail-over", "rel_l2=100")
    assert status == 1 and "NaN" in err
    other = made({"w": np.ones(2, F32)}, {"w": np.ones(3, F32)})
    assert diff(*other, "--fail-over", "rel_l2=100")[0] == 1
    status, out, err = diff(BASE, MODEL, "--fail-over", "rel_l2")
    assert (status, out) == (2, "") and "METRIC=VALUE" in err


def test_rounding_is_said_and_is_no_change(diff, made) -> None:
    rng = np.random.default_rng(1)
    frozen, trained = rng.normal(size=(2, 64, 64)).astype(F32)
    base = {"frozen": frozen, "trained": trained}
    model = {"frozen": frozen.astype(np.float16), "trained": (trained * 1.1).astype(np.float16)}
    pair = made(base, model)
    _, out, _ = diff(*pair)
    assert "equal up to rounding to F16" in out
    assert "2 tensors: 1 changed, 1 equal up to rounding\n" in out
    document = json.loads(diff(*pair, "--format", "json")[1])
    assert [tensor["status"] for tensor in document["tensors"]] == ["rounded", "changed"]
    assert document["summary"]["counts"]["rounded"] == 1
    rows = {row["name"]: row for row in records(diff(*pair, "--format", "csv")[1])}
    assert rows["frozen"]["rounding"] == "1.0" and float(rows["trained"]["rounding"]) < 0.01
    assert "explains 100%" in diff(*pair, "--node", "frozen")[1]
    assert diff(*pair, "--node", "frozen", "--exit-code")[0] == 1  # other bits, after all
    assert diff(*pair, "--node", "frozen", "--fail-over", "beyond_fraction=0")[0] == 0


def test_files_are_written_once_and_whole(diff, tmp_path) -> None:
    for name, form in (("a.json", "json"), ("a.csv", "csv"), ("a.tsv", "tsv"), ("a.md", "md")):
        path = tmp_path / name
        assert diff(BASE, MODEL, "--output", path)[:2] == (0, "")
        assert path.read_text() == diff(BASE, MODEL, "--format", form)[1]
        before = path.read_bytes()
        status, _, err = diff(BASE, MODEL, "--output", path)
        assert status == 2 and "is there already" in err and path.read_bytes() == before
    table = tmp_path / "table.txt"
    assert diff(BASE, MODEL, "--output", table)[:2] == (0, "")
    assert table.read_text() == diff(BASE, MODEL)[1]
    assert diff(BASE, MODEL, "--output", tmp_path / "no" / "a.csv")[0] == 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.json", "a.csv", "a.tsv", "a.md", "table.txt",
    }  # fmt: skip


MINUTE = r"20\d\d-\d\d-\d\d \d\d:\d\d"


def test_a_saved_result_is_as_good_as_the_two(diff, tmp_path) -> None:
    path = tmp_path / "result.lamella"
    assert diff(BASE, MODEL, "--save", path)[0] == 0
    for words in ((), ("--by", "layer"), ("--by", "type"), ("--format", "json"), ("--top", "3"),
                  ("--node", "model.layers.1"), ("--fail-over", "rel_l2=0.01")):  # fmt: skip
        (status, out, _), (expected, anew, _) = diff(path, *words), diff(BASE, MODEL, *words)
        if "json" in words:
            found = json.loads(out)
            assert re.fullmatch(MINUTE, found.pop("saved"))
            assert found == json.loads(anew)
        else:
            first, _, rest = out.partition("\n")
            assert re.fullmatch(f"a saved result of {MINUTE} UTC, not of the files .*", first)
            assert rest == anew
        assert status == expected
    kinds = json.loads(diff(path, "--by", "kind", "--format", "json")[1])
    assert re.fullmatch(MINUTE, kinds["saved"])
    assert "a saved result of" in diff(path, "--heatmap")[2]
    status, _, err = diff(path, "--metric", "median_abs")
    assert status == 2 and "was saved without" in err
    assert diff(BASE, MODEL, "--save", path)[0] == 2
    assert diff(BASE, MODEL, MODEL, "--save", tmp_path / "b")[0] == 2
    everything = tmp_path / "all.lamella"
    assert diff(BASE, MODEL, "--metric", "median_abs", "--save", everything)[0] == 0
    words = ("--metric", "median_abs", "--format", "csv")
    assert diff(everything, *words)[:2] == diff(BASE, MODEL, *words)[:2]
    assert diff(MODEL)[0] == 2


def test_several_models_have_a_column_each(diff, made) -> None:
    rng = np.random.default_rng(7)
    base = {f"l.{at}.w": rng.normal(size=8).astype(F32) for at in range(3)}
    steps = [{name: v + F32(step) for name, v in base.items()} for step in (1, 2)]
    steps[1]["extra"] = np.ones(2, F32)
    steps[0]["l.2.w"] = base["l.2.w"]
    paths = made(base, *steps)
    status, out, err = diff(*paths, "--by", "layer", "--metric", "mean_abs")
    assert (status, err) == (0, "")
    table = [line.split() for line in out.splitlines() if line[:1] in ("l", "e")]
    rows = {name: cells for name, *cells in table}
    assert rows["layer"] == ["m1.safetensors", "m2.safetensors"]
    assert rows["l.1"] == ["1", "2"] and rows["l.2"] == ["0", "2"]
    assert rows["extra"] == ["n/a", "n/a"]
    document = json.loads(diff(*paths, "--metric", "mean_abs", "--format", "json")[1])
    assert document["models"] == paths[1:] and document["metric"] == "mean_abs"
    values = {row["name"]: row["values"] for row in document["rows"]}
    assert values["l.0.w"] == pytest.approx([1, 2], rel=1e-6)
    assert len(document["summaries"]) == 2
    csv_rows = records(diff(*paths, "--metric", "mean_abs", "--format", "csv", "--top", 1)[1])
    assert len(csv_rows) == 1 and float(csv_rows[0]["m2.safetensors"]) == pytest.approx(2, rel=1e-6)
    assert diff(*paths, "--fail-over", "mean_abs=1.5")[0] == 1
    assert diff(paths[0], paths[0], paths[1], "--exit-code")[0] == 1
    assert diff(paths[0], paths[0], paths[0], "--exit-code")[0] == 0
    same = records(diff(*[paths[0]] * 3, "--format", "csv")[1])
    assert len(same[0]) == 3  # equal titles are told apart


def test_one_broken_model_of_several(diff, made, tmp_path) -> None:
    (base,) = made({"w": np.ones(2, F32)})
    status, out, err = diff(base, base, tmp_path / "no.safetensors")
    assert (status, out) == (2, "") and err.startswith("lamella: ")


def test_hostile_names_in_every_format(diff, made) -> None:
    names = ["=1+1", "a\tb\nc", "x|y`z", "\x1b]0;x\x07", "-" * 300, "h.0.w", "h.1.w"]
    paths = made(*[{name: np.full(2, at + 1, F32) for name in names} for at in range(3)])
    for models in (paths[:2], paths):
        for by in ("tensor", "layer", "kind", "type"):
            for form in ("table", "json", "csv", "tsv", "md"):
                status, out, err = diff(*models, "--by", by, "--format", form)
                assert (status, err) == (0, "")
                assert all(char.isprintable() or char in "\n\t" for char in out)
    text = diff(*paths[:2], "--format", "tsv")[1]
    rows = records(text, "\t")
    assert rows[0].keys() >= {"name", "rel_l2"} and len(rows) == len(names)
    assert not any(row["name"].startswith(("=", "-")) for row in rows)


def test_config_differences_are_listed(diff, made, tmp_path) -> None:
    for side, layers in (("base", 2), ("model", 3)):
        folder = tmp_path / side
        folder.mkdir()
        save_file({"w": np.ones(2, F32)}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({"num_layers": layers}))
    pair = tmp_path / "base", tmp_path / "model"
    assert "num_layers" in diff(*pair)[1]
    (difference,) = json.loads(diff(*pair, "--format", "json")[1])["files"]
    assert (difference["key"], difference["old"], difference["new"]) == ("num_layers", "2", "3")


def test_a_map_pairs_what_no_rule_would(diff, made, tmp_path) -> None:
    base = {f"old.{at}.a": np.full(2, at + 1, F32) for at in range(2)}
    model = {f"new.{at}.b": np.full(2, at + 1, F32) for at in range(2)}
    pair = made(base, model)
    path = tmp_path / "map.toml"
    path.write_text('[[rename]]\nmatch = "new.{n}.b"\nto = "old.{n}.a"\n')
    assert diff(*pair, "--exit-code")[0] == 1
    assert diff(*pair, "--map", path, "--exit-code")[0] == 0
    path.write_text("nonsense")
    status, out, err = diff(*pair, "--map", path)
    assert (status, out) == (2, "") and err.startswith("lamella: ")


def test_the_help_has_every_option_in_its_section_and_every_metric(diff) -> None:
    from inspect_core.delta.metrics import METRICS, ORIGINALS
    from tui.cli.diff import SECTIONS
    from tui.cli.diff import diff as command

    status, out, err = diff("--help")
    assert (status, err) == (0, "")
    names = {parameter.name for parameter in command.params}
    assert {name for section in SECTIONS.values() for name in section} <= names
    words = set(out.replace(",", " ").split())
    assert METRICS.keys() <= words and ORIGINALS.keys() <= words
    headings = [line for line in out.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [f"{heading}:" for heading in (*SECTIONS, "Options")]
    assert all(len(line) <= 80 for line in out.splitlines())


def test_over_with_a_number_that_falls_is_refused(diff) -> None:
    for words in (("--metric", "cosine"), ("--metric", "cosine,rel_l2", "--by", "layer")):
        status, out, err = diff(BASE, MODEL, *words, "--over", "0.9")
        assert (status, out) == (2, "") and "one_minus_cosine" in err
    assert diff(BASE, MODEL, "--metric", "one_minus_cosine", "--over", "0.9")[0] == 0
    for odd in ("nan", "inf", "1e400"):
        assert diff(BASE, MODEL, "--over", odd)[0] == 2


def test_over_lists_what_changed_and_no_metric_counts(diff, made) -> None:
    base = {"a": np.ones(2, F32), "b": np.ones(2, F32), "both": NAN}
    pair = made(base, base | {"a": NAN})
    rows = records(diff(*pair, "--format", "csv", "--over", "5")[1])
    assert [row["name"] for row in rows] == ["a"]


def test_patterns_fit_the_names_of_the_base_too(diff, made) -> None:
    base = {f"encoder.{at}.w": np.ones((2, 2), F32) for at in range(3)} | {"gone": NAN}
    model = {f"bert.encoder.{at}.w": np.ones((2, 2), F32) for at in range(3)}
    pair = made(base, model)

    def names(*words: str) -> list[str]:
        return [row["name"] for row in records(diff(*pair, "--format", "csv", *words)[1])]

    assert names("--node", "encoder.1") == names("--node", "bert.encoder.1") == ["bert.encoder.1.w"]
    assert names("--not", "encoder.1", "--not", "gone") == ["bert.encoder.0.w", "bert.encoder.2.w"]
    assert names("--node", "bert.encoder", "--not", "encoder.[12]") == ["bert.encoder.0.w"]
    lines = diff(*pair, "--spectrum", "--node", "encoder.1")[1].splitlines()
    assert any(line.startswith("bert.encoder.1.w") for line in lines)


def test_a_pattern_fits_a_saved_result_by_the_names_of_the_base(diff, made, tmp_path) -> None:
    pair = made({"q.w": np.ones((2, 2), F32)}, {"bert.q.w": np.ones((2, 2), F32)})
    path = tmp_path / "result.lamella"
    assert diff(*pair, "--save", path)[0] == 0
    assert len(records(diff(path, "--node", "q", "--format", "csv")[1])) == 1


def test_kinds_are_patterns_of_just_their_tensors(diff, made) -> None:
    base = {f"h.{at}.{name}.w": np.ones(2, F32) for at in range(3) for name in ("out", "attn.out")}
    pair = made(base, base)
    kinds = records(diff(*pair, "--by", "kind", "--format", "csv")[1])
    assert {row["name"] for row in kinds} == {"h.{n}.out.w", "h.{n}.attn.out.w"}
    for row in kinds:
        words = ("--node", row["name"], "--format", "csv")
        assert len(records(diff(*pair, *words)[1])) == int(row["tensors"]) == 3


def test_a_map_that_fits_nothing_is_refused(diff, made, tmp_path) -> None:
    base = {f"old.{at}.a": np.full(2, at + 1, F32) for at in range(2)}
    pair = made(base, {f"new.{at}.b": np.full(2, at + 1, F32) for at in range(2)})
    path = tmp_path / "map.toml"
    path.write_text('[[rename]]\nmatch = "old.{n}.a"\nto = "new.{n}.b"\n')  # the wrong way round
    for words in (("--map", path), ("--map", path, "--spectrum")):
        status, out, err = diff(*pair, *words)
        assert (status, out) == (2, "") and "map.toml" in err
        assert "match is tried on the model's names" in err
    path.write_text(
        '[[rename]]\nmatch = "new.{n}.b"\nto = "old.{n}.a"\n[[rename]]\nmatch = "no"\nto = "old"\n'
    )
    status, _, err = diff(*pair, "--map", path)
    assert status == 0 and "warning: model: map.toml: rule 2 fits no tensor of the model" in err


def test_what_several_models_have_no_column_for_is_refused(diff) -> None:
    for words in (
        ("--all-metrics",),
        ("--metric", "rel_l2,cosine"),
        ("--all-metrics", "--heatmap"),
    ):
        for form in ("csv", "json"):
            status, out, err = diff(BASE, MODEL, MODEL, *words, "--format", form)
            assert (status, out) == (2, "") and "one metric" in err
    assert diff(BASE, MODEL, MODEL, "--metric", "cosine", "--format", "csv")[0] == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--scale", "log"), "--heatmap"),
        (("--heatmap", "--by", "kind"), "--by"),
        (("--heatmap", "--metric", "rel_l2,cosine"), "one metric"),
        (("--output", "x.foo"), ".csv"),
        (("--output", "x"), ".csv"),
        (("--output", "x.svg"), "--heatmap"),
        (("--format", "csv", "--output", "x.json"), "csv"),
        (("--format", "table", "--output", "x.json"), "table"),
        (("--heatmap", "--format", "csv", "--output", "x.png"), "csv"),
        (("--spectrum", "--by", "layer"), "--by"),
        (("--spectrum", "--metric", "cosine", "--all-metrics"), "--metric, --all-metrics"),
        (("--spectrum", "--format", "csv"), "--format csv"),
        (("--spectrum", "--scale", "log"), "--scale"),
        (("--spectrum", "--device", "cuda"), "--device"),
    ],
)
def test_no_option_is_dropped_without_a_word(diff, tmp_path, monkeypatch, words, why) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = diff(BASE, MODEL, *words)
    assert (status, out) == (2, "") and why in err
    assert not list(tmp_path.iterdir())


def test_a_format_goes_with_an_ending_that_is_none(diff, tmp_path) -> None:
    path = tmp_path / "rows.data"
    assert diff(BASE, MODEL, "--format", "csv", "--output", path)[0] == 0
    assert path.read_text() == diff(BASE, MODEL, "--format", "csv")[1]


def test_an_unchanged_row_says_so_with_several_models(diff, made) -> None:
    base = {"a": np.ones(2, F32), "b": np.ones(2, F32)}
    paths = made(base, base | {"a": base["a"] * 2}, base | {"a": base["a"] * 3})
    for by in ("tensor", "layer"):
        (row,) = [line for line in diff(*paths, "--by", by)[1].splitlines() if line[:2] == "b "]
        assert row.split() == ["b", "identical"]
    (row,) = [r for r in records(diff(*paths, "--format", "csv")[1]) if r["name"] == "b"]
    assert list(row.values()) == ["b", "0.0", "0.0"]


def test_checkpoints_of_two_runs_are_named_by_what_differs(diff, tmp_path) -> None:
    places = [tmp_path / at for at in ("base", "one/ckpt-500", "two/ckpt-500")]
    for at, place in enumerate(places):
        place.mkdir(parents=True)
        save_file({"w": np.full(2, at + 1, F32)}, place / "model.safetensors")
    out = diff(*places)[1]
    (head,) = [line for line in out.splitlines() if line.startswith("tensor")]
    assert head.split() == ["tensor", "one/ckpt-500", "two/ckpt-500"]
    assert "one/ckpt-500" in records(diff(*places, "--format", "csv")[1])[0]


def test_what_was_compared_in_part_is_named_where_it_is_one(diff, made) -> None:
    names = ("wte.weight", "w")
    pair = made(
        {names[0]: np.ones((4, 2), F32), "w": np.ones(2, F32)},
        {names[0]: np.ones((6, 2), F32), "w": np.ones(2, F32)},
    )
    out = diff(*pair)[1]
    assert "wte.weight was compared in part: the model or the base has more rows" in out


def test_the_help_says_what_a_reader_has_to_know(diff) -> None:
    words = " ".join(diff("--help")[1].split())
    for said in (
        'match = "bert.{n}.*"', "match is tried on the model's names", "estimates",
        "the first dimension", "{n}", "the base", "robust", "in the model's order",
    ):  # fmt: skip
        assert said in words, said
