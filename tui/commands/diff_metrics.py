"""Which metrics `lamella diff` lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from inspect_core.delta.collect import Collect
from inspect_core.delta.metrics import METRICS, ORIGINALS, Metric
from inspect_core.errors import UsageError
from inspect_core.results.groups import By

USUAL = ("rel_l2", "mean_abs", "max_abs", "changed_fraction")
"""Listed where nothing else is asked for."""

USUAL_OF_GROUPS = ("rel_l2", "mean_abs", "changed_fraction")


@dataclass(frozen=True)
class Metrics:
    """The metrics to list.

    Attributes:
        known: all that could have been asked for, by key.
        asked: those that were; none for the usual ones.
        original: whether to count as the published scripts do.
    """

    known: Mapping[str, Metric]
    asked: tuple[Metric, ...]
    original: bool = False

    @classmethod
    def chosen(cls, keys: Sequence[str], everything: bool, original: bool) -> "Metrics":
        """What was asked for by keys, each word with one or several, split by commas.

        Raises:
            UsageError: there is no metric of this key.
        """
        known = {**METRICS, **ORIGINALS} if original else METRICS
        wanted = [key.strip() for word in keys for key in word.split(",") if key.strip()]
        for key in wanted:
            if key not in known:
                raise UsageError("no such metric", where=key, hint=_hint(key, known))
        if everything:
            wanted += list(known)
        return cls(known, tuple([known[key] for key in dict.fromkeys(wanted)]), original)

    def listed(self, by: By) -> tuple[Metric, ...]:
        """The columns of a table."""
        if self.asked:
            return self.asked
        if self.original:
            return tuple(ORIGINALS.values())
        return tuple([METRICS[key] for key in (USUAL if by == "tensor" else USUAL_OF_GROUPS)])

    @property
    def extra(self) -> tuple[Metric, ...]:
        """Of those that were asked for what a plain comparison does not have."""
        return tuple([metric for metric in self.asked or self._published if metric.needs])

    @property
    def _published(self) -> tuple[Metric, ...]:
        return tuple(ORIGINALS.values()) if self.original else ()

    def needs(self, others: Iterable[Metric] = ()) -> Collect:
        """What has to be collected for these, and for others."""
        needed = Collect()
        for metric in (*self.extra, *others):
            needed |= metric.needs
        return needed


def _hint(key: str, known: Mapping[str, Metric]) -> str:
    if key in ORIGINALS:
        return "it is one of the published variants: add --original"
    return f"there are {', '.join(known)}"
