"""A pickle as a description of what it would make: nothing that it names is looked up or run.

All work and memory is bounded by the number of opcodes.
"""

import struct
from typing import NamedTuple

from inspect_core.checkpoint.pytorch.machine import CutShortError, Machine
from inspect_core.checkpoint.pytorch.opcodes import STEPS, StopError
from inspect_core.checkpoint.pytorch.values import Global, Storage
from inspect_core.checkpoint.pytorch.wrong import PyTorchError
from inspect_core.checkpoint.strict_json import collector_paused

MAX_PICKLE_BYTES = 100_000_000
"""Longest pickle that is read; a tensor takes about 150 bytes of it."""

MAX_OPCODES = 10_000_000
"""Steps of one pickle; a tensor takes 33 of them, so about 300,000 tensors."""


class Unpickled(NamedTuple):
    """What one pickle describes.

    Attributes:
        value: its one object; see `values`.
        stop: where the pickle ends.
        storages: those it refers to, by key.
        foreign: the globals it names that no plain file of weights needs, without repeats.
    """

    value: object
    stop: int
    storages: dict[str, Storage]
    foreign: tuple[Global, ...]


def unpickle(data: bytes, start: int = 0) -> Unpickled:
    """Follow one pickle and describe what it would make.

    Args:
        data: the bytes; the pickle may end before they do.
        start: where it begins.

    Raises:
        CutShortError: the pickle does not end within the bytes.
        PyTorchError: it breaks a rule, or a limit.
    """
    machine = Machine(data, start)
    try:
        with collector_paused():
            _run(machine)
    except StopError:
        value, foreign = machine.stack.pop(), tuple(machine.foreign)
        return Unpickled(value, machine.at, machine.storages, foreign)
    except struct.error:
        raise CutShortError("the pickle is cut short") from None
    except PyTorchError:
        raise
    except (IndexError, KeyError, ValueError, TypeError, OverflowError) as error:
        what = f"the pickle is broken near byte {machine.at:,} ({type(error).__name__})"
        raise PyTorchError(what) from None
    raise PyTorchError(f"a pickle of more than {MAX_OPCODES:,} steps")


def _run(machine: Machine) -> None:
    data, end, steps = machine.data, len(machine.data), STEPS
    for _ in range(MAX_OPCODES):
        at = machine.at
        if at >= end:
            raise CutShortError("the pickle is cut short")
        machine.at = at + 1
        steps[data[at]](machine)
