"""`lamella geometry`: representations along the layers, printed or as a file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import UsageError
from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.places import BLOCKS
from inspect_core.geometry.representations import LAST
from inspect_core.opening import Adapted, Files, Uri
from inspect_core.text import clean
from inspect_core.work.backend import Backend, Workers
from inspect_core.work.geometry_jobs import (
    AskedSpace,
    FindLandscape,
    FindLayer,
    GeometryQuery,
    SaveSpaces,
)
from tui.commands.diff_sense import PICTURES, SUFFIXES
from tui.commands.geometry_files import details_text, report_text
from tui.commands.geometry_tables import print_details, print_matrices, print_report
from tui.commands.output import Output, into, note
from tui.commands.running import meant_form, submit, tell, write
from tui.geometry.notes import all_notes
from tui.terminal import Look, choose_theme

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport, LayerDetail

ENDINGS = {**SUFFIXES, **{ending: ending.removeprefix(".") for ending in PICTURES}}
"""What a file's ending means."""

MOST_FITTING = 12
"""Layers of one name that are listed."""


@dataclass(frozen=True)
class Asked:
    """What `lamella geometry` is asked for; see its help."""

    reference: str | None = None
    between: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    texts: str | None = None
    text_column: str | None = None
    labels: tuple[str, ...] = ()
    most: int | None = None
    shots: tuple[int, ...] = ()
    template: str | None = None
    seed: int = 0
    pooling: str = LAST
    where: str = BLOCKS
    tokenizer: str | None = None
    device: str = "auto"
    save: Path | None = None
    k: int = 16
    z: float = 1.6
    overlap_k: int = 30
    share: float | None = None
    layer: str | None = None
    matrix: str | None = None
    form: str | None = None
    output: Path | None = None
    look: "Look | None" = field(default=None, repr=False)


def print_geometry(model: Files | None, adapters: Sequence[str], asked: Asked) -> None:
    """Find and print.

    Args:
        model: the last space but for saved ones; None for those alone.
        adapters: put on it; it is then compared with itself without them.
        asked: the options.

    Raises:
        LamellaError: texts, tokenizer, a file or a model cannot be used, or an option makes no
            sense.
    """
    form = meant_form(asked.form, asked.output, ENDINGS.items())
    _require_sense(asked, form)
    query = GeometryQuery(
        spaces=(*_models(model, adapters, asked), *_saved(asked)),
        texts=_source(asked),
        where=asked.where,
        pooling=asked.pooling,
        measured=Measured(asked.k, asked.z, asked.overlap_k, asked.share),
        shots=asked.shots,
        template=_template(asked.template),
        tokenizer=asked.tokenizer,
        device=asked.device,
        seed=asked.seed,
    )
    backend = workers()
    try:
        report = submit(backend, FindLandscape(query))
        if asked.save is not None:
            for path in submit(backend, SaveSpaces(query, str(asked.save))):
                note(f"written: {path}")
        if asked.layer is None:
            _report(report, asked, form, _read(asked, backend))
            return
        places = _places(asked.layer, report)
        _details([submit(backend, FindLayer(query, *place)) for place in places], report, asked,
                 form)  # fmt: skip
    finally:
        backend.close()


def workers() -> Backend:
    """Where the models run: what is killed or hangs there leaves this process alive."""
    return Workers()


def _require_sense(asked: Asked, form: str) -> None:
    if not (math.isfinite(asked.z) and asked.z >= 0):
        raise UsageError("is a number of standard errors, 0 or more", where="--z")
    if asked.share is not None and not 0 < asked.share <= 1:
        raise UsageError("is a share of points, above 0 and at most 1", where="--share")
    if asked.labels and asked.texts is None:
        raise UsageError("are columns of a file", where="--labels", hint="give --text FILE")
    if asked.template is not None and not asked.shots:
        raise UsageError("goes with --shots", where="--template", hint="--shots 0 has no examples")
    if asked.layer is not None and asked.matrix is not None:
        raise UsageError("is of all layers", where="--matrix", hint="leave --layer out")
    if form in ("svg", "png") and (asked.layer or asked.matrix):
        option = "--layer" if asked.layer else "--matrix"
        raise UsageError("a picture is of the curves", where=option, hint="leave it out")


def _models(model: Files | None, adapters: Sequence[str], asked: Asked) -> list[AskedSpace]:
    """The models in the order of training."""
    if model is None:
        if asked.reference is not None or adapters or asked.between:
            raise UsageError("give MODEL")
        if not asked.saved:
            raise UsageError("give MODEL", hint="or --saved, for saved representations")
        if asked.shots:
            raise UsageError("goes with MODEL", where="--shots")
        return []
    if asked.texts is None:
        raise UsageError("what does MODEL read?", hint="give --text FILE")
    from tui.commands.adapters import app_models

    ours, theirs = app_models(model, asked.reference, adapters)
    uris = [*([] if theirs is None else [theirs]), *[_between(s, theirs) for s in asked.between]]
    return [AskedSpace(uri) for uri in (*uris, ours)]


def _between(stage: str, reference: Uri | None) -> Uri:
    """A stage; an adapter sits on the reference."""
    from inspect_core.adapters.folders import is_adapter

    if not is_adapter(stage):
        return stage
    if not isinstance(reference, str | tuple):
        raise UsageError("is an adapter: give what it sits on", where=stage, hint="use --ref BASE")
    return Adapted(reference, (stage,))


def _saved(asked: Asked) -> list[AskedSpace]:
    return [AskedSpace(saved=path) for path in asked.saved]


def _source(asked: Asked) -> TextSource | None:
    if asked.texts is None:
        return None
    return TextSource(asked.texts, asked.text_column, None, asked.labels, asked.most)


def _template(typed: str | None) -> str:
    """A template as it was typed: a shell has no easy way to write the end of a line."""
    return (typed or "").replace("\\n", "\n")


def _places(name: str, report: "LandscapeReport") -> list[tuple[int, int]]:
    """The layer of each space that a name means, as indices."""
    found = []
    for at, space in enumerate(report.spaces):
        names = [layer.name for layer in space.layers]
        fits = [n for n, one in enumerate(names) if one == name or one.endswith(f".{name}")]
        if len(fits) > 1:
            listed = ", ".join(clean(names[n], 60) for n in fits[:MOST_FITTING])
            more = f" and {len(fits) - MOST_FITTING} more" if len(fits) > MOST_FITTING else ""
            hint = f"give one of {listed}{more}"
            raise UsageError(f"is one of {len(fits)} layers", where=name, hint=hint)
        found += [(at, fits[0])] if fits else []
    if not found:
        names = [layer.name for layer in report.spaces[-1].layers]
        shown = f"the layers are {names[0]} to {names[-1]}" if names else ""
        raise UsageError("is none of the layers", where=name, hint=shown)
    return found


def _read(asked: Asked, backend: Backend) -> dict[str, str | None]:
    """The file and its column of texts, which is found by its name where none was asked for."""
    from inspect_core.work.activation_jobs import LookAtTexts

    column = asked.text_column
    if asked.texts is not None and column is None and Path(asked.texts).is_file():
        column = submit(backend, LookAtTexts(asked.texts)).text
    return {"file": asked.texts, "text_column": column}


def _read_words(read: dict[str, str | None], labels: Sequence[str]) -> str:
    """What was read, for people; not yet cleaned."""
    if read["file"] is None:
        return ""
    parts = [f"text column {read['text_column']}"] if read["text_column"] is not None else []
    parts += [f"labels {', '.join(labels)}"] if labels else []
    name = Path(read["file"]).name
    return f"{name}: {', '.join(parts)}" if parts else name


def _report(
    report: "LandscapeReport", asked: Asked, form: str, read: dict[str, str | None]
) -> None:
    # The other ones have the notes in them.
    if form in ("csv", "tsv", "md") or (form == "table" and asked.matrix is not None):
        tell(all_notes(report))
    if form == "table":
        with into(asked.output):
            output = Output(asked.look)
            if asked.matrix is not None:
                print_matrices(report, asked.matrix, output, _read_words(read, asked.labels))
            else:
                print_report(report, output, _read_words(read, asked.labels))
    elif form in ("svg", "png"):
        from tui.curves_picture import curves_picture

        theme, _ = choose_theme(asked.look or Look())
        write(curves_picture(report, theme, form), asked.output)
    else:
        write(report_text(report, form, asked.matrix, read), asked.output)


def _details(
    details: "Sequence[LayerDetail]", report: "LandscapeReport", asked: Asked, form: str
) -> None:
    tell(list(dict.fromkeys(told for detail in details for told in detail.notes)))
    if form == "table":
        with into(asked.output):
            print_details(details, report, Output(asked.look))
    else:
        write(details_text(details, report, form), asked.output)
