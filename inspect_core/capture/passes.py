"""Running a model over texts: one pass a batch, whatever is asked of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from inspect_core.capture.batch import Batch
from inspect_core.capture.batches import BatchSize, make_batches
from inspect_core.capture.calling import Caller, Enough, SeenError, parts_of
from inspect_core.capture.hooks import evaluated, hooked
from inspect_core.capture.layouts import WHOLE, Extent
from inspect_core.capture.output import WHOLE_MODEL, Output, Site
from inspect_core.capture.probing import Call, Probe, probe
from inspect_core.capture.running import RunningModel
from inspect_core.capture.sites import refuse_untrained
from inspect_core.capture.threads import threads_for
from inspect_core.control import Control, Progress
from inspect_core.errors import UsageError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.capture.texts.some_texts import SomeTexts

Visit = Callable[[Batch, Output], None]
"""Takes what a site gave for a batch, at once; must not change it."""

ON_CPU, ON_GPU = BatchSize(32, 2_048), BatchSize(256, 32_768)
"""Texts, and rows times positions, of a batch: more is slower where it leaves the caches."""

_TOLD = 5
"""Modules that a note names."""


@dataclass(frozen=True, slots=True)
class PassReport:
    """What was run.

    Attributes:
        samples: texts.
        tokens: of all texts, without special ones.
        words: of all texts.
        sites: what the visitor was given values of, in the order of the model.
        notes: what is good to know, safe to show; what the texts say of themselves is not in it.
        skipped: path and reason of each module that gave nothing for the tokens; the paths are
            foreign, the reasons safe.
        too_long: texts that were left out because they would have been cut.
        most: tokens that a text may have.
    """

    samples: int
    tokens: int
    words: int
    sites: tuple[Site, ...]
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    too_long: int = 0
    most: int = 0


def run_passes(
    model: RunningModel,
    texts: "SomeTexts",
    paths: Sequence[str],
    visit: Visit,
    control: Control,
    *,
    inputs: bool = False,
    tagger: Callable[[list[str]], list[str]] | None = None,
    size: BatchSize | None = None,
    whole_texts: bool = False,
    cutting: bool = True,
) -> PassReport:
    """Run a model over texts and hand what modules give to a visitor, at once.

    Nothing is kept: a pass takes the memory that it takes without anybody looking. It ends
    behind the last module that is asked for.

    Args:
        model: the model; its modes and its hooks are afterwards what they were.
        texts: read once.
        paths: modules, as the model's tree has them.
        visit: called inside the pass for every site and batch (a batch may come in parts).
        control: polled before each batch and at each module; told of progress in texts.
        inputs: what the modules read, not what they give.
        tagger: gives tags to words, where the texts have none.
        size: how large batches may be; `most` is at most what the model takes.
        whole_texts: whether a module that gives one result a text, and none a token, is taken
            too; its output has one position, which is attended and of no word.
        cutting: whether a text that is too long is cut at its end; else it is left out.

    Raises:
        UsageError: nothing that is asked for gives values of tokens, or is not there.
        LamellaError: the texts cannot be read, or the model fails on them.
        Cancelled: the work is no longer wanted.
    """
    modules, doubles = _modules(model, paths)
    usual = ON_CPU if model.device.type == "cpu" else ON_GPU
    most = model.most_tokens if size is None else min(model.most_tokens, size.most)
    size = replace(size or usual, most=most)
    batches = make_batches(texts, model.tokenizer, size, tagger, control, cutting)
    run = _Run(model, modules, visit, control, inputs, whole_texts)
    with evaluated(model.module, model.live):
        for batch in batches:
            control.check()
            run.batch(batch)
            control.report(Progress(batches.given, texts.count, "texts"))
    found = run.found
    notes = (*model.notes, *batches.notes())
    too_long = batches.too_long
    if found is None:
        return PassReport(batches.given, batches.tokens, 0, (), notes, too_long=too_long, most=most)
    return PassReport(
        samples=batches.given,
        tokens=batches.tokens,
        words=run.words,
        sites=run.sites_in_order(),
        notes=(*notes, *doubles, *found.notes, *_left_out(found.skipped)),
        skipped=tuple(found.skipped.items()),
        too_long=too_long,
        most=most,
    )


def _modules(
    model: RunningModel, paths: Iterable[str]
) -> tuple[dict[str, torch.nn.Module], tuple[str, ...]]:
    """The modules of paths, each once, in the order of the model, and notes about others."""
    place = {path: at for at, path in enumerate(model.modules)}
    asked = sorted(dict.fromkeys(paths), key=lambda path: place.get(model.path_of(path), 0))
    if not asked:
        raise UsageError("no module was chosen", hint="give one with --module PATTERN")
    found: dict[str, torch.nn.Module] = {}
    first: dict[int, str] = {}
    notes = []
    for path in asked:
        own = model.path_of(path)
        refuse_untrained(model, path, own)
        module = model.modules[own]
        if id(module) in first:
            notes.append(f"{clean(path)} is the same module as {clean(first[id(module)])}")
            continue
        first[id(module)] = path
        found[path] = module
    more = len(notes) - _TOLD
    if more > 0:
        notes[_TOLD:] = [f"and so for {more:,} more modules"]
    return found, tuple(notes)


def _left_out(skipped: Mapping[str, str]) -> list[str]:
    """One note for each reason: many modules are left out for the same one."""
    by_reason: dict[str, list[str]] = {}
    for path, why in skipped.items():
        by_reason.setdefault(why, []).append(path or WHOLE_MODEL)
    told = []
    for why, paths in by_reason.items():
        named = ", ".join([clean(path, 60) for path in paths[:_TOLD]])
        more = f" and {len(paths) - _TOLD:,} more" if len(paths) > _TOLD else ""
        told.append(f"{named}{more} {'is' if len(paths) == 1 else 'are'} left out: {why}")
    rest = sum(len(paths) for paths in [*by_reason.values()][_TOLD:])
    return [*told[:_TOLD], *([f"{rest:,} more modules are left out"] if rest else [])]


class _Run:
    """The passes of one run."""

    def __init__(
        self,
        model: RunningModel,
        modules: Mapping[str, torch.nn.Module],
        visit: Visit,
        control: Control,
        inputs: bool,
        whole_texts: bool,
    ) -> None:
        self._model, self._modules, self._visit = model, modules, visit
        self._control, self._inputs, self._whole_texts = control, inputs, whole_texts
        self._caller = Caller(model)
        self._threads = threads_for(model.device, model.live)
        self._sites: dict[Call, Site] = {}
        self.found: Probe | None = None
        self.words = 0

    def batch(self, batch: Batch) -> None:
        """Run one batch, in as many parts as it takes."""
        if self.found is None:
            self.found = self._probed(batch)
        self.words += len(batch.words)
        for part in parts_of(batch, self._caller.splits):
            self._control.check()
            with self._threads.used(part.ids.size):
                _Pass(self, part).run()

    def sites_in_order(self) -> tuple[Site, ...]:
        """The sites, by module, then by call."""
        place = {path: at for at, path in enumerate(self._modules)}
        return tuple(sorted(self._sites.values(), key=lambda site: (place[site.path], site.call)))

    def _probed(self, batch: Batch) -> Probe:
        asked = (self._modules, batch, self._inputs, self._whole_texts)
        found = probe(self._model, self._caller, *asked)
        side = "input" if self._inputs else "output"
        for path, at in found.layouts:
            self._sites[path, at] = Site(path, at, found.calls[path], side)
        if not self._sites:
            path, why = next(iter(found.skipped.items()))
            what = "reads" if self._inputs else "gives"
            raise UsageError(
                f"no module that was chosen {what} values for each token: {why}",
                where=path or self._model.title,
                hint="choose a block, an attention or a feed-forward module, or an embedding",
            )
        return found


class _Pass:
    """One pass: what its hooks see goes to the visitor."""

    def __init__(self, run: _Run, batch: Batch) -> None:
        self._run, self._batch = run, batch
        rows, positions = batch.ids.shape
        self._extent: Extent = run._caller.extent(rows, positions)
        device = run._model.device
        self._word = torch.from_numpy(batch.word).to(device)
        self._attended = torch.from_numpy(batch.attended).to(device)
        self._calls: dict[str, int] = {}

    def run(self) -> None:
        run = self._run
        try:
            with hooked(run._modules, self._see, run._inputs):
                run._caller.call(self._batch.ids, self._batch.attended)
        except Enough:
            pass
        except SeenError as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None
        assert run.found is not None
        for path, calls in run.found.calls.items():
            if path not in run.found.skipped and self._calls.get(path, 0) != calls:
                raise self._otherwise(path, f"it was called {self._calls.get(path, 0)} times")

    def _see(self, path: str, value: object) -> None:
        run = self._run
        run._control.check()
        call = (path, self._calls.get(path, 0))
        self._calls[path] = call[1] + 1
        assert run.found is not None
        layout = run.found.layouts.get(call)
        if layout is None:
            return
        values = layout.take(value, self._extent)
        if values is None:
            raise self._otherwise(path, "what it gives has another shape")
        word, attended = self._word, self._attended
        if layout.form == WHOLE:
            word, attended = word.new_full((len(word), 1), -1), attended.new_ones(len(word), 1)
        elif layout.decoder:
            word = torch.nn.functional.pad(word, (1, 0), value=-1)
            attended = torch.nn.functional.pad(attended, (1, 0), value=True)
        try:
            run._visit(self._batch, Output(run._sites[call], values, word, attended))
        except Exception as error:
            raise SeenError from error
        if call == run.found.last:
            raise Enough

    def _otherwise(self, path: str, what: str) -> UsageError:
        return UsageError(
            f"works in another way for each batch: {what}",
            where=path or self._run._model.title,
            hint="leave it out, and choose the module above it",
        )
