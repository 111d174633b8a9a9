"""Opening adapters on a base, or alone."""

from dataclasses import replace

from inspect_core.adapters.assemble import assembled
from inspect_core.adapters.side import Side, open_side
from inspect_core.checkpoint.checkpoint import Checkpoint, open_checkpoint
from inspect_core.errors import UsageError
from inspect_core.opening import Adapted


def open_adapted(uri: Adapted) -> Checkpoint:
    """Open a base and its adapters as one checkpoint; see `Adapted`.

    Its `tensors` are the base's, those that an adapter changes as F64 that is computed when it
    is read, and the adapters' own; `overlay` says which is which.

    Raises:
        CheckpointError: a file cannot be read.
        UsageError: one of the adapters is none, or fits nothing of the base.
    """
    if not uri.adapters:
        raise UsageError("no adapter was given")
    opened: list[Checkpoint] = []
    try:
        base = None if uri.base is None else open_checkpoint(uri.base)
        opened += [base] if base is not None else []
        sides = []
        for at, folder in enumerate(uri.adapters):
            side = open_side(folder, at)
            opened.append(side.checkpoint)
            sides.append(side)
        _refuse(base, sides)
        return assembled(uri, base, _named(sides))
    except BaseException:
        for checkpoint in opened:
            checkpoint.close()
        raise


def adapter_alone(checkpoint: Checkpoint) -> Checkpoint:
    """An opened adapter as what it changes, without a base; anything else as it is.

    Args:
        checkpoint: an opened checkpoint; its files stay open for the one that is returned.
    """
    side = Side.of(checkpoint, 0)
    if side is None:
        return checkpoint
    return assembled(checkpoint.uri, None, [side])


def _refuse(base: Checkpoint | None, sides: list[Side]) -> None:
    """What nobody can mean."""
    if base is not None and Side.of(base, 0) is not None:
        hint = "name the model first, then --adapter"
        raise UsageError("an adapter is no base", where=base.title, hint=hint)
    files: dict[object, str] = {}
    for side in sides:
        # A link to an adapter is the same one.
        key = tuple((path.resolve(), stamp) for path, stamp in side.checkpoint.identity)
        if key in files:
            raise UsageError("the same adapter twice", where=side.name)
        files[key] = side.name


def _named(sides: list[Side]) -> list[Side]:
    """Adapters with names that tell them apart."""
    taken: set[str] = set()
    named = []
    for side in sides:
        name, count = side.name, 2
        while name in taken:
            name, count = f"{side.name}-{count}", count + 1
        taken.add(name)
        named.append(replace(side, name=name))
    return named
