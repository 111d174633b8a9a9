"""A model of this process, as it is, to run texts through."""

from typing import Any

import torch

from inspect_core.capture.limits import asked, most_tokens
from inspect_core.capture.running import RunningModel
from inspect_core.errors import UsageError
from inspect_core.structure.from_modules import walk_modules
from inspect_core.text import clean

GIVE_TOKENIZER = (
    "give one: inspect(model, tokenizer=...), or activation_report(model, ..., tokenizer=...)"
)


def live_model(module: torch.nn.Module, tokenizer: Any, title: str) -> RunningModel:
    """A live model, ready to run; nothing of it is changed, and it is not called yet.

    Args:
        module: any module that takes token ids; one of transformers, or with adapters of peft on
            it, among others.
        tokenizer: of transformers or `tokenizers`, or a function from a text to ids.
        title: a short name for people; foreign.

    Raises:
        UsageError: there is no tokenizer, or the model reads no text.
    """
    from inspect_core.capture.loading import READS_TOKENS, vocabulary_of
    from inspect_core.capture.tokenizer import wrap_tokenizer

    title = clean(title, 120)
    if tokenizer is None:
        raise UsageError(
            "no tokenizer for the live model",
            where=title,
            hint=GIVE_TOKENIZER,
        )
    reads = asked(module, "main_input_name")
    if isinstance(reads, str) and reads != READS_TOKENS:
        raise UsageError(f"the model reads {clean(reads, 60)}, not text", where=title)
    _refuse_without_values(module, title)
    return RunningModel(
        module=module,
        device=_device(module),
        tokenizer=wrap_tokenizer(tokenizer),
        paths={path: path for path, _, _ in walk_modules(module)},
        title=title,
        most_tokens=most_tokens(module),
        vocabulary=vocabulary_of(module),
        live=True,
    )


def _refuse_without_values(module: torch.nn.Module, title: str) -> None:
    if any(one.is_meta for one in (*module.parameters(), *module.buffers())):
        raise UsageError(
            "some of its weights are on the meta device, without values",
            where=title,
            hint="load them first",
        )


def _device(module: torch.nn.Module) -> torch.device:
    """Where a model takes its ids: where its first weight is."""
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")
