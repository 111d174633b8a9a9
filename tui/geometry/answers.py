"""What was answered to "which texts, taken where, measured how": from typed fields and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import UsageError
from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.representations import LAST
from inspect_core.work.geometry_jobs import BLOCKS
from tui.text_fields import listed, texts_from, tokenizer_from, typed_texts, whole_number

USUAL = Measured()

MOST_SHOTS = 64
"""Examples in a prompt; more is taken for a slip of the hand."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Texts, places and measures of a run.

    Attributes:
        texts: the file and its columns; its label columns are what is agreed with.
        where: where representations are taken; see `GeometryQuery.where`.
        pooling: one of `representations.POOLINGS`.
        measured: how.
        shots: numbers of examples in prompts; empty for the texts as they are.
        template: of a prompt; `""` for the usual one.
        tokenizer: a folder or file to use instead of the models' own, or None.
    """

    texts: TextSource
    where: str = BLOCKS
    pooling: str = LAST
    measured: Measured = USUAL
    shots: tuple[int, ...] = ()
    template: str = ""
    tokenizer: str | None = None

    @property
    def file(self) -> str:
        """The file's own name; foreign."""
        return Path(self.texts.path).name


def typed_fields(answers: Answers) -> dict[str, str]:
    """What the fields of the dialog begin with, by their names."""
    return typed_texts(answers.texts, answers.tokenizer) | {
        "where": answers.where,
        "pooling": answers.pooling,
        "k": f"{answers.measured.k}",
        "z": f"{answers.measured.z:g}",
        "overlap": f"{answers.measured.overlap_k}",
        "shots": ",".join(map(str, answers.shots)),
        # A line cannot hold its ends of lines.
        "template": answers.template.replace("\\", "\\\\").replace("\n", "\\n"),
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
    shots = tuple(dict.fromkeys([_shots(one) for one in listed(field["shots"])]))
    if any(shots) and not texts.labels:
        raise UsageError(
            "examples in a prompt need their labels", hint="name the label column first"
        )
    measured = Measured(
        k=whole_number(field["k"], "neighbours k", 1) if field["k"] else USUAL.k,
        z=_deviations(field["z"]) if field["z"] else USUAL.z,
        overlap_k=(
            whole_number(field["overlap"], "neighbours of an overlap", 1)
            if field["overlap"]
            else USUAL.overlap_k
        ),
    )
    return Answers(
        texts=texts,
        where=field["where"],
        pooling=field["pooling"],
        measured=measured,
        shots=shots,
        template=_unescaped(field["template"]),
        tokenizer=tokenizer_from(field["tokenizer"]),
    )


def _shots(text: str) -> int:
    count = whole_number(text, "examples in a prompt", 0)
    if count > MOST_SHOTS:
        raise UsageError(f"at most {MOST_SHOTS} examples in a prompt", where=text)
    return count


def _deviations(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError("z is a number of standard errors, from 0", where=text, hint="such as 1.6")
    return value


def _unescaped(text: str) -> str:
    """A line with escaped ends of lines and tabs as what they mean; a backslash is typed twice."""
    found, rest = [], iter(text)
    for letter in rest:
        after = next(rest, "\\") if letter == "\\" else ""
        found.append({"n": "\n", "t": "\t"}.get(after, after) or letter)
    return "".join(found)
