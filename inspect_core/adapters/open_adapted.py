"""Opening adapters on a base, or alone."""

from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.opening import Adapted


def open_adapted(uri: Adapted) -> Checkpoint:
    """Open a base and its adapters as one checkpoint; see `Adapted`.

    Its `tensors` are the base's, those that an adapter changes as F64 that is computed when it
    is read, and the adapters' own; `overlay` says which is which.

    Raises:
        CheckpointError: a file cannot be read.
        UsageError: one of the adapters is none, or fits nothing of the base.
    """
    raise NotImplementedError
