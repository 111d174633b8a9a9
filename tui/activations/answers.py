"""What was answered to "which texts, and what counts": from typed fields and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inspect_core.activations.rule import MAX, OVER, STRONGEST, TOP, Rule
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import UsageError
from tui.text_fields import texts_from, tokenizer_from, typed_texts, whole_number


@dataclass(frozen=True, slots=True)
class Answers:
    """Texts and rule of a run.

    Attributes:
        texts: the file and its columns.
        rule: what counts as an activation.
        tagger: `""`, or the name of an installed tagger.
        tokenizer: a folder or file to use instead of the models' own, or None.
    """

    texts: TextSource
    rule: Rule = STRONGEST
    tagger: str = ""
    tokenizer: str | None = None

    @property
    def file(self) -> str:
        """The file's own name; foreign."""
        return Path(self.texts.path).name


def typed_fields(answers: Answers) -> dict[str, str]:
    """What the fields of the dialog begin with, by their names."""
    rule = answers.rule
    number = {TOP: f"{rule.k}", OVER: f"{rule.threshold:g}"}.get(rule.kind, "")
    return typed_texts(answers.texts, answers.tokenizer) | {
        "number": number,
        "rule": rule.kind,
        "sign": rule.sign,
        "tagger": answers.tagger,
    }


def answers_from(typed: Mapping[str, str]) -> Answers:
    """The answers that the fields say.

    Args:
        typed: text of each field, by its name (see `typed_fields`).

    Raises:
        UsageError: one of them cannot be read.
    """
    field = {name: text.strip() for name, text in typed.items()}
    texts = texts_from(field)
    if field["tags"] and field["tagger"]:
        raise UsageError(
            "tags come from a column or from a tagger",
            hint="clear the column, or choose no tagger",
        )
    return Answers(
        texts,
        _rule(field["rule"], field["sign"], field["number"]),
        field["tagger"],
        tokenizer_from(field["tokenizer"]),
    )


def _rule(kind: str, sign: str, number: str) -> Rule:
    if kind == MAX or not number:
        return Rule(kind, sign)
    if kind == TOP:
        return Rule(kind, sign, k=whole_number(number, "the strongest k", 1))
    try:
        threshold = float(number)
    except ValueError:
        raise UsageError("a threshold is a number", where=number, hint="such as 0.5") from None
    if not abs(threshold) < float("inf"):
        raise UsageError("a threshold is a finite number", where=number, hint="such as 0.5")
    return Rule(kind, sign, threshold=threshold)
