"""Tokenizers of live models: a module has none of its own, so whoever opens it gives one."""

from threading import Lock
from typing import Any

from inspect_core.opening import Live

MOST_KEPT = 64
"""Uris whose tokenizers are remembered; a tokenizer takes some megabytes."""

_given: dict[int, Any] = {}
_lock = Lock()


def attach_tokenizer(uri: Live, tokenizer: object) -> None:
    """Say what turns texts into ids for a live model.

    Args:
        uri: the model, as it was registered; what it is compared with has a uri of its own.
        tokenizer: of transformers or tokenizers, or a callable from a text to a list of ids.
    """
    with _lock:
        _given.pop(uri.number, None)
        _given[uri.number] = tokenizer
        while len(_given) > MOST_KEPT:
            _given.pop(next(iter(_given)))


def attached_tokenizer(uri: Live) -> object | None:
    """What was given for a live model; None where nothing was."""
    return _given.get(uri.number)
