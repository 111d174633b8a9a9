"""Plan files: what is written is read again, and a stranger's file ends in one line."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.errors import LamellaError, UsageError
from inspect_core.plan.plan import Freeze, Pattern, Place, Plan, Precision
from inspect_core.plan.written.files import plan_of, plan_text, read_plan, write_plan
from inspect_core.plan.written.spelling import (
    ALL,
    described,
    layers_of,
    pattern_of,
    spelled_layers,
    typed,
)  # fmt: skip

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAMES = st.lists(TEXTS, max_size=4).map(tuple)
PATTERNS = st.builds(Pattern, TEXTS, st.sampled_from(("end", "glob", "regex", "exact")))
MANY = st.lists(PATTERNS | st.just(ALL), min_size=1, max_size=4).map(tuple)
RANKS = st.dictionaries(TEXTS, st.integers(1, 512), max_size=3)
ALPHAS = st.dictionaries(TEXTS, st.floats(-1e6, 1e6) | st.integers(1, 64), max_size=3)
FREEZES = st.builds(Freeze, MANY, st.booleans(), st.just(()) | MANY)
PLACES = st.builds(
    Place,
    method=st.sampled_from(("lora", "dora", "ia3")),
    targets=NAMES,
    rank=st.integers(1, 512),
    alpha=st.floats(0, 1e6) | st.integers(1, 64),
    rslora=st.booleans(),
    layers=st.none() | st.lists(st.integers(0, 200), max_size=6).map(tuple),
    layers_pattern=NAMES,
    exclude=NAMES,
    rank_pattern=RANKS,
    alpha_pattern=ALPHAS,
    modules_to_save=NAMES,
    feedforward=NAMES,
    fan_in_fan_out=st.booleans(),
    bias=st.sampled_from(("none", "all", "lora_only")),
    task=st.sampled_from(("", "CAUSAL_LM")),
)
PLANS = st.builds(
    Plan,
    st.lists(FREEZES | PLACES, max_size=4).map(tuple),
    st.builds(
        Precision,
        st.sampled_from(("", "F32", "BF16", "NF4")),
        st.sampled_from(("F32", "BF16")),
        *[st.sampled_from(("", "F32", "BF16"))] * 2,
    ),
    st.text(st.characters(codec="utf-8"), max_size=12),
)


@given(PLANS)
def test_what_is_written_is_read_again(plan):
    text = plan_text(plan)
    assert plan_of(text.encode()) == plan
    head = text.split("\n\n", 1)[0]
    assert all(line.startswith("#") for line in head.split("\n"))
    assert all(line.isprintable() for line in text.split("\n"))


@given(st.text(max_size=8))
def test_what_can_be_typed_means_itself(text):
    try:
        pattern = pattern_of(text)
    except UsageError:
        assert text in ("", "=", "re:")
        return
    assert typed(pattern) == text


@given(st.sets(st.integers(0, 300), min_size=1))
def test_layers_in_short_are_the_same_layers(layers):
    assert layers_of(spelled_layers(sorted(layers))) == tuple(sorted(layers))


def test_patterns_as_people_type_them():
    assert pattern_of("query") == Pattern("query", "end")
    assert pattern_of("layer.{n}.output") == Pattern("layer.{n}.output", "glob")
    assert pattern_of("*.h.[0-3]") == Pattern("*.h.[0-3]", "glob")
    assert pattern_of("re:a|b") == Pattern("a|b", "regex")
    assert pattern_of("=lm_head") == Pattern("lm_head", "exact")
    assert pattern_of("*") == ALL
    assert typed(Pattern("a*", "end")) is None


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "0-9999999", "1,,2", "٣", "1 2"])
def test_what_is_no_layers_is_said(text):
    with pytest.raises(UsageError, match="layer"):
        layers_of(text)


def test_steps_in_words():
    place = Place(targets=("query", "value"), alpha=16, layers=(2, 3, 4, 5), rslora=True)
    assert described(place) == "LoRA r=8 alpha=16 rsLoRA on query, value, layers 2-5"
    step = Freeze(tuple(map(pattern_of, "abcdef")), True, (pattern_of("=x"),))
    assert described(step) == "thaw a, b, c, d and 2 more but not =x"
    assert described(Freeze((ALL,))) == "freeze everything"


WRITTEN = """\
# A plan of lamella: what is frozen, trained and adapted. A later step counts over an
# earlier one. To look at it:    lamella plan MODEL --plan THIS_FILE
# To apply it in Python:         inspect_core.apply_plan(model, THIS_FILE)
#
#   1. freeze embeddings, *.layer.[0-1]
#   2. LoRA r=8 alpha=16 on query, value, layers 2-5

lamella_plan = 1
base = "MiniLM"

[memory]
weights = "BF16"

[[step]]
freeze = [
    "embeddings",
    "*.layer.[0-1]",
]

[[step]]
place = "lora"
targets = [
    "query",
    "value",
]
rank = 8
alpha = 16
layers = "2-5"
"""


def test_the_file_reads_well(tmp_path):
    steps = (
        Freeze((pattern_of("embeddings"), pattern_of("*.layer.[0-1]"))),
        Place(targets=("query", "value"), alpha=16, layers=(2, 3, 4, 5)),
    )
    path = tmp_path / "plan.toml"
    plan = Plan(steps, Precision(weights="BF16"), "MiniLM")
    write_plan(path, plan)
    assert path.read_text() == WRITTEN
    assert read_plan(path) == plan
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UsageError, match="is there already"):
        write_plan(path, Plan())
    assert path.read_text() == WRITTEN


def test_a_plan_that_could_not_be_read_again_is_not_written(tmp_path):
    with pytest.raises(UsageError, match="cannot be kept"):
        write_plan(tmp_path / "plan.toml", Plan((Place(targets=("x" * 5000,)),)))
    assert not list(tmp_path.iterdir())


REFUSED = {
    "unknown key": ("steps = []", "steps: is not known here"),
    "unknown in a step": ('[[step]]\nfreeze = ["a"]\nrank = 3', "step 1: rank: is not known"),
    "two kinds": ('[[step]]\nfreeze = ["a"]\nthaw = ["b"]', "step 1: needs one of"),
    "no kind": ("[[step]]\n", "step 1: needs one of"),
    "nothing frozen": ("[[step]]\nfreeze = []", "step 1: freeze names nothing"),
    "a text for a list": ('[[step]]\nfreeze = "a"', "step 1: freeze: a text, where a list"),
    "a number in a list": ("[[step]]\nfreeze = [1]", "step 1: freeze: a whole number, where"),
    "an empty pattern": ('[[step]]\nfreeze = [""]', "step 1: freeze: an empty pattern"),
    "an empty target": ('[[step]]\nplace = "lora"\ntargets = [""]', "step 1: targets: an empty"),
    "a table too many": ('[[step]]\nfreeze = [{match = "a"}]', "has match and how"),
    "an unknown way": ('[[step]]\nfreeze = [{match = "a", how = "x"}]', "how: not one of end"),
    "an unknown method": ('[[step]]\nplace = "boft"', "step 1: place: not one of lora, dora, ia3"),
    "a method in a list": ("[[step]]\nplace = []", "step 1: place: not one of"),
    "rank 0": ('[[step]]\nplace = "lora"\nrank = 0', "step 1: rank: not between 1"),
    "rank true": ('[[step]]\nplace = "lora"\nrank = true', "rank: true or false, where a whole"),
    "rank 8.0": ('[[step]]\nplace = "lora"\nrank = 8.0', "rank: a number, where a whole"),
    "a huge rank": ('[[step]]\nplace = "lora"\nrank = 0x' + "f" * 9999, "rank: not between"),
    "alpha nan": ('[[step]]\nplace = "lora"\nalpha = nan', "alpha: not a number between"),
    "alpha inf": ('[[step]]\nplace = "lora"\nalpha = 1e999', "alpha: not a number between"),
    "a huge alpha": ('[[step]]\nplace = "lora"\nalpha = 0x' + "f" * 9999, "alpha: not a number"),
    "a date": ('[[step]]\nplace = "lora"\nalpha = 2020-01-01', "alpha: a date"),
    "a text for yes": ('[[step]]\nplace = "lora"\nrslora = "yes"', "rslora: a text, where true"),
    "odd layers": ('[[step]]\nplace = "lora"\nlayers = "2-"', "step 1: layers: "),
    "a negative layer": ('[[step]]\nplace = "lora"\nlayers = [-1]', "layers: not between 0"),
    "many layers": ('[[step]]\nplace = "lora"\nlayers = "0-99999999"', "layers: "),
    "ranks in a list": ('[[step]]\nplace = "lora"\nrank_pattern = [1]', "a list, where a table"),
    "a nested rank": (
        '[[step]]\nplace = "lora"\n[step.rank_pattern]\na.b = 3',
        "rank_pattern: a table, where a whole number",
    ),
    "steps as a table": ("[step]\n", "write [[step]]"),
    "steps as numbers": ("step = [1]", "write [[step]]"),
    "memory as a list": ("memory = []", "memory: not a table"),
    "memory of another kind": ("[memory]\nstates = 1", "memory: states: is not known"),
    "a newer one": ("lamella_plan = 2", "a newer lamella"),
    "a base in a list": ("base = [1]", "base: a list, where a text"),
    "no TOML": ("freeze embeddings", "not TOML"),
    "a huge text": (f'base = "{"x" * 5000}"', "more than 4,000 characters"),
    "escapes": ('"\\u001b[2J\\n" = 1', "is not known here"),
    "a million steps": ("[[step]]\n" * 100_000, "step: 100,000 of them"),
    "deep lists": ("a = " + "[" * 100_000, "nested too deep"),
    "deep tables": ("a = " + "{a=" * 50_000, "nested too deep"),
    "a deep key": ("a." * 100_000 + "a = 1", "dots outside of texts"),
    "a deep heading": ("[" + "a." * 100_000 + "a]", "dots outside of texts"),
    "quoted deep key": ('"a".' * 100_000 + "a = 1", "dots outside of texts"),
    "open quotes": ("a = " + '"\\' * 200_000, "not TOML"),
    "open long quotes": ('a = """' + '"\\' * 200_000, "not TOML"),
    "many digits": ("a = " + "9" * 100_000, "not TOML"),
    "too large": ("#" * (1 << 20) + "\n", "more than the 1,048,576 accepted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_strangers_file_ends_in_one_line(name, tmp_path):
    text, said = REFUSED[name]
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(LamellaError) as refused:
        read_plan(path)
    shown = str(refused.value)
    assert said in shown
    assert shown.isprintable()
    assert len(shown) < 1000


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_bytes(b'base = "\xff"')
    with pytest.raises(UsageError, match="not TOML"):
        read_plan(path)


def test_dots_in_texts_are_no_keys():
    name = "a." * 100 + "b"
    text = (
        f"# {name}\n[[step]]\nfreeze = ['{name}', \"{name}\", '''{name}''', \"\"\"{name}\"\"\"]\n"
    )
    plan = plan_of(text.encode())
    assert plan.steps == (Freeze((Pattern(name),) * 4),)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused(make, tmp_path):
    make(tmp_path / "plan.toml")
    with pytest.raises(LamellaError):
        read_plan(tmp_path / "plan.toml")
