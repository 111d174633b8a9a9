"""What the user wants every time: a file of settings, and what was chosen last.

`config.toml` in the config folder is the user's and is only read; `remembered.json` in the
state folder is the app's. A broken one is reported and otherwise not used.
"""

import contextlib
import json
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.errors import CheckpointError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.results.scale import ScaleKind

MOST_BYTES = 100_000
"""Size of the largest settings file read."""

WORDS = ("theme", "metric", "sort", "scale")
"""Settings that are a word; what they are at the end of a run is remembered."""

SCALES: "tuple[ScaleKind, ...]" = ("robust", "linear", "log")
"""As in `inspect_core.results.scale`, which the first frame does not import."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run begins with.

    Attributes:
        theme: name of a theme, or None.
        metric: key of a metric, or None.
        sort: `change` or `model`, or None.
        scale: one of `SCALES`, or None.
        ascii_only: draw with ASCII alone.
        keys: binding id -> keys, e.g. `screen.metric` -> `M`.
        problems: what could not be used, one line each, safe to show.
    """

    theme: str | None = None
    metric: str | None = None
    sort: str | None = None
    scale: "ScaleKind | None" = None
    ascii_only: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def config_folder() -> Path:
    """Where the user's own files are: settings, themes."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "lamella"


def state_folder() -> Path:
    """Where the app keeps what it remembers."""
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "lamella"


def load_settings() -> Settings:
    """The user's settings over what was chosen last; never raises."""
    problems: list[str] = []
    last = _read(state_folder() / "remembered.json", json.loads, problems)
    path = config_folder() / "config.toml"
    chosen = _read(path, tomllib.loads, problems)
    words = {word: _word(last.get(word)) for word in WORDS}
    for name, value in chosen.items():
        if name in WORDS and isinstance(value, str):
            words[name] = value
        elif name not in {*WORDS, "ascii", "keys"}:
            problems.append(f"{clean(str(path))}: {clean(name, 40)} is no setting of lamella")
        elif not isinstance(value, dict if name == "keys" else bool):
            problems.append(f"{clean(str(path))}: {name} cannot be {clean(repr(value), 40)}")
    if words["sort"] not in (None, "change", "model"):
        problems.append(f"sort cannot be {clean(str(words['sort']), 40)}: change or model")
    scale = words.pop("scale")
    if scale not in (None, *SCALES):
        problems.append(f"scale cannot be {clean(str(scale), 40)}: {', '.join(SCALES)}")
    keys = chosen.get("keys")
    return Settings(
        **words,
        scale=next((known for known in SCALES if known == scale), None),
        ascii_only=chosen.get("ascii") is True,
        keys=_keys(keys if isinstance(keys, dict) else {}, str(path), problems),
        problems=tuple(problems),
    )


def remember(**words: str) -> None:
    """Keep what was chosen for the next run; where nothing can be written it is forgotten."""
    path = state_folder() / "remembered.json"
    known = _read(path, json.loads, [])
    kept = {word: value for word in WORDS if (value := _word(known.get(word))) is not None}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(kept | words), "utf-8")
        fresh.replace(path)


def _read(path: Path, parse: Callable[[str], object], problems: list[str]) -> dict[str, object]:
    if not os.path.lexists(path):
        return {}
    from inspect_core.checkpoint.byte_source import read_whole  # the first frame can do without

    try:
        found = parse(str(read_whole(path, MOST_BYTES), "utf-8"))
        if isinstance(found, dict):
            return found
        what = "not a table"
    except CheckpointError as error:
        what = error.what
    except (ValueError, RecursionError) as error:
        what = str(error).split("\n", 1)[0] or type(error).__name__
    problems.append(f"{clean(str(path))} is not used: {clean(what)}")
    return {}


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _keys(table: dict[str, object], where: str, problems: list[str]) -> dict[str, str]:
    good = {
        name: keys
        for name, keys in table.items()
        if isinstance(keys, str) and keys.strip() and keys.isascii() and keys.isprintable()
    }
    bad = [clean(name, 40) for name in table if name not in good]
    problems += [f"{clean(where)}: keys of {name} are not a text like 'm'" for name in bad]
    return good
