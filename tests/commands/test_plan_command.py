"""`lamella plan`, through the command line."""

import json
import sys
import warnings

import peft
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, BertModel

from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.plan.written.files import read_plan
from inspect_core.plan.written.spelling import ALL, pattern_of
from inspect_core.work.backend import Threads, Workers
from tui.cli import main
from tui.commands import plan as plan_command
from tui.commands.plan_steps import steps_of

CONFIG = BertConfig(
    hidden_size=16, intermediate_size=24, vocab_size=40, num_hidden_layers=4,
    num_attention_heads=2, max_position_embeddings=12, architectures=["BertModel"],
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    save_file(BertModel(CONFIG).state_dict(), folder / "model.safetensors")
    CONFIG.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def lamella(monkeypatch, capsys):
    # Jobs run here: a process for each of them is what other tests are about.
    monkeypatch.setattr(plan_command, "Workers", Threads)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamella", "plan", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


PRINTED = """\
tiny
  1. freeze embeddings
  2. LoRA r=4 alpha=16 on query, value, layers 1-3

● trained          768    7.9%  768 in adapters
○ frozen         9,008   92.1%
  all            9,776

memory  without activations
  weights      39.1 kB  as stored
  gradients    3.07 kB  as the parameters
  Adam         6.14 kB  2 as the parameters
  sum          48.3 kB

step  kind           entry          hits  layers
   1  freeze         embeddings        5  -
   2  target         query             3  1-3  not 0
   2  target         value             3  1-3  not 0

neither trained nor adapted
"""
LORA = ("--freeze", "embeddings", "--lora", "query,value", "--rank", "4", "--alpha", "16",
        "--layers", "1-3")  # fmt: skip


def test_what_is_printed(model, lamella):
    status, out, err = lamella(model, *LORA)
    assert (status, err) == (0, "")
    assert out.startswith(PRINTED)
    assert "\n  encoder.layer.0 " in out


def test_it_runs_in_a_process_of_its_own(model, lamella, monkeypatch):
    monkeypatch.setattr(plan_command, "Workers", Workers)
    status, out, err = lamella(model, *LORA, "--no-types")
    assert (status, err) == (0, "")
    assert "768 in adapters" in out


def test_without_types_it_says_so_and_ascii_is_ascii(model, lamella):
    status, out, _ = lamella(model, *LORA, "--no-types", "--ascii")
    assert status == 0
    assert out.splitlines()[0] == "tiny  by the file's names and shapes: module types are not known"
    assert out.isascii()
    assert "768 in adapters" in out


def test_nothing_asked_is_the_model_as_it_is(model, lamella):
    status, out, _ = lamella(model, "--no-types")
    assert status == 0
    assert "no step: the model as it is" in out
    assert "trained        9,008    100%" in out


def test_the_config_that_is_written_does_in_peft_what_was_printed(model, lamella, tmp_path):
    written = tmp_path / "adapter_config.json"
    status, _, _ = lamella(model, *LORA, "--save-modules", "pooler", "--output", str(written))
    assert status == 0
    status, out, _ = lamella(model, *LORA, "--save-modules", "pooler", "--format", "json")
    shown = {entry["name"]: entry["shape"] for entry in json.loads(out)["trained"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = peft.PeftConfig.from_pretrained(str(tmp_path))
        made = peft.get_peft_model(BertModel(CONFIG), config)
    assert {n: list(p.shape) for n, p in made.named_parameters() if p.requires_grad} == shown


FILES = ("p.toml", "p.py", "n.txt", "n.csv", "names.json", "a.json")


def test_each_suffix_is_a_form_and_nothing_is_overwritten(model, lamella, tmp_path):
    files = [
        tmp_path / name for name in ("p.toml", "p.py", "n.txt", "n.csv", "names.json", "a.json")
    ]
    words = [word for file in files for word in ("--output", str(file))]
    status, _, _ = lamella(model, *LORA, "--no-types", *words)
    assert status == 0
    plan = read_plan(files[0])
    assert plan.steps == steps_of(
        [("freeze", "embeddings"), ("lora", "query,value"), ("rank", 4), ("alpha", 16.0),
         ("layers", "1-3")]
    )  # fmt: skip
    assert plan.base == model
    assert "get_peft_model" in files[1].read_text()
    names = files[2].read_text().splitlines()
    assert len(names) == 12
    assert files[3].read_text().startswith('"name","shape","parameters"\n"base_model.model.')
    assert [entry["name"] for entry in json.loads(files[4].read_text())] == names
    assert json.loads(files[5].read_text())["peft_type"] == "LORA"
    status, out, err = lamella(model, *LORA, "--no-types", *words)
    assert (status, out) == (2, "")
    assert "is there already" in err
    status, out, err = lamella(model, *LORA, "--output", str(tmp_path / "odd.yaml"))
    assert status == 2
    assert "adapter_config.json" in err


@pytest.mark.parametrize("form", ["plan", "peft", "python", "names"])
def test_each_format_is_printed_alone(model, lamella, form):
    status, out, err = lamella(model, *LORA, "--no-types", "--format", form)
    assert (status, err) == (0, "")
    first = {"plan": "# A plan of lamella", "peft": "{", "python": "# Made by lamella",
             "names": "base_model.model.encoder.layer.1"}  # fmt: skip
    assert out.startswith(first[form])


def test_a_plan_file_goes_on_with_further_steps(model, lamella, tmp_path):
    file = tmp_path / "p.toml"
    lamella(model, *LORA, "--no-types", "--output", str(file))
    status, out, _ = lamella(model, "--plan", str(file), "--thaw", "pooler", "--no-types")
    assert status == 0
    assert "  3. thaw pooler\n" in out
    assert "272 of the model's own" in out
    status, out, err = lamella(
        model, "--plan", str(file), "--thaw", "pooler", "--no-types", "--format", "peft"
    )
    assert (status, out) == (2, "")
    assert "PEFT's config cannot thaw" in err
    assert err.count("\n") == 1


def test_two_plans_are_compared(model, lamella, tmp_path):
    one, other = str(tmp_path / "one.toml"), str(tmp_path / "other.toml")
    lamella(model, *LORA, "--no-types", "--output", one)
    lamella(model, *LORA, "--rank", "2", "--exclude-modules", "layer.2.attention.self.query",
            "--no-types", "--output", other)  # fmt: skip
    status, out, _ = lamella("--plan", one, "--against", other)
    assert status == 1
    assert "\n- 2. LoRA r=4" in out
    assert "\n+ 2. LoRA r=2" in out
    assert "\n    rank: 4 -> 2\n    exclude: +layer.2.attention.self.query\n" in out
    status, out, _ = lamella(model, "--plan", one, "--against", other, "--no-types")
    assert status == 1
    query = "encoder.layer.{n}.attention.self.query.lora_A.default.weight"
    assert f"- {query}  1 tensor," in out
    assert f"? {query}  4 -> 2  2 tensors" in out and f"+ {query}" not in out
    status, out, _ = lamella(model, "--plan", one, "--against", one, "--no-types")
    assert status == 0
    assert "the plans say the same" in out
    assert "both train the same parameters" in out


def test_the_tree_shows_planned_states(model, lamella):
    status, out, _ = lamella(model, *LORA, "--tree")
    assert status == 0
    tree = out[out.index("\n├──") :]
    assert "○ " in tree
    assert "lora_A" in tree
    assert "1-3 ×3 (BertLayer)" in tree
    _, out, _ = lamella(model, *LORA, "--tree", "--depth", "1")
    assert "lora_A" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--freeze", "embedings"), "did you mean embeddings?"),
        (("--lora", "nowhere"), "PEFT would refuse this plan"),
        (("--lora", "query", "--exclude-modules", "nothing"), "nothing"),
        (("--freeze", "*"), "nothing"),
    ],
)
def test_what_is_not_as_planned_is_exit_code_1(model, lamella, words, said):
    status, out, _ = lamella(model, *words, "--no-types")
    assert status == 1
    assert said in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rank", "3", "--lora", "query"), "--rank: belongs behind a --lora"),
        (("--exclude", "query"), "--exclude: belongs behind a --freeze"),
        (("--lora", "query", "--exclude", "key"), "--exclude: belongs behind a --freeze"),
        (("--lora", "query,"), "--lora: names nothing"),
        (("--lora", "query", "--layers", "3-1"), "no range of layers"),
        (("--lora", "query", "--rank-pattern", "query"), "is typed as NAME=8"),
        (("--lora", "query", "--rank-pattern", "query=1.5"), "a rank is a whole number"),
        (("--lora", "query", "--rank", "0"), "--rank"),
        (("--lora", "all-linear", "--lora", "query"), "stand alone"),
        (("--freeze", "re:("), "not a regular expression"),
        (("--freeze", "="), "an empty pattern"),
        (("--weights-dtype", "F99"), "no dtype"),
        (("--plan", "/nowhere/p.toml"), "/nowhere/p.toml"),
        (("--plan", "a", "--from-diff", "a", "b"), "begin with one plan"),
    ],
)
def test_problems_are_one_line_and_exit_code_2(model, lamella, words, said):
    status, out, err = lamella(model, *words, "--no-types")
    assert (status, out) == (2, "")
    assert said in err


def test_without_a_model_it_says_what_to_give(lamella):
    status, _, err = lamella("--freeze", "x")
    assert status == 2
    assert "give a MODEL" in err


def test_the_plan_that_a_fine_tune_used(model, lamella, tmp_path):
    base = BertModel(CONFIG)
    tuned = BertForSequenceClassification(CONFIG)
    from safetensors.torch import load_file

    base.load_state_dict(load_file(f"{model}/model.safetensors"))
    tuned.bert.load_state_dict(base.state_dict())
    for name, parameter in tuned.named_parameters():
        if "embeddings" not in name and "layer.0" not in name:
            parameter.data += 0.01 * torch.randn_like(parameter)
    folder = tmp_path / "tuned"
    folder.mkdir()
    save_file(tuned.state_dict(), folder / "model.safetensors")
    file = tmp_path / "p.toml"
    status, out, err = lamella("--from-diff", model, str(folder), "--output", str(file))
    assert status == 0
    assert "  1. freeze embeddings, layer.0\n" in out
    assert "new, and so trained: classifier.bias, classifier.weight" in err
    assert read_plan(file) == Plan(
        (Freeze((Pattern("embeddings"), Pattern("layer.0"))),), base=model
    )
    status, out, _ = lamella(
        "--from-diff", model, str(folder), "--lora", "query", "--format", "json", "--no-types"
    )
    document = json.loads(out)
    assert document["observed"]["added"] == ["classifier.bias", "classifier.weight"]
    assert [step["kind"] for step in document["steps"]] == ["freeze", "place"]


def test_a_strangers_model_and_plan_are_safe_to_print(lamella, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    hostile = "a\x1b]0;x\x07.\u202eb\n.weight"
    save_file(
        {hostile: torch.zeros(4, 4), "ok.weight": torch.zeros(4, 4)}, folder / "m.safetensors"
    )
    file = tmp_path / "p.toml"
    file.write_text(
        'base = "\\u001b[2J"\n[[step]]\nfreeze = ["\\u001b[31mred", "re:.*\\u202e.*"]\n'
        '[[step]]\nthaw = ["=ok"]\n'
    )
    for form in ("table", "json", "plan", "python", "names"):
        _, out, err = lamella(str(folder), "--plan", str(file), "--no-types", "--format", form)
        assert all(line.isprintable() for line in (out + err).split("\n"))
    _, out, _ = lamella(str(folder), "--plan", str(file), "--no-types", "--tree")
    assert all(line.isprintable() for line in out.split("\n"))


def given(*words):
    return steps_of(list(words))


def test_steps_come_in_the_order_in_which_they_are_given():
    steps = given(
        ("freeze", "*"), ("freeze", "a"), ("exclude", "b"), ("theme", "x"), ("thaw", "re:c"),
        ("freeze", "=d"),
    )  # fmt: skip
    assert steps == (
        Freeze((ALL, pattern_of("a")), False, (pattern_of("b"),)),
        Freeze((Pattern("c", "regex"),), True),
        Freeze((Pattern("d", "exact"),)),
    )


def test_settings_belong_to_the_placement_before_them():
    steps = given(
        ("lora", "a,b"), ("lora", "c"), ("rank", 2), ("layers", "0-1"), ("layers", "4"),
        ("rank_pattern", "a.b=4"), ("alpha_pattern", "a=0.5"), ("rslora", True),
        ("dora", "re:x|y"), ("save_modules", "h,i"), ("save_modules", "j"),
        ("ia3", "all-linear"), ("feedforward", "f"), ("lora", "auto"), ("bias", "all"),
    )  # fmt: skip
    assert steps == (
        Place(
            "lora", ("a", "b", "c"), rank=2, layers=(0, 1, 4), rank_pattern={"a.b": 4},
            alpha_pattern={"a": 0.5}, rslora=True,
        ),
        Place("dora", target_expression="x|y", modules_to_save=("h", "i", "j")),
        Place("ia3", target_expression="all-linear", feedforward=("f",)),
        Place(bias="all"),
    )  # fmt: skip


def test_one_kind_with_settings_between_is_two_steps():
    steps = given(("lora", "a"), ("rank", 2), ("lora", "b"))
    assert steps == (Place(targets=("a",), rank=2), Place(targets=("b",)))


@pytest.mark.parametrize("alpha", ["nan", "inf", "-inf", "1e400", "1e10"])
def test_an_alpha_is_a_finite_number(model, lamella, alpha):
    status, out, err = lamella(model, "--lora", "query", f"--alpha={alpha}", "--no-types")
    assert (status, out) == (2, "") and "--alpha" in err and err.count("\n") == 1


@pytest.mark.parametrize("word", ["OTHER", "F33", "none", "Q1"])
def test_a_dtype_without_a_size_is_refused(model, lamella, word):
    status, out, err = lamella(model, "--lora", "query", "--adapter-dtype", word, "--no-types")
    assert (status, out) == (2, "") and "--adapter-dtype: no dtype" in err


def test_dtypes_are_named_as_people_name_them(model, lamella):
    def memory(*words: str) -> str:
        status, out, _ = lamella(model, "--lora", "query", *words, "--no-types")
        assert status == 0
        return out.partition("memory")[2].partition("entry")[0]

    for word, name in (("bf16", "BF16"), ("bfloat16", "BF16"), ("float32", "F32"),
                       ("fp16", "F16"), ("8bit", "I8"), ("int8", "I8"), ("4bit", "NF4"),
                       ("nf4", "NF4")):  # fmt: skip
        assert memory("--weights-dtype", word) == memory("--weights-dtype", name), word


def test_dropout_and_the_base_are_in_pefts_config(model, lamella):
    status, out, _ = lamella(
        model, "--lora", "query", "--dropout", "0.05", "--no-types", "--format", "peft"
    )
    found = json.loads(out)
    assert status == 0 and found["lora_dropout"] == 0.05 and found["lora_alpha"] == 16
    assert found["base_model_name_or_path"] == model
    status, out, _ = lamella(
        model, "--lora", "query", "--dropout", "0.05", "--no-types", "--format", "plan"
    )
    assert "dropout = 0.05" in out and "dropout 0.05" in out
    assert lamella(model, "--lora", "query", "--dropout", "1", "--no-types")[0] == 2


def test_frozen_adapters_are_not_told_as_trained(model, lamella):
    status, out, _ = lamella(model, "--lora", "query", "--freeze", "lora_A", "--no-types")
    assert status == 0 and "512 in adapters" in out.replace(",", "")


def test_targets_that_are_one_text_are_explained(model, lamella, tmp_path):
    file = tmp_path / "p.toml"
    file.write_text('[[step]]\nplace = "lora"\ntargets = "query"\n')
    _, out, _ = lamella(model, "--plan", str(file), "--no-types")
    assert 'fit whole names; the end of one is ["query"]' in out
    file.write_text("")
    status, _, err = lamella(model, "--plan", str(file), "--no-types")
    assert status == 2 and "not a plan: it has neither lamella_plan nor a step" in err
