"""The job behind `lamella plan`: everything that is printed and written of a plan, in one go."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError
from inspect_core.work.jobs import MOST_META_BYTES, Context, Job
from inspect_core.work.listings import Source
from inspect_core.work.plan_jobs import structure_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspect_core.plan.plan import Plan
    from inspect_core.plan.preview import Preview
    from inspect_core.plan.written.texts import Form
    from inspect_core.structure.build import Structure


@dataclass(frozen=True)
class PlanReport:
    """What a plan does to a model.

    Attributes:
        title: of the model, safe to show.
        typed: whether its module types are known.
        preview: what the plan does.
        texts: the plan in the forms that were asked for.
        refusals: why it cannot be said in the others of them, for people.
        trained: names and shapes of all that is trained, as they are once PEFT has placed its
            adapters; foreign text.
        against: those that another plan trains; None without one.
    """

    title: str
    typed: bool
    preview: "Preview"
    texts: "dict[Form, str]"
    refusals: "dict[Form, str]"
    trained: dict[str, tuple[int, ...]]
    against: dict[str, tuple[int, ...]] | None = None


@dataclass(frozen=True)
class ReportPlan(Job[PlanReport]):
    """Try a plan on a model.

    Attributes:
        model: the model.
        plan: the plan.
        typed: whether to find the module types, from the model's config.
        forms: what else to make of it.
        against: a plan to compare it with.
    """

    model: Source
    plan: "Plan"
    typed: bool = True
    forms: "tuple[Form, ...]" = ()
    against: "Plan | None" = None
    time_limit = 60.0
    memory_limit = MOST_META_BYTES

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "trying the plan"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return self.typed

    def run(self, context: Context) -> PlanReport:
        """See `Job.run`."""
        from dataclasses import replace

        from inspect_core.plan.preview import preview
        from inspect_core.plan.written.texts import text_of
        from inspect_core.text import clean

        checkpoint = context.open(self.model)
        structure, config = structure_of(checkpoint, self.typed), checkpoint.config
        plan = replace(self.plan, base=self.plan.base or checkpoint.title)
        texts: dict[Form, str] = {}
        refusals: dict[Form, str] = {}
        for form in self.forms:
            try:
                texts[form] = text_of(form, plan, *structure, config)
            except UsageError as error:
                refusals[form] = str(error)
        return PlanReport(
            title=clean(checkpoint.title),
            typed=bool(structure.facts.types),
            preview=preview(*structure, plan, config),
            texts=texts,
            refusals=refusals,
            trained=_trained(structure, plan, config),
            against=None if self.against is None else _trained(structure, self.against, config),
        )


def _trained(
    structure: "Structure", plan: "Plan", config: "Mapping[str, object] | None"
) -> dict[str, tuple[int, ...]]:
    """What a plan trains; nothing where PEFT would refuse it."""
    from inspect_core.plan.preview import trainable_names

    try:
        return trainable_names(*structure, plan, config)
    except UsageError:  # what is wrong is in the preview
        return {}
