"""The check of a checkpoint as a job for a worker process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.work.jobs import Context, Job

if TYPE_CHECKING:
    from inspect_core.health.report import HealthReport
    from inspect_core.work.listings import Source


@dataclass(frozen=True)
class CheckHealth(Job["HealthReport"]):
    """Say what a checkpoint is, and look at every value.

    Attributes:
        model: the checkpoint.
        values: whether values are read; else headers and configs only.
    """

    model: "Source"
    values: bool = True

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "checking the model"

    def run(self, context: Context) -> "HealthReport":
        """See `Job.run`."""
        from inspect_core.health.report import check_open

        comparer = context.comparer("cpu") if self.values else None
        return check_open(context.open(self.model), comparer, context.control)
