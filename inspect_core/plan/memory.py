"""What a planned model weighs: weights, gradients, and the two states of Adam."""

from dataclasses import asdict
from math import prod

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.plan.dtypes import dtype_of_field
from inspect_core.plan.plan import Precision
from inspect_core.plan.preview import PlanTotals
from inspect_core.plan.working import Work


def totals_of(work: Work, precision: Precision) -> PlanTotals:
    """Counts and bytes of a model after a plan.

    Tied parameters count once, buffers not at all. Adam has two states for each number that is
    trained.

    Raises:
        UsageError: a dtype of the precision is not known.
    """
    given = asdict(precision)
    precision = Precision(**{key: dtype_of_field(key, text) for key, text in given.items()})
    outline = work.outline
    params = tunable = delta = saved = trained = weights = gradients = states = 0
    frozen, owner = work.frozen, outline.owner
    for tensor, (spec, numel) in enumerate(zip(outline.specs, outline.numel, strict=True)):
        there = spec.stored or spec.planned  # a class's listing has its place in no file
        if owner[tensor] != tensor or not there or not outline.parameter[tensor]:
            continue
        dtype = precision.weights or spec.dtype
        params += numel
        weights += _nbytes(dtype, numel)
        if spec.delta:
            delta += numel
        if not frozen[tensor]:
            tunable += numel
            trained += numel if spec.delta else 0
            gradients += _nbytes(precision.gradients or dtype, numel)
            states += 2 * _nbytes(precision.optimizer or dtype, numel)
    for addition in work.additions:
        numel = prod(addition.made.shape)
        dtype = work.dtype_of(addition, precision)
        params += numel
        delta += numel
        weights += _nbytes(dtype, numel)
        if addition.frozen:
            continue
        tunable += numel
        trained += numel
        saved += numel if addition.is_copy else 0
        gradients += _nbytes(precision.gradients or dtype, numel)
        states += 2 * _nbytes(precision.optimizer or dtype, numel)
    return PlanTotals(
        params, tunable, params - tunable, delta, saved, weights, gradients, states, trained
    )


def _nbytes(dtype: str, numel: int) -> int:
    known = DTYPES.get(dtype)
    return known.nbytes(numel) if known else 0
