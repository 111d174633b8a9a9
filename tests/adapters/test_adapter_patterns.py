"""Ranks and scales by patterns: PEFT's own rule is the oracle, and no expression runs long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.checkpoint import adapter_patterns
from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.adapter_patterns import resolved

MODULES = ["layers.0.q", "layers.10.q", "layers.0.up", "m.layers.0.q", "q", "layers.0.k_q"]
PATTERNS = ["q", "0.q", "layers.0.q", "^layers.0.q", r"layers\.(0|10)\.q", ".*q", "k.q", "(?:up|q)"]


def pefts(patterns: dict[str, int], module: str, default: int) -> int:
    """`peft.utils.other.get_pattern_key` and what is done with it."""
    key = next((p for p in patterns if re.match(rf"(.*\.)?({p})$", module)), module)
    return patterns.get(key, default)


@given(st.dictionaries(st.sampled_from(PATTERNS), st.integers(1, 99)))
def test_the_rule_is_that_of_peft(patterns) -> None:
    config = AdapterConfig(rank=4, alpha=8.0, rank_pattern=patterns, rank_expressions=True)
    found = resolved(config, dict.fromkeys(MODULES))
    for module in MODULES:
        rank = pefts(patterns, module, 4)
        assert (found.rank_of(module), found.scale_of(module)) == (rank, 8.0 / rank)


def test_the_stored_rank_decides_between_patterns() -> None:
    config = AdapterConfig(rank=4, alpha=8.0, rank_pattern={"0.q": 3, "q": 9})
    found = resolved(config, {"layers.0.q": 9, "layers.1.q": 9, "layers.0.up": None})
    assert [found.rank_of(name) for name in ("layers.0.q", "layers.1.q", "layers.0.up")] == [
        9,
        9,
        4,
    ]
    assert resolved(config, {"layers.0.q": 5}).rank_of("layers.0.q") == 3


@pytest.mark.parametrize(
    "pattern", ["(a+)+$b", "([", "x" * 2000 + "*", "(?P<n>a)(?P<n", "a{9999999999}"]
)
def test_what_cannot_be_run_leaves_its_modules_unknown(pattern) -> None:
    config = AdapterConfig(
        rank=4, alpha=8.0, rank_pattern={"up": 2, pattern: 3}, rank_expressions=True
    )
    found = resolved(config, {"m." + "a" * 60: None, "m.up": None})
    assert found.scale_of("m.up") == 4.0
    # The first one may be quick enough in a package that sees through it.
    assert found.rank_of("m." + "a" * 60) is None or pattern == "(a+)+$b"


def test_all_expressions_together_have_one_limit(monkeypatch) -> None:
    monkeypatch.setattr(adapter_patterns, "SECONDS", 0.02)
    slow = {f"(a|aa)+{'b' * count}": count for count in range(1, 40)}
    config = AdapterConfig(rank=4, alpha=8.0, rank_pattern=slow, rank_expressions=True)
    found = resolved(config, {"m." + "a" * 200 + str(number): None for number in range(20)})
    assert found.rank_of("m." + "a" * 200 + "19") is None


def test_many_plain_patterns_are_looked_up(monkeypatch) -> None:
    patterns = {f"layers.{number}.q": number + 1 for number in range(50)}
    modules = {f"m.layers.{number}.q": None for number in range(60)}
    config = AdapterConfig(rank=4, alpha=8.0, rank_pattern=patterns)
    scanned = resolved(config, modules)
    monkeypatch.setattr(adapter_patterns, "MOST_COMPARED", 10)
    assert resolved(config, modules) == scanned
    assert scanned.rank_of("m.layers.49.q") == 50 and scanned.rank_of("m.layers.50.q") == 4
