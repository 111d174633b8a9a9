"""What `lamella diff` says of adapters beside its table: a merge, two adapters side by side."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from inspect_core.control import Control
from inspect_core.opening import Adapted, Uri, open_model
from inspect_core.results.tables import Sheet, SheetColumn
from tui import format as fmt
from tui.commands.output import BOLD, Output
from tui.commands.progress import ProgressLine
from tui.commands.sheet import print_sheet

if TYPE_CHECKING:
    from inspect_core.adapters.exact.adapter_comparison import AdapterComparison
    from inspect_core.adapters.exact.overlap import SideOverlap
    from inspect_core.adapters.merges.merge_report import MergeReport
    from inspect_core.checkpoint import Checkpoint

MERGED = ("applied", "applied with rounding")
"""The verdicts of a merge that was done as it should be."""

MOST_TEXT = 100
"""Columns of a paragraph where no terminal says how many there are."""

COLUMNS = (
    SheetColumn("module", "name", "module"),
    SheetColumn("rank", "count", "rank", rank=2),
    SheetColumn("other_rank", "count", "other", rank=2),
    SheetColumn("cosine", "number", "cosine", rank=6),
    SheetColumn("input_overlap", "number", "in", rank=5),
    SheetColumn("output_overlap", "number", "out", rank=5),
    SheetColumn("input_leading", "number", "in, first", rank=1),
    SheetColumn("output_leading", "number", "out, first", rank=1),
    SheetColumn("note", "text", "", rank=4),
    SheetColumn("input_expected", "number", "by chance", to="files"),
    SheetColumn("output_expected", "number", "by chance", to="files"),
)
"""Columns of the table of two adapters."""

MEANING = (
    "in, out: share of the directions that both read from the input and write to the output, 0 to"
    " 1 (LoRA, Hu et al. 2021, 7.2); first: the leading direction of each"
)


@dataclass(frozen=True)
class AdapterReport:
    """What there is to say of the adapters of a comparison.

    Attributes:
        adapters: name, method and flags of each, safe to show.
        remarks: which of them were never trained, safe to show.
        merges: for each model, whether the adapters of the base were merged into it.
        both: the adapters of the two, held against each other.
    """

    adapters: tuple[tuple[str, str, tuple[str, ...]], ...]
    remarks: tuple[str, ...] = ()
    merges: "tuple[MergeReport, ...]" = ()
    both: "AdapterComparison | None" = None

    @property
    def remedy(self) -> str:
        """What to do where adapters alone have nothing to compare; empty if that is not so."""
        notes = () if self.both is None else [module.note for module in self.both.modules]
        if not notes or not all("give the base" in one for one in notes):
            return ""
        return (
            "what these adapters do depends on their base, and without it there is nothing to"
            " compare: lamella diff BASE --adapter A --to-adapter B"
        )

    @property
    def merged(self) -> bool | None:
        """Whether all models are proper merges; None where that is not the question."""
        return all(one.overall in MERGED for one in self.merges) if self.merges else None

    @property
    def members(self) -> dict[str, Any]:
        """It as members of a JSON object."""
        found: dict[str, Any] = {
            "adapters": [
                {"name": name, "method": method, "flags": flags}
                for name, method, flags in self.adapters
            ],
            "remarks": self.remarks,
        }
        if self.merges:
            found["merges"] = [_merge(one) for one in self.merges]
        if self.both is not None:
            found["overlap"] = _sheet(self.both).records()
            found["cosine"] = self.both.cosine
        return found


def report_on(models: Sequence[Uri]) -> AdapterReport | None:
    """Look at the adapters of what is compared; None where there are none.

    Args:
        models: the base, then the models.

    Raises:
        CheckpointError: a file cannot be read.
        UsageError: an adapter is none, or fits nothing of its base.
    """
    if not any(isinstance(uri, Adapted) for uri in models):
        return None
    from inspect_core.adapters.exact.untrained import untrained_remarks

    with ExitStack() as stack, ProgressLine() as control:
        opened = [stack.enter_context(open_model(uri)) for uri in models]
        adapters = {
            (side.name, side.method): side.flags
            for checkpoint in opened
            if checkpoint.overlay is not None
            for side in checkpoint.overlay.adapters
        }
        return AdapterReport(
            tuple([(*who, flags) for who, flags in adapters.items()]),
            tuple(dict.fromkeys([line for one in opened for line in untrained_remarks(one)])),
            _merges(models, opened, control),
            _both(models, opened, control),
        )


def _merges(
    models: Sequence[Uri], opened: "Sequence[Checkpoint]", control: Control
) -> "tuple[MergeReport, ...]":
    first, *others = models
    asked = isinstance(first, Adapted) and first.base is not None
    if not asked or any(isinstance(uri, Adapted) for uri in others):
        return ()
    from inspect_core.adapters.merges.merge_check import check_merge

    overlay = opened[0].overlay
    assert overlay is not None and overlay.base is not None
    return tuple([check_merge(overlay.base, opened[0], one, control) for one in opened[1:]])


def _both(
    models: Sequence[Uri], opened: "Sequence[Checkpoint]", control: Control
) -> "AdapterComparison | None":
    if len(models) != 2 or not all(isinstance(uri, Adapted) for uri in models):
        return None
    from inspect_core.adapters.exact.adapter_comparison import compare_adapters

    return compare_adapters(opened[0], opened[1], control)


def print_above(report: AdapterReport, output: Output) -> None:
    """What stands above the table: the adapters, and what became of a merge."""
    for name, method, _ in report.adapters:
        mark = f"{output.palette.glyphs.delta} {output.cut(name)}"
        output.line((mark, "delta"), f"  {output.cut(method)}")
    for remark in report.remarks:
        output.line((f"{output.palette.glyphs.note} {output.cut(remark)}", "note"))
    for merge in report.merges:
        output.line()
        good = merge.overall in MERGED
        titled = f"{merge.merged}: {merge.line}" if len(report.merges) > 1 else merge.line
        _paragraph(f"{titled}.", BOLD if good else "note", output)


def print_below(report: AdapterReport, output: Output, listed: bool = True) -> None:
    """What stands below the table: two adapters held against each other.

    Args:
        report: what was found.
        output: where to.
        listed: whether each weight has a row; rows of something else stand above otherwise.
    """
    both = report.both
    if both is None or not (both.modules or both.only_one or both.only_other):
        return
    output.line()
    one, other = both.titles
    output.line((f"{output.cut(one)} against {output.cut(other)}, from their factors", BOLD))
    if both.modules and not listed:
        output.line(_in_all(both))
    elif both.modules:
        print_sheet(_sheet(both), output)
        _paragraph(MEANING + _by_chance(both), "muted", output)
    for remark in both.remarks:
        _paragraph(f"{output.palette.glyphs.note} {remark}", "note", output)
    for title, names in ((one, both.only_one), (other, both.only_other)):
        if names:
            text = f"only {title} changes {len(names):,}: {', '.join(names[:3])}"
            text += ", ..." if len(names) > 3 else ""
            output.line((output.cut(text, 400), "muted"))


def _paragraph(text: str, style: Any, output: Output) -> None:
    for part in wrap(output.cut(text, 2000), min(output.width or MOST_TEXT, MOST_TEXT)):
        output.line((part, style))


def _merge(report: "MergeReport") -> dict[str, Any]:
    found = asdict(report)
    for module, record in zip(report.modules, found["modules"], strict=True):
        record["verdict"] = module.verdict.value
    return {"verdict": report.overall, "line": report.line, **found}


def _sheet(both: "AdapterComparison") -> Sheet:
    rows = []
    for module in both.modules:
        found = module.overlap
        sides = (None, None) if found is None else (found.input, found.output)
        read, written = map(_side, sides)
        rows.append(
            (
                module.weight.removesuffix(".weight"),
                *module.ranks,
                None if found is None else found.cosine,
                read[0],
                written[0],
                read[2],
                written[2],
                module.note or ("" if found is None else found.note),
                read[1],
                written[1],
            )
        )
    return Sheet("module", COLUMNS, rows)


def _in_all(both: "AdapterComparison") -> str:
    """What they have in common over all weights."""
    said = [] if both.cosine is None else [f"cosine {fmt.number(both.cosine)}"]
    for word, side in (("in", "input"), ("out", "output")):
        if (mean := both.mean_overlap(side)) is not None:
            said.append(f"{word} {fmt.number(mean[0])}, by chance {fmt.number(mean[1])}")
    return "; ".join(said) or "nothing of it is known from their factors"


def _by_chance(both: "AdapterComparison") -> str:
    """What random directions would share: the least and the most of all weights."""
    sides = [side for one in both.compared for side in (one.input, one.output) if side is not None]
    if not sides:
        return ""
    low, high = (fmt.number(pick(side.expected for side in sides)) for pick in (min, max))
    return f"; by chance random directions share {low if low == high else f'{low} to {high}'}"


def _side(side: "SideOverlap | None") -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if side is None else (side.full, side.expected, side.leading)
