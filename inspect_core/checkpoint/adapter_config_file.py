"""Reading an adapter's `adapter_config.json`, and what of it cannot be used.

It is read as plain JSON. None of its regular expressions is run here (`adapter_patterns` and
`adapter_scope` run them under a limit), its paths and addresses are never followed, and the
Python that it names is never imported.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

from inspect_core.checkpoint.adapter_config import (
    ADAPTER_CONFIG,
    ALL_LINEAR,
    AdapterConfig,
    is_plain,
)
from inspect_core.checkpoint.byte_source import read_whole
from inspect_core.checkpoint.damage import Remark
from inspect_core.checkpoint.hub_cache import parse_hub_name
from inspect_core.checkpoint.locate import some_names
from inspect_core.checkpoint.strict_json import JsonError, parse_strict_with_floats
from inspect_core.errors import CheckpointError
from inspect_core.text import clean

MAX_ADAPTER_CONFIG_BYTES = 10_000_000
"""Size of the largest adapter_config.json accepted."""

MOST_RANK = 1 << 20
"""A rank beyond this fits no matrix that anybody has."""

MOST_ALPHA = 1e6
"""A scale numerator beyond this is a mistake, or meant to overflow."""

KNOWN_TYPES = frozenset({
    "ADALORA", "ADAMSS", "ADAPTION_PROMPT", "BEFT", "BOFT", "C3A", "CARTRIDGE", "CPT", "DEFT",
    "DELORA", "FOURIERFT", "FROD", "GLORA", "GRALORA", "HIRA", "HRA", "IA3", "LILY",
    "LN_TUNING", "LOHA", "LOKR", "LORA", "MISS", "MULTITASK_PROMPT_TUNING", "OFT", "OSF",
    "PEANUT", "POLY", "PREFIX_TUNING", "PROMPT_TUNING", "PSOFT", "PVERA", "P_TUNING",
    "RANDLORA", "ROAD", "SHADOW", "SHIRA", "SUPERTUNING", "TINYLORA", "TRAINABLE_TOKENS",
    "UNILORA", "VBLORA", "VERA", "WAVEFT", "XLORA",
})  # fmt: skip
"""Every `peft_type` of PEFT 0.21."""

LYCORIS = frozenset({"LOHA", "LOKR"})
"""Types whose scale is `alpha / r`, as LoRA's `lora_alpha / r`."""

TAKING_OFF = ("pissa", "corda", "olora", "loftq")
"""How `init_lora_weights` begins where PEFT takes the first factors off the base, or quantises it.

It does so again whenever it loads the adapter; what it takes off depends on the base's values.
"""

_SHOWN = 80


def read_adapter_config(folder: Path) -> tuple[AdapterConfig | None, list[str]]:
    """Read the adapter_config.json of a folder.

    Returns:
        The config, None without a usable one, and a line for everything odd in it; foreign
        text is in them.
    """
    path = folder / ADAPTER_CONFIG
    if not os.path.lexists(path):
        return None, []
    try:
        raw = read_whole(path, MAX_ADAPTER_CONFIG_BYTES)
        found = parse_strict_with_floats(str(raw, "utf-8-sig"))
    except CheckpointError as error:
        return None, [f"{ADAPTER_CONFIG} is not used: {error.what}"]
    except UnicodeDecodeError:
        return None, [f"{ADAPTER_CONFIG} is not used: not UTF-8"]
    except JsonError as error:
        return None, [f"{ADAPTER_CONFIG} is not used: {error}"]
    if not isinstance(found, dict):
        return None, [f"{ADAPTER_CONFIG} is not used: not a JSON object"]
    reader = _Reader(found)
    return reader.config(), reader.warnings


class _Reader:
    """Takes the fields one by one and notes what is odd."""

    def __init__(self, found: Mapping[str, object]) -> None:
        self._found = found
        self.warnings: list[str] = []

    def config(self) -> AdapterConfig:
        kind = self._type()
        low_rank = kind == "LORA" or kind in LYCORIS
        ranks, rank_expressions = self._pattern("rank_pattern", kind)
        alphas, alpha_expressions = self._pattern("alpha_pattern", kind)
        names, expression = self._targets("target_modules")
        left_out, left_out_expression = self._targets("exclude_modules")
        self._code()
        return AdapterConfig(
            type=kind,
            rank=self._rank(low_rank),
            alpha=self._alpha("alpha" if kind in LYCORIS else "lora_alpha", low_rank),
            base=self._base(),
            revision=self._text("revision"),
            task=self._text("task_type"),
            target_modules=names,
            target_expression=expression,
            target_parameters=self._names("target_parameters"),
            modules_to_save=self._names("modules_to_save"),
            rank_pattern={name: rank for name, rank in ranks.items() if _is_rank(rank)},
            alpha_pattern={name: float(alpha) for name, alpha in alphas.items()},
            rank_expressions=rank_expressions,
            alpha_expressions=alpha_expressions,
            bias=self._text("bias"),
            use_dora=self._switch("use_dora"),
            # The other methods have no such field.
            use_rslora=self._switch("use_rslora") and (kind is None or kind == "LORA"),
            fan_in_fan_out=self._switch("fan_in_fan_out"),
            feedforward_modules=self._names("feedforward_modules") if kind == "IA3" else (),
            token_indices=self._tokens(kind),
            init_rank=self._init_rank(kind),
            takes_off=self._takes_off(),
            layer_replication=bool(self._found.get("layer_replication")),
            lora_bias=self._switch("lora_bias"),
            exclude_modules=left_out,
            exclude_expression=left_out_expression,
            layers=self._layers(),
            layers_pattern=self._names("layers_pattern"),
        )

    def _remark(self, text: str) -> None:
        """What holds for every adapter that was made at home."""
        self.warnings.append(Remark(f"{ADAPTER_CONFIG}: {text}"))

    def _warn(self, text: str) -> None:
        self.warnings.append(f"{ADAPTER_CONFIG}: {text}")

    def _type(self) -> str | None:
        value = self._found.get("peft_type")
        if not isinstance(value, str):
            self._warn(f"peft_type is {_shown(value)}: what kind of adapter it is, is not known")
            return None
        if value.upper() not in KNOWN_TYPES:
            self._warn(f"peft_type {_shown(value)} is no kind of adapter that is known here")
        return value.upper()

    def _rank(self, needed: bool) -> int | None:
        value = self._found.get("r")
        if _is_rank(value):
            return value
        if value is None:
            if needed:
                self._warn("r is not given: the rank and the scale are not known")
        elif _is_number(value) and value > MOST_RANK:
            self._warn(f"r is {_shown(value)}, more than any matrix has")
        else:
            self._warn(f"r is {_shown(value)}, which is no rank: the scale is not known")
        return None

    def _alpha(self, key: str, needed: bool) -> float | None:
        value = self._found.get(key)
        if value is None:
            if needed:
                self._warn(f"{key} is not given: the scale is not known")
            return None
        if not _is_alpha(value):
            self._warn(f"{key} is {_shown(value)}, which scales nothing sensibly")
            return None
        if value == 0:
            self._warn(f"{key} is 0: the adapter changes nothing")
        return float(value)

    def _base(self) -> str | None:
        value = self._found.get("base_model_name_or_path")
        if value is None or value == "":
            self._warn("names no base model")
            return None
        if not isinstance(value, str):
            self._warn(f"the base model is {_shown(value)}, which is no name")
            return None
        if "://" in value:
            self._warn(f"the base model is a web address ({_shown(value)}): never followed")
        elif parse_hub_name(value) is None:
            self._remark(f"the base model is a local path ({_shown(value)}): never followed")
        return value

    def _targets(self, key: str) -> tuple[tuple[str, ...], str | None]:
        value = self._found.get(key)
        if not isinstance(value, str):
            return self._names(key), None
        if value and value != ALL_LINEAR:
            what = f"{key} is a regular expression ({_shown(value)})"
            self._warn(f"{what}: run under a limit of time")
        return (), value or None

    def _init_rank(self, kind: str | None) -> int | None:
        value = self._found.get("init_r")
        if _is_rank(value):
            return value
        if kind == "ADALORA":
            self._warn(f"init_r is {_shown(value)}: the scale is not known")
        return None

    def _takes_off(self) -> str:
        value = self._found.get("init_lora_weights")
        if isinstance(value, str) and value.lower().startswith(TAKING_OFF):
            return f"init_lora_weights {clean(value, _SHOWN)}"
        return "" if self._found.get("kasa_config") is None else "kasa_config"

    def _layers(self) -> tuple[int, ...] | None:
        value = self._found.get("layers_to_transform")
        found = value if isinstance(value, list) else [value]
        if value is None or not found:
            return None
        layers = tuple(one for one in found if type(one) is int)
        if len(layers) < len(found):
            self._warn(f"layers_to_transform is {_shown(value)}, which holds more than numbers")
            return None
        return layers

    def _names(self, key: str) -> tuple[str, ...]:
        value = self._found.get(key)
        if value is None:
            return ()
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            self._warn(f"{key} is {_shown(value)}, not a list of names")
            return ()
        names = tuple(name for name in value if isinstance(name, str))
        odd = len(value) - len(names)
        if odd:
            what = "an entry that is no name" if odd == 1 else f"{odd:,} entries that are no names"
            self._warn(f"{key} holds {what}")
        return names

    def _pattern(self, key: str, kind: str | None) -> tuple[dict[str, int | float], bool]:
        """Numbers by patterns, and whether some are expressions; AdaLoRA means something else."""
        value = self._found.get(key)
        if value is None or kind == "ADALORA":
            return {}, False
        if not isinstance(value, dict):
            self._warn(f"{key} is {_shown(value)}, not an object")
            return {}, False
        fits = _is_rank if key == "rank_pattern" else _is_alpha
        odd = [name for name, number in value.items() if not fits(number)]
        if odd:
            self._warn(f"{key} gives no usable number for {some_names(odd)}")
        expressions = [name for name in value if not is_plain(name)]
        if expressions:
            some = some_names(expressions)
            self._warn(f"{key} holds regular expressions ({some}): run under a limit of time")
        return {name: n for name, n in value.items() if fits(n)}, bool(expressions)

    def _tokens(self, kind: str | None) -> dict[str, tuple[int, ...]]:
        """Rows of embeddings that are trained alone."""
        key = "token_indices" if kind == "TRAINABLE_TOKENS" else "trainable_token_indices"
        value = self._found.get(key)
        if value is None:
            return {}
        found = value if isinstance(value, dict) else {"": value}
        rows = {}
        for name, some in found.items():
            if isinstance(some, list) and all(type(one) is int and one >= 0 for one in some):
                rows[name] = tuple(some)
            else:
                self._warn(f"{key} holds {_shown(some)}, which is no list of rows")
        return rows

    def _code(self) -> None:
        value = self._found.get("auto_mapping")
        if value is None:
            return
        named = value.values() if isinstance(value, dict) else []
        some = some_names([name for name in named if isinstance(name, str)])
        self._remark(f"auto_mapping names Python code ({some or _shown(value)}): not imported")

    def _text(self, key: str) -> str | None:
        value = self._found.get(key)
        if value is not None and not isinstance(value, str):
            self._warn(f"{key} is {_shown(value)}, not a text")
        return value if isinstance(value, str) else None

    def _switch(self, key: str) -> bool:
        value = self._found.get(key)
        if value is not None and not isinstance(value, bool):
            self._warn(f"{key} is {_shown(value)}, neither true nor false")
        return value is True


def _is_number(value: object) -> TypeGuard[int | float]:
    # A bool is an int in Python, and must not be one here.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_rank(value: object) -> TypeGuard[int]:
    return type(value) is int and 1 <= value <= MOST_RANK


def _is_alpha(value: object) -> TypeGuard[int | float]:
    return _is_number(value) and abs(value) <= MOST_ALPHA


def _shown(value: object) -> str:
    """A value of the config in a message."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return clean(json.dumps(value, ensure_ascii=False), _SHOWN)
