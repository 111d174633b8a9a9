"""The plan that a fine-tune evidently used, read off its weights."""

import copy
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from planned_models import QV, freeze, thaw, trained
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, BertModel

from inspect_core.plan.addressing import Budget, Matcher
from inspect_core.plan.apply import apply_plan
from inspect_core.plan.observed.covering import covering
from inspect_core.plan.observed.observed import evidence, observed_frozen, plan_from_diff
from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.plan.written.spelling import ALL, typed
from inspect_core.results.comparison import compare

CONFIG = BertConfig(
    hidden_size=16, intermediate_size=24, vocab_size=40, num_hidden_layers=5,
    num_attention_heads=2, max_position_embeddings=12, hidden_dropout_prob=0.0,
)  # fmt: skip


def saved(model: torch.nn.Module, folder: Path, dtype: torch.dtype = torch.float32) -> str:
    folder.mkdir(exist_ok=True)
    save_file(
        {name: tensor.to(dtype).contiguous() for name, tensor in model.state_dict().items()},
        folder / "model.safetensors",
    )
    return str(folder)


def trained_a_step(model: torch.nn.Module) -> None:
    """Every parameter that is not frozen moves, each of its values."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.01 * torch.randn_like(parameter) + 0.001


def patterns(plan: Plan) -> list[list[str | None]]:
    return [[typed(one) for one in step.patterns] for step in plan.steps]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.manual_seed(0)
    model = BertModel(CONFIG)
    return model, saved(model, tmp_path_factory.mktemp("base"))


def fresh(base) -> BertModel:
    model = BertModel(copy.deepcopy(CONFIG))  # a model that grows writes it down there
    model.load_state_dict(base[0].state_dict())
    return model


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((freeze("embeddings"),), [["embeddings"]]),
        ((freeze("embeddings", "layer.0", "layer.1"),), [["embeddings", "layer.0", "layer.1"]]),
        ((freeze("*.layer.[0-3]"),), [["*layer.[0-3]"]]),
        ((freeze("*"), thaw("bias")), [["weight"]]),
        ((freeze("*"), thaw("pooler")), [["embeddings", "encoder"]]),
        ((freeze("LayerNorm", "query"),), [["LayerNorm", "query"]]),
        ((freeze("output.dense.bias"),), [["output.dense.bias"]]),
        ((freeze("*"), thaw("layer.2.output")), [["*"], ["layer.2.output"]]),
        ((freeze("*"),), [["*"]]),
        ((), []),
    ],
)
def test_freezing_is_read_off_and_said_in_short(base, tmp_path, steps, said):
    model = apply_plan(fresh(base), Plan(steps))
    trained_a_step(model)
    plan = plan_from_diff(base[1], saved(model, tmp_path / "tuned"))
    assert patterns(plan) == said
    assert trained(apply_plan(fresh(base), plan)) == trained(model)


@pytest.mark.parametrize("seed", range(6))
def test_any_freezing_is_read_off_exactly(base, tmp_path, seed):
    chance = random.Random(seed)
    model = fresh(base)
    modules = [path for path, _ in model.named_modules() if path]
    for path in chance.sample(modules, 6):
        model.get_submodule(path).requires_grad_(chance.random() < 0.3)
    for parameter in chance.sample(list(model.parameters()), 5):
        parameter.requires_grad_(chance.random() < 0.5)
    trained_a_step(model)
    plan = plan_from_diff(base[1], saved(model, tmp_path / "tuned"))
    assert trained(apply_plan(fresh(base), plan)) == trained(model)


def test_the_plan_holds_for_the_names_of_both(base, tmp_path):
    model = BertForSequenceClassification(CONFIG)
    model.bert.load_state_dict(base[0].state_dict())
    model = apply_plan(model, Plan((freeze("embeddings", "layer.0"),)))
    wanted = trained(model)
    trained_a_step(model)
    found = evidence(base[1], saved(model, tmp_path / "tuned"))
    assert patterns(found.plan) == [["embeddings", "layer.0"]]
    assert found.observed.added == ("classifier.bias", "classifier.weight")
    assert "new, and so trained: classifier.bias, classifier.weight" in found.notes
    again = apply_plan(BertForSequenceClassification(CONFIG), found.plan)
    assert trained(again) == wanted
    at_base = trained(apply_plan(fresh(base), found.plan))
    assert {f"bert.{name}" for name in at_base} == {n for n in wanted if "classifier" not in n}


def test_a_head_alone(base, tmp_path):
    model = BertForSequenceClassification(CONFIG)
    model.bert.load_state_dict(base[0].state_dict())
    found = evidence(base[1], saved(model, tmp_path / "tuned"))
    assert not found.observed.tuned
    assert any("only what was added was trained" in note for note in found.notes)
    again = apply_plan(BertForSequenceClassification(CONFIG), found.plan)
    assert set(trained(again)) == {"classifier.weight", "classifier.bias"}


def test_rounding_is_no_training(base, tmp_path):
    model = apply_plan(fresh(base), Plan((freeze("embeddings", "*.layer.[0-1]"),)))
    trained_a_step(model)
    found = evidence(base[1], saved(model, tmp_path / "tuned", torch.bfloat16))
    assert patterns(found.plan) == [["embeddings", "layer.0", "layer.1"]]
    assert found.observed.rounded
    assert any("rounding to a narrower dtype" in note for note in found.notes)


def test_a_vocabulary_that_grew_was_trained(base, tmp_path):
    model = fresh(base)
    model.resize_token_embeddings(48)
    found = evidence(base[1], saved(model, tmp_path / "tuned"))
    assert found.observed.tuned == ("embeddings.word_embeddings.weight",)


def test_what_one_side_lacks_is_said(base, tmp_path):
    model = BertModel(CONFIG, add_pooling_layer=False)
    model.load_state_dict(base[0].state_dict(), strict=False)
    found = evidence(base[1], saved(model, tmp_path / "tuned"))
    assert found.observed.removed == ("pooler.dense.bias", "pooler.dense.weight")
    assert any("only in the base" in note for note in found.notes)


def merged(base, folder, place: Place, dtype: torch.dtype = torch.float32) -> str:
    torch.manual_seed(2)
    model = apply_plan(fresh(base), Plan((place,)))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = 0.3 * torch.randn_like(parameter)
    return saved(model.merge_and_unload(), folder, dtype)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place(targets=("query", "value"), rank=3), "query, value: each"),
        (Place(targets=("query",), rank=2, layers=(1, 3)), "query in layers 1,3: each"),
        (Place(target_expression="all-linear", rank=1), "dense, key, query, value: each"),
        (Place(targets=("pooler.dense",), rank=2), "pooler.dense: the one"),
    ],
)
def test_a_merged_lora_is_recognised(base, tmp_path, place, said):
    tuned = merged(base, tmp_path / "tuned", place)
    found = evidence(base[1], tuned)
    assert found.lora is not None
    assert f"looks like a merged LoRA of rank {place.rank}" in found.notes[0]
    step = found.plan.steps[0]
    assert isinstance(step, Place)
    assert step.rank == place.rank
    assert said in found.notes[0]
    there = trained(apply_plan(fresh(base), Plan((place,))))
    assert trained(apply_plan(fresh(base), found.plan)) == there
    plain = evidence(base[1], tuned, look_for_lora=False)
    assert isinstance(plain.plan.steps[0], Freeze)


def test_a_full_rank_change_is_no_lora(base, tmp_path):
    model = apply_plan(fresh(base), Plan((freeze("*"), thaw("query.weight", "value.weight"))))
    trained_a_step(model)
    found = evidence(base[1], saved(model, tmp_path / "tuned"))
    assert found.lora is None
    assert trained(apply_plan(fresh(base), found.plan)) == trained(model)


def test_notes_are_safe_to_show(tmp_path):
    names = {"a\x1b[2J\n": 1.0, "b": 2.0}
    for side, more in (("base", {}), ("tuned", {"new\u202e\x07": 1.0})):
        (tmp_path / side).mkdir()
        tensors = {name: torch.full((2, 2), value) for name, value in {**names, **more}.items()}
        save_file(tensors, tmp_path / side / "model.safetensors")
    found = evidence(str(tmp_path / "base"), str(tmp_path / "tuned"))
    assert found.observed.added
    assert all(note.isprintable() for note in found.notes)


def test_buffers_are_not_observed(tmp_path):
    tensors = {"bn.weight": torch.ones(3), "bn.running_mean": torch.ones(3),
               "bn.num_batches_tracked": torch.tensor(1), "own": torch.ones(3)}  # fmt: skip
    for side, add in (("base", 0), ("tuned", 1)):
        (tmp_path / side).mkdir()
        moves = ("bn.running_mean", "bn.num_batches_tracked", "own")
        moved = {n: t + add if n in moves else t for n, t in tensors.items()}
        save_file(moved, tmp_path / side / "model.safetensors")
    found = observed_frozen(compare(str(tmp_path / "base"), str(tmp_path / "tuned")), {"own"})
    assert (found.frozen, found.tuned) == (("bn.weight",), ())


PART = st.sampled_from(("a", "b", "c", "0", "1", "2", "10", "weight", "a*"))
NAMES = st.lists(PART, min_size=1, max_size=4).map(".".join)


def paths_of(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts) + 1)]


def hits(pattern: Pattern, name: str) -> bool:
    matcher = Matcher((pattern,), Budget())
    return any(matcher.which(path) for path in paths_of(name))


@given(st.lists(NAMES, unique=True, max_size=14), st.data())
def test_patterns_cover_what_they_should_and_nothing_else(names, data):
    # A tensor whose name is that of another one's module cannot be told from what is in it.
    names = [n for n in names if not any(other.startswith(f"{n}.") for other in names)]
    wanted = [name for name in names if data.draw(st.booleans(), label=name)]
    others = [name for name in names if name not in wanted]
    found = covering(wanted, others)
    for name in names:
        assert any(hits(pattern, name) for pattern in found) == (name in wanted)
    assert len(found) <= len(wanted)
    if wanted and not others:
        assert found == (ALL,)


def test_names_without_structure_are_covered_too():
    chance = random.Random(0)
    experts = [f"layers.{layer}.experts.{expert}" for layer in range(20) for expert in range(64)]
    names = [f"{path}.{kind}.weight" for path in experts for kind in "ab"]
    wanted = [name for name in names if chance.random() < 0.5]
    left = sorted(set(names) - set(wanted))
    found = covering(wanted, left)
    assert len(found) <= len(wanted)
    matcher = Matcher(found, Budget(60))
    assert not any(matcher.which(path) for name in left for path in paths_of(name))
    assert all(any(matcher.which(path) for path in paths_of(name)) for name in wanted)


def test_a_planned_lora_is_not_read_off_one_that_is_not_merged(base):
    found = evidence(base[1], base[1])
    assert found.lora is None
    assert patterns(found.plan) == [["*"]]
    assert QV not in found.plan.steps


def _odd(tmp_path, base: dict[str, int], moved: set[str], low_rank: bool = False) -> Plan:
    rng = torch.Generator().manual_seed(0)
    before = {name: torch.randn(4, 4, generator=rng) for name in base}
    one = torch.outer(torch.arange(1.0, 5.0), torch.ones(4))
    step = one if low_rank else 1 + torch.randn(4, 4, generator=rng)
    after = {name: value + step if name in moved else value for name, value in before.items()}
    save_file(before, tmp_path / "b.safetensors")
    save_file(
        {name: value.contiguous() for name, value in after.items()}, tmp_path / "t.safetensors"
    )
    return plan_from_diff(str(tmp_path / "b.safetensors"), str(tmp_path / "t.safetensors"))


@pytest.mark.parametrize(
    ("names", "moved"),
    [
        ((".x", "a.weight", "b.weight"), {"a.weight", "b.weight"}),
        ((".x", ".y", "b.weight"), {".y"}),
        (("a", "a.b", "c"), {"a.b", "c"}),
        (("a", "a.b", "a.b.c", "d"), {"a.b"}),
        (("a", "a.b", "a.b.c", "d"), {"a", "a.b.c"}),
    ],
)
def test_odd_names_train_just_what_moved(tmp_path, names, moved):
    from inspect_core.plan.preview import trainable_names
    from inspect_core.structure.build import NO_FACTS
    from inspect_core.structure.tree import LeafSpec

    plan = _odd(tmp_path, names, moved)
    specs = [LeafSpec("F32", (4, 4))] * len(names)
    assert set(trainable_names(names, specs, NO_FACTS, plan)) == moved


def test_a_proposal_of_lora_holds_in_its_own_preview(tmp_path):
    from inspect_core.plan.preview import preview, trainable_names
    from inspect_core.structure.build import NO_FACTS
    from inspect_core.structure.tree import LeafSpec

    names = [*(f"m.{k}.ff.weight" for k in range(4)), "m.4.ff.w.weight"]
    plan = _odd(tmp_path, names, set(names[:4]), low_rank=True)
    [place] = plan.steps
    assert isinstance(place, Place) and place.rank == 1
    about = names, [LeafSpec("F32", (4, 4))] * len(names), NO_FACTS
    assert not preview(*about, plan).error
    found = {name.partition(".lora_")[0] for name in trainable_names(*about, plan)}
    assert found == {f"base_model.model.m.{k}.ff" for k in range(4)}
