"""What is inside a block, family by family: its modules' paths there, and the common ones.

See `families` for how a line is read.
"""

BERT_BLOCK = """
attention.                       attn.
attention.self.                  attn.
attention.self.query             attn.q
attention.self.key               attn.k
attention.self.value             attn.v
attention.self.query_proj        attn.q
attention.self.key_proj          attn.k
attention.self.value_proj        attn.v
attention.self.in_proj           attn.qkv
attention.self.q_bias            attn.q_bias
attention.self.v_bias            attn.v_bias
attention.self.pos_key_proj      attn.pos_k
attention.self.pos_query_proj    attn.pos_q
attention.self.pos_proj          attn.pos_k
attention.self.pos_q_proj        attn.pos_q
attention.attn.q                 attn.q
attention.attn.k                 attn.k
attention.attn.v                 attn.v
attention.attn.o                 attn.proj
attention.output.dense           attn.proj
attention.output.LayerNorm       attn.layer_norm
attention.LayerNorm              attn.layer_norm
crossattention.                  cross_attn.
crossattention.self.query        cross_attn.q
crossattention.self.key          cross_attn.k
crossattention.self.value        cross_attn.v
crossattention.output.dense      cross_attn.proj
crossattention.output.LayerNorm  cross_attn.layer_norm
intermediate.dense               ff.w1
output.dense                     ff.w2
output.LayerNorm                 ff.layer_norm
LayerNorm                        ff.layer_norm
"""

DISTILBERT_BLOCK = """
attention.           attn.
attention.q_lin      attn.q
attention.k_lin      attn.k
attention.v_lin      attn.v
attention.out_lin    attn.proj
sa_layer_norm        attn.layer_norm
ffn.                 ff.
ffn.lin1             ff.w1
ffn.lin2             ff.w2
output_layer_norm    ff.layer_norm
"""

ALBERT_BLOCK = """
attention.               attn.
attention.query          attn.q
attention.key            attn.k
attention.value          attn.v
attention.dense          attn.proj
attention.LayerNorm      attn.layer_norm
ffn                      ff.w1
ffn_output               ff.w2
full_layer_layer_norm    ff.layer_norm
"""

GPT_BLOCK = """
ln_1                     attn.layer_norm
ln_attn                  attn.layer_norm
norm_1                   attn.layer_norm
input_layernorm          attn.layer_norm
attn.                    attn.
attn.c_attn              attn.qkv
attn.Wqkv                attn.qkv
attn.q_proj              attn.q
attn.k_proj              attn.k
attn.v_proj              attn.v
attn.qkv_proj            attn.qkv
attn.c_proj              attn.proj
attn.out_proj            attn.proj
attn.attention.q_proj    attn.q
attn.attention.k_proj    attn.k
attn.attention.v_proj    attn.v
attn.attention.out_proj  attn.proj
attention.query_key_value      attn.qkv
attention.dense                attn.proj
self_attention.query_key_value attn.qkv
self_attention.dense           attn.proj
ln_cross_attn            cross_attn.layer_norm
crossattention.          cross_attn.
crossattention.q_attn    cross_attn.q
crossattention.c_attn    cross_attn.kv
crossattention.c_proj    cross_attn.proj
ln_2                     ff.layer_norm
ln_mlp                   ff.layer_norm
norm_2                   ff.layer_norm
post_attention_layernorm ff.layer_norm
mlp.                     ff.
mlp.c_fc                 ff.w1
mlp.c_proj               ff.w2
mlp.fc_in                ff.w1
mlp.fc_out               ff.w2
mlp.dense_h_to_4h        ff.w1
mlp.dense_4h_to_h        ff.w2
ffn.up_proj              ff.w1
ffn.down_proj            ff.w2
"""

BART_BLOCK = """
self_attn.               attn.
self_attn.q_proj         attn.q
self_attn.k_proj         attn.k
self_attn.v_proj         attn.v
self_attn.out_proj       attn.proj
self_attn_layer_norm     attn.layer_norm
encoder_attn.            cross_attn.
encoder_attn.q_proj      cross_attn.q
encoder_attn.k_proj      cross_attn.k
encoder_attn.v_proj      cross_attn.v
encoder_attn.out_proj    cross_attn.proj
encoder_attn_layer_norm  cross_attn.layer_norm
fc1                      ff.w1
fc2                      ff.w2
final_layer_norm         ff.layer_norm
"""

_T5_ATTENTION = """
layer.0.SelfAttention.   attn.
layer.0.SelfAttention.q  attn.q
layer.0.SelfAttention.k  attn.k
layer.0.SelfAttention.v  attn.v
layer.0.SelfAttention.o  attn.proj
layer.0.SelfAttention.relative_attention_bias attn.relative_bias
layer.0.layer_norm       attn.layer_norm
"""

_T5_FEED_FORWARD = """
layer.{at}.DenseReluDense.     ff.
layer.{at}.DenseReluDense.wi   ff.w1
layer.{at}.DenseReluDense.wi_0 ff.w1
layer.{at}.DenseReluDense.wi_1 ff.w3
layer.{at}.DenseReluDense.wo   ff.w2
layer.{at}.layer_norm          ff.layer_norm
"""

_T5_CROSS_ATTENTION = """
layer.1.EncDecAttention.   cross_attn.
layer.1.EncDecAttention.q  cross_attn.q
layer.1.EncDecAttention.k  cross_attn.k
layer.1.EncDecAttention.v  cross_attn.v
layer.1.EncDecAttention.o  cross_attn.proj
layer.1.EncDecAttention.relative_attention_bias cross_attn.relative_bias
layer.1.layer_norm         cross_attn.layer_norm
"""

T5_ENCODER_BLOCK = _T5_ATTENTION + _T5_FEED_FORWARD.replace("{at}", "1")
T5_DECODER_BLOCK = _T5_ATTENTION + _T5_CROSS_ATTENTION + _T5_FEED_FORWARD.replace("{at}", "2")

_EXPERTS = """
{at}.                       moe.
{at}.gate                   moe.router
{at}.router                 moe.router
{at}.router.layer           moe.router
{at}.experts.               moe.experts.
{at}.experts.{n}.           moe.experts.{n}.
{at}.experts.{n}.gate_proj  moe.experts.{n}.w1
{at}.experts.{n}.down_proj  moe.experts.{n}.w2
{at}.experts.{n}.up_proj    moe.experts.{n}.w3
{at}.experts.{n}.w1         moe.experts.{n}.w1
{at}.experts.{n}.w2         moe.experts.{n}.w2
{at}.experts.{n}.w3         moe.experts.{n}.w3
{at}.experts.gate_up_proj   moe.experts.w13
{at}.experts.gate_proj      moe.experts.w1
{at}.experts.up_proj        moe.experts.w3
{at}.experts.down_proj      moe.experts.w2
{at}.experts.gate_up_proj_bias moe.experts.w13_bias
{at}.experts.down_proj_bias moe.experts.w2_bias
{at}.input_linear           moe.experts.w13
{at}.output_linear          moe.experts.w2
{at}.shared_expert.         moe.shared.
{at}.shared_expert.gate_proj moe.shared.w1
{at}.shared_expert.down_proj moe.shared.w2
{at}.shared_expert.up_proj  moe.shared.w3
{at}.shared_experts.        moe.shared.
{at}.shared_experts.gate_proj moe.shared.w1
{at}.shared_experts.down_proj moe.shared.w2
{at}.shared_experts.up_proj moe.shared.w3
{at}.shared_expert_gate     moe.shared_gate
"""

_GATED = """
{at}.                       ff.
{at}.gate_proj              ff.w1
{at}.down_proj              ff.w2
{at}.up_proj                ff.w3
{at}.gate_up_proj           ff.w13
{at}.fc1                    ff.w1
{at}.fc2                    ff.w2
{at}.c_fc                   ff.w1
{at}.c_proj                 ff.w2
{at}.w1                     ff.w1
{at}.w2                     ff.w2
{at}.w3                     ff.w3
"""

_LLAMA_ATTENTION = """
self_attn.                     attn.
self_attn.q_proj               attn.q
self_attn.k_proj               attn.k
self_attn.v_proj               attn.v
self_attn.qkv_proj             attn.qkv
self_attn.W_pack               attn.qkv
self_attn.o_proj               attn.proj
self_attn.out_proj             attn.proj
self_attn.dense                attn.proj
self_attn.q_norm               attn.q_norm
self_attn.k_norm               attn.k_norm
self_attn.q_layernorm          attn.q_norm
self_attn.k_layernorm          attn.k_norm
self_attn.q_a_proj             attn.q_a
self_attn.q_a_layernorm        attn.q_a_norm
self_attn.q_b_proj             attn.q_b
self_attn.kv_a_proj_with_mqa   attn.kv_a
self_attn.kv_a_layernorm       attn.kv_a_norm
self_attn.kv_b_proj            attn.kv_b
self_attn.sinks                attn.sinks
attention.                     attn.
attention.wq                   attn.q
attention.wk                   attn.k
attention.wv                   attn.v
attention.wqkv                 attn.qkv
attention.wo                   attn.proj
input_layernorm                attn.layer_norm
attention_norm                 attn.layer_norm
"""

_FEED_FORWARDS = "".join(
    _EXPERTS.replace("{at}", at) + (_GATED.replace("{at}", at) if at != "block_sparse_moe" else "")
    for at in ("block_sparse_moe", "mlp", "feed_forward")
)
"""Of what is directly in `mlp`, `ff.` comes last: an `mlp` without experts is no mixture."""

LLAMA_BLOCK = f"""
{_LLAMA_ATTENTION}
{_FEED_FORWARDS}
post_attention_layernorm   ff.layer_norm
ffn_norm                   ff.layer_norm
"""

TWO_NORMS_BLOCK = f"""
{_LLAMA_ATTENTION}
{_FEED_FORWARDS}
post_attention_layernorm   attn.post_layer_norm
pre_feedforward_layernorm  ff.layer_norm
post_feedforward_layernorm ff.post_layer_norm
"""

MODERNBERT_BLOCK = """
attn.       attn.
attn.Wqkv   attn.qkv
attn.Wo     attn.proj
attn_norm   attn.layer_norm
mlp.        ff.
mlp.Wi      ff.w13
mlp.Wo      ff.w2
mlp_norm    ff.layer_norm
"""

VIT_BLOCK = """
attention.                  attn.
attention.q_proj            attn.q
attention.k_proj            attn.k
attention.v_proj            attn.v
attention.o_proj            attn.proj
attention.attention.query   attn.q
attention.attention.key     attn.k
attention.attention.value   attn.v
attention.output.dense      attn.proj
layernorm_before            attn.layer_norm
norm1                       attn.layer_norm
layer_scale1                attn.scale
intermediate.dense          ff.w1
output.dense                ff.w2
mlp.                        ff.
mlp.fc1                     ff.w1
mlp.fc2                     ff.w2
layernorm_after             ff.layer_norm
norm2                       ff.layer_norm
layer_scale2                ff.scale
"""

CLIP_BLOCK = """
self_attn.            attn.
self_attn.q_proj      attn.q
self_attn.k_proj      attn.k
self_attn.v_proj      attn.v
self_attn.out_proj    attn.proj
layer_norm1           attn.layer_norm
mlp.                  ff.
mlp.fc1               ff.w1
mlp.fc2               ff.w2
layer_norm2           ff.layer_norm
"""

WAV2VEC2_BLOCK = """
attention.                       attn.
attention.q_proj                 attn.q
attention.k_proj                 attn.k
attention.v_proj                 attn.v
attention.out_proj               attn.proj
layer_norm                       attn.layer_norm
feed_forward.                    ff.
feed_forward.intermediate_dense  ff.w1
feed_forward.output_dense        ff.w2
final_layer_norm                 ff.layer_norm
"""

_GGUF_BLOCK = """
attn_q                  attn.q
attn_k                  attn.k
attn_v                  attn.v
attn_qkv                attn.qkv
attn_output             attn.proj
attn_q_norm             attn.q_norm
attn_k_norm             attn.k_norm
attn_q_a                attn.q_a
attn_q_a_norm           attn.q_a_norm
attn_q_b                attn.q_b
attn_kv_a_mqa           attn.kv_a
attn_kv_a_norm          attn.kv_a_norm
attn_kv_b               attn.kv_b
attn_sinks              attn.sinks
ffn_gate                ff.w1
ffn_down                ff.w2
ffn_gate_inp            moe.router
ffn_gate_exps           moe.experts.w1
ffn_down_exps           moe.experts.w2
ffn_up_exps             moe.experts.w3
ffn_gate_shexp          moe.shared.w1
ffn_down_shexp          moe.shared.w2
ffn_up_shexp            moe.shared.w3
ffn_gate_inp_shexp      moe.shared_gate
"""

GGUF_DECODER = f"""
{_GGUF_BLOCK}
ffn_up                  ff.w3
attn_norm               attn.layer_norm
post_attention_norm     attn.post_layer_norm
ffn_norm                ff.layer_norm
post_ffw_norm           ff.post_layer_norm
"""

GGUF_ENCODER = f"""
{_GGUF_BLOCK}
ffn_up                  ff.w1
attn_output_norm        attn.layer_norm
layer_output_norm       ff.layer_norm
"""
