"""What the title, the status line and the warnings say; pure text from the session."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.control import Progress
from inspect_core.text import clean
from tui import format as fmt
from tui.session import Session
from tui.side_files import difference_lines
from tui.states import shares_of

if TYPE_CHECKING:
    from inspect_core.work.listings import PairListing

MOST_ALIKE = 3
"""Tensors with one reason that have a line each; more of them share one."""

MOST_REASONS = 200
"""Lines of the warnings that say why tensors have no partner."""


def warnings(session: Session) -> list[str]:
    """Everything a user should know about both checkpoints, safe to show."""
    listing, pairs = session.listing, session.pairs
    found = list(session.complaints)
    if listing is not None:
        found += [clean(warning, 400) for warning in listing.warnings]
        found += [f"adapters: {clean(told, 400)}" for told in session.read_of_adapters]
    if listing is not None:
        found += [
            f"{clean(listing.names[tensor], 120)}: {lost} NaN or infinite values"
            for tensor, lost in session.nonfinite(MOST_REASONS)
        ]
    if pairs is not None and listing is not None:
        found += [f"reference: {clean(warning, 400)}" for warning in pairs.warnings]
        own = session.brought
        unpaired = len(pairs.status) - session.compared - len(own)
        first = [at for at in pairs.unpaired(MOST_REASONS + len(own)) if at not in own]
        found += _reasons(listing.names, pairs, first[:MOST_REASONS])
        if unpaired > MOST_REASONS:
            found.append(f"and {unpaired - MOST_REASONS} more without a partner")
        if pairs.removed:
            names = ", ".join(clean(name, 80) for name in pairs.removed[:20])
            found.append(f"only in the reference ({len(pairs.removed)}): {names}")
    return found


def _reasons(names: Sequence[str], pairs: "PairListing", unpaired: Sequence[int]) -> list[str]:
    """Why tensors have no partner: a line a tensor, one for all where many have one reason."""
    by_reason: dict[str, list[str]] = {}
    for tensor in unpaired:
        by_reason.setdefault(pairs.reason_of(tensor), []).append(clean(names[tensor], 120))
    lines = []
    for reason, found in by_reason.items():
        if len(found) <= MOST_ALIKE:
            lines += [f"{name}: {clean(reason)}" for name in found]
        else:
            some = ", ".join(found[:MOST_ALIKE])
            lines.append(f"{len(found)} tensors: {clean(reason)}: {some}, ...")
    return lines


def notes(session: Session) -> list[str]:
    """What is good to know and nothing to worry about, safe to show."""
    listing = session.listing
    if listing is None:
        return []
    files = "1 file" if listing.files == 1 else f"{listing.files:,} files"
    opened = f"{listing.format}, {files}" if listing.files else listing.format
    found = [opened, *[aside.told for aside in listing.aside]]
    if session.common is not None:
        found.append(session.common.told)
    found += listing.notes
    if session.pairs is not None:
        rules = sorted(session.pairs.rules.items(), key=lambda rule: -rule[1])
        found += [f"{count:,} paired by: {clean(rule, 200)}" for rule, count in rules]
    if session.files:
        found += ["", "beside the weights, reference → model:", *difference_lines(session.files)]
    return found


def ready(session: Session, problem: str) -> tuple[str, bool]:
    """The status line while nothing runs, and whether there is something to warn of.

    Args:
        session: what is known.
        problem: what went wrong last and still stands; empty if nothing.
    """
    listing, pairs = session.listing, session.pairs
    if listing is None:
        return "", False
    parts = [problem] if problem else []
    if pairs is not None:
        if not pairs.paired and listing.names:
            parts.append("nothing in common with the reference: is it the right one?")
        total = len(listing.names) - len(session.brought)
        parts.append(f"{session.compared} of {total} tensors compared")
    elif listing.adapted is not None and listing.adapted.base is None:
        parts.append("an adapter without its base: press r to name it, or start with --ref BASE")
    elif not session.expects_pairs:
        parts.append("no reference: press r, or start with --ref BASE")
    count = len(warnings(session))
    if count:
        parts.append(f"{count} warning{'s' if count > 1 else ''}: w to read")
    if listing.note:
        parts.append(listing.note)
    if listing.notes:
        several = f"{len(listing.notes)} notes: w to read"
        parts.append(listing.notes[0] if len(listing.notes) == 1 else several)
    return clean("  ".join(parts), 400), bool(count or problem)


def title(session: Session, device: str) -> tuple[list[tuple[str, str]], str]:
    """The title bar: parts with the state whose colour they take, and figures."""
    listing, pairs = session.listing, session.pairs
    left = [("lamella", "type")]
    if listing is None:
        return left, device
    if session.saved:
        left.append(("result of", "muted"))
    left.append((clean(listing.title, 40), "module"))
    totals = listing.tree.root.totals
    figures = [
        f"{fmt.params(totals.params)} parameters",
        *shares_of(totals),
        fmt.size(listing.nbytes),
        listing.format,
    ]
    if session.common is not None:
        figures.insert(0, "common names")
    if pairs is not None:
        left += [("vs", "muted"), (clean(pairs.title, 40), "module")]
        sorted_by = " (sorted)" if session.by_change else ""
        # First, because what does not fit is dropped from the end: it names the tree's numbers.
        figures.insert(0, f"{session.metric.name}{sorted_by}")
    return left, "  ".join([*figures, device])


def progress_after(progress: Progress, elapsed: float) -> str:
    """Rate and remaining time of a job that has run for some seconds."""
    rate = progress.bytes_done / max(elapsed, 1e-3)
    left = (progress.bytes_total - progress.bytes_done) / max(rate, 1.0)
    return f"{fmt.size(int(rate))}/s  {fmt.duration(left)} left"
