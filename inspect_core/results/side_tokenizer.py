"""What differs between two `tokenizer.json`: tokens and merges counted, the rest key by key."""

from collections.abc import Iterable, Sequence

import msgspec

from inspect_core.checkpoint.strict_json import JsonError, parse_exact
from inspect_core.results.side_json import Difference, json_differences, shown_key

MOST_REST_BYTES = 4 << 20
"""Bytes of a part beside vocabulary and merges that are parsed; regular expressions are in it."""

_MOST_NAMED = 3


class _Added(msgspec.Struct, gc=False):
    """A token beside the model's vocabulary."""

    id: int
    content: str
    special: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    single_word: bool = False

    @property
    def told(self) -> str:
        """How it is used, for people."""
        names = ("special", "lstrip", "rstrip", "normalized", "single_word")
        return ", ".join([f"id {self.id}", *[name for name in names if getattr(self, name)]])


class _Model(msgspec.Struct):
    """The model part; of a Unigram the vocabulary is a list with scores."""

    type: str = ""
    vocab: dict[str, int] | list[tuple[str, float]] = {}
    merges: list[tuple[str, str] | str] | None = None
    unk_token: str | None = None
    unk_id: int | None = None
    byte_fallback: bool | None = None
    dropout: float | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    fuse_unk: bool | None = None
    ignore_merges: bool | None = None
    max_input_chars_per_word: int | None = None


class _Tokenizer(msgspec.Struct):
    """A tokenizer.json, its large parts typed: untyped they would take 20 times their text."""

    model: _Model
    added_tokens: list[_Added] = []
    truncation: msgspec.Raw = msgspec.Raw(b"null")
    padding: msgspec.Raw = msgspec.Raw(b"null")
    normalizer: msgspec.Raw = msgspec.Raw(b"null")
    pre_tokenizer: msgspec.Raw = msgspec.Raw(b"null")
    post_processor: msgspec.Raw = msgspec.Raw(b"null")
    decoder: msgspec.Raw = msgspec.Raw(b"null")


_REST = ("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder")
_OF_MODEL = tuple(name for name in _Model.__struct_fields__ if name not in ("vocab", "merges"))


def tokenizer_differences(old: bytes, new: bytes) -> list[Difference]:
    """The differences of two tokenizers.

    Args:
        old: the old file's bytes.
        new: the new one's.

    Raises:
        JsonError: one of them is no tokenizer that is known here.
    """
    a, b = _decoded(old), _decoded(new)
    found = [
        *_vocabulary(a.model.vocab, b.model.vocab),
        *_merges(a.model.merges or (), b.model.merges or ()),
        *_added(a.added_tokens, b.added_tokens),
    ]
    found += [
        Difference(f"model.{change.key}", change.old, change.new)
        for change in json_differences(_scalars(a.model), _scalars(b.model))
    ]
    for name in _REST:
        found += _rest(name, bytes(getattr(a, name)), bytes(getattr(b, name)))
    return found


def _decoded(raw: bytes) -> _Tokenizer:
    try:
        return msgspec.json.decode(raw, type=_Tokenizer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JsonError(f"not a tokenizer of a known kind: {error}") from None


def _scalars(model: _Model) -> dict[str, object]:
    return {name: getattr(model, name) for name in _OF_MODEL if getattr(model, name) is not None}


def _vocabulary(
    old: dict[str, int] | list[tuple[str, float]], new: dict[str, int] | list[tuple[str, float]]
) -> Iterable[Difference]:
    if old == new:
        return
    before, after = _ids(old), _ids(new)
    fresh, gone = after.keys() - before.keys(), before.keys() - after.keys()
    moved = sum(1 for token, at in before.items() if after.get(token, at) != at)
    parts = [
        f"{len(tokens):,} {word}{_some(tokens)}"
        for tokens, word in ((fresh, "new"), (gone, "gone"))
        if tokens
    ]
    if moved:
        parts.append(f"{moved:,} with another id")
    told = f"{len(after):,} tokens: {', '.join(parts) or 'other scores'}"
    yield Difference("model.vocab", f"{len(before):,} tokens", told)


def _ids(vocabulary: dict[str, int] | list[tuple[str, float]]) -> dict[str, int]:
    if isinstance(vocabulary, dict):
        return vocabulary
    return {token: at for at, (token, _) in enumerate(vocabulary)}


def _merges(
    old: Sequence[tuple[str, str] | str], new: Sequence[tuple[str, str] | str]
) -> Iterable[Difference]:
    before, after = list(map(_merge, old)), list(map(_merge, new))
    if before == after:
        return
    pairs = enumerate(zip(before, after, strict=False))
    first = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
    told = f"{len(after):,} merges, the first other one is number {first:,}"
    yield Difference("model.merges", f"{len(before):,} merges", told)


def _merge(merge: tuple[str, str] | str) -> str:
    """A merge as older files have it: both parts in one text."""
    return merge if isinstance(merge, str) else " ".join(merge)


def _added(old: list[_Added], new: list[_Added]) -> Iterable[Difference]:
    before, after = ({token.content: token.told for token in side} for side in (old, new))
    for change in json_differences(before, after):
        # The texts are ours; only the quotes of JSON are taken off again.
        told = [None if text is None else text.strip('"') for text in (change.old, change.new)]
        yield Difference(f"added_tokens.{change.key}", *told)


def _rest(name: str, old: bytes, new: bytes) -> Iterable[Difference]:
    if old == new:
        return
    if max(len(old), len(new)) > MOST_REST_BYTES:
        yield Difference(name, f"{len(old):,} bytes", f"{len(new):,} bytes")
        return
    changes = json_differences(parse_exact(str(old, "utf-8")), parse_exact(str(new, "utf-8")))
    for change in changes:
        yield Difference(f"{name}.{change.key}" if change.key else name, change.old, change.new)


def _some(tokens: set[str]) -> str:
    if len(tokens) > _MOST_NAMED:
        return ""
    return f" ({', '.join(shown_key(token) for token in sorted(tokens))})"
