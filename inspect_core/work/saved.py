"""Saved results in the app: opening one in place of a model, and writing one."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspect_core.delta.collect import NOTHING, Collect
from inspect_core.work.jobs import Context, Job, map_of, pairing_of
from inspect_core.work.listings import Listing, PairListing, Source, Uri

if TYPE_CHECKING:
    from inspect_core.delta.table import SummaryTable
    from inspect_core.results.saved import Saved
    from inspect_core.results.side_files import FileDifference

SUFFIX = ".lamella"
"""How a saved result is best called; it is known by its content."""

SAVED_FORMAT = "saved result"
"""What a listing says in place of the files' format."""


_NOT_ASKED_FOR: Any = {"status": "unsupported", "reason": "not asked for when it was compared"}


@dataclass(frozen=True, eq=False)
class SavedPair:
    """What a saved result knows beside the model's listing.

    Attributes:
        pairs: which tensor of the reference answered which.
        table: the summaries, by index in the listing; then what only the reference has.
        collected: what the table has beside the sums.
        files: what else differs.
    """

    pairs: PairListing
    table: "SummaryTable"
    collected: Collect
    files: "tuple[FileDifference, ...]"


@dataclass(frozen=True)
class _Reference:
    """The reference of a saved result."""

    title: str
    uri: Uri
    warnings: tuple[str, ...]
    identity: tuple[object, ...] = ()


def saved_path(uri: Uri) -> Path | None:
    """The saved result that a uri names; None where it names something else."""
    from inspect_core.results.saved import is_saved

    if not isinstance(uri, str) or not uri:
        return None
    for text in (uri, os.path.expanduser(uri)):  # noqa: PTH111 - Path raises on ~nobody
        path = Path(os.path.abspath(text))  # noqa: PTH100 - resolve() would follow links
        try:
            if path.is_file():
                return path if is_saved(path) else None
        except (OSError, ValueError):
            return None
    return None


def open_saved(path: Path, uri: Uri) -> Listing:
    """The listing of a model that is not here, from what a saved result says of it.

    Raises:
        CheckpointError: see `inspect_core.results.saved.load`.
    """
    from inspect_core.results.saved import read_saved

    return _listing(read_saved(path), uri)


def _listing(saved: "Saved", uri: Uri) -> Listing:
    found = saved.comparison
    model, reference = found.model, found.reference
    about = _Reference(reference.title, reference.uri, reference.warnings)
    kept = set(found.kept)
    matches = [
        match if match.pair is None or at in kept else replace(match, **_NOT_ASKED_FOR)
        for at, match in enumerate(found.matches)
    ]
    return Listing(
        uri=uri,
        title=model.title,
        names=[match.model.name for match in found.matches if match.model is not None],
        tree=found.tree(),
        nbytes=saved.nbytes[0],
        files=1,
        metadata={},
        has_config=False,
        warnings=model.warnings,
        format=SAVED_FORMAT,
        note=f"a saved result of {saved.made} UTC: numbers without the models",
        identity=saved.identity,
        saved=SavedPair(
            PairListing.of(about, matches, found.rules), found.table, found.collected, found.files
        ),
    )


@dataclass(frozen=True)
class FindFileDifferences(Job["tuple[FileDifference, ...]"]):
    """Compare what lies beside the weights: configs, tokenizer, chat template.

    Attributes:
        model: the model.
        reference: what it is compared with.
    """

    model: Source
    reference: Source
    background = True

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "comparing the configs"

    def run(self, context: Context) -> "tuple[FileDifference, ...]":
        """See `Job.run`."""
        from inspect_core.results.side_files import side_file_differences

        model, reference = context.open(self.model), context.open(self.reference)
        return side_file_differences(reference.folder, model.folder)


@dataclass(frozen=True, eq=False)
class SaveResult(Job[str]):
    """Write a finished sweep to a new file.

    Attributes:
        path: the file.
        model: the model.
        reference: what it was compared with.
        table: the summaries, by index in the listing.
        collected: what they have beside the sums.
    """

    path: str
    model: Source
    reference: Source
    table: "SummaryTable"
    collected: Collect = NOTHING

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "saving the result"

    def run(self, context: Context) -> str:
        """See `Job.run`; returns the path.

        Raises:
            UsageError: the file is there already, or cannot be written.
        """
        from inspect_core.results.comparison import Comparison, Side
        from inspect_core.results.saved import save
        from inspect_core.results.side_files import side_file_differences

        model, reference = context.open(self.model), context.open(self.reference)
        pairing = pairing_of(model, reference, map_of(self.reference))
        count = len(pairing.matches)
        sides = Side.of(model), Side.of(reference)
        save(
            Path(self.path),
            Comparison(
                *sides,
                matches=pairing.matches,
                rules=pairing.rules,
                kept=range(count),
                table=self.table,
                files=side_file_differences(reference.folder, model.folder),
                collected=self.collected,
            ),
        )
        return self.path
