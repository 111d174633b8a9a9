"""Starting the app: the worker first, so that it is up while Textual is imported."""

import contextlib
import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from inspect_core.errors import LamellaError, UsageError
from inspect_core.work.backend import Workers

if TYPE_CHECKING:
    from inspect_core.capture.texts.source import TextSource
    from inspect_core.opening import Uri
    from inspect_core.work.backend import Backend, Ticket
    from tui.app import LamellaApp
    from tui.terminal import Look

_started: Workers | None = None


def start_worker() -> None:
    """Start the worker process ahead of `launch`; it ends with this process."""
    global _started
    _started = Workers(log=_log_file())
    try:
        _started.start()
    except LamellaError:  # the first job will say it again, where it can be shown
        _started = None


def launch(
    model: "Uri",
    reference: "Uri | None",
    device: str,
    look: "Look",
    bookmark: str | None = None,
    map_file: str | None = None,
    plan_file: str | None = None,
    texts: "TextSource | None" = None,
    tokenizer: str | None = None,
) -> None:
    """Run the app until the user leaves it.

    Raises:
        UsageError: there is no terminal to run in.
        LamellaError: the model could not be opened; the user has seen it and left.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the app needs a terminal", hint="lamella tree and lamella diff print without one"
        )
    from inspect_core.work.jobs import OpenModel

    backend = _started or Workers(log=_log_file())
    try:
        opening = backend.submit(OpenModel(model))
        asked = (model, reference, device, look, bookmark, map_file, plan_file, texts, tokenizer)
        app = make_app(backend, opening, *asked)
        with _terminal_restored():
            app.run()
        if app.plan.files.rescued:
            text = f"lamella: the plan is kept: lamella MODEL --plan {app.plan.files.rescued}"
            print(text, file=sys.stderr)
        if app.return_code:
            sys.exit(app.return_code)
        if isinstance(app.failure, LamellaError):
            raise app.failure
    finally:
        backend.close()


def make_app(
    backend: "Backend",
    opening: "Ticket",
    model: "Uri",
    reference: "Uri | None",
    device: str,
    look: "Look",
    bookmark: str | None = None,
    map_file: str | None = None,
    plan_file: str | None = None,
    texts: "TextSource | None" = None,
    tokenizer: str | None = None,
) -> "LamellaApp":
    """The app, with the user's settings; Textual is imported only here.

    Raises:
        NoSuchTheme: there is no theme of the name asked for.
    """
    if "SSH_CONNECTION" in os.environ:
        os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    # What is drawn is in the colours of the terminal already: Textual has none to take away.
    os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
    from tui.app import LamellaApp
    from tui.options import Options
    from tui.settings import load_settings
    from tui.terminal import choose_theme, find_depth

    settings = load_settings()
    theme, problem = choose_theme(look, settings.theme)
    if problem:
        settings = replace(settings, problems=(*settings.problems, problem))
    options = Options(
        model=model,
        reference=reference,
        device=device,
        theme=theme,
        ascii_only=look.ascii_only or settings.ascii_only,
        depth=find_depth(look.colors, os.environ),
        bookmark=bookmark,
        settings=settings,
        map_file=map_file,
        plan_file=plan_file,
        texts=texts,
        tokenizer=tokenizer,
    )
    return LamellaApp(options, backend, opening)


@contextmanager
def _terminal_restored() -> Iterator[None]:
    """Give the terminal back as it was, also when a signal comes before the app can answer it."""

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    before = termios.tcgetattr(sys.stdin)
    try:
        yield
    except SystemExit:
        with contextlib.suppress(OSError):
            os.write(1, LEAVE)
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
        raise


LEAVE = (
    b"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[?1049l\x1b[?25h"
)
"""Mouse, focus and paste reports, keyboard protocol and alternate screen off; cursor on."""


def _log_file() -> str | None:
    """Where the worker and its libraries may print; None where no file can be made."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    folder = os.path.join(os.path.expanduser(base), "lamella")  # noqa: PTH111, PTH118
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - pathlib costs the first frame 5 ms
    except OSError:
        return None
    return os.path.join(folder, "worker.log")  # noqa: PTH118
