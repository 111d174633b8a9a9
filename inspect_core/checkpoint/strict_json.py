"""JSON from strangers: nothing is decided twice, nothing nests for ever."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isinf
from typing import NoReturn

_MOST_DIGITS = 20
"""Digits of the longest 64-bit number, sign included; more is never an honest size."""


@dataclass(frozen=True, slots=True)
class LongNumber:
    """A number as it is written, where 64 bits cannot hold it.

    Attributes:
        text: the JSON of it.
    """

    text: str


class JsonError(ValueError):
    """The text is not the JSON asked for; the message says why, in foreign words perhaps."""


def parse_strict(text: str) -> object:
    """Parse JSON that holds only objects, lists, strings, integers, booleans and nulls.

    Raises:
        JsonError: bad JSON; a key twice in an object, at any depth; a float or NaN; an integer
            beyond 64 bits; a string that is no Unicode; nesting deeper than Python can follow.
    """
    return _guarded(_STRICT, text)[0]


def parse_strict_prefix(text: str) -> tuple[object, int]:
    """Parse one strict value at the start of `text`.

    Returns:
        The value, and the index in `text` just after it.
    """
    return _guarded(_STRICT, text, whole=False)


def parse_strict_with_floats(text: str) -> object:
    """Parse as `parse_strict`, but any number is welcome: one beyond 64 bits becomes infinite."""
    return _guarded(_WITH_FLOATS, text)[0]


def parse_plain(text: str) -> object:
    """Parse JSON as everybody does, last key wins; only bombs are turned into JsonError."""
    return _guarded(_PLAIN, text)[0]


def parse_exact(text: str) -> object:
    """Parse as `parse_plain`, but a number beyond 64 bits stays as it is written: `LongNumber`."""
    return _guarded(_EXACT, text)[0]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking a million new objects again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _guarded(decoder: json.JSONDecoder, text: str, *, whole: bool = True) -> tuple[object, int]:
    try:
        with collector_paused():
            return (decoder.decode(text), len(text)) if whole else decoder.raw_decode(text)
    except RecursionError:
        raise JsonError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"not valid JSON: {error.msg} at character {error.pos:,}") from None


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonError(f"'{key}' is there twice")
            seen.add(key)
    for key, value in pairs:
        _require_unicode(key)
        if isinstance(value, str):
            _require_unicode(value)
    return found


def _require_unicode(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JsonError(f"'{text}' holds half a surrogate pair") from None


def _no_float(literal: str) -> NoReturn:
    raise JsonError(f"{literal} where only whole numbers belong")


def _small_int(literal: str) -> int:
    if len(literal) > _MOST_DIGITS:
        raise JsonError(f"a number of {len(literal):,} digits")
    return int(literal)


def _any_int(literal: str) -> int | float:
    if len(literal) > _MOST_DIGITS:
        return float("-inf") if literal.startswith("-") else float("inf")
    return int(literal)


def _exact_int(literal: str) -> int | LongNumber:
    return LongNumber(literal) if len(literal) > _MOST_DIGITS else int(literal)


def _exact_float(literal: str) -> float | LongNumber:
    value = float(literal)
    return LongNumber(literal) if isinf(value) else value


_STRICT = json.JSONDecoder(
    object_pairs_hook=_without_duplicates,
    parse_float=_no_float,
    parse_constant=_no_float,
    parse_int=_small_int,
)
_WITH_FLOATS = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_int=_any_int)
_PLAIN = json.JSONDecoder(parse_int=_any_int)
_EXACT = json.JSONDecoder(parse_int=_exact_int, parse_float=_exact_float)
