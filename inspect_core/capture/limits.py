"""How long a text a model takes."""

from typing import Any

import torch

LONGEST = 4_096
"""Tokens of a text, whatever the model could take: attention grows with their square."""

_SIZES = ("max_position_embeddings", "n_positions", "max_sequence_length", "n_ctx")


def most_tokens(module: torch.nn.Module) -> int:
    """Tokens of the longest text that a model takes, special ones included.

    Args:
        module: the model; of one of transformers its config is asked too.
    """
    config: Any = getattr(module, "config", None)
    text: Any = config
    if hasattr(config, "get_text_config"):
        text = config.get_text_config()
    found = [LONGEST]
    if not getattr(text, "relative_attention_num_buckets", None):  # T5's n_positions is a hint
        found += [size for name in _SIZES if isinstance(size := getattr(text, name, None), int)]
    for name, one in module.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(one, torch.nn.Embedding) and (last == "wpe" or "pos" in last):
            # RoBERTa counts from behind its padding index, in a table that is longer by that.
            before = 0 if one.padding_idx is None else one.padding_idx + 1
            found.append(one.num_embeddings - before)
    decoder = 1 if getattr(config, "is_encoder_decoder", False) else 0
    return max(1, min(size for size in found if size > 0) - decoder)
