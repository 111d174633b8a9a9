"""What a planned model weighs: weights, gradients, and the two states of Adam."""

from math import prod

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.errors import UsageError
from inspect_core.plan.plan import Precision
from inspect_core.plan.preview import PlanTotals
from inspect_core.plan.working import Work
from inspect_core.text import clean


def totals_of(work: Work, precision: Precision) -> PlanTotals:
    """Counts and bytes of a model after a plan.

    Tied parameters count once, buffers not at all. Adam has two states for each number that is
    trained.

    Raises:
        UsageError: a dtype of the precision is not known.
    """
    for name in (precision.weights, precision.adapter, precision.gradients, precision.optimizer):
        _check(name)
    outline = work.outline
    params = tunable = delta = saved = weights = gradients = 0
    frozen, owner = work.frozen, outline.owner
    for tensor, (spec, numel) in enumerate(zip(outline.specs, outline.numel, strict=True)):
        if owner[tensor] != tensor or not spec.stored or not outline.parameter[tensor]:
            continue
        dtype = precision.weights or spec.dtype
        params += numel
        weights += _nbytes(dtype, numel)
        if spec.delta:
            delta += numel
        if not frozen[tensor]:
            tunable += numel
            gradients += _nbytes(precision.gradients or dtype, numel)
    for addition in work.additions:
        numel = prod(addition.made.shape)
        dtype = work.dtype_of(addition, precision)
        params += numel
        delta += numel
        weights += _nbytes(dtype, numel)
        if addition.frozen:
            continue
        tunable += numel
        saved += numel if addition.is_copy else 0
        gradients += _nbytes(precision.gradients or dtype, numel)
    states = 2 * _nbytes(precision.optimizer, tunable)
    return PlanTotals(params, tunable, params - tunable, delta, saved, weights, gradients, states)


def _check(name: str) -> None:
    if name and name not in DTYPES:
        raise UsageError(
            f"no dtype '{clean(name, 40)}'", hint="give one as checkpoints name it: F32, BF16, F16"
        )


def _nbytes(dtype: str, numel: int) -> int:
    known = DTYPES.get(dtype)
    return known.nbytes(numel) if known else 0
