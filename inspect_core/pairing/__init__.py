"""Which tensor of the model answers which of the reference, by ordered rules with reasons."""

from inspect_core.pairing.checkpoints import pair_checkpoints
from inspect_core.pairing.layer_map import LayerMap, Rename
from inspect_core.pairing.match import SAME_NAME, Match, Pair, Pairing, Status
from inspect_core.pairing.names import pair_tensors

__all__ = [
    "SAME_NAME", "LayerMap", "Match", "Pair", "Pairing", "Rename", "Status", "pair_checkpoints",
    "pair_tensors",
]  # fmt: skip
