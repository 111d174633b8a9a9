"""Which tensor of the model answers which of the reference, by ordered rules with reasons."""

from inspect_core.pairing.match import SAME_NAME, Match, Pair, Pairing, Status
from inspect_core.pairing.names import pair_tensors

__all__ = ["SAME_NAME", "Match", "Pair", "Pairing", "Status", "pair_tensors"]
