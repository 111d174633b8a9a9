"""The sanitiser: nothing gets through that acts, hides or piles up, and honest text stays."""

import unicodedata

import pytest
from hostile.names import MARKUP_NAMES, NAMES, TERMINAL_NAMES
from hostile.safe import INVISIBLE, unsafe
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from inspect_core.text import DISPLAY_LIMIT, clean

ODD = (
    "".join(sorted(INVISIBLE))[:400]
    + "\x1b\x9b\u202e\ud800\u0300\u0489\u0903\u1161\u11a8 …層\U0001f3fb"
)
TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(st.characters(codec=None), max_size=40),
    st.text(st.sampled_from(ODD), max_size=60),
    st.text(st.sampled_from("a \u0300\u0903\u1161\u20dd\x1b層"), max_size=450),
)
LIMITS = st.one_of(st.none(), st.integers(1, 300))


@given(TEXTS, LIMITS)
@example("\u0300" * 500, 200)
@example("層" * 500, 200)
@example("a" + "\u0300\u0300\u0903" * 200, None)
def test_the_result_is_safe_bounded_and_stays_as_it_is(text: str, limit: int | None) -> None:
    safe = clean(text, limit)
    assert unsafe(safe) == []
    assert safe.isprintable()
    assert clean(safe, limit) == safe
    assert clean(text, limit) == safe
    if limit is not None:
        assert len(safe) <= limit
        assert cell_len(safe) <= limit


@given(TEXTS, LIMITS)
def test_a_part_stands_on_its_own(text: str, limit: int | None) -> None:
    safe = clean(text, limit)
    if safe:
        first = unicodedata.category(safe[0])
        assert first[0] != "M" and not "\u1160" <= safe[0] <= "\u11ff"


PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=DISPLAY_LIMIT)


@given(PRINTABLE)
def test_printable_ascii_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@given(st.text(st.characters(max_codepoint=0x7F, blacklist_characters="\\"), max_size=40))
def test_distinct_ascii_names_stay_distinct(text: str) -> None:
    assert clean(text, None).encode().decode("unicode_escape") == text


@given(st.characters(codec=None))
def test_no_character_alone_gets_through(char: str) -> None:
    assert unsafe(clean(char)) == []
    assert unsafe(clean(f"a{char}b")) == []
    assert unsafe(clean(f"層{char * 9}b")) == []


def test_every_code_point_that_hides_is_escaped() -> None:
    shown = {char: clean(f"a{char}b") for char in INVISIBLE}
    assert all(text == f"a{clean(char)}b" and "\\" in text for char, text in shown.items())
    assert clean("weight") != clean("wei\u200bght") != clean("wei\u3164ght")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("\r\n\t\0", "\\x0d\\x0a\\x09\\x00"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("a\u00a0b\u3000c", "a\\xa0b\\u3000c"),
        ("wei\u00adght", "wei\\xadght"),
        ("wei\u3164\u115f\u1160\uffa0\u2800ght", "wei\\u3164\\u115f\\u1160\\uffa0\\u2800ght"),
        ("a\u034f\u17b4\u180bb\ufe0f", "a\\u034f\\u17b4\\u180bb\\ufe0f"),
        ("\u0301a", "\\u0301a"),
        (" \u0301a", " \\u0301a"),
        ("\x1b\u0301", "\\x1b\\u0301"),
        ("e\u0301\u0301\u0301", "e\u0301\u0301\\u0301"),
        ("a\\x1b", "a\\x1b"),
    ],
)
def test_what_hides_is_escaped(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "模型.层.权重", "モデル.ガ", "모델.가중치",
        "\u1112\u1161\u11ab", "נִמוּדֵל", "نموذج.طبقة.وزن",
        "परत.भार.किलोग्राम",
        "น้ำหนัก.ชั้น", "ви́с.й", "Tiếng Việt", "café", "cafe\u0301", "naïve_Ω.µ",
        "မြန်မာ", "🤖.weight", "👍🏽",
        "…", "（全角）",
    ],
)  # fmt: skip
def test_names_of_real_languages_stay_readable(text: str) -> None:
    assert clean(text) == text


def test_a_family_loses_its_joiners_only() -> None:
    assert clean("👨\u200d👩\u200d👧.w") == "👨\\u200d👩\\u200d👧.w"


def test_long_texts_are_cut_in_the_middle_by_cells() -> None:
    assert clean("a" * 201) == "a" * 99 + "…" + "a" * 100
    assert clean("a" * 200) == "a" * 200
    assert clean("x" * 99, None) == "x" * 99
    wide = clean("層" * 300)
    assert wide == "層" * 49 + "…" + "層" * 50
    assert cell_len(wide) == 199
    assert clean("層" * 100) == "層" * 100
    huge = clean("é" * 5_000_000 + "end")
    assert huge.endswith("éend") and len(huge) == 200
    assert clean("a" * 150 + "e\u0301" * 75, 200).isprintable()
    assert [clean("abcdef", limit) for limit in (1, 2, 3)] == ["…", "…f", "a…f"]


@pytest.mark.parametrize("id_", NAMES)
def test_every_name_of_the_corpus_is_safe(id_: str) -> None:
    name = NAMES[id_]
    for part in (name, *name.split(".")[:50]):
        assert unsafe(clean(part)) == []
    if id_ in TERMINAL_NAMES:
        assert "\\" in clean(name)
    if id_ in MARKUP_NAMES:
        assert clean(name) == name, "markup is not the terminal's: a widget must not read it"
