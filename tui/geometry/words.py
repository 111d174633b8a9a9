"""What the screen of the landscape says: its titles, the cursor's layer, what is copied."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui import format as fmt
from tui.geometry.figures.naming import short_layer
from tui.geometry.measures import MEASURES, by_chance
from tui.geometry.state import CURVES, MATRIX, OVERLAP, GeometryState
from tui.geometry.steps import layers_of, shown_space

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LayerNumbers
    from tui.geometry.control import GeometryControl

OTHERWISE = "A changes texts, places or measures, esc leaves."

MATRICES = {OVERLAP: "shared neighbours", "cka": "linear CKA"}

Parts = tuple[list[tuple[str, str]], str]
"""Texts with the state whose colour they take, and figures to the right."""


def title(state: GeometryState | None, where: str) -> Parts:
    """The first line: the spaces, and what of them is on show.

    Args:
        state: what is on show.
        where: what is meant while there is nothing, safe to show.
    """
    left = [("landscape", "type")]
    if state is None:
        return [*left, (where, "module")], ""
    report = state.report
    if state.kind == MATRIX:
        if report.pairs:
            pair = report.pairs[state.pair]
            one, other = (clean(report.spaces[at].title, 40) for at in (pair.one, pair.other))
            left += [(one, "module"), ("by", "muted"), (other, "module")]
        return left, f"{MATRICES[state.matrix]}{_place(state.pair, len(report.pairs))}"
    titles = [clean(space.title, 40) for space in report.spaces]
    # The reference comes first, as everywhere, and is named last.
    for at, name in enumerate([*titles[1:], *titles[:1]]):
        left += [("vs", "muted")] if at else []
        left.append((name, "module"))
    if state.kind == CURVES:
        about = MEASURES[state.measure].title
    else:
        about = clean(report.spaces[state.space].title, 40) if report.spaces else ""
        about += _place(state.space, len(report.spaces))
    return left, about


def about(control: "GeometryControl", state: GeometryState | None) -> Parts:
    """The second line: places, pooling and texts; the column of labels."""
    file = clean(control.file, 40)
    if state is None:
        return [(file, "muted")], ""
    report = state.report
    of = " of both models" if len(report.spaces) == 2 else ""
    told = f"{file} {report.texts:,} texts{of}"
    left = [(clean(report.pooling, 40), "muted"), (told, "muted")]
    k = f"k {report.measured.k}"
    if state.kind == MATRIX:
        k = f"{report.measured.overlap_k} neighbours" if state.matrix == OVERLAP else ""
    left.append((k, "muted"))
    if not report.columns:
        return left, "no labels"
    name = clean(report.columns[state.column], 40)
    return left, f"labels {name}{_place(state.column, len(report.columns))}"


def readout(state: GeometryState, width: int) -> tuple[str, str]:
    """The layer under the cursor and its numbers, and the state whose colour the line takes.

    Args:
        state: what is on show.
        width: cells that there are; a text that is longer is shortened as far as it goes.
    """
    if state.kind == MATRIX:
        return _cell_words(state), "module"
    layers = layers_of(state)
    if not layers:
        return "no layer", "note"
    layer = state.report.spaces[state.space].layers[state.layer]
    name, found = clean(layer.name, 60), numbers(layer, state.column)
    place = f"{state.layer + 1} of {len(layers)}"
    of = f" ({clean(state.report.spaces[state.space].title, 24)})"
    several = len(state.report.spaces) > 1
    text = "  ".join([f"{place} {name}{of if several else ''}", *found])
    if len(text) > width:
        short = [_shorter(one) for one in found]
        model = f" {clean(state.report.spaces[state.space].title, 12)}" if several else ""
        text = " ".join([f"{short_layer(layer.name)}{model}:", *short])
        if len(text) > width and isfinite(layer.dimension.error):
            text = text.replace(f"±{fmt.number(layer.dimension.error)}", "", 1)
    return text, "module"


def _shorter(told: str) -> str:
    for word, short in (("dimension", "ID"), (" ± ", "±"), ("overlap", "over")):
        told = told.replace(word, short)
    return told


def numbers(layer: "LayerNumbers", column: int) -> list[str]:
    """All numbers of a layer in words, what is not known last with its reason, once."""
    found, whys = [], [layer.why]
    if isfinite(layer.dimension.value):
        error = layer.dimension.error
        more = f" ± {fmt.number(error)}" if isfinite(error) else ""
        found.append(f"dimension {fmt.number(layer.dimension.value)}{more}")
    else:
        whys.append(layer.dimension.why)
    if layer.clusters:
        found.append(f"peaks {layer.clusters}")
        found.append(f"core {fmt.number(layer.core)}")
    if column < len(layer.labels):
        of = layer.labels[column]
        words = (("ARI", of.rand), ("overlap", of.overlap), ("1-NN", of.nearest))
        found += [f"{word} {fmt.number(value)}" for word, value in words if isfinite(value)]
        whys.append(of.why)
    if layer.nonfinite:
        found.append(f"{layer.nonfinite:,} texts with NaN or infinity left out")
    return found + [clean(why, 100) for why in dict.fromkeys(whys) if why]


def _cell_words(state: GeometryState) -> str:
    report = state.report
    if not report.pairs:
        return "no pair of models"
    pair = report.pairs[state.pair]
    sides = []
    for at, layer in ((pair.one, state.layer), (pair.other, state.across)):
        space = report.spaces[at]
        name = clean(space.layers[layer].name, 40) if layer < len(space.layers) else ""
        sides.append(f"{name} ({clean(space.title, 24)})")
    matrix = pair.overlap if state.matrix == OVERLAP else pair.cka
    inside = state.layer < matrix.shape[0] and state.across < matrix.shape[1]
    value = float(matrix[state.layer, state.across]) if inside else float("nan")
    return f"{sides[0]}  by  {sides[1]}  {MATRICES[state.matrix]} {fmt.number(value)}"


def ready(control: "GeometryControl", state: GeometryState | None) -> tuple[str, str]:
    """The line of status while nothing runs, and the state whose colour it takes."""
    if control.problem:
        return f"{control.problem}  enter tries again, A asks anew", "note"
    if state is None:
        return "", "muted"
    spaces = state.report.spaces
    if state.kind == CURVES:  # the picture says the notes in full
        chance = by_chance(state.report, state.measure, state.column)
        if isfinite(chance):
            return f"by chance {fmt.number(chance)}", "muted"
        return "" if len(spaces) > 1 else "no reference: nothing to compare with", "muted"
    notes = dict.fromkeys([*state.report.notes, *(note for one in spaces for note in one.notes)])
    if notes:
        first, *rest = notes
        return clean(f"{first}{f' and {len(rest)} more notes' if rest else ''}", 400), "note"
    return "", "muted"


def instead(control: "GeometryControl") -> list[str]:
    """What stands where there is no result: a title, and lines."""
    where = control.where
    if control.problem:
        said = [where, control.problem, f"Enter tries again, {OTHERWISE}"]
        return [*said, "D shows what was found before."] if control.has_earlier else said
    if control.running:
        answers = control.answers
        file = clean(answers.file, 60) if answers is not None else "the texts"
        return [
            where,
            f"running the model over {file}, and measuring its layers",
            "x stops it; esc goes back to the tree while it goes on, and d comes here again.",
        ]
    said = [where, "stopped", f"Enter begins again, {OTHERWISE}"]
    return [*said, "D shows what was found before."] if control.has_earlier else said


def page_title(state: GeometryState, space: int, layer: int) -> Parts:
    """The title of the page of a layer."""
    one = state.report.spaces[space]
    left = [("layer", "type"), (clean(one.layers[layer].name, 80), "module")]
    if len(state.report.spaces) > 1:
        left += [("in", "muted"), (clean(one.title, 40), "module")]
    return left, f"{layer + 1} of {len(one.layers)}"


def copied(state: GeometryState) -> str:
    """The layer under the cursor and its numbers, or a cell of a matrix; safe to paste."""
    if state.kind == MATRIX:
        return clean(_cell_words(state), 500)
    return layer_copied(state, shown_space(state), state.layer)


def layer_copied(state: GeometryState, space: int, layer: int) -> str:
    """A layer and all its numbers, for every column of labels; safe to paste."""
    spaces = state.report.spaces
    if not (space < len(spaces) and layer < len(spaces[space].layers)):
        return ""
    one = spaces[space].layers[layer]
    words: Sequence[str] = numbers(one, state.column)
    labels = state.report.columns
    column = f"labels {clean(labels[state.column], 40)}" if labels else ""
    parts = [clean(one.name, 200), clean(spaces[space].title, 60), *words, column]
    return "   ".join([part for part in parts if part])


def _place(at: int, count: int) -> str:
    return f"  {at + 1} of {count}" if count > 1 else ""
