"""The jobs about adapters: what their modules do, two of them, and merges."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.work.jobs import Context, Job
from inspect_core.work.listings import Source

if TYPE_CHECKING:
    from inspect_core.adapters.exact.adapter_comparison import AdapterComparison
    from inspect_core.adapters.exact.adapter_sheet import AdapterSheet
    from inspect_core.adapters.merges.merge_report import MergeReport


@dataclass(frozen=True)
class FindAdapterSheet(Job["AdapterSheet"]):
    """What each module of a model's adapters does, from their factors.

    Attributes:
        model: the model with the adapters on it, or the adapter alone.
        with_base: whether the base's weights are read too.
    """

    model: Source
    with_base: bool = False

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "reading the adapters"

    def run(self, context: Context) -> "AdapterSheet":
        """See `Job.run`."""
        from inspect_core.adapters.exact.adapter_sheet import adapter_sheet

        return adapter_sheet(context.open(self.model), context.control, self.with_base)


@dataclass(frozen=True)
class CompareAdapters(Job["AdapterComparison"]):
    """Two adapters held against each other, from their factors.

    Attributes:
        one: a model with adapters on it, or an adapter alone.
        other: another.
    """

    one: Source
    other: Source

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "comparing the adapters"

    def run(self, context: Context) -> "AdapterComparison":
        """See `Job.run`."""
        from inspect_core.adapters.exact.adapter_comparison import compare_adapters

        one, other = context.open(self.one), context.open(self.other)
        return compare_adapters(one, other, context.control)


@dataclass(frozen=True)
class CheckMerge(Job["MergeReport"]):
    """Whether a model is a base with adapters merged into it.

    Attributes:
        base: the base.
        adapted: the base with the adapters on it.
        merged: what is checked.
    """

    base: Source
    adapted: Source
    merged: Source

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "checking the merge"

    def run(self, context: Context) -> "MergeReport":
        """See `Job.run`."""
        from inspect_core.adapters.merges.merge_check import check_merge

        base, adapted = context.open(self.base), context.open(self.adapted)
        return check_merge(base, adapted, context.open(self.merged), context.control)
