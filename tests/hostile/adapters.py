"""Adapter folders whose configuration lies, and model configs that do."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import Any

from hostile.case import Case, Room, Want, packed, squares, to_json, write

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_PLACE = "base_model.model.model.layers.0.self_attn.q_proj."
_A, _B = f"{_PLACE}lora_A.weight", f"{_PLACE}lora_B.weight"
_GOOD: dict[str, tuple[int, ...]] = {_A: (4, 16), _B: (16, 4)}
_CONFIG: dict[str, Any] = {
    "peft_type": "LORA",
    "base_model_name_or_path": "org/base",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj"],
    "task_type": "CAUSAL_LM",
}
_NO_CODE = "its regular expression is not run"

# What is changed in a good configuration.
_CHANGES: list[tuple[str, dict[str, object], str]] = [
    ("a_base_null", {"base_model_name_or_path": None}, ""),
    (
        "a_base_traversal",
        {"base_model_name_or_path": "../../outside_secret.safetensors"},
        "a file's word opens no other file",
    ),
    ("a_base_abs", {"base_model_name_or_path": "/etc"}, "a file's word opens no other file"),
    ("a_base_url", {"base_model_name_or_path": "http://127.0.0.1:1/x"}, "nothing is fetched"),
    ("a_base_int", {"base_model_name_or_path": 5}, ""),
    ("a_base_self", {"base_model_name_or_path": "."}, "an adapter that is its own base"),
    (
        "a_base_escape",
        {"base_model_name_or_path": "/x\x1b]0;PWNED\x07\n[/]"},
        "the warning quotes it",
    ),
    ("a_tm_redos", {"target_modules": "(a+)+$"}, _NO_CODE),
    ("a_tm_badregex", {"target_modules": "(["}, _NO_CODE),
    ("a_tm_bogus", {"target_modules": ["nope", 3, None]}, ""),
    ("a_rank_vs_cfg", {"r": 64}, "the scale is alpha / r of the configuration"),
    ("a_r0", {"r": 0}, "a scale of alpha / 0"),
    ("a_rneg", {"r": -4}, ""),
    ("a_rhuge", {"r": 10**30}, ""),
    ("a_rstr", {"r": "8"}, ""),
    ("a_rbool", {"r": True}, "a bool is an int in Python"),
    ("a_rnull", {"r": None}, ""),
    ("a_alpha_1e308", {"lora_alpha": 1e308}, "the scale overflows"),
    ("a_type_unknown", {"peft_type": "EVIL"}, ""),
    ("a_type_escape", {"peft_type": "\x1b[2J[@click=app.quit]"}, "the warning quotes it"),
    (
        "a_auto_mapping",
        {"auto_mapping": {"base_model_class": "Evil", "parent_library": "os"}},
        "peft would import parent_library",
    ),
    ("a_rank_pattern", {"rank_pattern": {"(a+)+$": 8}, "alpha_pattern": {"([": 3}}, _NO_CODE),
]

# The configuration as raw bytes; None for no such file.
_RAW: list[tuple[str, bytes | None]] = [
    ("a_no_config", None),
    ("a_no_base", to_json({k: v for k, v in _CONFIG.items() if not k.startswith("base")})),
    ("a_alpha_nan", to_json(_CONFIG).replace(b'"lora_alpha":8', b'"lora_alpha":NaN')),
    ("a_alpha_inf", to_json(_CONFIG).replace(b'"lora_alpha":8', b'"lora_alpha":1e999')),
    ("a_cfg_list", b"[]"),
    ("a_cfg_bad", b"{"),
    ("a_cfg_empty", b""),
    ("a_cfg_not_utf8", b'{"r":4,"peft_type":"\xff"}'),
    ("a_cfg_depth", b'{"r":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
]

# Other tensors under a good configuration.
_TENSORS: list[tuple[str, dict[str, tuple[int, ...]], str]] = [
    ("a_rank_mismatch", {_A: (4, 16), _B: (16, 8)}, "B @ A is impossible"),
    ("a_only_A", {_A: (4, 16)}, ""),
    ("a_only_B", {_B: (16, 4)}, ""),
    ("a_1d", {_A: (64,), _B: (64,)}, ""),
    ("a_outer_product_bomb", {_A: (1, 300_000), _B: (300_000, 1)}, "2.4 MB; B @ A takes 360 GB"),
    ("a_foreign_keys", {"unet.lora_up.weight": (4, 4), "[/]": (1,)}, "no keys of an adapter"),
]


ENDLESS = "a_outer_product_bomb"

# Every adapter that was made at home is so: `check` remarks on it, and nothing warns.
_REMARKED = {"a_base_traversal", "a_base_abs", "a_base_self", "a_base_escape", "a_auto_mapping"}


def adapters(room: Room) -> Iterator[Case]:
    """Adapter folders: each opens, and says what is odd."""
    yield _adapter(room, "a_good", _CONFIG, _GOOD, "open")
    for id_, change, note in _CHANGES:
        want: Want = "open" if id_ in _REMARKED else "warn"
        yield _adapter(room, id_, {**_CONFIG, **change}, _GOOD, want, note)
    for id_, raw in _RAW:
        yield _adapter(room, id_, raw, _GOOD, "warn")
    for id_, shapes, note in _TENSORS:
        case = _adapter(room, id_, _CONFIG, shapes, "warn", note)
        # Whoever asks for the values of the product gets them, in hours; `diff` refuses.
        yield replace(case, values=False) if id_ == ENDLESS else case
    empty = {_A: (0, 16), _B: (16, 0)}
    yield _adapter(room, "a_empty_rank", {**_CONFIG, "r": 0}, empty, "warn")
    dora = {**_GOOD, f"{_PLACE}lora_magnitude_vector.weight": (16,)}
    note = "its change needs the base model's weights"
    yield _adapter(room, "a_dora", {**_CONFIG, "use_dora": True}, dora, "warn", note)
    escape = "base_model.model.\x1b[2J."
    shapes = {f"{escape}lora_A.weight": (4, 16), f"{escape}lora_B.weight": (16, 4)}
    yield _adapter(room, "a_prefix_injection", _CONFIG, shapes, "open")
    case = _adapter(room, "a_base_and_adapter", _CONFIG, _GOOD, "warn", "both are in the folder")
    write(case.path / "model.safetensors", squares(["a"]))
    yield case
    yield room.files(
        "a_no_weights", {CONFIG: to_json(_CONFIG)}, "reject",
        "there is nothing to show: one clear line serves better than an empty tree",
        kind="adapter",
    )  # fmt: skip
    case = _adapter(room, "a_cfg_fifo", None, _GOOD, "warn", "open() would wait for ever")
    os.mkfifo(case.path / CONFIG)
    yield case


def _adapter(
    room: Room,
    id_: str,
    config: Mapping[str, object] | bytes | None,
    shapes: Mapping[str, tuple[int, ...]],
    want: Want,
    note: str = "",
) -> Case:
    """A folder with adapter weights of ones, and perhaps a configuration."""
    ones = {name: ("F32", shape, b"\0\0\x80\x3f" * prod(shape)) for name, shape in shapes.items()}
    files = {WEIGHTS: packed(ones)}
    if config is not None:
        files[CONFIG] = config if isinstance(config, bytes) else to_json(config)
    return room.files(id_, files, want, note, kind="adapter")


_LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 1,
    "hidden_size": 2,
    "intermediate_size": 2,
    "num_attention_heads": 1,
    "vocab_size": 2,
}
_LAYER = ("q_proj", "k_proj", "v_proj", "o_proj")
_LLAMA_NAMES = [
    "model.embed_tokens.weight",
    *(f"model.layers.0.self_attn.{name}.weight" for name in _LAYER),
    *(f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
    "model.layers.0.input_layernorm.weight",
    "model.layers.0.post_attention_layernorm.weight",
    "model.norm.weight",
    "lm_head.weight",
]
_MODEL_CONFIGS: list[tuple[str, bytes, Want, str]] = [
    ("c_good", to_json(_LLAMA), "open", ""),
    ("c_empty", b"", "warn", "the weights are shown without it"),
    ("c_list", b"[]", "warn", ""),
    ("c_not_utf8", b'{"model_type":"\xff"}', "warn", ""),
    ("c_depth", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "warn", "a bomb"),
    ("c_huge_int", to_json(_LLAMA)[:-1] + b',"x":' + b"9" * 5000 + b"}", "open", ""),
    ("c_dup", b'{"model_type":"llama","model_type":"bert"}', "open", "the last wins, as elsewhere"),
    ("c_bom", b"\xef\xbb\xbf" + to_json(_LLAMA), "open", "editors write it"),
    (
        "c_remote_code",
        to_json({**_LLAMA, "model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}),
        "open",
        "its code is not run",
    ),
    ("c_escape", to_json({"model_type": "\x1b[2J", "architectures": ["\x1b]0;x\x07"]}), "open", ""),
    ("c_wrong_types", to_json({"model_type": 3, "architectures": {"a": 1}}), "open", ""),
    ("c_layers_1e9", to_json({**_LLAMA, "num_hidden_layers": 10**9}), "open", "a bomb of modules"),
    ("c_negative", to_json({**_LLAMA, "hidden_size": -8, "num_hidden_layers": -1}), "open", ""),
]


def configs(room: Room) -> Iterator[Case]:
    """Model folders with a hostile config.json; the tensors open all the same."""
    model = squares(_LLAMA_NAMES)
    evil = b"import pathlib; pathlib.Path(__file__).with_name('hostile-marker').touch()\n"
    for id_, raw, want, note in _MODEL_CONFIGS:
        files = {"model.safetensors": model, "config.json": raw, "evil.py": evil}
        yield room.files(id_, files, want, note, kind="config")
    for id_, target in (
        ("c_dangling", "nowhere"),
        ("c_device", "/dev/zero"),
        ("c_loop", "config.json"),
    ):
        case = room.files(id_, {"model.safetensors": model}, "warn", kind="config")
        (case.path / "config.json").symlink_to(target)
        yield case
    case = room.files("c_fifo", {"model.safetensors": model}, "warn", kind="config")
    os.mkfifo(case.path / "config.json")
    yield case
    case = room.files("c_11MB", {"model.safetensors": model}, "warn", kind="config")
    write(case.path / "config.json", b"{", 11_000_000)
    yield case
