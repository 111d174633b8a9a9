"""Landscapes without a model, and a backend that gives them."""

import math

import numpy as np

from inspect_core.control import Progress
from inspect_core.geometry.dimension import Dimension
from inspect_core.geometry.landscape import (
    Cluster,
    LabelNumbers,
    LandscapeReport,
    LayerDetail,
    LayerNumbers,
    Measured,
    Space,
    SpacePair,
)
from inspect_core.work.backend import Threads
from inspect_core.work.geometry_jobs import FindLandscape, FindLayer
from inspect_core.work.ticket import Ticket

HOSTILE = "a\x1b[31m[/]\u202eb"


def made_layer(name, at, columns=("rating",), known=True) -> LayerNumbers:
    """One layer; its dimension is 10 + its place."""
    value = 10.0 + at if known else math.nan
    why = "" if known else "n/a: 12 distinct points, and 32 neighbours are needed"
    sizes = [Dimension(2**k, 2 ** (k + 1), value + k, 0.3, 1.0 + k) for k in range(6)]
    share = 0.5 + 0.01 * at if known else math.nan
    return LayerNumbers(
        name=name, points=300, repeated=2, nonfinite=0,
        dimension=Dimension(16, 32, value, 0.25, 2.0, why), dimensions=tuple(sizes),
        clusters=3 if known else 0, core=share,
        labels=tuple(LabelNumbers(one, share, share, share, why) for one in columns), why=why,
    )  # fmt: skip


def made_report(
    titles=("base", "tuned"), layers=4, columns=("rating",), names=None, known=True, notes=()
) -> LandscapeReport:
    """A report of some spaces."""
    names = names or [f"layers.{k}" for k in range(layers)]
    spaces = tuple(
        Space(title, tuple(made_layer(n, k + 5 * s, columns, known) for k, n in enumerate(names)))
        for s, title in enumerate(titles)
    )
    between = [(k, k) for k in range(len(titles))] + [(0, k) for k in range(1, len(titles))]
    count = len(names)
    like = np.array([[1 - 0.1 * abs(a - b) for b in range(count)] for a in range(count)])
    pairs = tuple(SpacePair(one, other, like, like**2) for one, other in between)
    return LandscapeReport(
        spaces, pairs, tuple(columns), 302, "mean of the tokens", Measured(), tuple(notes)
    )


def made_detail(space="tuned", name="layers.0", columns=("rating",), points=60) -> LayerDetail:
    """One layer closer, with two clusters and a halo."""
    rng = np.random.default_rng(0)
    cluster = np.arange(points) % 3 - 1
    words = ("good", "bad", HOSTILE)
    labels = tuple(tuple(words[k % 3] for k in range(points)) for _ in columns)
    made = [
        Cluster(points // 3, 0.5, 2.0, tuple((("good", 12), (HOSTILE, 8)) for _ in columns),
                (f"a text about {HOSTILE}", f"text {k} of the peak"))
        for k in range(2)
    ]  # fmt: skip
    return LayerDetail(
        space, name, tuple(made), rng.normal(size=(points, 2)), (0.4, 0.2), cluster, labels,
        np.arange(points),
    )  # fmt: skip


class Canned(Threads):
    """Answers the jobs of geometry with what it was given; runs all others.

    Attributes:
        report: what a run finds; an exception is raised; `waits` lets it run on.
        asked: the jobs of geometry that came.
        tickets: their tickets.
    """

    def __init__(self, report=None) -> None:
        super().__init__()
        self.report = report if report is not None else made_report()
        self.detail = None
        self.asked, self.tickets, self.cancelled = [], [], []

    def submit(self, job, *callbacks):
        if not isinstance(job, FindLandscape | FindLayer):
            return super().submit(job, *callbacks)
        ticket = Ticket(job, *callbacks, cancel=lambda: self.cancelled.append(job))
        self.asked.append(job)
        self.tickets.append(ticket)
        if isinstance(job, FindLayer):
            found = self.detail or made_detail(name=f"layers.{job.layer}")
            self.answer(ticket, found)
        elif self.report != "waits":
            self.answer(ticket, self.report)
        return ticket

    def answer(self, ticket, result) -> None:
        """Give a result, or an error."""
        if isinstance(result, BaseException):
            ticket.future.set_exception(result)
        else:
            ticket.future.set_result(result)

    def report_progress(self, done, total, unit="texts") -> None:
        """Say how far the last run is."""
        self.tickets[-1].on_progress(Progress(done, total, unit))
