"""One set of names over all architectures.

A model's tensors under names that say what they are, whoever made the model. `{n}` is a number:

    embeddings.word | position | token_type | layer_norm     what goes in; `proj` where its size
    embeddings.patch | class | conv1                         is another than the blocks'
    encoder.block.{n}                 a block that sees everything (BERT, ViT, T5's encoder)
    decoder.block.{n}                 a block that sees what came before (GPT-2, Llama, ...)
      attn.q | k | v | proj           queries, keys, values, and the way out; `qkv` in one
      attn.layer_norm                 the norm that belongs to it, before or after it
      attn.post_layer_norm            a second one behind it (Gemma 2, OLMo 2)
      attn.q_norm | k_norm            norms of queries and keys
      attn.q_a | q_b | kv_a | kv_b    queries, keys and values in two steps (DeepSeek)
      attn.pos_q | pos_k              queries and keys of positions (DeBERTa)
      attn.relative_bias              a bias for each distance (T5)
      cross_attn.q | k | v | proj | layer_norm    the same over the encoder's output
      ff.w1 | w2                      into the feed-forward layer, and out of it
      ff.w3                           what the activated w1 is multiplied with; `w13` is both
      ff.layer_norm | post_layer_norm
      moe.router                      which expert is asked
      moe.experts.{n}.w1 | w2 | w3    apart; `moe.experts.w13` and `.w2` hold those of all
      moe.shared.w1 | w2 | w3         the expert that is always asked
    encoder.layer_norm | decoder.layer_norm       the last norm; of T5's or BART's own stack
    encoder.embeddings.word ...                   also what goes into that stack alone
    text.encoder... | vision.encoder...           the two towers of CLIP
    lm_head | lm_head.dense | layer_norm | decoder    over words; BERT's has several parts
    pooler.dense | classifier | qa_head | sentence_head

As in the papers and in Llama's own code w1 is the matrix whose product is activated (`gate_proj`)
and w3 the other one (`up_proj`), so a layer without gate has w1 and w2.

`families` and `blocks` are the tables. Nothing disappears: a tensor that no table knows keeps its
own name, at its place where that is known, and is marked as such.
"""

from inspect_core.structure.common.names import CommonNames, common_names
from inspect_core.structure.common.view import common_tree

__all__ = ["CommonNames", "common_names", "common_tree"]
