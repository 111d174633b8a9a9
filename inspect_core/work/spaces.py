"""Spaces of representations for a query: found again where they are kept, else by running models.

One model is in memory at a time; one that reads several prompts is loaded once for all of them.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from inspect_core.control import Part, Progress, Silent
from inspect_core.errors import LamellaError, UsageError
from inspect_core.opening import Live
from inspect_core.text import clean
from inspect_core.work.jobs import Context
from inspect_core.work.listings import Source
from inspect_core.work.representation_store import (
    HeldRepresentations,
    representation_key,
    store_representations,
    stored_representations,
)
from inspect_core.work.running import chosen_device, free_memory, running

if TYPE_CHECKING:
    from inspect_core.capture.running import RunningModel
    from inspect_core.capture.texts.some_texts import SomeTexts
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.geometry.landscape import LandscapeReport, LayerDetail
    from inspect_core.geometry.measure import Layer
    from inspect_core.geometry.representations import Representations
    from inspect_core.work.geometry_jobs import AskedSpace, GeometryQuery

TEXTS = "texts"
"""What progress counts first, over all spaces; then layers, and pairs of spaces."""

MOST_SHOWN = 2
"""Queries whose layers are kept worked out, for a look at one of them."""

_held = HeldRepresentations()
_shown: "OrderedDict[GeometryQuery, FoundSpaces]" = OrderedDict()
_lock = Lock()


@dataclass(frozen=True, eq=False, slots=True)
class FoundSpaces:
    """The spaces of a query, worked out.

    Attributes:
        report: what is shown of them.
        spaces: brought to the same texts.
        layers: of each space.
        texts: of each space; None where they are not known.
    """

    report: "LandscapeReport"
    spaces: "tuple[Representations, ...]"
    layers: "tuple[tuple[Layer, ...], ...]"
    texts: "tuple[SomeTexts | None, ...]"


def find_spaces(query: "GeometryQuery", context: Context) -> FoundSpaces:
    """The spaces of a query and their numbers.

    Raises:
        Cancelled: nobody waits for them any more.
        LamellaError: the texts, a file or a model cannot be used.
    """
    from inspect_core.geometry.aligning import aligned
    from inspect_core.geometry.report import landscape

    asked = query.expanded
    if not asked:
        raise UsageError("no model and no representations", hint="give one")
    finder = _Finder(query, context)
    spaces, notes = aligned(_titled(finder.spaces(asked)))
    report, layers = landscape(spaces, query.measured, context.control, notes)
    found = FoundSpaces(report, spaces, layers, tuple(map(finder.texts_of, asked)))
    with _lock:
        _shown[query] = found
        _shown.move_to_end(query)
        while len(_shown) > MOST_SHOWN:
            _shown.popitem(last=False)
    return found


def shown_spaces(query: "GeometryQuery") -> FoundSpaces | None:
    """What `find_spaces` found for a query last, in this process; None if that is long ago."""
    with _lock:
        return _shown.get(query)


def forget() -> None:
    """Forget what is held in memory; what is on disk stays."""
    _held.clear()
    with _lock:
        _shown.clear()


def detail_of(found: FoundSpaces, space: int, layer: int) -> "LayerDetail":
    """One layer closer, with the texts of its clusters where they can still be read.

    Raises:
        UsageError: there is no such layer.
    """
    from inspect_core.geometry.closer import layer_detail

    if not (0 <= space < len(found.spaces) and 0 <= layer < len(found.layers[space])):
        raise UsageError(f"no layer {layer + 1} of space {space + 1}")
    texts = found.texts[space]
    own = found.spaces[space], found.layers[space][layer]
    try:
        return layer_detail(*own, None if texts is None else texts.sentences)
    except LamellaError as error:
        detail = layer_detail(*own)
        return replace(detail, notes=(f"without texts: {error}",))


def save_spaces(found: FoundSpaces, folder: str) -> tuple[str, ...]:
    """Write every space into a folder, one file each; gives their paths.

    Raises:
        LamellaError: a file is there already, or cannot be written.
    """
    from inspect_core.geometry.saved import write_representations
    from inspect_core.new_file import require_new

    place = Path(folder)
    paths = [place / f"{name}.npz" for name in _file_names(found.spaces)]
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"cannot be made: {why}", where=folder, hint="choose another") from None
    for path in paths:
        require_new(path)
    for path, space in zip(paths, found.spaces, strict=True):
        write_representations(space, path)
    return tuple(map(str, paths))


def _file_names(spaces: "Sequence[Representations]") -> list[str]:
    """The titles in letters that every file system takes; each name once."""
    found: list[str] = []
    for space in spaces:
        kept = [char if char.isascii() and char.isalnum() else "-" for char in space.title[:200]]
        name = "-".join(part for part in "".join(kept).split("-") if part)[:60] or "space"
        found.append(name if name not in found else f"{name}-{len(found) + 1}")
    return found


class _Finder:
    """Finds the representations of one query."""

    def __init__(self, query: "GeometryQuery", context: Context) -> None:
        self._query, self._context = query, context
        self._texts: dict[int | None, SomeTexts] = {}
        # What is cheap to refuse is refused before a model is loaded.
        self._device = chosen_device(query.device) if query.runs_models else "cpu"

    def texts(self, shots: int | None) -> "SomeTexts":
        """The texts, or prompts with so many examples."""
        source = self._query.texts
        if source is None:
            raise UsageError("no texts for the model to read", hint="give a file of texts")
        if None not in self._texts:
            from inspect_core.capture.texts import open_texts

            self._texts[None] = open_texts(source, Silent(self._context.control))
        if shots not in self._texts:
            self._texts[shots] = self._prompts(shots or 0)
        return self._texts[shots]

    def texts_of(self, space: "AskedSpace") -> "SomeTexts | None":
        """What a space was made of; None where nobody says."""
        return None if self._query.texts is None else self.texts(space.shots)

    def spaces(self, asked: "Sequence[AskedSpace]") -> "list[Representations]":
        """The representations of all spaces, in their order."""
        found: dict[int, Representations] = {}
        missing: list[int] = []
        for at, space in enumerate(asked):
            if space.model is None:
                found[at] = self._saved(space)
                continue
            kept = self._kept(space)
            if kept is None:
                missing.append(at)
            else:
                found[at] = kept
        found |= self._collected({at: asked[at] for at in missing})
        return [self._named(asked[at], found[at]) for at in range(len(asked))]

    def _prompts(self, shots: int) -> "SomeTexts":
        from inspect_core.capture.prompts import TEMPLATE, FewShot

        query = self._query
        return FewShot(self.texts(None), shots, query.template or TEMPLATE, seed=query.seed)

    def _saved(self, space: "AskedSpace") -> "Representations":
        from inspect_core.geometry.saved import read_representations

        texts = self._query.texts
        labels = texts if texts is not None and texts.labels else None
        return read_representations(space.saved, labels, control=Silent(self._context.control))

    def _collected(self, missing: "dict[int, AskedSpace]") -> "dict[int, Representations]":
        """Run every model over all that it has to read."""
        total = sum(self.texts(space.shots).count for space in missing.values())
        by_model: dict[Source, list[int]] = {}
        for at, space in missing.items():
            assert space.model is not None
            by_model.setdefault(space.model, []).append(at)
        found: dict[int, Representations] = {}
        done = 0
        for source, places in by_model.items():
            checkpoint = self._context.open(source)
            spaces = [missing[at] for at in places]
            found |= zip(places, self._run(checkpoint, spaces, done, total), strict=True)
            done += sum(self.texts(space.shots).count for space in spaces)
            free_memory(self._device)
        return found

    def _run(
        self, checkpoint: "Checkpoint", spaces: "Sequence[AskedSpace]", done: int, total: int
    ) -> "list[Representations]":
        from inspect_core.geometry.collecting import collect_representations

        query, control = self._query, self._context.control
        control.report(Progress(done, total, TEXTS))
        keys = [self._key(checkpoint, space) for space in spaces]
        found = []
        with running(checkpoint, self._device, query.tokenizer, control) as model:
            paths = self._paths(model)
            for space in spaces:
                texts = self.texts(space.shots)
                part, whole = Part(control, done, total, TEXTS), space.shots is not None
                given = model, texts, paths, query.pooling, part
                found.append(collect_representations(*given, cutting=not whole))
                done += texts.count
                control.report(Progress(done, total, TEXTS))
        for space, key, one in zip(spaces, keys, found, strict=True):
            # Of files that changed meanwhile nobody can say which ones were read.
            if key is not None and key == self._key(checkpoint, space):
                _held.put(key, one)
                if not isinstance(checkpoint.uri, Live):
                    store_representations(key, one)
        return found

    def _paths(self, model: "RunningModel") -> tuple[str, ...]:
        from inspect_core.capture.sites import chosen_paths
        from inspect_core.geometry.places import PLACES, layer_paths

        where = self._query.where
        return layer_paths(model, where) if where in PLACES else chosen_paths(model, (where,))

    def _kept(self, space: "AskedSpace") -> "Representations | None":
        assert space.model is not None
        checkpoint = self._context.open(space.model)
        key = self._key(checkpoint, space)
        if key is None:
            return None
        found = _held.get(key)
        if found is None and not isinstance(checkpoint.uri, Live):
            found = stored_representations(key)
            if found is not None:
                _held.put(key, found)
        return found

    def _key(self, checkpoint: "Checkpoint", space: "AskedSpace") -> bytes | None:
        query = self._query
        texts = self.texts(space.shots)
        values = (
            texts.fingerprint, texts.labels, space.shots, query.where, query.pooling,
            self._device.partition(":")[0],
        )  # fmt: skip
        return representation_key(checkpoint, query.tokenizer, values)

    def _named(self, space: "AskedSpace", found: "Representations") -> "Representations":
        title = space.title or clean(found.title)
        if not space.title and space.model is not None:
            title = clean(self._context.open(space.model).title)
        if space.shots is not None:
            title = f"{title}, {space.shots}-shot"
        # Of the file that is read now: the same texts may be what another one holds too.
        told = () if space.model is None else self.texts(space.shots).notes()
        return replace(found, title=title, notes=(*told, *found.notes))


def _titled(spaces: "Sequence[Representations]") -> "list[Representations]":
    """Spaces that can be told apart: those of one title are numbered."""
    titles = [space.title for space in spaces]
    found = []
    for at, space in enumerate(spaces):
        alike = titles.count(space.title)
        number = titles[: at + 1].count(space.title)
        found.append(replace(space, title=f"{space.title} ({number})") if alike > 1 else space)
    return found
