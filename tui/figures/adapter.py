"""Adapters in the detail pane: where they sit, and what one does to a module."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.style import Style
from textual.strip import Strip

from inspect_core.structure.fold import short_names
from inspect_core.text import clean
from inspect_core.work.adapted import SAVED
from inspect_core.work.adapted_places import usual_facts
from tui import format as fmt
from tui.figures.figure import Figure
from tui.figures.parts import (
    Lines,
    cut,
    fitted,
    heading,
    line,
    not_shown,
    note_lines,
    side_by_side,
    wrap,
)
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.work.adapted import AdapterListing
    from inspect_core.work.adapted_places import Hits
    from inspect_core.work.adapted_sheet import ModuleChange, ModuleFinding

MOST_HITS = 8
"""Kinds of targets that are listed of one adapter."""

MOST_FLAGS = 4
"""Flags of one adapter that are listed; w has them all."""

LAYERS = 24
"""Characters of a list of layers."""


SHEET_LINES = 8
"""Lines of one change beside its singular values."""

LEAST_VALUES = 4
"""Singular values that are shown however small the pane is: it scrolls."""

MOST_BAR = 40
"""Characters of the longest bar."""


def adapters_lines(
    adapted: "AdapterListing",
    hits: "Sequence[Hits]",
    told: Sequence[str],
    palette: Palette,
    width: int,
) -> Lines:
    """All adapters: what each is, which modules of which layers it changes, its flags.

    Args:
        adapted: the adapters.
        hits: what they change.
        told: what was found by reading them, safe to show.
        palette: colours and glyphs.
        width: cells across.
    """
    lines: Lines = []
    for number, note in enumerate(adapted.adapters):
        own = [hit for hit in hits if hit.adapter == number]
        mark = f"{palette.glyphs.delta} {note.name}"
        facts = [f"{fmt.params(note.params)} parameters", fmt.size(note.nbytes)]
        usual = usual_facts(own)
        scaling = usual.rpartition(" scaling=")[2] if " scaling=" in usual else ""
        facts = [f"scaling {scaling}", *facts] if scaling else facts
        while facts and len(mark) + len(note.method) + 4 + len("  ".join(facts)) > width:
            facts.pop()  # what does not fit is in the title, too
        muted = ("  " + "  ".join(facts), palette.styles["muted"])
        method, *rest = wrap(note.method, width - len(mark) - 2)
        lines.append(line((mark, palette.styles["delta"]), f"  {method}", muted))
        lines += [line(f"    {part}") for part in wrap(" ".join(rest), width - 4) if rest]
        lines += _hit_lines(own, usual, palette, width)
        lines += flag_lines(note.flags, palette, width)
    return [*lines, *flag_lines(told, palette, width)]


def _hit_lines(hits: "Sequence[Hits]", usual: str, palette: Palette, width: int) -> Lines:
    """A line for each kind of target: how many modules, in which layers, and in which not."""
    longest = max((len(clean(hit.kind)) for hit in hits), default=0)
    name_width = max(4, min(longest, width // 3))
    lines = []
    for hit in hits[:MOST_HITS]:
        modules = f"{hit.modules} module{'s' * (hit.modules > 1)}"
        facts = "" if hit.facts == usual else hit.facts
        facts = facts if hit.alike else f"{hit.facts}, not all alike"
        parts: list[str | tuple[str, Style]] = [
            f"  {cut(clean(hit.kind), name_width):<{name_width}}  ",
            (f"{modules:<11}", palette.styles["delta"]),
        ]
        if hit.layers:
            parts.append(f"layers {cut(_numbers(hit.layers), LAYERS)}  ")
        if hit.missed:
            missed = f"{palette.glyphs.note} not in {cut(_numbers(hit.missed), LAYERS)}  "
            parts.append((missed, palette.styles["note"]))
        lines.append(line(*parts, (facts, palette.styles["muted"])))
    if len(hits) > MOST_HITS:
        text = f"  and {len(hits) - MOST_HITS} more kinds of modules"
        lines.append(line((text, palette.styles["muted"])))
    return lines


def flag_lines(flags: Sequence[str], palette: Palette, width: int, indent: int = 2) -> Lines:
    """What the user of an adapter must know."""
    mark, note = palette.glyphs.note, palette.styles["note"]
    shown = [
        (f"{mark} " if first else "  ") + part
        for flag in flags[:MOST_FLAGS]
        for first, part in zip([True, *[False] * 99], wrap(flag, width - 4), strict=False)
    ]
    if len(flags) > MOST_FLAGS:
        shown.append(f"{mark} {len(flags) - MOST_FLAGS} more: w to read")
    return [line((" " * indent + text, note)) for text in shown]


def _numbers(layers: Sequence[int]) -> str:
    return short_names(map(str, layers))


def sheet_figure(
    title: str,
    kind: str,
    finding: "ModuleFinding",
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
) -> Figure:
    """What adapters do to one module: their numbers, and the singular values of each change.

    Args:
        title: the module's path, safe to show.
        kind: what it is, safe to show.
        finding: what was computed.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most; a long list of singular values is cut there.
    """
    lines = [heading(title, kind, palette, width), *note_lines(notes, palette, width)]
    lines += flag_lines(finding.remarks, palette, width, indent=0)
    room = max(LEAST_VALUES, (height - len(lines)) // max(1, len(finding.changes)) - SHEET_LINES)
    for change in finding.changes:
        lines += [Strip([]), *_change_lines(change, palette, width, room)]
    muted = palette.styles["muted"]
    whole = all(change.sheet.method == SAVED for change in finding.changes)
    what = "Its weight shows the change itself" + ("." if whole else ", v the ranks below.")
    lines += [Strip([]), *[line((part, muted)) for part in wrap(what, width)]]
    return Figure(fitted(lines, palette, width))


def _change_lines(change: "ModuleChange", palette: Palette, width: int, room: int) -> Lines:
    sheet = change.sheet
    leaf = clean(sheet.weight.removeprefix(f"{sheet.module}."), 40)
    lines = [
        line(
            (f"{palette.glyphs.delta} {change.adapter}", palette.styles["delta"]),
            f"  {sheet.method} on {leaf}",
            (f"  {fmt.shape(sheet.shape)}", palette.styles["muted"]),
        )
    ]
    numbers = (("rank", sheet.rank), ("alpha", sheet.alpha), ("scaling", sheet.scaling))
    # What an adapter brings whole has none of them.
    left = [] if sheet.method == SAVED else [(name, _known(number)) for name, number in numbers]
    effective = fmt.number(sheet.effective_rank)
    right = [
        ("L2", fmt.number(sheet.l2)),
        ("relative L2", fmt.number(sheet.rel_l2)),
        ("eff. rank", f"{effective} of {sheet.rank}" if sheet.rank else effective),
    ]
    ours, theirs = _pairs(left, palette), _pairs(right, palette)
    lines += side_by_side(ours, theirs, min(width // 2, 26)) if left else theirs
    if sheet.note:
        lines += note_lines([clean(sheet.note, 200)], palette, width)
    if change.values:
        lines.append(
            line(("singular values, and their share of its energy", palette.styles["muted"]))
        )
        lines += _value_lines(change.values, palette, width, room)
    return lines


def _known(value: float | None) -> str:
    return "not known" if value is None else f"{value:g}"


def _pairs(rows: Sequence[tuple[str, str]], palette: Palette) -> Lines:
    return [line((f"{name:<12}", palette.styles["muted"]), value) for name, value in rows]


def _value_lines(values: Sequence[float], palette: Palette, width: int, room: int) -> Lines:
    """Singular values as bars, the largest first."""
    largest = values[0] or 1.0
    energy = sum((value / largest) ** 2 for value in values) or 1.0
    shown = values if len(values) <= room else values[: max(1, room - 1)]
    digits = len(str(len(shown)))
    most = max(4, min(MOST_BAR, width - digits - 22))
    lines = []
    for number, value in enumerate(shown, 1):
        share = value / largest
        filled = max(1 if share > 0.0 else 0, round(share * most))
        bar = ("#" if palette.ascii_only else "█") * filled
        part = fmt.percent((value / largest) ** 2 / energy)
        lines.append(
            line(
                (f"{number:>{digits}} ", palette.styles["muted"]),
                f"{fmt.number(value):>8} ",
                (f"{part:>6} ", palette.styles["muted"]),
                (bar, palette.bar_style(share)),
            )
        )
    if len(shown) < len(values):
        lines.append(not_shown(len(values) - len(shown), palette, "values"))
    return lines
