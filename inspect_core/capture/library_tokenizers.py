"""Tokenizers without a file of their own: those of transformers, and any callable."""

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from inspect_core.capture.encoded import Encoded, Tokenizer, shortened
from inspect_core.capture.screened_folder import screened
from inspect_core.capture.tokenizer import FileTokenizer
from inspect_core.capture.words import split_at_spaces
from inspect_core.errors import CheckpointError, UsageError
from inspect_core.text import clean

_PLACES = ("name_or_path", "_file", "_files", "_spm")
"""Ends of settings that say where files are, not what is in them."""
_LONG = 300
_LARGEST = 1 << 62
_NO_OFFSETS = "the tokenizer does not say where its tokens are in a text: each is a word of its own"


def open_with_transformers(folder: Path) -> Tokenizer:
    """Let transformers make a tokenizer from the vocabulary in a folder.

    No code of the folder is run, nothing is fetched, nothing is printed.

    Raises:
        CheckpointError: it makes none.
    """
    from transformers import AutoTokenizer

    from inspect_core.structure.meta import quiet_and_alone

    try:
        with screened(folder) as plain, quiet_and_alone():
            made = AutoTokenizer.from_pretrained(
                str(plain), local_files_only=True, trust_remote_code=False
            )
        # Without files that it knows, the library makes one that has no words.
        if len(made) <= len(made.all_special_ids):
            raise ValueError("it has no vocabulary")
        return wrap_foreign(made, str(folder))
    except CheckpointError:
        raise
    except Exception as error:  # a stranger's files fail in the library's code in any way
        said = clean(" ".join(f"{type(error).__name__}: {error}".split()), _LONG)
        raise CheckpointError(
            f"transformers makes no tokenizer of this folder ({said})",
            where=str(folder),
            hint="give one with a tokenizer.json: --tokenizer DIR",
        ) from None


def wrap_foreign(given: Any, where: str = "the tokenizer") -> Tokenizer:
    """Wrap a tokenizer of transformers or tokenizers, or a callable from a text to ids.

    Raises:
        UsageError: it is none of these.
    """
    fast = getattr(given, "backend_tokenizer", given)
    if hasattr(fast, "encode_batch") and hasattr(fast, "to_str"):
        try:
            content = fast.to_str().encode()
        except Exception:  # parts written in Python cannot be copied, and work through the other
            content = b""
        if content:  # a copy: its limits are set here and are not the owner's
            return FileTokenizer.of_bytes(content, where)
    if hasattr(given, "convert_ids_to_tokens") and callable(given):
        return _SlowTokenizer(given)
    if callable(given):
        return _CallableTokenizer(given)
    raise UsageError(
        f"a {type(given).__name__} is no tokenizer",
        hint="give one of transformers or tokenizers, or a function from a text to a list of ids",
    )


class _SlowTokenizer:
    """A tokenizer of transformers that is written in Python."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self.notes: tuple[str, ...] = (_NO_OFFSETS,)
        entries = _entries(given)
        self.fingerprint = _digest([type(given).__name__, *entries]) if entries else ""

    def encode(self, texts: Sequence[str], most: int) -> list[Encoded]:
        """See `Tokenizer.encode`."""
        return [self._encoded(*shortened(text, most), most) for text in texts]

    def _encoded(self, text: str, cut: bool, most: int) -> Encoded:
        given = self._given
        whole = list(given(text)["input_ids"])
        if len(whole) > most:
            whole, cut = list(given(text, truncation=True, max_length=most)["input_ids"]), True
        mask = given.get_special_tokens_mask(whole, already_has_special_tokens=True)
        special = np.array(mask, np.bool_) & (np.array(whole) != given.unk_token_id)
        pieces = tuple(map(str, given.convert_ids_to_tokens(whole)))
        return _without_offsets(whole, special, pieces, cut)


class _CallableTokenizer:
    """A function from a text to ids, of which nothing else is known."""

    def __init__(self, given: Callable[[str], Iterable[int]]) -> None:
        self._given = given
        self.notes: tuple[str, ...] = (
            "words are what stands between white space where a text has as many as tokens, "
            "else ids",
        )
        self.fingerprint = ""

    def encode(self, texts: Sequence[str], most: int) -> list[Encoded]:
        """See `Tokenizer.encode`."""
        return [self._encoded(*shortened(text, most), most) for text in texts]

    def _encoded(self, text: str, cut: bool, most: int) -> Encoded:
        ids = _whole_numbers(self._given, text)
        spans = split_at_spaces(text)
        kept, cut = ids[:most], cut or len(ids) > most
        special = np.zeros(len(kept), np.bool_)
        if len(spans) == len(ids):
            offsets = np.array(spans[:most], np.int64).reshape(-1, 2)
            return Encoded(np.array(kept, np.int64), offsets, special, cut)
        return _without_offsets(kept, special, tuple(map(str, kept)), cut)


def _whole_numbers(given: Callable[[str], Iterable[int]], text: str) -> list[int]:
    """What a function makes of a text.

    Raises:
        UsageError: it is no list of ids.
    """
    hint = "give a function from one text to a list of whole numbers"
    try:
        found = given(text)
        found = getattr(found, "input_ids", found)
        if isinstance(found, str | Mapping) or not isinstance(found, Iterable):
            raise UsageError(
                f"the tokenizer gave a {type(found).__name__}, not a list of ids", hint=hint
            )
        numbers = list(found)
        whole = [operator.index(number) for number in numbers if not _is_bool(number)]
    except UsageError:
        raise
    except Exception as error:
        said = clean(" ".join(f"{type(error).__name__}: {error}".split()), _LONG)
        raise UsageError(
            f"the tokenizer gives something that is not a list of ids ({said})", hint=hint
        ) from error
    if len(whole) < len(numbers) or any(not -_LARGEST <= one < _LARGEST for one in whole):
        raise UsageError("the tokenizer gives other things than ids of tokens", hint=hint)
    return whole


def _is_bool(number: object) -> bool:
    return isinstance(number, bool)


def _without_offsets(ids: list[int], special: Any, pieces: tuple[str, ...], cut: bool) -> Encoded:
    offsets = np.zeros((len(ids), 2), np.int64)
    return Encoded(np.array(ids, np.int64), offsets, special, cut, pieces)


def _entries(given: Any) -> list[str]:
    try:
        vocabulary = sorted(given.get_vocab().items())
    except Exception:  # not all have one
        return []
    settings = {key: str(value) for key, value in getattr(given, "init_kwargs", {}).items()}
    settings = {key: value for key, value in settings.items() if not key.endswith(_PLACES)}
    return [json.dumps(vocabulary), json.dumps(settings, sort_keys=True)]


def _digest(parts: list[str]) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=20).hexdigest()
