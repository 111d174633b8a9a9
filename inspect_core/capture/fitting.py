"""Whether a model has got all its weights, and from the files it was said to be in."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from inspect_core.checkpoint.locate import some_names
from inspect_core.errors import CheckpointError, UsageError
from inspect_core.structure.meta import Built
from inspect_core.text import clean

_POOLER = "pooler"
_MADE_ANEW = (
    "position_ids", "token_type_ids", "inv_freq", "masked_bias", "final_logits_bias",
    "num_batches_tracked",
)  # fmt: skip
"""Ends of names of buffers that a class makes as the file would have them."""
_COMPUTED = "Sinusoidal"
"""In the names of classes whose table of positions is a formula."""
_TELLS = "_adjust_missing_and_unexpected_keys"

_SHOWN = 60
_LONG = 300


class Found(NamedTuple):
    """Names of the class that have no value, and names of the file that the class lacks."""

    missing: Sequence[str]
    left: Sequence[str]

    @classmethod
    def of(cls, info: Mapping[str, Any], title: str, missing: Collection[str] = ()) -> "Found":
        """What the library says of its loading, and what it misses besides.

        Raises:
            CheckpointError: values do not fit the config's model.
        """
        _refuse_misfits(info, title)
        all_of_it = {*info.get("missing_keys", ()), *missing}
        return cls(sorted(all_of_it), sorted(info.get("unexpected_keys", ())))


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


@contextmanager
def nothing_ignored(kind: Any) -> Iterator[set[str]]:
    """Notes what a class misses while it is loaded: it does not tell of all of it.

    Classes have lists of weights that they expect to miss, and trained ones are on them.

    Args:
        kind: a class of transformers; as it was afterwards.
    """
    missing: set[str] = set()
    told = getattr(kind, _TELLS, None)
    if told is None:  # a version of the library that has other names
        yield missing
        return

    def telling(self: Any, info: Any, *more: Any) -> Any:
        missing.update(map(str, getattr(info, "missing_keys", ())))
        return told(self, info, *more)

    before = vars(kind).get(_TELLS)
    setattr(kind, _TELLS, telling)
    try:
        yield missing
    finally:
        if before is None:
            delattr(kind, _TELLS)
        else:
            setattr(kind, _TELLS, before)


def random_weights(
    module: torch.nn.Module, built: Built, found: Found, title: str
) -> tuple[str, ...]:
    """Weights that the file lacks, where the rest can be measured without them.

    Args:
        module: the model.
        built: its listing.
        found: what became of the names.
        title: of the checkpoint.

    Raises:
        UsageError: it cannot.
    """
    missing = [name for name in found.missing if not _is_made(name, module)]
    needed = [name for name in missing if not _is_head(name, module, built)]
    if needed:
        raise UsageError(
            f"{len(needed):,} weights of {clean(built.kind, _SHOWN)} are not in the files "
            f"({some_names(needed)}): they would be random",
            where=title,
            hint="is config.json of this model, and are all its files there?",
        )
    return tuple(missing)


def _is_made(name: str, module: torch.nn.Module) -> bool:
    """Whether a class makes a tensor as the file would have it."""
    if name.endswith(_MADE_ANEW):
        return True
    try:
        owner = module.get_submodule(name.rpartition(".")[0])
    except AttributeError:
        return False
    return _COMPUTED in type(owner).__name__


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
        untrained: modules of `random_weights`.
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
