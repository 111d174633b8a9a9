"""The page of one neuron: both sides, its words, the sentences around them."""

from dataclasses import replace

import pytest
import reports_made as made
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from test_activation_views import BAD, CONTROL, LOOKS

from inspect_core.activations.neurons import NeuronDetail, Strong
from themes import load_theme
from tui.activations.figures import draw_neuron
from tui.activations.figures.sentences import marked_sentence
from tui.figures.wrapping import padded, wrapped
from tui.palette import Depth, make_palette

TITLES = ("base", "tuned")
PLAIN = make_palette(load_theme("lamella-dark"))
NO_COLOR = make_palette(load_theme("lamella-dark"), depth=Depth.NONE)


@pytest.fixture(params=LOOKS, ids=["truecolor", "16", "none", "ascii"])
def palette(request):
    return make_palette(load_theme("lamella-dark"), request.param[0], depth=request.param[1])


def drawn(detail, palette, width=100, height=30, titles=TITLES):
    strips = draw_neuron(detail, titles, palette, width, height)
    assert {strip.cell_length for strip in strips} == {width}
    lines = [strip.text for strip in strips]
    assert not any(CONTROL.search(line) for line in lines)
    if palette.ascii_only:
        assert all(line.isascii() for line in lines)
    return lines


@pytest.mark.parametrize("width", [10, 30, 46, 64, 80, 100, 200])
def test_it_fits(palette, width):
    text = "\n".join(drawn(made.detail(), palette, width))
    assert "neuron 17" in text or width < 24
    if width >= 80:
        for words in ("base", "tuned", "NOUN", "mass before", "mass after", "good", "sentences"):
            assert words in text


def test_both_sides_stand_beside_each_other():
    lines = drawn(made.detail(), PLAIN, 120)
    assert any("words before" in line and "words after" in line for line in lines)
    assert any("sentences before" in line and "sentences after" in line for line in lines)


def test_a_neuron_of_one_side(palette):
    detail = made.detail()
    text = "\n".join(drawn(replace(detail, words=((), detail.words[1])), palette, 140))
    assert "words before: none, the neuron is not activated" in text


def test_a_dead_neuron(palette):
    detail = NeuronDetail("m", 3, ((), ()), (), ())
    text = "\n".join(drawn(detail, palette, 140))
    assert "not activated" in text and "no tags" in text


def test_without_a_reference_there_is_one_side(palette):
    detail = made.detail()
    detail = replace(detail, words=(detail.words[1], detail.words[1]))
    text = "\n".join(drawn(detail, palette, titles=("tuned", "tuned")))
    assert "no reference" in text and "before" not in text and "strongest words" in text


def test_its_notes_are_shown(palette):
    detail = replace(made.detail(sentences=False), notes=("the texts are not there any more",))
    text = "\n".join(drawn(detail, palette))
    assert "the texts are not there any more" in text and "sentences" not in text


def test_many_tags_are_counted():
    lines = drawn(made.detail(tags=17), PLAIN, 100, 40)
    assert any("and 7 more" in line for line in lines)


def test_odd_numbers(palette):
    words = tuple(Strong("w", "T", 1, value, value, value, "w") for value in
                  (float("nan"), float("inf"), -1.0, 0.0, 1e300))  # fmt: skip
    drawn(replace(made.detail(), words=(words, words)), palette)


def test_foreign_text_is_made_safe(palette):
    words = tuple(Strong(BAD * k, BAD, 1, 1.0, 0.1, 2.0, f"a {BAD * k} b" * 20) for k in range(6))
    detail = made.detail()
    tags = tuple(replace(tag, name=BAD + tag.name) for tag in detail.tags)
    detail = NeuronDetail(BAD, 1, (words, words[::-1]), tags, ((BAD * 9, tags),))
    for width in (40, 77, 120):
        drawn(detail, palette, width, titles=(BAD, "x"))


def plain(lines):
    return " ".join(strip.text.strip() for strip in lines)


def bold(lines):
    return [seg.text for strip in lines for seg in strip if seg.style and seg.style.bold]


@pytest.mark.parametrize(
    ("sentence", "word", "marks"),
    [
        ("a good film", "good", ["good"]),
        ("Good, goods are not good!", "good", ["Good", "good"]),
        ("goods", "good", []),
        ("nothing of it", "x", []),
        ("a.b (a.b)", "a.b", ["a.b", "a.b"]),
        ("empty", "", []),
        ("no end. none.", ".", [".", "."]),
        ("it's (so)", "'s", ["'s"]),
        ("dann ist es GROSS", "gross", ["GROSS"]),
    ],
)
def test_a_word_is_marked_where_it_stands_by_itself(sentence, word, marks):
    lines = marked_sentence(sentence, word, PLAIN, 60)
    assert plain(lines) == sentence and bold(lines) == marks
    without = plain(marked_sentence(sentence, word, NO_COLOR, 60))
    assert without.count("[") == len(marks)


@pytest.mark.parametrize("width", [8, 20, 40, 60, 200])
@pytest.mark.parametrize("around", ["some words of it ", "日本語の文 ", "longestwordofall "])
def test_the_word_is_among_the_lines_that_are_shown(width, around):
    lines = marked_sentence(around * 40 + "here " + around * 40, "here", PLAIN, width)
    assert "here" in bold(lines) and len(lines) <= 4
    assert all(strip.cell_length <= width for strip in lines)


def test_a_page_that_scrolls_leaves_a_column_for_its_bar():
    strips = draw_neuron(made.detail(), TITLES, PLAIN, 120, 30)
    assert len(strips) > 30 and all(strip.text[-1] == " " for strip in strips)


def test_a_long_sentence_is_shown_around_its_word():
    sentence = "x " * 3000 + "here" + " y" * 3000
    lines = marked_sentence(sentence, "here", PLAIN, 60)
    assert len(lines) <= 4 and "here" in bold(lines)
    assert plain(lines).startswith("…")


def test_a_huge_sentence_is_not_read_to_its_end():
    assert len(marked_sentence("(" * 100_000, "(", PLAIN, 60)) <= 4


@given(st.text(max_size=80), st.integers(8, 40))
def test_wrapped_lines_fit_and_lose_only_blanks(text, width):
    from inspect_core.text import clean

    safe = clean(text, None)
    lines = wrapped([(safe, Style())], width)
    assert all(strip.cell_length <= width for strip in lines)
    assert "".join(s.text for s in lines).replace(" ", "") == safe.replace(" ", "")


@given(st.text(max_size=40), st.integers(1, 30))
def test_padded_text_has_exactly_its_cells(text, width):
    assert cell_len(padded(text, width)) == width
