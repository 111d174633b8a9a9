"""Opening checkpoints: what is in them, and their bytes by exact range."""

from inspect_core.checkpoint.checkpoint import Checkpoint, open_checkpoint
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo

__all__ = ["DTYPES", "Checkpoint", "TensorInfo", "open_checkpoint"]
