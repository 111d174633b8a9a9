"""A model that runs, made of a checkpoint's own values.

The config is a stranger's: it is screened as for the module types, only classes of the library
are built, and every byte of a weight comes through our own readers. A model with weights that no
file has would be measured by chance, and is refused.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from inspect_core.capture.fitting import Found, notes_about, nothing_ignored, random_weights
from inspect_core.capture.limits import most_tokens
from inspect_core.capture.live import live_model
from inspect_core.capture.memory import fits, free_on, refuse_too_large
from inspect_core.capture.paths import prefix_rule, tree_paths, without_wrapper
from inspect_core.capture.running import RunningModel
from inspect_core.capture.weights import Weights, tensors_to_run
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.control import Control
from inspect_core.errors import CheckpointError, LamellaError, UsageError
from inspect_core.structure.loaded import conversions
from inspect_core.structure.meta import (
    Built,
    bounded,
    build_model,
    model_class,
    quiet_and_alone,
    screened,
)
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.capture.tokenizer import Tokenizer

__all__ = ["RunningModel", "live_model", "load_model"]

READS_TOKENS = "input_ids"
"""What a model of the library calls its input if that is text."""

FEWEST_STORED = 0.5
"""Share of a class's values that a file must have, before memory is taken for the rest."""

_SHOWN = 60
_LONG = 300


def load_model(
    checkpoint: Checkpoint,
    device: str = "cpu",
    tokenizer: str | None = None,
    control: Control | None = None,
) -> RunningModel:
    """Make a model of a checkpoint, in eval mode, float32 wherever there is room for it.

    Adapters are in its weights: it runs without PEFT.

    Args:
        checkpoint: what was opened; its files are read whole.
        device: where it is to run.
        tokenizer: a folder or file of another tokenizer than the checkpoint's own.
        control: polled while values are read.

    Raises:
        UsageError: it cannot run: no config, a class that reads no text, quantised weights,
            weights that are missing, too little memory.
        CheckpointError: a file cannot be read, or does not hold what the config says.
        LamellaError: there is no tokenizer.
    """
    control = control or Control()
    tensors = tensors_to_run(checkpoint)
    config = _config(checkpoint)
    asked, why = build_model(config, _ask)
    if asked is None:
        raise UsageError(
            f"its model cannot be built: {why.removeprefix('no module types: ')}",
            where=checkpoint.title,
            hint="only models of the transformers library run from files; "
            "others run live, from Python: inspect(model)",
        )
    rename, reads = asked.more
    _refuse_other_input(reads, asked.kind, checkpoint.title)
    words = _tokenizer(checkpoint, tokenizer)
    where = torch.device(device)
    dtype = _dtype(asked, tensors, where, checkpoint.title)
    rule = prefix_rule(list(tensors), asked)
    named = {without_wrapper(rule, name): info for name, info in tensors.items()}
    weights = Weights(checkpoint, named, control)
    module, found = _made(config, weights, dtype, checkpoint.title)
    control.check()
    random = random_weights(module, asked, found, checkpoint.title)
    untrained = tuple(dict.fromkeys(name.rpartition(".")[0] for name in random))
    paths = tree_paths(list(tensors), asked, rule, rename)
    return RunningModel(
        module=module.to(where),
        device=where,
        tokenizer=words,
        paths=paths,
        title=checkpoint.title,
        notes=(*_of_adapters(checkpoint), *notes_about(asked.kind, found, untrained, dtype)),
        most_tokens=most_tokens(module),
        vocabulary=vocabulary_of(module),
        untrained=untrained,
        random_weights=random,
    )


def vocabulary_of(module: torch.nn.Module) -> int | None:
    """Rows of a model's input embedding; None where they are not known."""
    ask: Any = getattr(module, "get_input_embeddings", None)
    try:
        rows = ask().weight.shape[0]
    except (Exception, SystemExit):  # foreign code, or a model without one
        return None
    return rows if isinstance(rows, int) else None


def _ask(model: torch.nn.Module) -> tuple[Any, str]:
    return conversions(model), str(getattr(model, "main_input_name", READS_TOKENS))


def _refuse_other_input(reads: str, kind: str, title: str) -> None:
    if reads == READS_TOKENS:
        return
    what = {"pixel_values": "pictures", "input_features": "sound", "input_values": "sound"}
    raise UsageError(
        f"{clean(kind, _SHOWN)} reads {what.get(reads, clean(reads, _SHOWN))}, not text",
        where=title,
        hint="activations are shown for models that read text",
    )


def _config(checkpoint: Checkpoint) -> Mapping[str, object]:
    if checkpoint.config is not None and "model_type" in checkpoint.config:
        return checkpoint.config
    what = (
        "there is no config.json" if checkpoint.config is None else "its config has no model_type"
    )
    raise UsageError(
        f"the model cannot run: {what}, which says how it computes",
        where=checkpoint.title,
        hint="put the config.json of its model beside the weights and open the folder, "
        "or give the model live, from Python: inspect(model)",
    )


def _tokenizer(checkpoint: Checkpoint, other: str | None) -> "Tokenizer":
    from inspect_core.capture.tokenizer import open_tokenizer

    if other is not None:
        return open_tokenizer(other)
    overlay = checkpoint.overlay
    folders = [overlay.base.folder] if overlay is not None and overlay.base is not None else []
    folders.append(checkpoint.folder)
    folders += [side.checkpoint.folder for side in overlay.adapters] if overlay is not None else []
    tried = list(dict.fromkeys(folder for folder in folders if folder is not None))
    first: LamellaError | None = None
    for folder in tried:
        try:
            return open_tokenizer(str(folder))
        except LamellaError as error:
            first = first or error
    if first is not None:
        raise first
    raise UsageError(
        "no tokenizer: its files share no folder",
        where=checkpoint.title,
        hint="give one with --tokenizer DIR",
    )


def _dtype(
    built: Built, tensors: Mapping[str, TensorInfo], device: torch.device, title: str
) -> torch.dtype:
    """float32; on a GPU that has no room for it, the 16 bits that are stored."""
    owned = {
        n: s for n, s in zip(built.names, built.specs, strict=True) if n not in built.facts.tied
    }
    values = sum(spec.numel for spec in owned.values())
    stored = sum(info.numel for info in tensors.values())
    if stored < FEWEST_STORED * values:
        raise UsageError(
            f"the file has {stored:,} values, {clean(built.kind, _SHOWN)} has {values:,}: "
            "most would be random",
            where=title,
            hint="is it the file of another model, or a part of one?",
        )
    dtype = torch.float32
    if device.type != "cpu":
        free = free_on(device)
        kinds = {info.dtype for info in tensors.values()}
        half = torch.bfloat16 if "BF16" in kinds else torch.float16 if "F16" in kinds else None
        if half is not None and free is not None and not fits(4 * values, free):
            dtype = half
        refuse_too_large(dtype.itemsize * values, free, title, "GPU memory")
    largest = max((DTYPES[info.dtype].nbytes(info.numel) for info in tensors.values()), default=0)
    refuse_too_large(dtype.itemsize * values + largest, free_on(torch.device("cpu")), title)
    return dtype


def _made(
    config: Mapping[str, object], weights: Weights, dtype: torch.dtype, title: str
) -> tuple[torch.nn.Module, Found]:
    """The library's model of a config, with a checkpoint's values in it."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    try:
        with quiet_and_alone(), bounded():
            plain = screened(config, 0)
            model_type = str(plain.pop("model_type"))
            made: Any = CONFIG_MAPPING[model_type](**plain)
            _plain_passes(made)
            kind: Any = model_class(model_type, config.get("architectures"))
            with nothing_ignored(kind) as missing:
                module, info = kind.from_pretrained(
                    None,
                    config=made,
                    state_dict=weights.state_dict,
                    dtype=dtype,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,
                )
    except Exception as error:
        if weights.error is not None:
            raise weights.error from None
        raise CheckpointError(f"does not load: {told(error)}", where=title) from None
    if weights.error is not None:
        raise weights.error
    return module.eval(), Found.of(info, title, missing)


def told(error: BaseException) -> str:
    """A stranger's exception in a few words; foreign."""
    words = " ".join(str(error).split())
    return clean(f"{type(error).__name__}: {words}" if words else type(error).__name__, _LONG)


def _plain_passes(config: Any) -> None:
    """No caches and no copies of what the hooks see."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    for one in (config, text):
        one.use_cache = False
        one.output_hidden_states = False
        one.output_attentions = False


def _of_adapters(checkpoint: Checkpoint) -> tuple[str, ...]:
    """What is odd about adapters, as their flags say it."""
    if checkpoint.overlay is None:
        return ()
    return tuple(
        f"{side.name}: {flag}" for side in checkpoint.overlay.adapters for flag in side.flags
    )
