"""What an entry that hits nothing may have meant: names of one part in many families, then looks.

`q_proj`, `query` and `SelfAttention.q` are one part of a model; a hint says which of its names
this model has. One that holds several parts (`c_attn`: q, k and v) is said to.
"""

import difflib
from collections.abc import Callable, Iterable

from inspect_core.plan.outline import Outline

MOST_WORDS = 2_000
LONGEST_WORD = 60
MOST_LISTED = 8
"""Names that are told where nothing is near."""

_PARTS: dict[str, tuple[str, ...]] = {
    "q": ("q_proj", "query", "q", "q_lin", "query_proj", "wq", "to_q", "q_a_proj", "attn_q"),
    "k": ("k_proj", "key", "k", "k_lin", "key_proj", "wk", "to_k", "attn_k"),
    "v": ("v_proj", "value", "v", "v_lin", "value_proj", "wv", "to_v", "attn_v"),
    "o": ("o_proj", "out_proj", "o", "out_lin", "wo", "to_out", "attn_output", "attention_output",
          "attention.dense", "attention.output.dense", "attn.c_proj"),
    "up": ("up_proj", "fc1", "fc_in", "c_fc", "w3", "wi", "wi_1", "lin1", "dense_h_to_4h",
           "intermediate.dense", "ffn_up"),
    "gate": ("gate_proj", "w1", "wi_0", "ffn_gate"),
    "down": ("down_proj", "fc2", "fc_out", "w2", "lin2", "dense_4h_to_h", "mlp.c_proj",
             "ffn_down", "DenseReluDense.wo"),
    "head": ("lm_head", "classifier", "score", "embed_out", "qa_outputs", "lm_heads"),
    "words": ("embed_tokens", "word_embeddings", "wte", "shared", "embed_in", "tok_embeddings"),
}  # fmt: skip
"""Names of the same part, in many families; one with a dot needs what is around it."""

_FUSED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("c_attn", ("q", "k", "v"), "holds q, k and v"),
    ("query_key_value", ("q", "k", "v"), "holds q, k and v"),
    ("qkv_proj", ("q", "k", "v"), "holds q, k and v"),
    ("qkv", ("q", "k", "v"), "holds q, k and v"),
    ("Wqkv", ("q", "k", "v"), "holds q, k and v"),
    ("in_proj", ("q", "k", "v"), "holds q, k and v"),
    ("kv_a_proj_with_mqa", ("k", "v"), "holds k and v"),
    ("gate_up_proj", ("gate", "up"), "holds gate and up"),
)  # fmt: skip
"""Modules that hold several parts at once: name, parts, in words."""


class Hints:
    """Hints for one model; the names are collected when one is first wanted.

    Args:
        outline: the listing.
        hosts: gives the paths of modules that an adapter can be put on.
    """

    def __init__(self, outline: Outline, hosts: Callable[[], Iterable[str]]) -> None:
        self._outline = outline
        self._hosts = hosts
        self._paths: list[str] | None = None
        self._words: dict[str, None] = {}

    def __call__(self, entry: str, listed: bool = True) -> str:
        """What an entry may have meant; empty where there is nothing to say. Foreign text.

        Args:
            entry: as typed.
            listed: whether what can be adapted is listed where nothing is near.
        """
        if not entry or len(entry) > 4 * LONGEST_WORD:
            return ""
        self._collect()
        word = entry.rpartition(".")[2]
        found = self._same_part(entry, word)
        if not found and 0 < len(word) <= LONGEST_WORD:
            close = difflib.get_close_matches(word, list(self._words), 1)
            found = close[0] if close and close[0] != entry else ""
        return found or (self._all() if listed else "")

    def _same_part(self, entry: str, word: str) -> str:
        part = next((p for p, names in _PARTS.items() if entry in names), None)
        part = part or next((p for p, names in _PARTS.items() if word in names), None)
        fused = next((parts for name, parts, _ in _FUSED if name == word), ())
        for wanted in (part,) if part else fused:
            for name in _PARTS.get(wanted, ()):
                if name != entry and self._has(name):
                    if fused:
                        own = (n for p in fused for n in _PARTS[p] if self._has(n))
                        return ", ".join(dict.fromkeys(own))
                    return name
        for name, parts, words in _FUSED:
            if part in parts and name != word and self._has(name):
                return f"{name}, which {words}"
        return ""

    def _has(self, name: str) -> bool:
        if "." not in name:
            return name in self._words
        end = f".{name}"
        return any(f".{path}".endswith(end) for path in self._paths or ())

    def _all(self) -> str:
        """Names that can be adapted, the most frequent first."""
        counts: dict[str, int] = {}
        for path in self._hosts():
            word = path.rpartition(".")[2]
            if word and not word.isdecimal() and len(word) <= LONGEST_WORD:
                counts[word] = counts.get(word, 0) + 1
        names = sorted(counts, key=lambda word: -counts[word])
        more = ", ..." if len(names) > MOST_LISTED else ""
        return f"one of {', '.join(names[:MOST_LISTED])}{more}" if names else ""

    def _collect(self) -> None:
        if self._paths is not None:
            return
        self._paths = [path for path in self._outline.paths if path][: 10 * MOST_WORDS]
        for path in self._paths:
            word = path.rpartition(".")[2]
            if word and not word.isdecimal() and len(word) <= LONGEST_WORD:
                self._words[word] = None
                if len(self._words) >= MOST_WORDS:
                    break
