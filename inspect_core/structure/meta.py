"""Module types of a checkpoint: its config's model, built without memory on the meta device.

The config is a stranger's. Only classes that the library itself ships are built; no file of
the checkpoint is run, nothing is fetched, and what asks for absurdly much is refused. What
still takes too long is for the caller to stop, by a time limit on the process: a process of
its own, as the library is silenced and cut off process-wide while it works.
"""

import builtins
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import torch
from torch.nn.modules import module as torch_module

from inspect_core.structure.align import align, facts_in_file
from inspect_core.structure.build import NO_FACTS, ModuleFacts
from inspect_core.structure.from_modules import dtype_name, model_listing
from inspect_core.structure.tree import LeafSpec
from inspect_core.text import clean

MOST_LAYERS = 2_000
"""Layers that a config may ask for; published models have up to a few hundred."""
MOST_EXPERTS = 4_096
"""Experts of one layer; published models have up to 2,048."""
MOST_LABELS = 1_000_000
"""Classes of a head: the library makes a name for each before any tensor."""
MOST_MODULES = 250_000
"""Modules a model may make; a mixture of 60 layers with 256 separate experts has 78,000."""
DEEPEST_CONFIG = 12
"""Levels of configs inside configs."""

_LAYER_KEYS = ("layers", "layer", "depth", "depths", "blocks")
_DROPPED = frozenset(
    {"auto_map", "quantization_config", "compression_config", "attn_implementation",
     "experts_implementation", "dtype", "torch_dtype", "use_kernels", "backbone",
     "use_timm_backbone", "use_pretrained_backbone", "backbone_kwargs", "model_args",
     "fusion_config", "kernel_config", "distributed_config", "transformers_weights"}
)  # fmt: skip
"""Keys that can name code, kernels or weights to fetch, or that say nothing of modules."""


class RefusedError(Exception):
    """The config cannot, or must not, be built; the text is for people."""


def facts_from_config(
    config: Mapping[str, object], names: Sequence[str], built: "Built | None" = None
) -> tuple[ModuleFacts, str]:
    """What the model of a config says of the modules that a checkpoint's names spell.

    Never raises for what the config says.

    Args:
        config: the parsed `config.json`; foreign.
        names: the checkpoint's tensor names; foreign.
        built: the config's model, where it has been built before.

    Returns:
        The facts in the checkpoint's own paths, and one line for people: which class, which
        prefix and how many names it knows, or why there are no types.
    """
    why = ""
    if built is None:
        built, why = build_model(config)
    if built is None:
        return NO_FACTS, why
    kind, prefix, listed, specs, facts, _ = built
    extra = (f"{prefix}.",) if prefix else ()
    fit = align(names, listed, facts.types, extra)
    how = "" if fit.rule.strip == fit.rule.add else f", {fit.rule}"
    counts = f"{fit.matched:,} of {len(names):,} tensor names match"
    if not fit.matched and not fit.under:
        return NO_FACTS, f"no module types: {counts} {kind}"
    if not fit.matched:
        counts += f", {fit.under:,} lie in modules it knows"
    wanted = config.get("dtype") or config.get("torch_dtype")
    dtype = getattr(torch, wanted, None) if isinstance(wanted, str) else None
    stored = dtype_name(dtype) if isinstance(dtype, torch.dtype) else ""
    return facts_in_file(fit.rule, names, listed, specs, facts, stored), f"{kind}{how}: {counts}"


class Built(NamedTuple):
    """A config's model, listed.

    Attributes:
        kind: its class.
        prefix: its `base_model_prefix`.
        names: its parameters and buffers.
        specs: one for each name.
        facts: what it says of its modules.
        more: what was asked of the model besides.
    """

    kind: str
    prefix: str
    names: list[str]
    specs: list[LeafSpec]
    facts: ModuleFacts
    more: Any = None


def build_model(
    config: Mapping[str, object], ask: Callable[[torch.nn.Module], Any] | None = None
) -> tuple[Built | None, str]:
    """Build a config's model on the meta device and list it.

    Never raises for what the config says.

    Args:
        config: the parsed `config.json`; foreign.
        ask: something more to find out, while the library is quiet and alone.

    Returns:
        The model, or None and why there is none.
    """
    try:
        with quiet_and_alone():
            model = _build(config)
            kind, prefix = type(model).__name__, str(getattr(model, "base_model_prefix", ""))
            listing = model_listing(model)
            more = ask(model) if ask is not None else None
    except RefusedError as error:
        return None, f"no module types: {clean(str(error))}"
    except Exception as error:  # a stranger's config fails in the library's code in any way
        what = " ".join([type(error).__name__, *str(error).split()])
        return None, clean(f"no module types: the config does not build a model ({what})")
    return Built(kind, prefix, *listing, more), ""


def names_architecture(config: Mapping[str, object], kind: str) -> bool:
    """Whether a config itself names the class that was built."""
    asked = config.get("architectures")
    return isinstance(asked, list | tuple) and kind in asked[:1]


def _build(config: Mapping[str, object]) -> torch.nn.Module:
    """The config's model on the meta device."""
    from transformers import initialization
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        raise RefusedError("the config names no model_type")
    if model_type not in CONFIG_MAPPING:
        raise RefusedError(f"model_type '{model_type}' is not one the library knows")
    plain = screened(config, 0)
    plain.pop("model_type")
    made = CONFIG_MAPPING[model_type](**plain, attn_implementation="eager")
    kind = model_class(model_type, config.get("architectures"))
    with torch.device("meta"), initialization.no_init_weights(), bounded():
        model: torch.nn.Module = kind(made)
        model.tie_weights()  # type: ignore[operator]
    return model


def model_class(model_type: str, architectures: object) -> Any:
    """The class a config asks for, if the library lists it for this type; else its base."""
    import transformers
    from transformers.models.auto import modeling_auto

    listed: dict[str, None] = {}
    tables = [modeling_auto.MODEL_MAPPING_NAMES]
    tables += [t for name, t in vars(modeling_auto).items() if name.endswith("_MAPPING_NAMES")]
    for table in tables:
        entry = table.get(model_type, ())
        listed.update(dict.fromkeys((entry,) if isinstance(entry, str) else entry))
    if isinstance(architectures, list | tuple) and architectures:
        asked = architectures[0]
        if isinstance(asked, str) and asked in listed:
            return getattr(transformers, asked)
    for name in listed:
        return getattr(transformers, name)
    raise RefusedError(f"the library has no model for model_type '{model_type}'")


def screened(config: Mapping[str, object], level: int) -> dict[str, Any]:
    """A copy without the keys that reach outside, refused when it asks for too much."""
    kept: dict[str, Any] = {}
    for key, value in config.items():
        if key.startswith("_") or key in _DROPPED:
            continue
        _check_count(key, value)
        kept[key] = _screened_value(value, level)
    return kept


def _screened_value(value: object, level: int) -> Any:
    if level > DEEPEST_CONFIG:
        raise RefusedError("the config is nested too deep")
    if isinstance(value, list | tuple):
        return [_screened_value(item, level + 1) for item in value]
    if not isinstance(value, Mapping):
        return value
    if list(value) == ["__float__"]:  # the library's spelling of what JSON cannot say
        return float(str(value["__float__"]))
    return screened({str(key): item for key, item in value.items()}, level + 1)


def _check_count(key: str, value: object) -> None:
    most = 0
    if key.endswith(_LAYER_KEYS):
        most = MOST_LAYERS
    elif "expert" in key:
        most = MOST_EXPERTS if key.startswith(("num", "n_", "moe_num")) else 0
    elif key in ("num_labels", "num_classes"):
        most = MOST_LABELS
    counts = list(value) if isinstance(value, list | tuple) else [value]
    if key.endswith("depths"):  # layers of each stage; other lists hold layer numbers
        counts.append(sum(count for count in counts if isinstance(count, int | float)))
    for count in counts if most else ():
        if isinstance(count, int | float) and count > most:
            raise RefusedError(f"{key} is {count:.4g}, more than the {most:,} that are sensible")
    if most == MOST_LAYERS and len(counts) > most:
        raise RefusedError(f"{key} has {len(counts):,} entries, more than the {most:,} allowed")


@contextmanager
def bounded() -> Iterator[None]:
    """Stop a model that makes too many modules, whatever key of the config asked for them."""
    made = 0

    def count(*_: object) -> None:
        nonlocal made
        made += 1
        if made > MOST_MODULES:
            raise RefusedError(f"the config asks for more than {MOST_MODULES:,} modules")

    handle = torch_module.register_module_module_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def quiet_and_alone() -> Iterator[None]:
    """No output, no question to the terminal and no network while the library works."""

    def refuse(*_: object) -> str:
        raise RefusedError("the config asks for remote code")

    from huggingface_hub import constants

    silenced = logging.root.manager.disable
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(_swapped(constants, "HF_HUB_OFFLINE", True))
        stack.enter_context(_swapped(builtins, "input", refuse))
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(silenced)


@contextmanager
def _swapped(owner: object, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
