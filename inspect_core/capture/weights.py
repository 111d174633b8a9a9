"""A checkpoint's tensors for the library that makes a model of them: read when they are taken."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from inspect_core.adapters.flags import NOT_TOLD, UNCOMPUTED
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.contents import GGUF
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.control import Control, Progress
from inspect_core.errors import CheckpointError, UsageError
from inspect_core.structure.loaded import PACKED
from inspect_core.text import clean

CHUNK_BYTES = 16 << 20
"""Read between two looks at whether the work is still wanted."""

_OTHER_SIZES = ("the base's is ", "that of the base's")
"""In what is said of a weight whose size is another than its change."""
_SCALES = (".weight_scale", ".weight_scale_inv", ".g_idx")
_TORCH = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "uint8",
}  # fmt: skip


def tensors_to_run(checkpoint: Checkpoint) -> dict[str, TensorInfo]:
    """The tensors that a model is made of: with adapters, the base's as they are changed.

    Raises:
        UsageError: what the files hold cannot be run, or not as it is meant.
    """
    _refuse_adapters(checkpoint)
    overlay = checkpoint.overlay
    base = overlay.base if overlay is not None else None
    tensors = checkpoint.tensors
    if base is not None:
        tensors = {name: tensors[name] for name in base.tensors}
    config = checkpoint.config or {}
    if GGUF in checkpoint.format:
        raise UsageError(
            "a GGUF file has names and layouts of its own, and is not run here",
            where=checkpoint.title,
            hint="give the model that it was made from, as safetensors with its config.json",
        )
    if "quantization_config" in config or any(n.endswith((*PACKED, *_SCALES)) for n in tensors):
        raise UsageError(
            "quantised weights are not run here: that takes kernels of their own",
            where=checkpoint.title,
            hint="give the model before it was quantised",
        )
    for name, info in tensors.items():
        if info.unread or not DTYPES[info.dtype].comparable:
            why = info.unread or f"{info.dtype} is only listed"
            raise UsageError(f"cannot be read, so the model cannot run: {why}", where=name)
    if checkpoint.left_out:
        raise UsageError(
            f"{len(checkpoint.left_out):,} tensors cannot be read, so the model cannot run",
            where=checkpoint.title,
            hint="lamella check says which",
        )
    return tensors


def _refuse_adapters(checkpoint: Checkpoint) -> None:
    overlay = checkpoint.overlay
    if overlay is None:
        return
    if overlay.base is None:
        raise UsageError(
            "an adapter alone does not run",
            where=checkpoint.title,
            hint="give its base as the model, and the adapter with --adapter",
        )
    unknown = {w: why.removeprefix(f"{NOT_TOLD}: ") for w, why in overlay.unknown.items()}
    for weight, why in unknown.items():
        if any(words in why for words in _OTHER_SIZES):
            raise UsageError(
                f"this adapter belongs to another base: at {clean(weight)} {why}",
                where=checkpoint.title,
                hint="give the base that its adapter_config.json names",
            )
    for weight, why in unknown.items():
        raise UsageError(
            f"what the adapter changes is not known, so the model cannot run: {why}",
            where=weight,
            hint="merge the adapter into its base first",
        )
    for number, one in enumerate(overlay.adapters):
        acts = any(target.adapter == number for target in overlay.targets)
        if not acts or any(UNCOMPUTED in flag for flag in one.flags):
            raise UsageError(
                "the adapter does more than change weights (prompts, or modules of its own), "
                "so the model cannot run with it here",
                where=one.name,
                hint="give the model live, from Python: inspect(model)",
            )


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor as the library takes it: `stored[...]` reads it.

    Attributes:
        info: which.
        weights: who reads it.
    """

    info: TensorInfo
    weights: "Weights"

    def __getitem__(self, _: object) -> torch.Tensor:
        return self.weights.read(self.info)

    def get_shape(self) -> list[int]:
        """As the slices of safetensors have it."""
        return list(self.info.shape)


class Weights:
    """Reads tensors of a checkpoint on any thread, and keeps the first error.

    Args:
        checkpoint: the checkpoint.
        tensors: what is wanted of it.
        control: polled between chunks, and told of progress in tensors.
    """

    def __init__(
        self, checkpoint: Checkpoint, tensors: Mapping[str, TensorInfo], control: Control
    ) -> None:
        self._checkpoint = checkpoint
        self._control = control
        # What adapters change is computed with factors that are kept between reads.
        self._lock = threading.Lock()
        self._one_by_one = checkpoint.overlay is not None
        self.state_dict = {name: Stored(info, self) for name, info in tensors.items()}
        self.error: Exception | None = None
        self._telling = threading.Lock()
        self._tensors, self._bytes = 0, 0
        self._bytes_in_all = sum(info.nbytes for info in tensors.values())

    def read(self, info: TensorInfo) -> torch.Tensor:
        """One tensor, in the dtype that it is stored in; float32 for what is computed.

        Raises:
            CheckpointError: it cannot be read.
            Cancelled: the work is no longer wanted.
        """
        try:
            if self._one_by_one:
                with self._lock:
                    return self._read(info)
            return self._read(info)
        except Exception as error:
            self.error = self.error or error
            raise

    def _read(self, info: TensorInfo) -> torch.Tensor:
        if self.error is not None:
            raise self.error
        kind = getattr(torch, _TORCH.get(info.dtype, ""), None)
        if kind is None:
            raise CheckpointError(f"torch has no {info.dtype}", where=info.name)
        raw = torch.empty(info.nbytes, dtype=torch.uint8)
        buffer = raw.numpy().data
        for start in range(0, info.nbytes, CHUNK_BYTES):
            self._control.check()
            self._checkpoint.read_into(info, start, buffer[start : start + CHUNK_BYTES])
        self._tell(info)
        values = raw.view(kind).reshape(info.shape)
        if info.dtype == "F64":
            return values.float()
        return values != 0 if info.dtype == "BOOL" else values

    def _tell(self, info: TensorInfo) -> None:
        with self._telling:
            self._tensors += 1
            self._bytes += info.nbytes
            progress = Progress(
                self._tensors, len(self.state_dict), "tensors", self._bytes, self._bytes_in_all
            )
            self._control.report(progress)
