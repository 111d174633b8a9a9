"""What a tokenizer's file may ask for: a few kB of it can blow a text up without end, or hang."""

import json
from collections.abc import Callable, Iterator, Mapping
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from inspect_core.errors import CheckpointError

MOST_CONTENT = 1_000
"""Characters that one normalizer may put into a text at a time."""
MOST_STEPS = 500
"""Normalizers one after the other; published tokenizers have a few dozen."""
MOST_GROWTH = 32
"""Times by which a text may become longer before it is split, or in a template."""
MOST_IDS = 1 << 24
"""Of tokens; published vocabularies have up to a million."""
MOST_PIECES = 1_000
"""Special tokens and texts of a template."""

_SAMPLE = 16
"""How often a string stands in a sample."""
_ADDED = 4_096
_ASCII = "".join(map(chr, range(9, 127)))
_HINT = "give another one with --tokenizer DIR"

T = TypeVar("T")


def refuse_explosive(library: Any, where: str) -> None:
    """Refuse a tokenizer that makes much of little.

    Args:
        library: the tokenizer of the `tokenizers` library.
        where: where it comes from; foreign.

    Raises:
        CheckpointError: it does.
    """
    largest = max(library.get_vocab().values(), default=0)
    if largest > MOST_IDS:
        raise _refused(f"it has a token {largest:,}", where)
    steps = list(_steps(_state(library.normalizer), where))
    for step in steps:
        most = max((len(text) for text in _strings(step)), default=0)
        if most > MOST_CONTENT and step.get("type") in ("Replace", "Prepend"):
            raise _refused(f"a normalizer puts in or looks for {most:,} characters", where)
    if _bound(steps) > MOST_GROWTH:
        _try(steps, where)
    _refuse_templates(_state(library.post_processor), where)


def _refuse_templates(state: Any, where: str) -> None:
    growth = 1
    for one in _parts(state, "processors", where):
        pieces = one.get("single")
        if not isinstance(pieces, list):
            continue
        if len(pieces) > MOST_PIECES:
            raise _refused(f"its template has {len(pieces):,} pieces", where)
        texts = sum(isinstance(piece, dict) and "Sequence" in piece for piece in pieces)
        growth = min(growth * max(1, texts), MOST_GROWTH + 1)
    if growth > MOST_GROWTH:
        raise _refused(f"its templates repeat a text more than {MOST_GROWTH} times", where)


def _try(steps: list[dict[str, Any]], where: str) -> None:
    """Put samples through, normalizer by normalizer, as far as they stay short."""
    strings = dict.fromkeys(text for step in steps for text in _strings(step) if text)
    samples = [_ASCII * 4, *(text * _SAMPLE for text in strings)]
    made = [_normalizer(step) for step in steps]
    for sample in samples:
        text = sample
        for normalizer in made:
            text = normalizer.normalize_str(text)
            if len(text) > MOST_GROWTH * len(sample) + _ADDED:
                raise _refused(f"makes texts more than {MOST_GROWTH} times longer", where)


def _bound(steps: list[dict[str, Any]]) -> float:
    """By how much the steps could make a text longer, at most."""
    growth = 1.0
    for step in steps:
        kind, pattern = step.get("type"), step.get("pattern")
        if kind == "Precompiled":  # a table of replacements
            return MOST_GROWTH + 1
        if kind == "Replace":
            searched = pattern.get("String") if isinstance(pattern, dict) else None
            content = len(str(step.get("content", "")))
            # An expression may fit between any two characters.
            growth *= max(1, content / len(searched) if searched else content + 1)
    return growth


def _normalizer(step: Mapping[str, Any]) -> Any:
    """One normalizer by itself."""
    from tokenizers import Tokenizer

    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    whole = {"version": "1.0", "added_tokens": [], "normalizer": step, "model": model}
    return Tokenizer.from_str(json.dumps(whole)).normalizer


def _strings(step: Mapping[str, Any]) -> list[str]:
    """What a normalizer looks for and puts in."""
    pattern = step.get("pattern")
    values = [step.get("content"), step.get("prepend")]
    values += list(pattern.values()) if isinstance(pattern, dict) else []
    return [one for one in values if isinstance(one, str)]


def _steps(state: Any, where: str) -> Iterator[dict[str, Any]]:
    for count, one in enumerate(_parts(state, "normalizers", where)):
        if count >= MOST_STEPS:
            raise _refused(f"it has more than {MOST_STEPS} normalizers", where)
        yield one


def _parts(state: Any, inside: str, where: str) -> Iterator[dict[str, Any]]:
    """Parts one after the other, those of sequences in sequences too."""
    waiting = [state]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict):
            continue
        parts = one.get(inside) if one.get("type") == "Sequence" else None
        if isinstance(parts, list):
            waiting += reversed(parts)
        else:
            yield one


def _state(part: Any) -> Any:
    """A part of a tokenizer as its file has it; None for none, and for parts in Python."""
    if part is None:
        return None
    try:
        return json.loads(part.__getstate__())
    except Exception:  # somebody's own part, which is theirs to know
        return None


def _refused(what: str, where: str) -> CheckpointError:
    return CheckpointError(f"the tokenizer is not used: {what}", where=where, hint=_HINT)


def within(seconds: float, run: Callable[[], T], what: str, where: str) -> T:
    """Run something that may never end; it cannot be stopped, but is not waited for.

    Args:
        seconds: how long it is waited for.
        run: what; its exceptions come through.
        what: what it is, for a message: `for 3 texts`.
        where: whose it is; foreign.

    Raises:
        CheckpointError: it takes longer.
    """
    answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            answers.put((run(), None))
        except BaseException as error:  # a panic in Rust is no Exception
            answers.put((None, error))

    Thread(target=work, daemon=True).start()
    try:
        result, error = answers.get(timeout=seconds)
    except Empty:
        raise CheckpointError(
            f"the tokenizer takes more than {seconds:,.0f} s {what}", where=where, hint=_HINT
        ) from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
