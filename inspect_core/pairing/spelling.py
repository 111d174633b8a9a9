"""One spelling for names that mean the same: old and new layouts of one architecture.

Names are compared with each other in this spelling only; it is no name of any file. The
renamings are those that the transformers library makes when it loads old files (its
`conversion_mapping`), and the names of the projections in the older architectures.
"""

import re

OLD_LEAVES = {"gamma": "weight", "beta": "bias"}
"""Last components that layer norms have in old files."""

_SAME = (
    # LLaVA and its kin: the towers moved under `model.`
    ("language_model.lm_head.", "lm_head."), ("language_model.model.", "model.language_model."),
    ("model.model.language_model.", "model.language_model."),
    # ViT, DeiT, BEiT, DINOv2: the attention lost a level, the layers another
    ("attention.attention.", "attention."), ("attention.output.dense.", "attention.o_proj."),
    ("intermediate.dense.", "mlp.fc1."), ("output.dense.", "mlp.fc2."),
    ("encoder.layer.", "layers."), ("mlp.weights_in.", "mlp.gate_up_proj."),
    ("mlp.weights_out.", "mlp.down_proj."),
    # mixtures of experts
    ("block_sparse_moe.input_linear.", "mlp.experts.gate_up_proj."),
    ("block_sparse_moe.output_linear.", "mlp.experts.down_proj."),
    ("block_sparse_moe.", "mlp."), (".mlp.router.", ".mlp.gate."),
    # projections
    (".query.", ".q_proj."), (".key.", ".k_proj."), (".value.", ".v_proj."),
    (".q_lin.", ".q_proj."), (".k_lin.", ".k_proj."), (".v_lin.", ".v_proj."),
    (".to_q.", ".q_proj."), (".to_k.", ".k_proj."), (".to_v.", ".v_proj."),
)  # fmt: skip
_AT_START = (
    ("vision_tower.", "model.vision_tower."),
    ("multi_modal_projector.", "model.multi_modal_projector."),
    ("embed_out.", "lm_head."),
)
_EXPERT = re.compile(r"\.experts\.([0-9]{1,6})\.(w1|w2|w3)\.")
_EXPERTS = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}
_LONGEST = 4000
"""A longer name is nobody's layout."""


def new_leaf(name: str) -> str:
    """The name with a layer norm's `gamma` or `beta` as it is called now."""
    path, dot, leaf = name.rpartition(".")
    return f"{path}{dot}{OLD_LEAVES.get(leaf, leaf)}"


_ANY = re.compile("|".join(re.escape(old) for old, _ in (*_SAME, *_AT_START)) + r"|\.w[123]\.")
"""What most names have nothing of."""


def _respelled(path: str) -> str:
    """A module's path with a dot at its end, respelled."""
    if _ANY.search(path) is None:
        return path
    for old, new in _AT_START:
        if path.startswith(old):
            path = new + path[len(old) :]
    for old, new in _SAME:
        if old in path:
            path = path.replace(old, new)
    if ".w" not in path:
        return path
    return _EXPERT.sub(lambda found: f".experts.{found[1]}.{_EXPERTS[found[2]]}.", path)


def spelled(name: str) -> str:
    """The one spelling of a name."""
    if len(name) > _LONGEST:
        return name
    path, dot, leaf = name.rpartition(".")
    return f"{_respelled(path + dot)}{OLD_LEAVES.get(leaf, leaf)}"
