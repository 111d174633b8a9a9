"""Inspect checkpoints: structure, differences, and the jobs that compute them. Knows no terminal.

    from inspect_core import diff, module_tree, open_checkpoint

Nothing heavy is imported before it is used: not numpy, numba or torch.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.activations.rule import Rule
    from inspect_core.checkpoint import open_checkpoint
    from inspect_core.geometry.landscape import LandscapeReport, Measured
    from inspect_core.health.report import HealthReport, check
    from inspect_core.plan.apply import apply_plan
    from inspect_core.plan.plan import Plan
    from inspect_core.results.audit import audit
    from inspect_core.results.audited import Audit
    from inspect_core.results.formats import to_json
    from inspect_core.results.records import DiffReport, DiffSummary, TensorReport, diff
    from inspect_core.structure.tree import ModuleTree
    from inspect_core.work.activation_report import activation_report, neuron_report
    from inspect_core.work.landscape_report import landscape_report

__all__ = [
    "ActivationReport",
    "Audit",
    "DiffReport",
    "DiffSummary",
    "HealthReport",
    "LandscapeReport",
    "Measured",
    "ModuleTree",
    "NeuronDetail",
    "Plan",
    "Rule",
    "TensorReport",
    "activation_report",
    "apply_plan",
    "audit",
    "check",
    "diff",
    "landscape_report",
    "module_tree",
    "neuron_report",
    "open_checkpoint",
    "to_json",
]

_HOMES = {
    "ActivationReport": "inspect_core.activations.neurons",
    "Audit": "inspect_core.results.audited",
    "DiffReport": "inspect_core.results.records",
    "DiffSummary": "inspect_core.results.records",
    "LandscapeReport": "inspect_core.geometry.landscape",
    "Measured": "inspect_core.geometry.landscape",
    "ModuleTree": "inspect_core.structure.tree",
    "NeuronDetail": "inspect_core.activations.neurons",
    "Plan": "inspect_core.plan.plan",
    "Rule": "inspect_core.activations.rule",
    "TensorReport": "inspect_core.results.records",
    "HealthReport": "inspect_core.health.report",
    "activation_report": "inspect_core.work.activation_report",
    "apply_plan": "inspect_core.plan.apply",
    "audit": "inspect_core.results.audit",
    "check": "inspect_core.health.report",
    "diff": "inspect_core.results.records",
    "landscape_report": "inspect_core.work.landscape_report",
    "neuron_report": "inspect_core.work.activation_report",
    "open_checkpoint": "inspect_core.checkpoint",
    "to_json": "inspect_core.results.formats",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def module_tree(
    model: "torch.nn.Module | str | os.PathLike[str] | Sequence[str]", types: bool = True
) -> "ModuleTree":
    """The folded tree of a live model, or of a checkpoint's headers.

    Args:
        model: a live module, or what `open_checkpoint` takes.
        types: find a checkpoint's module types by building its config's model on the meta
            device, in this process; that imports torch, and has no time limit. Where it
            cannot be built the tree comes from names alone, and `untyped` says so.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    if not isinstance(model, str | os.PathLike | Sequence):
        from inspect_core.structure.from_modules import tree_of_model

        return tree_of_model(model)
    from inspect_core.checkpoint import open_checkpoint
    from inspect_core.structure.build import NO_FACTS
    from inspect_core.work.listings import listing_of

    with open_checkpoint(model) as checkpoint:
        facts = NO_FACTS
        if types and checkpoint.config is not None:
            from inspect_core.structure.meta import facts_from_config

            facts, _ = facts_from_config(checkpoint.config, list(checkpoint.tensors))
        return listing_of(checkpoint, facts).tree
