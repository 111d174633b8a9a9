"""`apply_plan` on live models: what the preview shows is trained, and nothing else."""

import builtins
import warnings

import pytest
import torch
from planned_models import ALL_PLANS, QV, freeze, listing_of_kind, model_of, thaw, trained

from inspect_core.errors import UsageError
from inspect_core.plan.apply import apply_plan
from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.plan.preview import trainable_names
from inspect_core.plan.written.files import write_plan
from inspect_core.structure.from_modules import model_listing


def applied(model, plan, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return apply_plan(model, plan, **options)


@pytest.mark.parametrize("name", ALL_PLANS)
def test_the_model_trains_what_the_preview_shows(name):
    kind, plan = ALL_PLANS[name]
    names, specs, facts, config = listing_of_kind(kind)
    wanted = trainable_names(names, specs, facts, plan, config)
    assert trained(applied(model_of(kind), plan)) == wanted


def test_a_plan_file_does_as_well(tmp_path):
    kind, plan = ALL_PLANS["thawed norms"]
    write_plan(tmp_path / "plan.toml", plan)
    by_file = applied(model_of(kind), tmp_path / "plan.toml")
    assert trained(by_file) == trained(applied(model_of(kind), plan))


def test_what_was_frozen_before_stays_frozen_and_a_second_plan_goes_on():
    model = model_of("bert")
    model.bert.embeddings.requires_grad_(False)
    applied(model, Plan((freeze("layer.0"),)))
    assert not any("embeddings" in name or "layer.0" in name for name in trained(model))
    applied(model, Plan((thaw("word_embeddings"),)))
    assert "bert.embeddings.word_embeddings.weight" in trained(model)


def test_names_that_are_not_there_stop_it_before_anything_changes():
    model = model_of("bert")
    before = trained(model)
    plan = Plan((freeze("embeddings", "layr.0"), thaw("=\x1b[2J")))
    with pytest.raises(UsageError, match=r"'layr\.0', .*x1b\[2J.*allow_unmatched") as refused:
        applied(model, plan)
    assert str(refused.value).isprintable()
    assert trained(model) == before
    applied(model, plan, allow_unmatched=True)
    assert "bert.embeddings.word_embeddings.weight" not in trained(model)


def test_what_peft_adds_for_a_task_need_not_be_there():
    model = applied(model_of("bert"), Plan((Place(targets=("query",), task="SEQ_CLS"),)))
    assert any("classifier" in name for name in trained(model))


def test_adapters_are_not_stacked():
    model = applied(model_of("bert"), Plan((QV,)))
    with pytest.raises(UsageError, match="adapters already"):
        applied(model, Plan((Place(targets=("key",)),)))
    frozen = applied(model, Plan((freeze("lora_A"),)))
    assert all("lora_B" in name for name in trained(frozen))


def test_without_peft_it_says_what_is_missing(monkeypatch):
    there = builtins.__import__

    def importing(name, *more):
        if name == "peft":
            raise ImportError(name)
        return there(name, *more)

    monkeypatch.setattr(builtins, "__import__", importing)
    model = model_of("bert")
    with pytest.raises(UsageError, match="pip install peft"):
        apply_plan(model, Plan((QV,)))
    apply_plan(model, Plan((freeze("*"),)))
    assert not trained(model)


def test_what_peft_says_is_one_line(monkeypatch):
    import peft

    def refusing(*_):
        raise ValueError("no\n\x1b]0;title\x07")

    monkeypatch.setattr(peft, "get_peft_model", refusing)
    with pytest.raises(UsageError, match="PEFT refuses") as refused:
        applied(model_of("bert"), Plan((QV,)))
    assert str(refused.value).isprintable()


class Tiny(torch.nn.Module):
    """No model of a library: two layers, whole numbers, a tied pair, a buffer."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.last = torch.nn.Linear(4, 4)
        self.last.weight = self.first.weight
        self.packed = torch.nn.Parameter(torch.zeros(4, dtype=torch.int8), requires_grad=False)
        self.register_buffer("seen", torch.zeros(4))


@pytest.mark.parametrize(
    "plan",
    [
        Plan((freeze("*"), thaw("*"))),
        Plan((freeze("last"),)),
        Plan((Place(targets=("last",), rank=2), thaw("bias"))),
        Plan((Place(target_expression="f.*t", rank=2),)),
    ],
)
def test_any_module_will_do(plan):
    model = Tiny()
    names, specs, facts = model_listing(model)
    wanted = trainable_names(names, specs, facts, plan)
    assert trained(applied(model, plan)) == wanted
    assert wanted


def test_a_lazy_model_is_refused_before_anything_changes():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LazyLinear(4))
    with pytest.raises(UsageError, match="waits for its first input"):
        apply_plan(model, Plan((Freeze((Pattern("", "exact"),)),)))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_config_that_raises_is_one_line_and_a_strangers_is_not_called():
    class Raising(torch.nn.Linear):
        @property
        def config(self):
            raise RuntimeError("no config\n\x1b[31mhere")

    class Odd:
        def to_dict(self):
            raise AssertionError("called")

    plan = Plan((Freeze((Pattern("bias"),)),))
    with pytest.raises(UsageError, match="config cannot be read: RuntimeError") as raised:
        apply_plan(Raising(2, 2), plan)
    assert "\x1b" not in str(raised.value) and "\n" not in str(raised.value)
    model = torch.nn.Linear(2, 2)
    model.config = Odd()
    assert not apply_plan(model, plan).bias.requires_grad
