"""`lamella diff --spectrum`: the ranks of what changed, as a table or as JSON."""

import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError
from inspect_core.opening import Uri
from inspect_core.results.formats import json_object
from inspect_core.results.spectra import SpectrumReport, plain, spectra
from tui import format as fmt
from tui.commands.diff_pairs import Chosen, layer_map_of
from tui.commands.output import Output, of_base
from tui.commands.progress import ProgressLine
from tui.commands.table import Column, Row, Table

if TYPE_CHECKING:
    from tui.commands.diff import DiffOptions

OPTIONS = {"metrics": "--metric"}
"""Options that are not called as the fields of `DiffOptions` are."""

TOP_VALUES = 8
"""The energy in so many of the largest values is listed: the usual rank of a LoRA."""

SHAPE, RANK, EFFECTIVE, STABLE = "shape", "rank", "eff. rank", "stable rank"
TOP, LARGEST, NOISE = f"top {TOP_VALUES}", "largest", "noise"


MEANING = (
    "rank: singular values above the noise that rounding to the stored dtypes makes",
    "eff. rank: how many of those count: exp of the entropy of their shares; n/a for a + rank",
    "stable rank: the sum of all squares over the largest one, noise included",
)
"""What the columns are."""


def print_spectra(models: Sequence[Uri], options: "DiffOptions") -> None:
    """Find the singular values of what changed from a base to a model, and print their ranks.

    Args:
        models: the base and the model.
        options: which tensors, by which rules, and how to print: as a table, or as JSON with
            the singular values themselves.

    Raises:
        CheckpointError: a file cannot be read.
        UsageError: an option makes no sense here, or no tensor fits a pattern.
    """
    _require_sense(models, options)
    chosen = Chosen(options.nodes, options.without)
    layer_map = layer_map_of(options)
    base, model = models
    with ProgressLine() as control:
        found = list(spectra(base, model, keep=chosen.keep, layer_map=layer_map, control=control))
    chosen.require_all_fit(range(len(found)))
    if options.form == "json":
        sys.stdout.write(json_object({"spectra": [plain(one) for one in found]}) + "\n")
    else:
        _print(found, Output(options.look))


def _require_sense(models: Sequence[Uri], options: "DiffOptions") -> None:
    if len(models) != 2:
        raise UsageError("needs BASE and one MODEL", where="--spectrum")
    if options.device == "cpu":
        options = replace(options, device="auto")
    ours = {field.name: field.default for field in fields(options)}
    odd = [
        OPTIONS.get(name, f"--{name.replace('_', '-')}")
        for name, usual in ours.items()
        if name not in ("nodes", "without", "map_file", "common", "form", "look")
        and getattr(options, name) != usual
    ]
    if options.form not in (None, "table", "json"):
        odd.append(f"--format {options.form}")
    if odd:
        hint = "it goes with --node, --not, --map, --common and --format table or json"
        raise UsageError(f"goes without {', '.join(odd)}", where="--spectrum", hint=hint)


def _print(found: list[SpectrumReport], output: Output) -> None:
    shown = [one for one in found if one.missed or (one.spectrum and not one.spectrum.is_zero)]
    if len(found) == 1:
        shown = found
    columns = [
        Column(SHAPE, max([len(SHAPE), *(len(_shape(one)) for one in shown)]), 4),
        Column(RANK, 6), Column(EFFECTIVE, 9, 1), Column(STABLE, 11, 3), Column(TOP, 7, 2),
        Column(LARGEST, 8, 5), Column(NOISE, 8, 6),
    ]  # fmt: skip
    table = Table(output, "matrix", columns, [one.label for one in shown])
    table.head()
    table.rows(_row(one) for one in shown)
    _print_rest(found, shown, output)


def _row(one: SpectrumReport) -> Row:
    spectrum = one.spectrum
    if spectrum is None:
        return Row(one.label, words=of_base(one.refusal))
    if spectrum.is_zero:
        return Row(one.label, {SHAPE: _shape(one), RANK: "0"}, "identical", state="same")
    rank = "n/a" if spectrum.rank is None else str(spectrum.rank)
    cells = {
        SHAPE: _shape(one),
        RANK: f"{rank}+" if spectrum.rank_is_bound and spectrum.rank else rank,
        EFFECTIVE: fmt.number(spectrum.effective_rank),
        STABLE: fmt.number(spectrum.stable_rank),
        TOP: fmt.percent(float(spectrum.top_energy[:TOP_VALUES][-1])),
        LARGEST: fmt.number(float(spectrum.values[0])),
        NOISE: fmt.number(spectrum.threshold),
    }
    return Row(one.label, cells, spectrum.untold)


def _shape(one: SpectrumReport) -> str:
    return fmt.shape((one.spectrum.rows, one.spectrum.columns)) if one.spectrum else ""


def _print_rest(found: list[SpectrumReport], shown: list[SpectrumReport], output: Output) -> None:
    """The last lines: what is not listed, and what the numbers mean."""
    listed = {id(one) for one in shown}
    rest = [one for one in found if id(one) not in listed]
    same = sum(one.spectrum is not None for one in rest)
    output.line()
    if same:
        output.line(f"{same:,} more did not change: rank 0")
    if len(rest) > same:
        count = len(rest) - same
        tensors = "1 tensor has" if count == 1 else f"{count:,} tensors have"
        output.line((f"{tensors} no singular values; --format json says why", "muted"))
    for line in MEANING:
        output.line((line, "muted"))
    ranks = [one.spectrum for one in shown if one.spectrum is not None]
    if any(spectrum.buried for spectrum in ranks):
        output.line(("+: at least; a part of the change lies below the noise", "muted"))
    if any(spectrum.rank_is_bound and not spectrum.buried for spectrum in ranks):
        output.line(("+: at least; only the largest were computed", "muted"))
