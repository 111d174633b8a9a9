"""Adapters on the command line: what they change, whether a merge was done, two of them."""

import json
import sys

import numpy as np
import pytest
from made_adapters import (
    MODULES,
    base_tensors,
    change,
    merged_tensors,
    write,
    write_base,
    write_lora,
)

from tui.cli import main


@pytest.fixture
def lamella(monkeypatch, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamella", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def base(tmp_path) -> str:
    return write_base(tmp_path / "base")


@pytest.fixture
def lora(tmp_path) -> str:
    return write_lora(tmp_path / "tuned")


def merged(tmp_path, **how) -> str:
    write(tmp_path / "merged" / "model.safetensors", merged_tensors(**how))
    return str(tmp_path / "merged")


# tree


def test_the_tree_has_delta_modules(lamella, base, lora) -> None:
    code, out, err = lamella("tree", base, "--adapter", lora, "--no-types", "--depth", "4")
    assert code == 0 and not err
    lines = out.splitlines()
    assert "156 delta 19.3%" in lines[0]
    assert lines[1] == "◆ tuned  LoRA r=2 alpha=4 on 6 modules"
    assert " ".join(lines[2].split()) == "q: 3 in layers 0-2, not in 3"
    assert "q (LoRA r=2 scale 2) ◆ 180" in out
    assert "lora_A ◆ 36  weight:[2, 6] F32" in out
    assert "embed ○ 72" in out and "tuned  LoRA" in out


def test_the_tree_as_json(lamella, base, lora) -> None:
    code, out, _ = lamella("tree", base, "--adapter", lora, "--no-types", "--json")
    found = json.loads(out)
    assert code == 0 and found["model"] == [base, lora] and found["base"] == "base"
    [adapter] = found["adapters"]
    assert [target["module"] for target in adapter["targets"]] == list(MODULES)
    first = adapter["targets"][0]
    assert first["weight"] == "layers.0.q.weight" and first["shape"] == [6, 6]
    wanted = ("LoRA", 2, 4.0, 2.0)
    assert (first["method"], first["rank"], first["alpha"], first["scaling"]) == wanted
    states = {leaf["state"]: leaf["trained"] for leaf in _leaves(found["tree"])}
    assert states == {"frozen": False, "delta": True}


def _leaves(node):
    yield from node["tensors"]
    for child in node["children"]:
        yield from _leaves(child)


def test_an_adapter_alone_is_a_tree_of_what_it_changes(lamella, lora) -> None:
    code, out, _ = lamella("tree", lora, "--no-types")
    assert code == 0 and "F64 computed" in out and "156 delta 100%" in out


# diff: what an adapter changes


def test_what_an_adapter_changes(lamella, base, lora) -> None:
    by = ("--format", "json", "--metric", "l2")
    code, out, _ = lamella("diff", base, "--adapter", lora, *by)
    found = {tensor["name"]: tensor for tensor in json.loads(out)["tensors"]}
    assert code == 0
    for module in MODULES:
        size = found[f"{module}.weight"]["l2"]
        assert size == pytest.approx(np.linalg.norm(change(module)), rel=1e-9)
    assert found["layers.3.q.weight"]["status"] == "identical"
    assert found["layers.0.q.lora_A.weight"]["status"] == "added"
    assert [one["name"] for one in json.loads(out)["adapters"]] == ["tuned"]
    same = lamella("diff", base, lora, *by)[1]
    assert same == out, "the folder in place of a model is put on the base"


def test_the_table_names_the_adapter(lamella, base, lora) -> None:
    code, out, _ = lamella("diff", base, "--adapter", lora, "--by", "layer")
    assert code == 0 and "◆ tuned  LoRA r=2 alpha=4 on 6 modules" in out
    assert "layers.3" in out and "merged" not in out
    for options in (["--heatmap"], ["--spectrum"], ["--by", "kind", "--format", "csv"]):
        assert lamella("diff", base, "--adapter", lora, *options)[0] == 0


def test_ranks_of_what_an_adapter_changes(lamella, base, lora) -> None:
    out = lamella("diff", base, "--adapter", lora, "--spectrum", "--format", "json")[1]
    ranks = {one["name"]: one.get("rank") for one in json.loads(out)["spectra"]}
    assert {ranks[f"{module}.weight"] for module in MODULES} == {2}
    assert ranks["layers.3.q.weight"] == 0


def test_a_saved_result_is_opened_again(lamella, base, lora, tmp_path) -> None:
    saved = str(tmp_path / "kept.lamella")
    before = lamella("diff", base, "--adapter", lora, "--save", saved, "--by", "layer")[1]
    code, after, _ = lamella("diff", saved, "--by", "layer")
    rows = [line for line in before.splitlines() if line.startswith("layers.")]
    assert code == 0 and len(rows) == 4
    assert [line for line in after.splitlines() if line.startswith("layers.")] == rows


# diff: merges


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ({}, 0, "merged exactly"),
        ({"scale": 0.0}, 1, "not merged"),
        ({"scale": 0.5}, 1, "at another scale"),
        ({"seed": 8}, 1, "not what this adapter makes"),
    ],
)
def test_whether_a_merge_was_done(lamella, base, lora, tmp_path, how, code, said) -> None:
    model = merged(tmp_path, **how)
    words = ("diff", base, model, "--adapter", lora)
    assert lamella(*words)[0] == 0
    found, out, _ = lamella(*words, "--exit-code")
    assert found == code
    above = " ".join(out[: out.index("tensor ")].split())
    assert said in above
    assert "lora_A" not in out, "a merged model has no factors, and lacks none"
    document = json.loads(lamella(*words, "--format", "json")[1])
    assert said in document["merges"][0]["line"]
    assert len(document["merges"][0]["modules"]) == 6
    err = lamella(*words, "--format", "csv")[2]
    assert said in err


def test_a_merge_that_missed_a_module(lamella, base, lora, tmp_path) -> None:
    tensors = merged_tensors()
    tensors["layers.1.v.weight"] = base_tensors()["layers.1.v.weight"]
    write(tmp_path / "merged" / "model.safetensors", tensors)
    words = ("diff", base, str(tmp_path / "merged"), "--adapter", lora, "--exit-code")
    code, out, _ = lamella(*words)
    assert code == 1 and "merged in part" in out and "layers.1.v" in out


# diff: two adapters


def test_two_adapters_by_their_changes(lamella, lora, tmp_path) -> None:
    other = write_lora(tmp_path / "other", seed=7)
    code, out, _ = lamella("diff", lora, other, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert {tensor["name"] for tensor in found["tensors"]} == {f"{m}.weight" for m in MODULES}
    first = next(one for one in found["tensors"] if one["name"] == "layers.0.q.weight")
    one, two = change("layers.0.q"), change("layers.0.q", 7)
    relative = np.linalg.norm(two - one) / np.linalg.norm(one)
    assert first["rel_l2"] == pytest.approx(relative, rel=1e-9)
    overlap = {row["module"]: row for row in found["overlap"]}["layers.0.q"]
    cosine = np.vdot(one, two) / np.linalg.norm(one) / np.linalg.norm(two)
    assert overlap["cosine"] == pytest.approx(cosine, rel=1e-9)
    assert 0.0 <= overlap["input_overlap"] <= 1.0
    table = lamella("diff", lora, other)[1]
    assert "tuned against other, from their factors" in table and "by chance" in table


def test_two_adapters_on_one_base(lamella, base, lora, tmp_path) -> None:
    other = write_lora(tmp_path / "other", seed=7)
    words = ("diff", base, "--adapter", lora, "--to-adapter", other, "--format", "json")
    code, out, _ = lamella(*words)
    found = {tensor["name"]: tensor for tensor in json.loads(out)["tensors"]}
    before = base_tensors()["layers.0.q.weight"].astype(np.float64) + change("layers.0.q")
    moved = np.linalg.norm(change("layers.0.q", 7) - change("layers.0.q"))
    assert code == 0
    relative = moved / np.linalg.norm(before)
    assert found["layers.0.q.weight"]["rel_l2"] == pytest.approx(relative, rel=1e-9)
    assert not any("lora_" in name for name in found)


def test_several_adapters_have_a_column_each(lamella, base, lora, tmp_path) -> None:
    other = write_lora(tmp_path / "other", seed=7)
    code, out, _ = lamella("diff", base, lora, other, "--by", "layer")
    assert code == 0 and "◆ tuned" in out and "◆ other" in out


# What cannot be meant


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tree", "LORA", "--adapter", "LORA"], "an adapter is no base"),
        (["tree", "BASE", "--adapter", "BASE"], "no adapter is there"),
        (["tree", "BASE", "--adapter", "/nowhere"], "/nowhere"),
        (["diff", "LORA", "BASE"], "is an adapter, not the model that it sits on"),
        (["diff", "BASE", "MERGED", "--to-adapter", "LORA"], "goes with BASE alone"),
        (["diff", "LORA", "--adapter", "LORA"], "an adapter is"),
        (["diff", "BASE", "--adapter", "OTHER"], "fits nothing of the base"),
    ],
)
def test_what_cannot_be_meant_is_one_line(lamella, base, lora, tmp_path, words, said) -> None:
    more = {"base_model.model.other.lora_A.weight": np.ones((2, 6), np.float32)}
    named = {
        "BASE": base,
        "LORA": lora,
        "MERGED": merged(tmp_path),
        "OTHER": write_lora(tmp_path / "fits_not", [], more=more),
    }
    code, out, err = lamella(*[named.get(word, word) for word in words])
    assert code == 2 and not out
    assert said in err and len(err.splitlines()) == 1, err


def test_a_head_that_the_base_lacks_is_no_part_of_the_merge(lamella, base, tmp_path) -> None:
    more = {"base_model.model.head.modules_to_save.weight": np.ones((2, 6), np.float32)}
    lora = write_lora(tmp_path / "headed", more=more)
    words = ("diff", base, merged(tmp_path), "--adapter", lora, "--exit-code")
    code, out, _ = lamella(*words)
    assert code == 0 and "merged exactly" in out, out


def test_a_changed_weight_is_told_in_its_stored_dtype(lamella, base, lora, tmp_path) -> None:
    saved = str(tmp_path / "kept.lamella")
    found = [
        lamella("diff", base, "--adapter", lora, "--save", saved),
        lamella("diff", saved),
    ]
    for _, text, _ in found:
        assert "F32" in text and "F64" not in text, text
    report = json.loads(lamella("diff", base, "--adapter", lora, "--format", "json")[1])
    assert {one["dtype"] for one in report["tensors"]} == {"F32"}


def zeroed(folder: str) -> str:
    from safetensors.numpy import load_file, save_file

    path = f"{folder}/adapter_model.safetensors"
    parts = load_file(path)
    save_file({n: v * 0 if "lora_B" in n else v for n, v in parts.items()}, path)
    return folder


def test_an_adapter_that_was_never_trained_is_told(lamella, base, lora) -> None:
    zeroed(lora)
    told = "never trained: tuned changes nothing in all modules"
    assert told in lamella("diff", base, "--adapter", lora)[1]
    assert told in lamella("tree", base, "--adapter", lora, "--no-types")[2]
    assert told in lamella("tree", lora, "--no-types")[2]


def test_an_adapter_against_itself_is_named(lamella, lora) -> None:
    code, out, _ = lamella("diff", lora, lora)
    assert code == 0 and f"--- {lora}" in out and "(" not in out.splitlines()[0]


def test_a_folder_of_several_adapters_names_them(lamella, base, tmp_path) -> None:
    for name in ("one", "two"):
        write_lora(tmp_path / "several" / name)
    several = str(tmp_path / "several")
    for words in (("diff", base, "--adapter", several), ("diff", base, several)):
        code, _, err = lamella(*words)
        assert code == 2 and "name one of its folders: one, two" in err


def test_adapters_that_need_their_base_name_the_remedy(lamella, tmp_path, lora) -> None:
    import json

    path = tmp_path / "tuned" / "adapter_config.json"
    from safetensors.numpy import load_file, save_file

    parts = load_file(tmp_path / "tuned" / "adapter_model.safetensors")
    more = {
        name.replace("lora_B.weight", "lora_magnitude_vector"): np.ones(len(value), "f4")
        for name, value in parts.items()
        if "lora_B.weight" in name
    }
    save_file(parts | more, tmp_path / "tuned" / "adapter_model.safetensors")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_dora": True}))
    _, out, err = lamella("diff", lora, lora)
    assert "no tensor in common" not in err
    assert "diff BASE --adapter A --to-adapter B" in err, out


def test_what_is_expected_by_chance_is_said_once(lamella, tmp_path, lora) -> None:
    out = lamella("diff", lora, write_lora(tmp_path / "other"))[1]
    assert out.count("by chance") == 1


def test_products_without_end_are_refused(lamella, tmp_path) -> None:
    from safetensors.numpy import save_file

    size, folders = 1 << 20, []
    for name in ("a", "b"):
        folder = write_lora(tmp_path / name)
        parts = {"A": np.ones((1, size), "f4"), "B": np.ones((size, 1), "f4")}
        path = "base_model.model.layers.0.q.lora_"
        named = {f"{path}{part}.weight": values for part, values in parts.items()}
        save_file(named, f"{folder}/adapter_model.safetensors")
        folders.append(folder)
    code, _, err = lamella("diff", *folders)
    assert code == 2 and "makes 1,099,511,627,776 values of its factors" in err, err


def test_layers_of_two_adapters_are_no_list_of_weights(lamella, base, tmp_path, lora) -> None:
    other = write_lora(tmp_path / "other")
    words = ("diff", base, "--adapter", lora, "--to-adapter", other, "--by", "layer")
    code, out, _ = lamella(*words)
    assert code == 0 and "layers.0.q" not in out.partition("from their factors")[2]
    assert "by chance" in out


def test_a_bias_beside_a_factor_is_named_with_it() -> None:
    from inspect_core.work.adapted import TargetNote
    from inspect_core.work.adapted_places import facts_of

    bias = TargetNote(0, "q", "q.bias", "saved", (6,), None, None, None, "")
    lora = TargetNote(0, "q", "q.weight", "LoRA", (6, 6), 8, 16.0, 2.0, "")
    assert facts_of([bias, lora]) == "LoRA r=8 alpha=16 scaling=2 + bias"
    assert facts_of([bias]) == "bias saved"
