"""A model of this process: in the app, or printed. `from tui import inspect, print_tree`."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO, cast

from inspect_core.errors import LamellaError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.capture.texts.source import TextSource
    from inspect_core.live import Model
    from inspect_core.opening import Uri

ENVIRONMENT = ("TEXTUAL_ANIMATIONS", "TEXTUAL_COLOR_SYSTEM")
"""Variables that the app sets for itself, and that are as they were afterwards."""

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals that the app answers while it runs."""


def inspect(
    model: "Model",
    reference: "Model | None" = None,
    *,
    adapters: Sequence[str] | None = None,
    device: str = "auto",
    node: str | None = None,
    text: "str | os.PathLike[str] | None" = None,
    text_column: str | None = None,
    labels: Sequence[str] = (),
    tokenizer: object | None = None,
    theme: str | None = None,
    light: bool = False,
    ascii_only: bool = False,
    colors: str = "auto",
) -> None:
    """Open the app on a live model; returns when the user leaves it.

    The model is only read: nothing of it is called, and no hook is put on it, until the key `i`
    asks for activations; then it runs over texts with hooks that are taken off again, in
    evaluation mode and without gradients, and is as it was afterwards. What is shown is
    what it holds when it is looked at; where it was changed in place since, as by a training
    step, the app says so and `R` reads it again. Values that are read while another thread
    trains the model may be of different steps.

    Of a PEFT model without a reference, what its adapters change is shown: each weight with its
    adapters against the weight before them.

    Call it from the main thread, in a terminal. Where that is not so one line on standard error
    says what to do instead, and nothing else happens: a training script goes on.

    Args:
        model: a module; or what `open_checkpoint` takes.
        reference: what to compare it with: another module, or a checkpoint's path. Another
            module may be the same architecture before training, kept by `copy.deepcopy`.
        adapters: of a PEFT model, names of the adapters whose change is shown; by default the
            active ones. Of a checkpoint, folders of adapters to put on it.
        device: where differences are computed: `auto`, `cpu`, `cuda` or `mps`.
        node: a pattern of names to begin on.
        text: a file of texts for activations: lines, TSV, CSV or JSON lines; None to be asked.
        text_column: the column of the text; None finds it.
        labels: columns whose values are features, too.
        tokenizer: of transformers or tokenizers, a function from a text to a list of ids, or a
            folder or file. A live model needs one for activations.
        theme: the name of a theme.
        light: take the theme for light terminals.
        ascii_only: draw with ASCII alone.
        colors: `auto`, `truecolor`, `256`, `16` or `none`.

    Raises:
        TypeError: the model is none of those, or the tokenizer of a checkpoint is no path.
    """
    from tui.terminal import Look

    refusal = _refusal()
    if refusal:
        _say(refusal)
        return
    look = Look(theme=theme, light=light, ascii_only=ascii_only, colors=colors)
    try:
        uri, base = _uris(model, reference, adapters)
        path = _attached(tokenizer, uri, base)
        texts = _texts(text, text_column, labels)
        with _process_restored():
            code = _run(uri, base, device, look, node, texts, path)
    except LamellaError as error:
        _say(str(error))
        return
    if code > 128:  # it was told to stop, not the app: what this process does then is its own
        signal.raise_signal(code - 128)


def print_tree(
    model: "Model",
    *,
    depth: int | None = None,
    bare: bool = False,
    file: TextIO | None = None,
    theme: str | None = None,
    light: bool = False,
    ascii_only: bool = False,
    colors: str = "auto",
) -> None:
    """Print the folded tree of a live model.

    Args:
        model: a module, of which nothing is called; or what `open_checkpoint` takes.
        depth: levels below the model; None for all.
        bare: show modules that hold no tensor.
        file: where to print; standard output by default. Colours only on a terminal.
        theme: the name of a theme.
        light: take the theme for light terminals.
        ascii_only: draw with ASCII alone.
        colors: `auto`, `truecolor`, `256`, `16` or `none`.

    Raises:
        CheckpointError: a checkpoint cannot be read.
        TypeError: the model is none of those.
    """
    from tui.commands.tree import print_tree as print_tree_of
    from tui.terminal import Look

    look = Look(theme=theme, light=light, ascii_only=ascii_only, colors=colors)
    uri = _uri(model)
    with redirect_stdout(file) if file is not None else contextlib.nullcontext():
        print_tree_of(uri, bare=bare, depth=depth, look=look)


def _uris(
    model: "Model", reference: "Model | None", adapters: Sequence[str] | None
) -> "tuple[Uri, Uri | None]":
    """What to open, and what to compare it with."""
    if _is_path(model):
        from inspect_core.opening import Adapted

        base = cast("str", _uri(model))
        opened: Uri = Adapted(base, tuple(adapters)) if adapters else base
        return opened, None if reference is None else _uri(reference)
    from inspect_core.live import register_pair

    found, before = register_pair(_module(model), adapters)
    return found, before if reference is None else _uri(reference)


def _uri(model: "Model") -> "Uri":
    if _is_path(model):
        path = cast("str | os.PathLike[str] | Sequence[str]", model)
        if isinstance(path, str | os.PathLike):
            return os.fspath(path)
        return tuple(map(os.fspath, path))
    from inspect_core.live import register

    return register(_module(model))


def _attached(tokenizer: object | None, *uris: "Uri | None") -> str | None:
    """Give the live models their tokenizer; one that is a path is for the app to hand on."""
    if tokenizer is None or isinstance(tokenizer, str | os.PathLike):
        return None if tokenizer is None else os.fspath(tokenizer)
    from inspect_core.live.tokenizers import attach_tokenizer
    from inspect_core.opening import Live

    lives = [uri for uri in uris if isinstance(uri, Live)]
    if not lives:
        raise TypeError("a checkpoint's tokenizer is a folder or file")
    for uri in lives:
        attach_tokenizer(uri, tokenizer)
    return None


def _texts(
    text: "str | os.PathLike[str] | None", column: str | None, labels: Sequence[str]
) -> "TextSource | None":
    if text is None:
        return None
    from inspect_core.capture.texts.source import TextSource

    return TextSource(os.fspath(text), column, labels=tuple(labels))


def _is_path(model: object) -> bool:
    return isinstance(model, str | os.PathLike | list | tuple)


def _module(model: object) -> Any:
    from inspect_core.opening import required_module

    return required_module(model)


def _refusal() -> str:
    """Why the app cannot run here, and what to do instead; empty where it can."""
    instead, terminal = "print_tree(model) prints the tree", _has_terminal()
    if "ipykernel" in sys.modules and not terminal:
        return f"a notebook has no terminal for the app: {instead}"
    if not terminal:
        return f"the app needs a terminal for input, output and errors: {instead}"
    if threading.current_thread() is not threading.main_thread():
        return f"the app runs in the main thread only: {instead}"
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return f"the app cannot run inside a running event loop: {instead}"
    return ""


def _has_terminal() -> bool:
    """Whether input, output, and errors, where Textual draws, are a terminal."""
    try:
        streams = (sys.stdin, sys.stdout, sys.__stderr__)
        return all(one is not None and one.isatty() for one in streams)
    except ValueError:  # closed
        return False


def _run(
    uri: "Uri",
    base: "Uri | None",
    device: str,
    look: Any,
    node: str | None,
    texts: "TextSource | None",
    tokenizer: str | None,
) -> int:
    """Run the app; its return code.

    Raises:
        LamellaError: the model could not be opened; the user has seen it and left.
    """
    from inspect_core.work.backend import Threads
    from inspect_core.work.jobs import OpenModel
    from tui.launch import make_app

    backend = Threads()
    gc.disable()  # until the tree is on show, as for a checkpoint: the app turns it on again
    try:
        opening = backend.submit(OpenModel(uri))
        app = make_app(
            backend, opening, uri, base, device, look, node, texts=texts, tokenizer=tokenizer
        )

        async def run() -> None:
            # The app answers the other signals itself; its process knows interrupts as keys.
            leave = partial(app.exit, return_code=128 + signal.SIGINT)
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, leave)
            await app.run_async()

        # A loop of its own: one that this thread may have set stays as it is.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(run())
        if isinstance(app.failure, LamellaError):
            raise app.failure
        return app.return_code or 0
    finally:
        backend.close()


@contextmanager
def _process_restored() -> Iterator[None]:
    """Leave the process as it was: terminal, signals, environment, collector, threads' turns."""
    before = termios.tcgetattr(sys.stdin)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    environment = {name: os.environ.get(name) for name in ENVIRONMENT}
    interval, collecting, frozen = sys.getswitchinterval(), gc.isenabled(), gc.get_freeze_count()
    try:
        yield
    except BaseException:
        from tui.launch import LEAVE

        with contextlib.suppress(OSError):
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, LEAVE)
        raise
    finally:
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
        for number, handler in handlers.items():
            if handler is not None:  # one that was not set from Python cannot be set again
                signal.signal(number, handler)
        for name, value in environment.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        sys.setswitchinterval(interval)
        if not frozen:
            gc.unfreeze()
        gc.enable() if collecting else gc.disable()


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"lamella: {clean(text, 400)}\n")


__all__ = ["inspect", "print_tree"]
