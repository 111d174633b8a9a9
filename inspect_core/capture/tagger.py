"""Taggers: a part of speech for each word of a text, by packages that work without a network."""

from collections.abc import Callable
from importlib.util import find_spec

from inspect_core.errors import LamellaError, UsageError

Tagger = Callable[[list[str]], list[str]]
"""The words of a text -> one tag for each."""


def _textblob() -> Tagger:
    """The tagger of TextBlob: English, tags of the Penn Treebank, rules and a lexicon."""
    from textblob.en import parser

    def tag(words: list[str]) -> list[str]:
        return [str(tag) for _, tag in parser.find_tags(list(words))]

    return tag


TAGGERS: dict[str, tuple[str, Callable[[], Tagger]]] = {"textblob": ("textblob", _textblob)}
"""By name: the package that it needs, and what makes it."""


def taggers_here() -> tuple[str, ...]:
    """The taggers whose packages are installed; nothing is imported."""
    return tuple(name for name, (package, _) in TAGGERS.items() if find_spec(package) is not None)


def find_tagger(name: str) -> Tagger:
    """Load a tagger.

    Returns:
        A function from the words of a text to one tag for each.

    Raises:
        UsageError: there is none of this name, or its package is not installed.
    """
    if name not in TAGGERS:
        raise UsageError(f"no tagger '{name}'", hint=f"there is {', '.join(TAGGERS)}")
    package, make = TAGGERS[name]
    missing = UsageError(
        f"the tagger '{name}' needs the package {package}", hint="pip install 'lamella[pos]'"
    )
    if find_spec(package) is None:
        raise missing
    try:
        tagger = make()
    except ImportError as error:
        raise missing from error

    def checked(words: list[str]) -> list[str]:
        tags = tagger(words) if words else []
        if len(tags) != len(words):
            raise LamellaError(
                f"the tagger '{name}' gave {len(tags):,} tags for {len(words):,} words"
            )
        return tags

    return checked
