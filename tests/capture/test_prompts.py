"""Few-shot prompts: the same questions however many examples, and nothing of a text is obeyed."""

from collections import Counter

import pytest

from inspect_core.capture.prompts import POOL, FewShot
from inspect_core.capture.texts import TextSource, open_texts
from inspect_core.errors import LamellaError


def texts(tmp_path, rows, labels=("mood",)):
    path = tmp_path / "texts.tsv"
    path.write_text("text\tmood\tother\n" + "".join("\t".join(row) + "\n" for row in rows))
    return open_texts(TextSource(str(path), "text", labels=labels))


@pytest.fixture
def some(tmp_path):
    return texts(tmp_path, [(f"text {k}", "abc"[k % 3], str(k)) for k in range(60)])


def test_questions_are_the_same_whatever_the_number_of_examples(some):
    made = {k: FewShot(some, k) for k in (0, 2, 5)}
    asked = {k: [one.number for one in prompts] for k, prompts in made.items()}
    assert asked[0] == asked[2] == asked[5] == sorted(asked[0])
    assert len(asked[0]) == made[0].count == 60 - POOL
    assert not set(asked[0]) & set(made[0].examples)
    assert made[0].examples == made[2].examples == made[5].examples
    assert len({one.fingerprint for one in (*made.values(), some)}) == 4


def test_a_prompt(some):
    prompts = FewShot(some, 2)
    first = next(iter(prompts))
    one, two = (some.sentences([number])[0] for number in prompts.examples[:2])
    labels = {sample.number: sample.labels[0] for sample in some}
    wanted = "".join(f"{text}\nlabel: {labels[n]}\n\n" for text, n in
                     zip((one, two), prompts.examples[:2], strict=True))  # fmt: skip
    question = some.sentences([first.number])[0]
    assert first.text == f"{wanted}{question}\nlabel:"
    assert first.labels == (labels[first.number],) and first.tags is None
    assert prompts.labels == some.labels and prompts.source is some.source
    assert prompts.sentences([first.number]) == [question]
    assert any(f"{POOL} texts are set aside" in note for note in prompts.notes())
    assert [one.text for one in prompts] == [one.text for one in prompts]
    none = next(iter(FewShot(some, 0)))
    assert none.text == f"{question}\nlabel:" and none.number == first.number


def test_labels_take_turns_and_the_seed_decides(some):
    labels = {sample.number: sample.labels[0] for sample in some}
    seen = set()
    for seed in range(5):
        examples = FewShot(some, 6, seed=seed).examples
        seen.add(examples)
        assert Counter(labels[n] for n in examples[:6]) == Counter("aabbcc")
        assert len(set(examples)) == POOL
    assert len(seen) == 5


def test_braces_in_texts_are_only_text(tmp_path):
    evil = "{text.__class__} {label} {0} {} {{"
    rows = [(f"{evil}{k}", "{text}" if k % 2 else "{label!r}", "x") for k in range(8)]
    found = [one.text for one in FewShot(texts(tmp_path, rows), 2, "{{q}} {text} => {label};\n")]
    assert len(found) == 4
    for prompt in found:
        *shots, asked = prompt.split("\n")
        assert all(shot.startswith("{{q}} " + evil) for shot in (*shots, asked))
        assert asked.endswith(" =>")
        assert {shot.rpartition(" => ")[2] for shot in shots} == {"{text};", "{label!r};"}


def test_a_label_may_come_first(some):
    asked = next(iter(FewShot(some, 1, "{label}: {text}\n"))).text
    assert asked.split("\n")[1].startswith(": text ")


def test_few_texts_give_half_of_them_at_most(tmp_path):
    few = texts(tmp_path, [("a", "x", ""), ("b", "y", ""), ("c", "x", ""), ("d", "", "")])
    prompts = FewShot(few, 2)
    assert len(prompts.examples) == 2 and prompts.count == 2
    assert all(sample.labels[0] for sample in few if sample.number in prompts.examples)
    with pytest.raises(LamellaError, match="3 examples, and 2 texts"):
        FewShot(few, 3)


@pytest.mark.parametrize(
    ("shots", "template", "why"),
    [
        (1, "{label}", "text"), (1, "{text}{text}{label}", "once"), (1, "{text}", "label"),
        (1, "{text}{label}{label}", "once"), (-1, "{text}", "cannot be had"),
    ],
)  # fmt: skip
def test_what_will_not_do(some, shots, template, why):
    with pytest.raises(LamellaError, match=why):
        FewShot(some, shots, template)


def test_examples_need_labels(tmp_path):
    plain = texts(tmp_path, [(f"t{k}", "", "") for k in range(5)], labels=())
    with pytest.raises(LamellaError, match="examples need labels"):
        FewShot(plain, 1)
    assert FewShot(plain, 0).count == 5
