"""Embeddings and heads whose vocabulary grew or shrank: their first rows still answer."""

from inspect_core.checkpoint import views
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.match import Match, Pair

RULE = "first rows of a vocabulary"

_ENDS = (
    "embeddings", "embedding", "embed", "embd", "embed_tokens", "embed_positions", "embed_out",
    "lm_head",
)  # fmt: skip
"""How the module of an embedding or of a head is called, at the end."""

_NAMES = frozenset({"wte", "wpe", "shared"})
"""The same, in full."""

_OTHERS = ("predictions.decoder.weight", "predictions.decoder.bias", "predictions.bias")
"""BERT's head."""


def first_rows(match: Match) -> Match | None:
    """A mismatch as a pair of first rows; None unless it is an embedding or a head.

    The name must say so, and all sizes but the first must agree: nothing is ever broadcast.
    """
    ours, theirs = match.model, match.reference
    if match.status != "shape_mismatch" or ours is None or theirs is None or match.sides:
        return None
    if not _is_vocabulary(ours) or not _is_vocabulary(theirs):
        return None
    few = min(ours.shape[0], theirs.shape[0])
    if ours.shape[1:] != theirs.shape[1:] or not few or ours.parts or theirs.parts:
        return None
    one, other = views.rows(ours, 0, few), views.rows(theirs, 0, few)
    if one is None or other is None:
        return None
    where = f"{ours.shape[0]} here, {theirs.shape[0]} in the reference"
    return Match(ours, theirs, "pair", f"first {few} rows compared: {where}", Pair(one, other))


def _is_vocabulary(info: TensorInfo) -> bool:
    """Whether the first dimension is the vocabulary (or the positions), as the name says."""
    name = info.name
    if name.endswith(_OTHERS) or name in ("output.weight", "output.bias"):  # the latter: GGUF's
        return len(info.shape) in (1, 2)
    path, _, leaf = name.rpartition(".")
    module = path.rpartition(".")[2]
    if len(info.shape) == 1:
        return leaf == "bias" and module in ("lm_head", "embed_out")
    return (
        len(info.shape) == 2 and leaf == "weight" and (module.endswith(_ENDS) or module in _NAMES)
    )
