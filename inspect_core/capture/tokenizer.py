"""Tokenizers: from the file beside the weights, run by the `tokenizers` library alone.

The file is a stranger's: it is data, no code of its folder is run and nothing is fetched.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspect_core.capture.encoded import Encoded, Tokenizer, shortened
from inspect_core.capture.tokenizer_limits import refuse_explosive, within
from inspect_core.checkpoint.byte_source import read_whole, unreadable
from inspect_core.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from tokenizers import Encoding

MOST_FILE = 256 << 20
"""Bytes of a tokenizer.json; the largest published ones have about 35 MB."""

MOST_SECONDS = 60.0
"""For some texts; expressions in the file can take for ever."""
CHARACTERS_A_SECOND = 200_000
"""By which it is more for longer texts; usual tokenizers read millions a second."""

_NAME = "tokenizer.json"
_UNKNOWN = frozenset({"[UNK]", "<unk>", "<UNK>", "UNK"})
"""Tokens that stand for a word that the vocabulary lacks: special, and yet a part of the text."""

_OTHERS = (
    "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model",
    "tokenizer_config.json", "tekken.json",
)  # fmt: skip
"""Files from which transformers makes a tokenizer where there is no tokenizer.json."""


def open_tokenizer(place: str | Path) -> Tokenizer:
    """Open the tokenizer of a checkpoint.

    Args:
        place: a folder, a tokenizer.json (under any name that ends in `.json`), or a file beside
            which there is one, such as the weights.

    Raises:
        CheckpointError: there is none, or it cannot be used.
    """
    path = Path(place)
    try:
        is_folder = path.is_dir()
        if not is_folder:
            path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not is_folder and path.suffix.lower() == ".json":
        return FileTokenizer.of_file(path)
    folder = path if is_folder else path.parent
    if (folder / _NAME).exists():
        return FileTokenizer.of_file(folder / _NAME)
    if any((folder / name).is_file() for name in _OTHERS):
        from inspect_core.capture.library_tokenizers import open_with_transformers

        return open_with_transformers(folder)
    raise CheckpointError(
        f"no tokenizer in this folder (no {_NAME})",
        where=str(folder),
        hint="give one with --tokenizer DIR",
    )


def wrap_tokenizer(given: Any) -> Tokenizer:
    """Use a tokenizer of this process.

    Args:
        given: a tokenizer of transformers or tokenizers, which is left as it is, or a callable
            from a text to a list of ids; also a path, as for `open_tokenizer`.

    Raises:
        LamellaError: it is none of these.
    """
    if isinstance(given, str | Path):
        return open_tokenizer(given)
    if all(hasattr(given, name) for name in ("encode", "fingerprint", "notes")):
        wrapped: Tokenizer = given
        return wrapped
    from inspect_core.capture.library_tokenizers import wrap_foreign

    return wrap_foreign(given)


class FileTokenizer:
    """A tokenizer of the `tokenizers` library.

    Args:
        library: the tokenizer; its settings for padding and length are changed.
        fingerprint: of all that its file says but of length and padding.
        where: where it comes from, for messages; foreign.
    """

    def __init__(self, library: Any, fingerprint: str, where: str) -> None:
        self.fingerprint = fingerprint
        self.notes: tuple[str, ...] = ()
        self._library = library
        self._where = where
        self._most = 0
        library.no_padding()
        # BPE with dropout gives other tokens each time, which is for training.
        if getattr(library.model, "dropout", None) is not None:
            library.model.dropout = None
        unknown = {getattr(library.model, "unk_token", None), *_UNKNOWN}
        self._special = np.array(
            sorted(
                number
                for number, token in library.get_added_tokens_decoder().items()
                if token.special and token.content not in unknown
            ),
            np.int64,
        )

    @classmethod
    def of_file(cls, path: Path) -> "FileTokenizer":
        """Read a tokenizer.json.

        Raises:
            CheckpointError: the file cannot be read or is no tokenizer.
        """
        return cls.of_bytes(read_whole(path, MOST_FILE), str(path))

    @classmethod
    def of_bytes(cls, content: bytes, where: str) -> "FileTokenizer":
        """Make a tokenizer from the content of its file.

        Raises:
            CheckpointError: it is none.
        """
        from tokenizers import Tokenizer as Library

        with _told(where, "not a tokenizer that the tokenizers library reads"):
            library = Library.from_buffer(content)
            screen = partial(refuse_explosive, library, where)
            within(MOST_SECONDS, screen, "to try it", where)
            # How long texts may be is said for each run, and is no other tokenizer.
            library.no_truncation()
            library.no_padding()
            same = library.to_str().encode()
            return cls(library, blake2b(same, digest_size=20).hexdigest(), where)

    def encode(self, texts: Sequence[str], most: int) -> list[Encoded]:
        """See `Tokenizer.encode`."""
        if most != self._most:
            self._limit(most)
        short = [shortened(text, most) for text in texts]
        given = [text for text, _ in short]
        seconds = MOST_SECONDS + sum(map(len, given)) / CHARACTERS_A_SECOND
        what = f"for {len(given):,} text{'s' * (len(given) != 1)}"
        with _told(self._where, "the tokenizer fails on these texts"):
            found = within(seconds, lambda: self._library.encode_batch(given), what, self._where)
        return [self._encoded(one, cut) for one, (_, cut) in zip(found, short, strict=True)]

    def _limit(self, most: int) -> None:
        needed = self._library.num_special_tokens_to_add(is_pair=False) + 1
        if most < needed:
            raise UsageError(
                f"texts of at most {most:,} tokens leave no room for a word",
                where=self._where,
                hint=f"this tokenizer needs {needed:,} or more",
            )
        with _told(self._where, "the tokenizer cannot cut texts"):
            self._library.enable_truncation(most, stride=0, direction="right")
        self._most = most

    def _encoded(self, found: "Encoding", cut: bool) -> Encoded:
        ids = np.array(found.ids, np.int64)
        if len(ids) > self._most:  # a template may repeat the text
            raise CheckpointError(
                f"the tokenizer gave {len(ids):,} tokens where {self._most:,} were asked for",
                where=self._where,
                hint="give another one with --tokenizer DIR",
            )
        special = np.array(found.special_tokens_mask, np.bool_) | np.isin(ids, self._special)
        offsets = np.array(found.offsets, np.int64).reshape(-1, 2)
        return Encoded(ids, offsets, special, cut or bool(found.overflowing))


@contextmanager
def _told(where: str, what: str) -> Iterator[None]:
    """Put what the library says into one line; in Rust a bug is no Exception but a panic."""
    try:
        yield
    except CheckpointError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        said = " ".join(str(error).split())
        raise CheckpointError(
            f"{what} ({said})", where=where, hint="give another one with --tokenizer DIR"
        ) from None


__all__ = ["Encoded", "FileTokenizer", "Tokenizer", "open_tokenizer", "wrap_tokenizer"]
