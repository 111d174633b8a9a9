"""Every kernel this machine can run, each to be held to the same numbers."""

from dataclasses import dataclass

import pytest
import torch

from inspect_core.delta.kernel import CpuKernel, Kernel
from inspect_core.delta.torch_kernel import TorchKernel


@dataclass(frozen=True)
class Subject:
    """A kernel and how close its sums must come, relative to the sum of magnitudes."""

    kernel: Kernel
    rel: float
    wide: bool


def _subject(name: str) -> Subject:
    if name == "numba":
        return Subject(CpuKernel(), 1e-13, True)
    device, _, width = name.partition(" ")
    wide = width == "wide"
    return Subject(TorchKernel(device, wide), 1e-13 if wide else 2e-6, wide)


TORCH_KERNELS = ["cpu wide", "cpu narrow"]
"""`narrow` sums in float32, as mps must; GPUs join in where torch sees them."""

if torch.cuda.is_available():
    TORCH_KERNELS += ["cuda wide", "cuda narrow"]
if torch.backends.mps.is_available():
    TORCH_KERNELS += ["mps narrow"]


@pytest.fixture(params=["numba", *TORCH_KERNELS])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each kernel in turn."""
    return _subject(request.param)


@pytest.fixture(params=TORCH_KERNELS)
def torch_subject(request: pytest.FixtureRequest) -> Subject:
    """Each torch kernel in turn, to be held equal to the numba one."""
    return _subject(request.param)
