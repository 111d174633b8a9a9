"""A stage of activations as bytes: a head, a description in JSON, plain columns, a checksum.

Nothing in it is run. What is torn, damaged or another's is no stage: lengths are held against
the bytes that are there before anything is made of them.
"""

import json
import struct
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.rule import Rule
from inspect_core.activations.stage import Counts, Features, SiteCounts, Stage
from inspect_core.capture.output import Site
from inspect_core.checkpoint.strict_json import collector_paused
from inspect_core.errors import LamellaError

MAGIC = b"lamella stage 2\n"
KEY_BYTES = 32
_SUM_BYTES = 32
_LENGTH = struct.Struct("<Q")

_COLUMNS: tuple[tuple[str, str, Any], ...] = (
    ("unit", "<i4", np.int32), ("feature", "<i4", np.int32), ("count", "<i8", np.int64),
    ("mass", "<f8", np.float64), ("best", "<f8", np.float64), ("sample", "<i8", np.int64),
)  # fmt: skip
"""The columns of `Counts`, as they are written and as they are held."""

MOST_UNITS = 1 << 20
"""Neurons of a site, more than any vocabulary has words: a few bytes ask for arrays of so many."""

MOST_NUMBER = (1 << 63) - 1
"""What fits a column; no text or token has a larger number."""

_ENTRY_BYTES = sum(np.dtype(stored).itemsize for _, stored, _ in _COLUMNS)


def stage_bytes(stage: Stage, key: bytes) -> bytes:
    """A stage to be stored.

    Args:
        stage: what to write.
        key: `KEY_BYTES` that stand for all it was made of.
    """
    about = json.dumps(_described(stage)).encode("ascii")
    parts = [MAGIC, key, _LENGTH.pack(len(about)), about]
    for features in (stage.words, *stage.labels):
        parts += [features.occurrences.astype("<i8", copy=False).tobytes()]
    for site in stage.sites:
        for counts in (site.words, *site.labels):
            for name, stored, _ in _COLUMNS:
                parts.append(getattr(counts, name).astype(stored, copy=False).tobytes())
    content = b"".join(parts)
    return content + blake2b(content, digest_size=_SUM_BYTES).digest()


@collector_paused()
def stage_from(content: bytes, key: bytes) -> Stage | None:
    """The stage that was stored with a key; None if this is not it, whole and as it was.

    Args:
        content: all of a file.
        key: see `stage_bytes`.
    """
    head = MAGIC + key
    end = len(content) - _SUM_BYTES
    if end < len(head) + _LENGTH.size or not content.startswith(head):
        return None
    if blake2b(memoryview(content)[:end], digest_size=_SUM_BYTES).digest() != content[end:]:
        return None
    try:
        return _stage(content, len(head), end)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, LamellaError):
        return None


def _described(stage: Stage) -> dict[str, Any]:
    rule = stage.rule
    return {
        "title": stage.title,
        "rule": [rule.kind, rule.sign, rule.k, rule.threshold, rule.lower],
        "features": [
            [one.kind, list(one.names), None if one.tags is None else list(one.tags)]
            for one in (stage.words, *stage.labels)
        ],
        "sites": [
            [
                [site.site.path, site.site.call, site.site.calls, site.site.side],
                [[counts.units, len(counts.unit)] for counts in (site.words, *site.labels)],
            ]
            for site in stage.sites
        ],
        "samples": stage.samples,
        "tokens": stage.tokens,
        "notes": list(stage.notes),
        "tokenizer": stage.tokenizer,
    }


class _Cursor:
    """Takes columns from the bytes, one after the other, and never more than there are."""

    def __init__(self, content: bytes, at: int, end: int) -> None:
        self._content, self._at, self._end = content, at, end

    def take(self, count: int, stored: str, held: Any) -> NDArray[Any]:
        size = np.dtype(stored).itemsize * count
        if count < 0 or size > self._end - self._at:
            raise ValueError("more entries than bytes")
        found = np.frombuffer(self._content, stored, count, self._at)
        self._at += size
        return found.astype(held, copy=False)

    @property
    def is_done(self) -> bool:
        return self._at == self._end


def _stage(content: bytes, at: int, end: int) -> Stage:
    (length,) = _LENGTH.unpack_from(content, at)
    at += _LENGTH.size
    if length > end - at:
        raise ValueError("a description longer than the file")
    about = json.loads(content[at : at + length])
    cursor = _Cursor(content, at + length, end)
    features = [_features(cursor, *one) for one in about["features"]]
    sites = [_site(cursor, features, *one) for one in about["sites"]]
    if not cursor.is_done:
        raise ValueError("bytes that nothing speaks of")
    kind, sign, k, threshold, lower = about["rule"]
    return Stage(
        title=_text(about["title"]),
        rule=Rule(_text(kind), _text(sign), _whole(k), float(threshold), bool(lower)),
        words=features[0],
        labels=tuple(features[1:]),
        sites=tuple(sites),
        samples=_whole(about["samples"]),
        tokens=_whole(about["tokens"]),
        notes=tuple(map(_text, about["notes"])),
        tokenizer=_text(about["tokenizer"]),
    )


def _features(cursor: _Cursor, kind: Any, names: Any, tags: Any) -> Features:
    found = tuple(map(_text, names))
    tagged = None if tags is None else tuple(map(_text, tags))
    if tagged is not None and len(tagged) != len(found):
        raise ValueError("a tag for each name")
    return Features(_text(kind), found, tagged, cursor.take(len(found), "<i8", np.int64))


def _site(cursor: _Cursor, features: list[Features], where: Any, sizes: Any) -> SiteCounts:
    path, call, calls, side = where
    site = Site(_text(path), _whole(call), _whole(calls), _text(side))
    if len(sizes) != len(features):
        raise ValueError("counts for each kind of feature")
    counts = list(_counts(cursor, features, sizes))
    return SiteCounts(site, counts[0], tuple(counts[1:]))


def _counts(cursor: _Cursor, features: list[Features], sizes: Any) -> Iterator[Counts]:
    for known, (units, entries) in zip(features, sizes, strict=True):
        made = {name: cursor.take(_whole(entries), st, held) for name, st, held in _COLUMNS}
        if _whole(units) > MOST_UNITS:
            raise ValueError("more neurons than can be numbered")
        counts = Counts(units=units, **made)
        # An index beyond its table would be another's value, or an error far away from here.
        for values, most in ((counts.unit, counts.units), (counts.feature, len(known.names))):
            if len(values) and not 0 <= int(values.min()) <= int(values.max()) < most:
                raise ValueError("an index beyond its table")
        yield counts


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_NUMBER:
        raise TypeError("a whole number")
    return value


def size_of(stage: Stage) -> int:
    """About how many bytes a stage takes in memory."""
    entries = sum(len(c.unit) for site in stage.sites for c in (site.words, *site.labels))
    names = sum(len(features.names) for features in (stage.words, *stage.labels))
    return entries * _ENTRY_BYTES + names * 80
