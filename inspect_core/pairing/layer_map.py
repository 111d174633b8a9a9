"""A map that the user gives: names of the model, as the reference spells them.

A TOML file, for layers that were moved and modules that were renamed:

    [[rename]]
    match = "encoder.layer.{n}.attention_*"              # a name of the model
    to = "encoder.layer.{n:attention}.attention.*"       # the same in the reference

    [layers.attention]                                   # layer there = layer here
    0 = 0
    2 = 1

`*` stands for any text, `{n}` (or another word) for a number; in `to` they stand for what they
stood for, and `{n:attention}` for the layer that the table gives. A rule says nothing of a
layer that its table lacks. The first rule that fits and names a tensor of the reference counts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path

from inspect_core.checkpoint.byte_source import read_whole
from inspect_core.errors import UsageError

MOST_BYTES = 256 << 10
"""Size of the largest map accepted."""

MOST_RULES = 64
"""Rules of a map: each is tried on every name."""

MOST_PATTERN = 400
"""Characters of a `match` or `to`."""

MOST_NAME = 4000
"""Longer names are fitted by no rule."""

_TOKEN = re.compile(r"(\*|\{[^{}]*\})")
_FIELD = re.compile(r"\{([A-Za-z_]\w{0,30})(?::([\w-]{1,60}))?\}", re.ASCII)
_EXAMPLE = 'a rule is [[rename]] with match = "h.{n}.*" and to = "layers.{n}.*"'


@dataclass(frozen=True, slots=True)
class Rename:
    """One rule: names of the model that it fits, and what the reference calls them."""

    match: str
    to: str

    def apply(self, name: str, tables: Mapping[str, Mapping[int, int]]) -> str | None:
        """The name in the reference; None where the rule says nothing."""
        pattern, words = _compiled(self.match)
        found = pattern.fullmatch(name) if len(name) <= MOST_NAME else None
        if found is None:
            return None
        stars = [text for word, text in zip(words, found.groups(), strict=True) if not word]
        numbers = {word: text for word, text in zip(words, found.groups(), strict=True) if word}
        made = []
        for token in _TOKEN.split(self.to):
            field = _FIELD.fullmatch(token)
            if token == "*":
                made.append(stars.pop(0))
            elif field is None:
                made.append(token)
            elif field[2] is None:
                made.append(numbers[field[1]])
            else:
                layer = tables[field[2]].get(int(numbers[field[1]]))
                if layer is None:
                    return None
                made.append(str(layer))
        return "".join(made)


@dataclass(frozen=True, slots=True)
class LayerMap:
    """The rules of one map file; small, hashable, and crosses to another process.

    Attributes:
        title: the file's name, for people; foreign text.
        rules: in the order in which they are tried.
        layers: tables by name, each pairs of a layer of the model and one of the reference.
        common: whether tensors at one place of the common structure are paired as well
            (`by_common_names`), after all other rules; there may be no rules beside it.
    """

    title: str
    rules: tuple[Rename, ...]
    layers: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = ()
    common: bool = False

    @classmethod
    def asked(
        cls, path: "str | PathLike[str] | None" = None, common: bool = False
    ) -> "LayerMap | None":
        """What the user asks for beyond lamella's own rules; None where that is nothing.

        Args:
            path: a map to read, or None.
            common: see the class.

        Raises:
            CheckpointError: the file cannot be read.
            UsageError: it is no map.
        """
        made = cls("", ()) if path is None else cls.read(path)
        return replace(made, common=common) if common or path is not None else None

    @property
    def tables(self) -> dict[str, dict[int, int]]:
        """The tables as mappings."""
        return {name: dict(pairs) for name, pairs in self.layers}

    @classmethod
    def read(cls, path: "str | PathLike[str]") -> "LayerMap":
        """Read a map.

        Raises:
            CheckpointError: the file cannot be read.
            UsageError: it is not a map; says which key is wrong.
        """
        import tomllib

        where = fspath(path)
        raw = read_whole(Path(path), MOST_BYTES)
        try:
            content = tomllib.loads(raw.decode("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            what = f"not TOML: {error}" if str(error) else "not TOML"
            raise UsageError(what, where=where, hint=_EXAMPLE) from None
        try:
            return _checked(Path(where).name, content)
        except _Wrong as error:
            raise UsageError(str(error), where=where, hint=_EXAMPLE) from None


class _Wrong(ValueError):  # noqa: N818 - told on, never seen
    """What is wrong in a map, by its key."""


def _checked(title: str, content: dict[str, object]) -> LayerMap:
    for key in content:
        if key not in ("rename", "layers"):
            raise _Wrong(f"'{key}' is not known: a map has [[rename]] and [layers.NAME]")
    given = content.get("layers", {})
    if not isinstance(given, dict):
        raise _Wrong("layers: not a table")
    layers = tuple((str(name), _table(str(name), table)) for name, table in given.items())
    rules = content.get("rename", [])
    if not isinstance(rules, list) or not rules:
        raise _Wrong("rename: there is no rule")
    if len(rules) > MOST_RULES:
        raise _Wrong(f"rename: {len(rules)} rules, more than the {MOST_RULES} accepted here")
    known = {name for name, _ in layers}
    return LayerMap(
        title, tuple(_rule(at, rule, known) for at, rule in enumerate(rules, 1)), layers
    )


def _table(name: str, table: object) -> tuple[tuple[int, int], ...]:
    if not isinstance(table, dict):
        raise _Wrong(f"layers.{name}: not a table of layers")
    pairs = []
    for key, value in table.items():
        if not (str(key).isascii() and str(key).isdigit() and len(key) <= 9):
            raise _Wrong(f"layers.{name}: '{key}' is not the number of a layer")
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise _Wrong(f"layers.{name}: {key} is not given the number of a layer")
        pairs.append((int(key), value))
    return tuple(pairs)


def _rule(at: int, rule: object, tables: set[str]) -> Rename:
    where = f"rename {at}"
    if not isinstance(rule, dict) or set(rule) != {"match", "to"}:
        raise _Wrong(f"{where}: needs 'match' and 'to', and nothing else")
    match, to = rule["match"], rule["to"]
    for key, text in (("match", match), ("to", to)):
        if not isinstance(text, str) or not text or len(text) > MOST_PATTERN:
            raise _Wrong(f"{where}: '{key}' is not a text of at most {MOST_PATTERN} characters")
        for token in _TOKEN.findall(text):
            field = _FIELD.fullmatch(token)
            if token != "*" and (field is None or (key == "match" and field[2])):
                raise _Wrong(f"{where}: '{key}' has {token}, which is no '{{n}}' of a number")
    words = [token[1:-1] for token in _TOKEN.findall(match) if token != "*"]
    if len(set(words)) < len(words):
        raise _Wrong(f"{where}: 'match' names two numbers alike")
    if to.count("*") > match.count("*"):
        raise _Wrong(f"{where}: 'to' has more * than 'match'")
    for word, table in _FIELD.findall(to):
        if word not in words:
            raise _Wrong(f"{where}: 'to' has {{{word}}}, which 'match' lacks")
        if table and table not in tables:
            raise _Wrong(f"{where}: there is no table [layers.{table}]")
    return Rename(match, to)


@lru_cache(maxsize=4 * MOST_RULES)
def _compiled(match: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A pattern without backtracking over more than one `*`, and the word of each group.

    What stands between two `*` is taken where it is found first: a later place would leave
    less for the rest. So time grows with the name's length times the pattern's.
    """
    words, pieces, piece = [], [], ""
    for token in _TOKEN.split(match):
        if token == "*":
            pieces.append(piece)
            piece = ""
            words.append("")
        elif token.startswith("{"):
            piece += "([0-9]{1,9}+)"
            words.append(token[1:-1])
        else:
            piece += re.escape(token)
    if not pieces:
        return re.compile(piece, re.DOTALL), tuple(words)
    middle = "".join(f"(?>(.*?){one})" for one in pieces[1:])
    return re.compile(f"{pieces[0]}{middle}(.*){piece}", re.DOTALL), tuple(words)
