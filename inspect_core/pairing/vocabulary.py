"""Embeddings and heads whose vocabulary grew or shrank: their first rows still answer."""

from inspect_core.checkpoint import views
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.match import Match, Pair

RULE = "first rows of a vocabulary"

_NAMES = frozenset({
    "embed_tokens", "word_embeddings", "wte", "shared", "tok_embeddings", "token_embd", "lm_head",
    "embed_out", "token_type_embeddings",
})  # fmt: skip
"""How the module of an embedding of tokens or of a head over them is called, in full; types of
tokens are a vocabulary too. Positions, times and patches are not."""

_HEADS = frozenset({"lm_head", "embed_out"})

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
    """Whether the first dimension is the vocabulary, as the name says."""
    name = info.name
    if name.endswith(_OTHERS) or name in ("output.weight", "output.bias"):  # GGUF's, Meta's
        return len(info.shape) in (1, 2)
    path, _, leaf = name.rpartition(".")
    module = path.rpartition(".")[2]
    if len(info.shape) == 1:
        return leaf == "bias" and module in _HEADS
    return len(info.shape) == 2 and leaf == "weight" and module in _NAMES
