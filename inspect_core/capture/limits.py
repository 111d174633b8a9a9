"""How long a text a model takes."""

from typing import Any

import torch

LONGEST = 4_096
"""Tokens of a text, whatever the model could take: attention grows with their square."""

_SIZES = ("max_position_embeddings", "n_positions", "max_sequence_length", "n_ctx")


def config_of(module: torch.nn.Module) -> Any:
    """What a module has for its config, such as those of transformers; None for none."""
    return asked(module, "config")


def asked(thing: object, name: str) -> Any:
    """An attribute of somebody's object; None where there is none, or asking for it fails."""
    try:
        return getattr(thing, name, None)
    except Exception:  # properties are foreign code
        return None


def _text_config(config: Any) -> Any:
    ask = asked(config, "get_text_config")
    try:
        return ask() if callable(ask) else config
    except Exception:
        return config


def most_tokens(module: torch.nn.Module) -> int:
    """Tokens of the longest text that a model takes, special ones included.

    Args:
        module: the model; of one of transformers its config is asked too.
    """
    config = config_of(module)
    text = _text_config(config)
    found = [LONGEST]
    if not asked(text, "relative_attention_num_buckets"):  # T5's n_positions is a hint
        found += [size for name in _SIZES if type(size := asked(text, name)) is int]
    for name, one in module.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(one, torch.nn.Embedding) and (last == "wpe" or "pos" in last):
            # RoBERTa counts from behind its padding index, in a table that is longer by that.
            before = 0 if one.padding_idx is None else one.padding_idx + 1
            found.append(one.num_embeddings - before)
    decoder = 1 if asked(config, "is_encoder_decoder") is True else 0
    return max(1, min(size for size in found if size > 0) - decoder)
