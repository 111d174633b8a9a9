"""Whether a model has got all its weights, and from the files it was said to be in."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from inspect_core.checkpoint.locate import some_names
from inspect_core.errors import CheckpointError, UsageError
from inspect_core.structure.meta import Built
from inspect_core.text import clean

_POOLER = "pooler"
_MADE_ANEW = ("position_ids", "token_type_ids", "inv_freq", "masked_bias")
"""Ends of names of buffers that a class makes as the file would have them."""

_SHOWN = 60
_LONG = 300


class Found(NamedTuple):
    """Names of the class that have no value, and names of the file that the class lacks."""

    missing: Sequence[str]
    left: Sequence[str]

    @classmethod
    def of(cls, info: Mapping[str, Any], title: str) -> "Found":
        """What the library says of its loading.

        Raises:
            CheckpointError: values do not fit the config's model.
        """
        _refuse_misfits(info, title)
        return cls(sorted(info.get("missing_keys", ())), sorted(info.get("unexpected_keys", ())))


def _refuse_misfits(info: Mapping[str, Any], title: str) -> None:
    for name, has, wants in sorted(info.get("mismatched_keys", ()), key=lambda one: str(one[0])):
        raise CheckpointError(
            f"{clean(str(name), 120)} is {_shape(has)}, the config wants {_shape(wants)}",
            where=title,
            hint="config.json is of another model",
        )
    wrong = [*info.get("error_msgs", ()), *dict(info.get("conversion_errors") or {}).values()]
    if wrong:
        words = " ".join(str(wrong[0]).split())
        raise CheckpointError(f"does not load: {clean(words, _LONG)}", where=title)


def _shape(sizes: object) -> str:
    return " x ".join(map(str, sizes)) if isinstance(sizes, Sequence) else str(sizes)


def untrained_modules(
    module: torch.nn.Module, built: Built, found: Found, title: str
) -> tuple[str, ...]:
    """Modules whose weights the file lacks, where the rest can be measured without them.

    Args:
        module: the model.
        built: its listing.
        found: what became of the names.
        title: of the checkpoint.

    Raises:
        UsageError: it cannot.
    """
    missing = [name for name in found.missing if not name.endswith(_MADE_ANEW)]
    needed = [name for name in missing if not _is_head(name, module, built)]
    if needed:
        raise UsageError(
            f"{len(needed):,} weights of {clean(built.kind, _SHOWN)} are not in the files "
            f"({some_names(needed)}): they would be random",
            where=title,
            hint="is config.json of this model, and are all its files there?",
        )
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in missing))


def _is_head(name: str, module: torch.nn.Module, built: Built) -> bool:
    """Whether a parameter is of a head or a pooler: nothing else reads what it gives."""
    prefix = f"{built.prefix}."
    if hasattr(module, built.prefix) and built.prefix:
        if not name.startswith(prefix):
            return True
        name = name.removeprefix(prefix)
    output = built.facts.output
    return name.startswith(f"{_POOLER}.") or (bool(output) and name.startswith(f"{output}."))


def notes_about(
    kind: str, found: Found, untrained: Collection[str], dtype: torch.dtype
) -> tuple[str, ...]:
    """What people should know of a loaded model, safe to show.

    Args:
        kind: its class.
        found: what became of the names.
        untrained: see `untrained_modules`.
        dtype: what it runs in.
    """
    notes = []
    if found.left:
        many = f"{len(found.left):,} tensors" if len(found.left) > 1 else "1 tensor"
        notes.append(f"{many} of the file not in {clean(kind, _SHOWN)} ({some_names(found.left)})")
    if untrained:
        notes.append(f"not in the file, so random and not shown: {some_names(list(untrained))}")
    if dtype != torch.float32:
        notes.append(f"run in {str(dtype).removeprefix('torch.')}: no room for float32")
    return tuple(clean(note, _LONG) for note in notes)
