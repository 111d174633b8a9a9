"""Taggers: one tag for each word, or a line that says what to install."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.capture import tagger as taggers
from inspect_core.capture.tagger import find_tagger, taggers_here
from inspect_core.errors import LamellaError, UsageError

_HAS_TEXTBLOB = "textblob" in taggers_here()
needs_textblob = pytest.mark.skipif(not _HAS_TEXTBLOB, reason="the extra pos is not installed")


@needs_textblob
def test_textblob():
    tag = find_tagger("textblob")
    assert tag(["The", "cat", "sat", "on", "3", "mats", "."]) == [
        "DT", "NN", "VBD", "IN", "CD", "NNS", ".",
    ]  # fmt: skip
    assert tag([]) == []


@needs_textblob
@given(st.lists(st.text(min_size=1) | st.sampled_from(["and/or", "&slash;", "New", "York", "n't"])))
def test_one_tag_for_each_word_whatever_it_holds(words):
    assert len(find_tagger("textblob")(words)) == len(words)


def test_a_tagger_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(taggers, "find_spec", lambda name: None)
    assert taggers_here() == ()
    with pytest.raises(UsageError, match=r"pip install 'lamella\[pos\]'"):
        find_tagger("textblob")


def test_a_tagger_whose_package_is_broken(monkeypatch):
    def broken():
        raise ImportError

    monkeypatch.setitem(taggers.TAGGERS, "mine", ("json", broken))
    with pytest.raises(UsageError, match="needs the package json"):
        find_tagger("mine")


def test_a_name_that_is_none():
    with pytest.raises(UsageError, match="no tagger 'brill'; there is textblob"):
        find_tagger("brill")


def test_a_tagger_that_miscounts(monkeypatch):
    monkeypatch.setitem(taggers.TAGGERS, "mine", ("json", lambda: lambda words: ["X"]))
    with pytest.raises(LamellaError, match="1 tags for 2 words"):
        find_tagger("mine")(["a", "b"])
