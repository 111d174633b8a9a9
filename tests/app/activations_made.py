"""Reports of activations without a model, and a backend that gives them."""

import numpy as np

from inspect_core.activations.neurons import (
    ActivationReport,
    FeatureShare,
    NeuronDetail,
    NeuronTable,
    Share,
    SiteReport,
    Strong,
)
from inspect_core.control import Progress
from inspect_core.work.activation_jobs import FindActivations, FindNeuron
from inspect_core.work.backend import Threads
from inspect_core.work.ticket import Ticket

WORDS = ("film", "plot", "[/]", "a\x1b[31m", "c\u202ed", "日本語", "good")


def made_table(site="blocks.0", units=40, seed=0, alone=False, tags=True) -> NeuronTable:
    """Neurons: 0 dead, 1 new, 2 gone, 3 rare, the others shared."""
    rng = np.random.default_rng(seed)
    distance = rng.uniform(0.05, 0.95, units)
    count = rng.integers(25, 900, (2, units))
    count[:, 0], count[0, 1], count[1, 2], count[0, 3] = 0, 0, 0, 3
    distance[:3] = np.nan
    length = np.minimum(count, rng.integers(1, 200, (2, units)))
    if alone:
        distance[:] = np.nan
        count[0], length[0] = count[1], length[1]
    names = tuple(f"{WORDS[k % len(WORDS)]}{k}" for k in range(units))
    return NeuronTable(
        site=site, distance=distance,
        tag_distance=distance / 2 if tags else None,
        label_distance=(), union=length.max(axis=0), length=length,
        tag_length=np.minimum(length, 9) if tags else None,
        count=count, mass=count * 1.5, original=distance * 2,
        top_word=(names if not alone else names[:], tuple(reversed(names))),
    )  # fmt: skip


def made_report(sites=3, units=40, alone=False, tags=True, notes=()) -> ActivationReport:
    """A report of some sites."""
    shares = (
        FeatureShare("NOUN", (0.4, 0.4), (0.5, 0.3)),
        FeatureShare("[/]", (0.6, 0.6), (0.5, 0.7)),
    )
    tables = [made_table(f"blocks.{k}", units, k, alone, tags) for k in range(sites)]
    return ActivationReport(
        titles=("m", "m") if alone else ("base", "tuned"),
        rule="strongest unit a word, by positive part",
        sites=tuple(SiteReport(table, shares if tags else ()) for table in tables),
        samples=(20, 20), tokens=(400, 400), notes=tuple(notes),
    )  # fmt: skip


def made_neuron(site="blocks.0", unit=7) -> NeuronDetail:
    """One neuron in depth."""
    strong = [
        Strong(word, "NOUN", 30 - k, 1.5, 0.2, 3.0, f"a sentence {k} around {word} here")
        for k, word in enumerate(WORDS)
    ]
    tags = (Share("NOUN", (0.5, 0.7), (30, 40)), Share("VERB", (0.5, 0.3), (20, 10)))
    return NeuronDetail(site, unit, (tuple(strong), tuple(reversed(strong))), tags)


class Canned(Threads):
    """Answers the jobs of activations with what it was given; runs all others.

    Attributes:
        report: what a run finds; an exception is raised; None lets it run on.
        asked: the jobs of activations that came.
        tickets: their tickets.
    """

    def __init__(self, report=None) -> None:
        super().__init__()
        self.report = report if report is not None else made_report()
        self.detail = None
        self.asked, self.tickets, self.cancelled = [], [], []

    def submit(self, job, *callbacks):
        if not isinstance(job, FindActivations | FindNeuron):
            return super().submit(job, *callbacks)
        ticket = Ticket(job, *callbacks, cancel=lambda: self.cancelled.append(job))
        self.asked.append(job)
        self.tickets.append(ticket)
        if isinstance(job, FindNeuron):
            self.answer(ticket, self.detail or made_neuron(job.site, job.unit))
        elif self.report != "waits":
            self.answer(ticket, self.report)
        return ticket

    def answer(self, ticket, result) -> None:
        """Give a result, or an error."""
        if isinstance(result, BaseException):
            ticket.future.set_exception(result)
        else:
            ticket.future.set_result(result)

    def report_progress(self, done, total) -> None:
        """Say how far the last run is."""
        self.tickets[-1].on_progress(Progress(done, total, "texts"))
