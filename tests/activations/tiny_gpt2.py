"""A tiny random GPT-2 with a tokenizer that splits some words, and made-up sentences."""

import random

import tokenizers
import torch
import transformers

from inspect_core.capture.live import live_model

PIECES = ["[UNK]", "[PAD]", "un", "##like", "##ly", "##s", "dog", "cat", "tree", "house", "fish",
          "red", "blue", "green", "old", "runs", "sleeps", "sees", "falls", "the", "a", "and",
          "zebra"]  # fmt: skip
WORDS = ["unlikely", "dogs", "cat", "trees", "house", "fishs", "red", "blue", "green", "old",
         "runs", "sleeps", "sees", "falls", "the", "a", "and", "zebra", "unlike"]  # fmt: skip
LAYERS = 2


def tokenizer():
    vocabulary = {piece: at for at, piece in enumerate(PIECES)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return made


def model():
    """Wide embeddings, so that a word's own direction leads."""
    torch.manual_seed(5)
    config = transformers.GPT2Config(
        vocab_size=len(PIECES), n_embd=32, n_layer=LAYERS, n_head=2, n_positions=32,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    made = transformers.GPT2Model(config).eval()
    with torch.no_grad():
        made.wte.weight.normal_()
        for block in made.h:
            block.mlp.c_fc.weight.normal_(std=0.2)
    return made


def running(module, title="tiny"):
    return live_model(module, tokenizer(), title)


def sentences(number, seed=1):
    """Texts of 1 to 16 words."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 16))) for _ in range(number)]
