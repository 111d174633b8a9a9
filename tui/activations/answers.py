"""What was answered to "which texts, and what counts": from typed fields and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inspect_core.activations.rule import MAX, OVER, STRONGEST, TOP, Rule
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import UsageError

ENDINGS = (".tsv", ".csv", ".jsonl", ".ndjson", ".txt", ".text", ".md")
"""Of the files that the path completes to; any other can be typed."""


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
    texts, rule = answers.texts, answers.rule
    number = {TOP: f"{rule.k}", OVER: f"{rule.threshold:g}"}.get(rule.kind, "")
    return {
        "path": texts.path,
        "text": texts.text or "",
        "tags": texts.tags or "",
        "labels": ",".join(texts.labels),
        "most": "" if texts.most is None else f"{texts.most}",
        "number": number,
        "rule": rule.kind,
        "sign": rule.sign,
        "tagger": answers.tagger,
        "tokenizer": answers.tokenizer or "",
    }


def answers_from(typed: Mapping[str, str]) -> Answers:
    """The answers that the fields say.

    Args:
        typed: text of each field, by its name (see `typed_fields`).

    Raises:
        UsageError: one of them cannot be read.
    """
    field = {name: text.strip() for name, text in typed.items()}
    if not field["path"]:
        hint = "a sentence a line, or a table: .tsv, .csv, .jsonl"
        raise UsageError("name a file of texts", hint=hint)
    labels = [name.strip() for name in field["labels"].split(",")]
    if field["tags"] and field["tagger"]:
        raise UsageError(
            "tags come from a column or from a tagger",
            hint="clear the column, or choose no tagger",
        )
    return Answers(
        TextSource(
            # Typed in the app, where no shell has made it a path.
            str(Path(field["path"]).expanduser()),
            field["text"] or None,
            field["tags"] or None,
            tuple([name for name in labels if name]),
            _whole(field["most"], "how many texts") if field["most"] else None,
        ),
        _rule(field["rule"], field["sign"], field["number"]),
        field["tagger"],
        str(Path(field["tokenizer"]).expanduser()) if field["tokenizer"] else None,
    )


def _rule(kind: str, sign: str, number: str) -> Rule:
    if kind == MAX or not number:
        return Rule(kind, sign)
    if kind == TOP:
        return Rule(kind, sign, k=_whole(number, "the strongest k"))
    try:
        threshold = float(number)
    except ValueError:
        raise UsageError("a threshold is a number", where=number, hint="such as 0.5") from None
    if not abs(threshold) < float("inf"):
        raise UsageError("a threshold is a finite number", where=number, hint="such as 0.5")
    return Rule(kind, sign, threshold=threshold)


def _whole(text: str, what: str) -> int:
    plain = text.replace(",", "")
    # Eleven digits are beyond any file; int() of thousands of them would take its time.
    if not (plain.isascii() and plain.isdigit() and len(plain) < 12 and int(plain)):
        raise UsageError(f"{what}: a whole number from 1", where=text, hint="such as 2000")
    return int(plain)


def suggested(model: object, tokenizer: str | None) -> Answers:
    """What the dialog begins with: of the bundled model the bundled sentences.

    Args:
        model: what is open.
        tokenizer: what the command line named, or None.
    """
    from tui.demo import demo_pair, demo_sentences

    if model in demo_pair():
        return Answers(TextSource(demo_sentences(), labels=("label",)), tokenizer=tokenizer)
    return Answers(TextSource(""), tokenizer=tokenizer)
