"""Which units a word activates, against the definition written out in plain Python."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_outputs import made_batch, made_output, plainly_activated

from inspect_core.activations import units as module
from inspect_core.activations.rule import MAGNITUDE, MAX, OVER, POSITIVE, TOP, VALUE, Rule
from inspect_core.activations.units import find_activated

SIGNS = (VALUE, POSITIVE, MAGNITUDE)
RULES = [
    Rule(kind, sign, k=k, threshold=threshold)
    for sign in SIGNS
    for kind, k, threshold in [(MAX, 1, 0), (TOP, 3, 0), (TOP, 99, 0), (OVER, 1, 0.5), (OVER, 1, 0)]
] + [Rule(OVER, VALUE, threshold=-0.75)]
TEXTS = [["a", ("bcd", 3), "e"], [("fgh", 2)], [], ["i", "j", ("klm", 2), "n", "o"]]


def as_dict(found):
    pairs = zip(found.word.tolist(), found.unit.tolist(), strict=True)
    activations = dict(zip(pairs, found.activation.tolist(), strict=True))
    assert len(activations) == len(found.word), "a word and unit come once"
    return activations


def assert_as_defined(values, word, rule):
    found = find_activated(made_output(values, word), rule)
    expected, odd = plainly_activated(values.double().numpy(), word, rule)
    assert as_dict(found) == expected
    assert found.odd == len(odd)
    assert found.word.dtype == found.unit.dtype == np.int64
    assert found.activation.dtype == np.float64


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.kind}-{rule.sign}")
def test_rules_on_random_values(rule, kind):
    word = made_batch(TEXTS, pad=2).word
    values = torch.randn(*word.shape, 11, generator=torch.Generator().manual_seed(3)).to(kind)
    assert_as_defined(values, word, rule)


def test_the_strongest_one_is_the_strongest_of_one():
    """Zeros take their places, whatever the rule is called; only what is not 0 counts."""
    word = np.array([[0, 1]])
    values = torch.tensor([[[0.0, -1.0, -2.0], [-1.0, -3.0, -2.0]]])
    most, first = (
        as_dict(find_activated(made_output(values, word), rule))
        for rule in (Rule("max", "value"), Rule("top", "value", 1))
    )
    assert most == first == {(1, 0): -1.0}


few_values = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, float("nan"), float("inf"), float("-inf")]
)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(RULES))
def test_ties_zeros_and_odd_values(data, rule):
    word = made_batch([["a", ("bc", 2)], [("def", 3)]]).word
    wanted = word.size * 3
    numbers = data.draw(st.lists(few_values, min_size=wanted, max_size=wanted))
    assert_as_defined(torch.tensor(numbers).reshape(*word.shape, 3), word, rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.kind}-{rule.sign}")
def test_outputs_are_read_in_parts(rule, monkeypatch):
    word = made_batch(TEXTS, pad=1).word
    values = torch.randn(*word.shape, 5, generator=torch.Generator().manual_seed(4))
    monkeypatch.setattr(module, "AT_ONCE", 1)
    assert_as_defined(values, word, rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.kind}-{rule.sign}")
@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (2, 4, 0), (2, 4, 3)])
def test_nothing_to_count(rule, shape):
    word = np.full(shape[:2], -1)
    found = find_activated(made_output(torch.ones(shape), word), rule)
    assert len(found.word) == len(found.unit) == len(found.activation) == found.odd == 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.kind}-{rule.sign}")
def test_the_values_of_the_model_stay_as_they_are(rule):
    word = made_batch(TEXTS).word
    values = torch.randn(*word.shape, 5, requires_grad=True)
    before = values.detach().clone()
    find_activated(made_output(values, word), rule)
    torch.testing.assert_close(values.detach(), before, rtol=0, atol=0)


def test_a_threshold_that_the_values_cannot_hold():
    # 0.1 in bfloat16 is 0.10009765625: greater than 0.1, and equal to 0.1 rounded.
    values = torch.tensor([[[0.1, 0.0996]]], dtype=torch.bfloat16)
    found = find_activated(made_output(values, [[0]]), Rule(OVER, VALUE, threshold=0.1))
    assert found.unit.tolist() == [0]
