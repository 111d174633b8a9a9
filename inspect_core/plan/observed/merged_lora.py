"""Whether a fine-tune looks like a LoRA that was merged: every changed matrix of one low rank."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from inspect_core.control import Control
from inspect_core.pairing import LayerMap, Match
from inspect_core.plan.observed.checking import is_placed_on, listed
from inspect_core.plan.observed.covering import ends_of
from inspect_core.plan.plan import Place
from inspect_core.plan.written.spelling import spelled_layers
from inspect_core.structure.fold import is_index
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.delta.spectrum import Spectrum
    from inspect_core.results.comparison import Uri

MOST_LOOKED_AT = 48
"""Changed matrices whose rank is computed; of more, as many, spread over all of them."""

MOST_RANK_SHARE = 0.5
"""A rank beyond this share of the shorter side is not what one calls low."""

NOISE_MARGIN = 4.0
"""Adding a product to a weight rounds twice, and tiny matrices stray from the expected noise."""

LEAST_FALL = 8.0
"""By how much the last singular value of the rank exceeds the next one."""

_WEIGHT = ".weight"


class Moved(Protocol):
    """Which parameters moved; see `Observed`."""

    @property
    def frozen(self) -> tuple[str, ...]:
        """See there."""
        ...

    @property
    def tuned(self) -> tuple[str, ...]:
        """See there."""
        ...


@dataclass(frozen=True, slots=True)
class MergedLora:
    """A LoRA that would explain all of a change.

    Attributes:
        place: where it sat. Its alpha is not in the change, and is put equal to the rank.
        note: what was found, for people, safe to show.
    """

    place: Place
    note: str


def find_merged_lora(
    base: "Uri",
    tuned: "Uri",
    moved: Moved,
    *,
    control: Control | None = None,
    layer_map: LayerMap | None = None,
) -> MergedLora | None:
    """The LoRA that a change looks like; None where a matrix has no low rank, or another one.

    Args:
        base: the old one.
        tuned: the new one.
        moved: which parameters moved.
        control: takes progress, and can cancel.
        layer_map: what the user says of the model's names in the reference.
    """
    from inspect_core.results.spectra import spectra

    weights = [name for name in moved.tuned if name.endswith(_WEIGHT)]
    if not weights or len(weights) < len(moved.tuned):
        return None
    wanted = set(weights[:: -(-len(weights) // MOST_LOOKED_AT)])
    ranks: list[int] = []

    def keep(match: Match) -> bool:
        names = match.partners or ((match.reference.name,) if match.reference else ())
        return any(name in wanted for name in names)

    for report in spectra(base, tuned, keep=keep, layer_map=layer_map, control=control):
        rank = _clear_rank(report.spectrum)
        if rank is None:
            return None
        ranks.append(rank)
    if not ranks or min(ranks) != max(ranks):
        return None
    modules = [name.removesuffix(_WEIGHT) for name in weights]
    still = [name.removesuffix(_WEIGHT) for name in moved.frozen if name.endswith(_WEIGHT)]
    place, about = _placed_on(modules, still), listed(base)
    if not is_placed_on(place, about, modules):
        place = Place(targets=tuple(modules))
        if not is_placed_on(place, about, modules):
            return None  # no placement says it: full names mean what is beside them, too
    place = replace(place, rank=ranks[0], alpha=ranks[0])
    return MergedLora(place, _note(place, len(weights), len(ranks)))


def _note(place: Place, changed: int, looked_at: int) -> str:
    few = ", ".join([clean(name, 40) for name in place.targets[:6]])
    more = f" and {len(place.targets) - 6:,} more" if len(place.targets) > 6 else ""
    within = f" in layers {spelled_layers(place.layers)}" if place.layers else ""
    part = f", as far as {looked_at} of them were looked at" if looked_at < changed else ""
    each = "the one changed matrix" if changed == 1 else f"each of {changed:,} changed matrices"
    return (
        f"looks like a merged LoRA of rank {place.rank} on {few}{more}{within}: {each} has that "
        f"rank{part}; its alpha is not known"
    )


def _clear_rank(spectrum: "Spectrum | None") -> int | None:
    """The rank of a change, where it is low and ends in a fall that no trained matrix has."""
    if spectrum is None or spectrum.untold or spectrum.rank_is_bound:
        return None
    values, floor = spectrum.values, NOISE_MARGIN * spectrum.threshold
    rank = int((values > floor).sum())
    if not 0 < rank <= MOST_RANK_SHARE * min(spectrum.rows, spectrum.columns):
        return None
    rest = float(values[rank]) if rank < len(values) else 0.0
    return rank if float(values[rank - 1]) >= LEAST_FALL * max(rest, spectrum.threshold) else None


def _placed_on(modules: Sequence[str], others: Sequence[str]) -> Place:
    """The placement that hits just these of the modules, said in short where it can be."""
    ends = ends_of(modules, others)
    if ends and not any(is_index(part) for end in ends for part in end.split(".")):
        return Place(targets=ends)
    found = {_layer(path) for path in modules}
    lists = {name for name, _ in found}
    if len(lists) == 1 and "" not in lists:
        layers = {number for _, number in found}
        beside = [path for path in others if (at := _layer(path))[1] in layers or at[1] < 0]
        shorter = ends_of(modules, beside)
        if shorter and len(shorter) < len(modules):
            return Place(
                targets=shorter, layers=tuple(sorted(layers)), layers_pattern=(min(lists),)
            )
    return Place(targets=ends or tuple(modules))


def _layer(path: str) -> tuple[str, int]:
    """The list of layers that a module lies in, and the number in it; -1 outside of any."""
    parts = path.split(".")
    at = next((at for at, part in enumerate(parts) if at and is_index(part)), 0)
    return (parts[at - 1], int(parts[at])) if at else ("", -1)
