"""Stages of activations for a query: found again where they are kept, else by running models.

The model runs first: which of its modules give something is known then, and the reference is
asked for those that answer them. One model is in memory at a time.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from inspect_core.capture.texts.source import TextSource
from inspect_core.control import Part, Progress, Silent
from inspect_core.opening import Live
from inspect_core.text import clean
from inspect_core.work.jobs import Context, map_of, pairing_of
from inspect_core.work.listings import Source
from inspect_core.work.module_pairs import module_pairs, paths_in_reference
from inspect_core.work.running import chosen_device, free_memory, running
from inspect_core.work.stage_modules import meant, missing_note, present
from inspect_core.work.stage_store import HeldStages, stage_key, store_stage, stored_stage

if TYPE_CHECKING:
    from inspect_core.activations.stage import Stage
    from inspect_core.capture.loading import RunningModel
    from inspect_core.capture.texts import Texts
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.work.activation_jobs import ActivationQuery

UNIT = "texts"
"""What progress counts."""

MOST_SHOWN = 3
"""Queries whose stages a neuron is looked up in, whatever became of the files since."""

_held = HeldStages()
_shown: "OrderedDict[ActivationQuery, FoundStages]" = OrderedDict()
_lock = Lock()


@dataclass(frozen=True, eq=False, slots=True)
class FoundStages:
    """The two stages of a query.

    Attributes:
        before: of the reference; None where there is nothing to compare.
        after: of the model.
        texts: of each side, and the fingerprint of what they held.
    """

    before: "Stage | None"
    after: "Stage"
    texts: tuple[tuple[TextSource, str], tuple[TextSource, str]]


def find_stages(query: "ActivationQuery", context: Context) -> FoundStages:
    """The stages of a query.

    Raises:
        Cancelled: nobody waits for them any more.
        LamellaError: the texts or a model cannot be used.
    """
    finder = _Finder(query, context, 1 if query.is_alone else 2)
    both = (query.before_texts, query.texts)
    before: Stage | None = None
    if query.is_alone:
        (after,) = finder.of_model((query.texts,))
    elif query.reference is None:
        before, after = finder.of_model(both)
    else:
        (after,) = finder.of_model((query.texts,))
        before = finder.of_reference(query.reference, query.before_texts, after)
        if before.title == after.title:
            before = replace(before, title=f"{before.title} (reference)")
    sides = [(source, finder.texts(source).fingerprint) for source in both]
    found = FoundStages(before, after, (sides[0], sides[1]))
    with _lock:
        _shown[query] = found
        _shown.move_to_end(query)
        while len(_shown) > MOST_SHOWN:
            _shown.popitem(last=False)
    return found


def shown_stages(query: "ActivationQuery") -> FoundStages | None:
    """What `find_stages` found for a query last, in this process; None if that is long ago."""
    with _lock:
        return _shown.get(query)


def find_several(
    query: "ActivationQuery", between: Sequence[Source], context: Context
) -> "tuple[Stage, ...]":
    """Stages of training on the same texts, in order: the reference, those between, the model.

    Raises:
        Cancelled: nobody waits for them any more.
        LamellaError: the texts or a model cannot be used.
    """
    earlier = [*([] if query.reference is None else [query.reference]), *between]
    finder = _Finder(query, context, 1 + len(earlier))
    (last,) = finder.of_model((query.texts,))
    found = [finder.of_reference(source, query.texts, last) for source in earlier]
    return (*found, last)


def forget() -> None:
    """Forget what is held in memory; what is on disk stays."""
    _held.clear()
    with _lock:
        _shown.clear()


class _Finder:
    """Finds the stages of one query."""

    def __init__(self, query: "ActivationQuery", context: Context, stages: int) -> None:
        from inspect_core.capture.tagger import find_tagger

        self._query, self._context = query, context
        self._texts: dict[TextSource, Texts] = {}
        # What is cheap to refuse is refused before a model is loaded.
        self._tagger = find_tagger(query.tagger) if query.tagger else None
        self._device = chosen_device(query.device)
        sizes = [self.texts(source).count for source in (query.before_texts, query.texts)]
        self._done, self._total = 0, sizes[1] + (stages - 1) * sizes[0]

    def texts(self, source: TextSource) -> "Texts":
        """Opened texts."""
        from inspect_core.capture.texts import open_texts

        if source not in self._texts:
            self._texts[source] = open_texts(source, Silent(self._context.control))
        return self._texts[source]

    def of_model(self, sources: Sequence[TextSource]) -> "list[Stage]":
        """A stage of the model for each file of texts."""
        query = self._query
        checkpoint = self._context.open(query.model)
        return self._stages(
            checkpoint, sources, (query.paths, query.modules), lambda model: meant(model, query)
        )

    def of_reference(self, source: Source, texts: TextSource, after: "Stage") -> "Stage":
        """The stage of a reference at the modules that answer those of the model's stage."""
        model = self._context.open(self._query.model)
        reference = self._context.open(source)
        paths = list(dict.fromkeys(site.site.path for site in after.sites))
        matches = pairing_of(model, reference, map_of(source)).matches
        names = paths_in_reference(paths, module_pairs(matches), model.tensors, reference.tensors)
        theirs = tuple(dict.fromkeys(names.values()))
        (stage,) = self._stages(
            reference, (texts,), theirs, lambda running: present(running, theirs)
        )
        ours = {other: path for path, other in names.items()}
        sites = [
            replace(one, site=replace(one.site, path=ours[one.site.path]))
            for one in stage.sites
            if one.site.path in ours
        ]
        found = {one.site.path for one in sites}
        missing = [path for path in paths if path not in found]
        notes = (*stage.notes, *missing_note(missing, reference.title))
        return replace(stage, sites=tuple(sites), notes=notes)

    def _stages(
        self,
        checkpoint: "Checkpoint",
        sources: Sequence[TextSource],
        asked: object,
        chosen: "Callable[[RunningModel], Sequence[str]]",
    ) -> "list[Stage]":
        found: dict[TextSource, Stage] = {}
        for source in sources:
            key = self._key(checkpoint, source, asked)
            stage = None if key is None else _kept(checkpoint, key)
            if stage is not None:
                found[source] = stage
                self._total -= self.texts(source).count
        missing = [source for source in dict.fromkeys(sources) if source not in found]
        if missing:
            found |= self._collected(checkpoint, missing, asked, chosen)
            free_memory(self._device)
        # What is left out of a file says nothing of another one with the same texts.
        return [
            replace(
                found[source],
                title=self._title(checkpoint, source),
                notes=(*self.texts(source).notes(), *found[source].notes),
            )
            for source in sources
        ]

    def _collected(
        self,
        checkpoint: "Checkpoint",
        sources: Sequence[TextSource],
        asked: object,
        chosen: "Callable[[RunningModel], Sequence[str]]",
    ) -> "dict[TextSource, Stage]":
        from inspect_core.activations.collect import collect_stage

        query, control = self._query, self._context.control
        control.report(Progress(self._done, self._total, UNIT))
        keys = {source: self._key(checkpoint, source, asked) for source in sources}
        found = {}
        with running(checkpoint, self._device, query.tokenizer, control) as model:
            paths = chosen(model)
            for source in sources:
                texts = self.texts(source)
                stage = collect_stage(
                    model, texts, paths, query.rule, Part(control, self._done, self._total, UNIT),
                    inputs=query.inputs, tagger=None if source.tags else self._tagger,
                    title=self._title(checkpoint, source),
                )  # fmt: skip
                self._done += texts.count
                control.report(Progress(self._done, self._total, UNIT))
                found[source] = stage
        for source, stage in found.items():
            key = keys[source]
            # Of files that changed meanwhile nobody can say which ones were read.
            if key is not None and key == self._key(checkpoint, source, asked):
                _held.put(key, stage)
                if not isinstance(checkpoint.uri, Live):
                    store_stage(key, stage)
        return found

    def _key(self, checkpoint: "Checkpoint", source: TextSource, asked: object) -> bytes | None:
        query = self._query
        values = (
            self.texts(source).fingerprint, source.text, source.tags, source.labels, source.most,
            query.rule, query.inputs, query.tagger, self._device.partition(":")[0], asked,
        )  # fmt: skip
        return stage_key(checkpoint, query.tokenizer, values)

    def _title(self, checkpoint: "Checkpoint", source: TextSource) -> str:
        title = clean(checkpoint.title)
        if self._query.before_texts.path == self._query.texts.path:
            return title
        return f"{title} on {clean(Path(source.path).name)}"


def _kept(checkpoint: "Checkpoint", key: bytes) -> "Stage | None":
    found = _held.get(key)
    if found is None and not isinstance(checkpoint.uri, Live):
        found = stored_stage(key)
        if found is not None:
            _held.put(key, found)
    return found
