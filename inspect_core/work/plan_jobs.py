"""The jobs of plan mode: what a plan does to a model, and its files."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from inspect_core.errors import UsageError
from inspect_core.work.jobs import Context, Job
from inspect_core.work.listings import Source

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.plan.plan import Plan
    from inspect_core.plan.preview import Preview
    from inspect_core.structure.build import Structure

_structures: "WeakKeyDictionary[Checkpoint, dict[bool, Structure]]" = WeakKeyDictionary()
"""By checkpoint, without types and with them: every change of a plan asks for it."""


def structure_of(checkpoint: "Checkpoint", typed: bool) -> "Structure":
    """The structure that a plan acts on, of an opened checkpoint; kept for the next job.

    PEFT acts on the model as it is loaded. Where the names of the file are not those of the
    config's class, this is the listing of that class, of which nothing is stored.

    Args:
        checkpoint: the opened checkpoint.
        typed: whether to build the config's model for the module types; this needs torch.

    Raises:
        UsageError: it is no model by itself that something could be placed on.
    """
    if checkpoint.overlay is not None and checkpoint.overlay.adapters:
        raise UsageError(
            "a plan is made on a model without adapters, and this one has some",
            where=checkpoint.title,
            hint="open it without --adapter, or open its base",
        )
    if checkpoint.structure is not None:  # a live model: its states change, and nothing is kept
        return checkpoint.structure
    kept = _structures.setdefault(checkpoint, {})
    if typed not in kept:
        kept[typed] = _find(checkpoint, typed)
    return kept[typed]


def _find(checkpoint: "Checkpoint", typed: bool) -> "Structure":
    from inspect_core.structure.build import NO_FACTS, Structure
    from inspect_core.structure.tree import LeafSpec

    names = list(checkpoint.tensors)
    made: dict[tuple[str, tuple[int, ...]], LeafSpec] = {}
    specs = []
    for info in checkpoint.tensors.values():
        key = (info.dtype, info.shape)
        specs.append(made.setdefault(key, LeafSpec(*key)))
    facts = NO_FACTS
    if typed and checkpoint.config is not None:
        from inspect_core.structure.loaded import as_loaded
        from inspect_core.structure.meta import facts_from_config

        loaded = as_loaded(checkpoint.config, names, specs)
        if loaded.structure is not None:
            structure = loaded.structure
            return structure._replace(facts=replace(structure.facts, note=loaded.note))
        facts, _ = facts_from_config(checkpoint.config, names, loaded.built)
        if loaded.note:
            facts = replace(facts, note=loaded.note)
    return Structure(names, specs, facts)


@dataclass(frozen=True)
class PreviewPlan(Job["Preview"]):
    """What a plan does to a model, from its names, shapes and types.

    Attributes:
        model: the model.
        plan: what to do.
        typed: whether its module types are known: then the plan counts with them.
        bare_modules: whether the tree shows modules without parameters.
    """

    model: Source
    plan: "Plan"
    typed: bool = False
    bare_modules: bool = False

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "trying the plan"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return self.typed

    def run(self, context: Context) -> "Preview":
        """See `Job.run`."""
        from inspect_core.plan.preview import preview

        checkpoint = context.open(self.model)
        names, specs, facts = structure_of(checkpoint, self.typed)
        context.control.check()
        return preview(names, specs, facts, self.plan, checkpoint.config, self.bare_modules)


@dataclass(frozen=True)
class WritePlan(Job[str]):
    """Write a plan to a new file; its name's ending says as what.

    Attributes:
        path: the file; see `inspect_core.plan.written.texts.form_of`.
        model: the model.
        plan: the plan.
        typed: see `PreviewPlan`.
    """

    path: str
    model: Source
    plan: "Plan"
    typed: bool = False

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "writing the plan"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return self.typed

    def run(self, context: Context) -> str:
        """See `Job.run`; gives the path."""
        from pathlib import Path

        from inspect_core.new_file import require_new, write_new
        from inspect_core.plan.written.files import write_plan
        from inspect_core.plan.written.texts import form_of, text_of

        path = Path(self.path)
        form = form_of(path)
        require_new(path)
        if form == "plan":  # it needs no model
            write_plan(path, self.plan)
            return self.path
        checkpoint = context.open(self.model)
        names, specs, facts = structure_of(checkpoint, self.typed)
        text = text_of(form, self.plan, names, specs, facts, checkpoint.config)
        write_new(path, [text.encode("utf-8", "backslashreplace")])
        return self.path


@dataclass(frozen=True)
class ReadPlan(Job["Plan"]):
    """Read a plan file.

    Attributes:
        path: the file.
    """

    path: str

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "reading the plan"

    def run(self, context: Context) -> "Plan":
        """See `Job.run`."""
        from inspect_core.plan.written.files import read_plan

        return read_plan(self.path)
