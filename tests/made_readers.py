"""Tiny models that read: a folder with config, weights and a tokenizer of whole words."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WORDS = ("<unk>", "the", "film", "is", "good", "bad", "a", "story", "and", "boring", ".", ",")
HIDDEN, LAYERS, INNER = 8, 2, 12


def weights(seed: int = 0, prefix: str = "model.") -> dict[str, np.ndarray]:
    """Of a Llama with `LAYERS` layers."""
    rng = np.random.default_rng(seed)
    shapes = {"embed_tokens": (len(WORDS), HIDDEN)}
    for layer in range(LAYERS):
        for name in "qkvo":
            shapes[f"layers.{layer}.self_attn.{name}_proj"] = (HIDDEN, HIDDEN)
        shapes[f"layers.{layer}.mlp.gate_proj"] = (INNER, HIDDEN)
        shapes[f"layers.{layer}.mlp.up_proj"] = (INNER, HIDDEN)
        shapes[f"layers.{layer}.mlp.down_proj"] = (HIDDEN, INNER)
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"layers.{layer}.{name}"] = (HIDDEN,)
    shapes["norm"] = (HIDDEN,)
    made = {
        f"{prefix}{name}.weight": (rng.normal(size=shape) / 2).astype(np.float32)
        for name, shape in shapes.items()
    }
    return made | {"lm_head.weight": rng.normal(size=(len(WORDS), HIDDEN)).astype(np.float32)}


def make_reader(folder: Path, seed: int = 0, **more: object) -> str:
    """Write a model and its tokenizer; gives the folder.

    Args:
        folder: made if it is not there.
        seed: other seeds have other weights.
        more: values of config.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": len(WORDS),
        "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": INNER, "max_position_embeddings": 32,
        "tie_word_embeddings": False, **more,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights(seed), folder / "model.safetensors")
    write_tokenizer(folder)
    return str(folder)


def write_tokenizer(folder: Path) -> None:
    """A tokenizer.json with a word of `WORDS` for each id."""
    content = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(WORDS)},
                  "unk_token": "<unk>"},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(content))


def make_texts(path: Path, count: int = 40, seed: int = 0) -> str:
    """Write a table with the columns `mood`, `text` and `tags`; gives its path."""
    rng = np.random.default_rng(seed)
    lines = ["mood\ttext\ttags"]
    for _ in range(count):
        words = rng.choice(WORDS[1:10], size=int(rng.integers(2, 9))).tolist()
        mood = "down" if "bad" in words else "up"
        tags = " ".join("ADJ" if word in ("good", "bad", "boring") else "X" for word in words)
        lines.append(f"{mood}\t{' '.join(words)}\t{tags}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)
