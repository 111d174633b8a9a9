"""Expressions mean what PEFT means by them, or are refused."""

import re
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspect_core.limited_regex import compiled

PIECES = [
    "a", "b", "i", "d", "e", ".", "\\.", "*", "+", "?", "{", "}", "{i,d}", "{e<=1}", "{2}", "{1,2}",
    "{,2}", "{,}", "{2,}", "(", ")", "(?:", "(?i:", "(?=", "(?!", "(?>", "(?P<n>", "(?P=n)", "|",
    "[", "]", "[^", "[[:alpha:]]", "[a-b]", "[]a]", "&&", "--", "||", "-", "\\1", "\\w", "\\d",
    "\\b", "\\<", "\\p", "\\K", "\\A", "\\Z", "^", "$", "(?(1)", "(?#", "(?x)", "(?<=a)", "\\012",
    "#", " ", "++", "*?",
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        r"(?:zz){i,d}", "a{e<=1}", "a{}", "[[:alpha:]]", r"\p{L}", r"\P{L}", r"a\Kb", r"\Ga", r"\R",
        r"\X", r"\N{BULLET}", r"\L<words>", r"\mword", r"word\M", r"\h", "(?R)", "(a)(?1)",
        "(?P<n>a)(?&n)", "(?|a|b)", "(*FAIL)", r"\<word", "[a--b]", "[a&&b]", "[a||b]", "[a~~b]",
        "(?x)a b", "(?#[)a{i,d}", "(?e)a", "[a", "a**", "(", "{,}a", "a{,}",
    ],
)  # fmt: skip
def test_what_is_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compiled(text)


@pytest.mark.parametrize(
    ("text", "name", "fits"),
    [
        (r"layers\.(0|1)\.q", "layers.1.q", True),
        (r"layers\.[0-9]{1,2}\.q", "layers.12.q", True),
        (r"(?:q|k)++_proj", "q_proj", True),
        (r"(?<!x)q", "q", True),
        (r"(?i:Q)_proj", "q_proj", True),
        (r"[]{]", "{", True),
        (r"a\{i,d\}", "a{i,d}", True),
        (r"(?P<n>a)\.(?P=n)", "a.b", False),
    ],
)
def test_what_both_read_alike_is_run(text: str, name: str, fits: bool) -> None:
    assert (compiled(text).fullmatch(name, timeout=1) is not None) is fits


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.text("abide.{}[]-:& #", max_size=6))
@example(["a", "{e<=1}"], "b")
def test_it_fits_what_pythons_own_fits(pieces: list[str], name: str) -> None:
    text = "".join(pieces)
    try:
        made = compiled(text)
    except ValueError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert bool(re.fullmatch(text, name)) == bool(made.fullmatch(name))
        assert bool(re.match(text, name)) == bool(made.match(name))
