"""Which place of the common structure each module of a known family is: data, and nothing else.

A line has a module's path and its common one; `{n}` is a number, and stands for the same one on
both sides. A path that ends in a dot is a place: what is inside it and on no line of its own is
put there under its own name. Paths are those of the base model: wrappers (`model.`, `bert.`, ...)
are taken off before. A block's lines are below each of the paths that the family gives.
"""

from typing import NamedTuple

from inspect_core.structure.common import blocks


class Family(NamedTuple):
    """One way of naming modules.

    Attributes:
        name: for people.
        types: values of `model_type` that have it; more may.
        outside: lines of what is in no block.
        blocks: path of a block, its common path, and the lines inside.
    """

    name: str
    types: tuple[str, ...]
    outside: str
    blocks: tuple[tuple[str, str, str], ...]


_HEADS = """
lm_head                     lm_head
classifier                  classifier
score                       classifier
classification_head         classifier
qa_outputs                  qa_head
"""

_BERT_EMBEDDINGS = """
embeddings.                      embeddings.
embeddings.word_embeddings       embeddings.word
embeddings.position_embeddings   embeddings.position
embeddings.token_type_embeddings embeddings.token_type
embeddings.LayerNorm             embeddings.layer_norm
embeddings.layer_norm            embeddings.layer_norm
embeddings.embed_proj            embeddings.proj
"""

_BERT_HEAD = """
pooler.                          pooler.
pooler.dense                     pooler.dense
cls.predictions.                 lm_head.
cls.predictions.bias             lm_head.bias
cls.predictions.transform.dense  lm_head.dense
cls.predictions.transform.LayerNorm lm_head.layer_norm
cls.predictions.decoder          lm_head.decoder
cls.seq_relationship             sentence_head
"""

_LLAMA_OUTSIDE = f"""
{_HEADS}
embed_tokens      embeddings.word
tok_embeddings    embeddings.word
norm              decoder.layer_norm
final_layernorm   decoder.layer_norm
output            lm_head
"""

_GGUF_EMBEDDINGS = """
token_embd              embeddings.word
position_embd           embeddings.position
token_types             embeddings.token_type
token_embd_norm         embeddings.layer_norm
"""


def _seq2seq(stack: str) -> str:
    """What BART's, Whisper's and their kin's encoder or decoder has outside its blocks."""
    return f"""
{stack}.                         {stack}.
{stack}.embed_tokens             {stack}.embeddings.word
{stack}.embed_positions          {stack}.embeddings.position
{stack}.layernorm_embedding      {stack}.embeddings.layer_norm
{stack}.conv1                    {stack}.embeddings.conv1
{stack}.conv2                    {stack}.embeddings.conv2
{stack}.layer_norm               {stack}.layer_norm
"""


FAMILIES = (
    Family(
        "llama",
        (
            "llama", "mistral", "qwen2", "qwen3", "gemma", "phi", "phi3", "mixtral", "qwen2_moe",
            "qwen3_moe", "deepseek_v2", "deepseek_v3", "gpt_oss", "llama4", "llama4_text",
            "stablelm", "starcoder2", "smollm3", "granite", "granitemoe", "olmo", "cohere",
        ),
        _LLAMA_OUTSIDE,
        (("layers.{n}", "decoder.block.{n}", blocks.LLAMA_BLOCK),),
    ),
    Family(
        "gemma2", ("gemma2", "gemma3", "gemma3_text", "olmo2", "olmo3"), _LLAMA_OUTSIDE,
        (("layers.{n}", "decoder.block.{n}", blocks.TWO_NORMS_BLOCK),),
    ),
    Family(
        "bert",
        (
            "bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "deberta",
            "deberta-v2", "ernie", "esm", "data2vec-text", "longformer",
        ),
        f"""
        {_HEADS} {_BERT_EMBEDDINGS} {_BERT_HEAD}
        encoder.                          encoder.
        encoder.rel_embeddings            encoder.relative_position
        encoder.LayerNorm                 encoder.relative_layer_norm
        encoder.relative_attention_bias   encoder.relative_bias
        encoder.emb_layer_norm_after      encoder.layer_norm
        embeddings_project                embeddings.proj
        generator_predictions.dense       lm_head.dense
        generator_predictions.LayerNorm   lm_head.layer_norm
        generator_lm_head                 lm_head.decoder
        """,
        (("encoder.layer.{n}", "encoder.block.{n}", blocks.BERT_BLOCK),),
    ),
    Family(
        "distilbert", ("distilbert",),
        f"""
        {_HEADS} {_BERT_EMBEDDINGS}
        vocab_transform    lm_head.dense
        vocab_layer_norm   lm_head.layer_norm
        vocab_projector    lm_head.decoder
        """,
        (("transformer.layer.{n}", "encoder.block.{n}", blocks.DISTILBERT_BLOCK),
         ("layer.{n}", "encoder.block.{n}", blocks.DISTILBERT_BLOCK)),
    ),
    Family(
        "albert", ("albert",),
        f"""
        {_HEADS} {_BERT_EMBEDDINGS}
        encoder.                              encoder.
        encoder.embedding_hidden_mapping_in   embeddings.proj
        pooler                                pooler.dense
        predictions.bias                      lm_head.bias
        predictions.dense                     lm_head.dense
        predictions.LayerNorm                 lm_head.layer_norm
        predictions.decoder                   lm_head.decoder
        """,
        (("encoder.albert_layer_groups.{n}.albert_layers.{n}", "encoder.group.{n}.block.{n}",
          blocks.ALBERT_BLOCK),),
    ),
    Family(
        "gpt",
        ("gpt2", "gptj", "gpt_neo", "gpt_neox", "gpt_bigcode", "codegen", "bloom", "falcon", "mpt",
         "imagegpt", "decision_transformer"),
        f"""
        {_HEADS}
        wte                         embeddings.word
        wpe                         embeddings.position
        word_embeddings             embeddings.word
        word_embeddings_layernorm   embeddings.layer_norm
        embed_in                    embeddings.word
        ln_f                        decoder.layer_norm
        norm_f                      decoder.layer_norm
        final_layer_norm            decoder.layer_norm
        embed_out                   lm_head
        """,
        tuple((f"{at}.{{n}}", "decoder.block.{n}", blocks.GPT_BLOCK)
              for at in ("h", "layers", "blocks")),
    ),
    Family(
        "opt", ("opt",),
        f"""
        {_HEADS}
        decoder.                   decoder.
        decoder.embed_tokens       embeddings.word
        decoder.embed_positions    embeddings.position
        decoder.project_in         embeddings.proj
        decoder.project_out        decoder.proj
        decoder.final_layer_norm   decoder.layer_norm
        """,
        (("decoder.layers.{n}", "decoder.block.{n}", blocks.BART_BLOCK),),
    ),
    Family(
        "bart",
        ("bart", "mbart", "whisper", "marian", "m2m_100", "pegasus", "blenderbot", "plbart",
         "speech_to_text"),
        f"""
        {_HEADS}
        shared     embeddings.word
        {_seq2seq("encoder")} {_seq2seq("decoder")}
        proj_out   lm_head
        """,
        tuple((f"{stack}.layers.{{n}}", f"{stack}.block.{{n}}", blocks.BART_BLOCK)
              for stack in ("encoder", "decoder")),
    ),
    Family(
        "t5", ("t5", "mt5", "umt5", "longt5"),
        f"""
        {_HEADS}
        shared                     embeddings.word
        encoder.                   encoder.
        encoder.embed_tokens       encoder.embeddings.word
        encoder.final_layer_norm   encoder.layer_norm
        decoder.                   decoder.
        decoder.embed_tokens       decoder.embeddings.word
        decoder.final_layer_norm   decoder.layer_norm
        """,
        (
            ("encoder.block.{n}", "encoder.block.{n}",
             blocks.T5_ENCODER_BLOCK),
            ("decoder.block.{n}", "decoder.block.{n}",
             blocks.T5_DECODER_BLOCK),
        ),
    ),
    Family(
        "modernbert", ("modernbert",),
        """
        classifier                  classifier
        embeddings.tok_embeddings   embeddings.word
        embeddings.norm             embeddings.layer_norm
        final_norm                  encoder.layer_norm
        head.dense                  lm_head.dense
        head.norm                   lm_head.layer_norm
        decoder                     lm_head.decoder
        """,
        (("layers.{n}", "encoder.block.{n}", blocks.MODERNBERT_BLOCK),),
    ),
    Family(
        "vit", ("vit", "deit", "dinov2", "vit_mae", "vit_msn"),
        f"""
        {_HEADS}
        embeddings.                               embeddings.
        embeddings.cls_token                      embeddings.class
        embeddings.mask_token                     embeddings.mask
        embeddings.distillation_token             embeddings.distillation
        embeddings.position_embeddings            embeddings.position
        embeddings.patch_embeddings.projection    embeddings.patch
        layernorm                                 encoder.layer_norm
        pooler.                                   pooler.
        pooler.dense                              pooler.dense
        """,
        tuple((f"{at}.{{n}}", "encoder.block.{n}", blocks.VIT_BLOCK)
              for at in ("layers", "encoder.layer", "encoder.layers")),
    ),
    Family(
        "clip", ("clip", "clip_text_model", "clip_vision_model", "siglip"),
        """
        text_model.                                  text.
        text_model.embeddings.token_embedding        text.embeddings.word
        text_model.embeddings.position_embedding     text.embeddings.position
        text_model.final_layer_norm                  text.encoder.layer_norm
        vision_model.                                vision.
        vision_model.embeddings.class_embedding      vision.embeddings.class
        vision_model.embeddings.patch_embedding      vision.embeddings.patch
        vision_model.embeddings.position_embedding   vision.embeddings.position
        vision_model.pre_layrnorm                    vision.embeddings.layer_norm
        vision_model.post_layernorm                  vision.encoder.layer_norm
        text_projection                              text.proj
        visual_projection                            vision.proj
        logit_scale                                  logit_scale
        """,
        tuple((f"{one}_model.encoder.layers.{{n}}", f"{one}.encoder.block.{{n}}", blocks.CLIP_BLOCK)
              for one in ("text", "vision")),
    ),
    Family(
        "wav2vec2", ("wav2vec2", "hubert", "wavlm", "unispeech"),
        f"""
        {_HEADS}
        masked_spec_embed                           embeddings.mask
        feature_extractor.                          embeddings.
        feature_extractor.conv_layers.{{n}}.          embeddings.conv.{{n}}.
        feature_extractor.conv_layers.{{n}}.conv      embeddings.conv.{{n}}.conv
        feature_extractor.conv_layers.{{n}}.layer_norm embeddings.conv.{{n}}.layer_norm
        feature_projection.projection               embeddings.proj
        feature_projection.layer_norm               embeddings.layer_norm
        encoder.                                    encoder.
        encoder.pos_conv_embed.conv                 embeddings.position
        encoder.layer_norm                          encoder.layer_norm
        """,
        (("encoder.layers.{n}", "encoder.block.{n}", blocks.WAV2VEC2_BLOCK),),
    ),
    Family(
        "llama.cpp", (),
        f"""
        {_GGUF_EMBEDDINGS}
        output_norm   decoder.layer_norm
        output        lm_head
        """,
        (("blk.{n}", "decoder.block.{n}", blocks.GGUF_DECODER),),
    ),
    Family(
        "llama.cpp encoder", (), _GGUF_EMBEDDINGS,
        (("blk.{n}", "encoder.block.{n}", blocks.GGUF_ENCODER),),
    ),
)  # fmt: skip
"""All families; where two know as many names of a model, the first counts."""
