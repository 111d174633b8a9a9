"""Starting the app: the worker first, so that it opens the model while Textual is imported."""

import os
import sys

from inspect_core.errors import UsageError
from inspect_core.work.backend import Workers
from inspect_core.work.jobs import OpenModel, Uri


def launch(model: Uri, reference: Uri | None, device: str, light: bool, ascii_only: bool) -> None:
    """Run the app until the user leaves it.

    Raises:
        UsageError: there is no terminal to run in.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the app needs a terminal", hint="lamella tree and lamella diff print without one"
        )
    backend = Workers(log=_log_file())
    opening = backend.submit(OpenModel(model))
    try:
        if "SSH_CONNECTION" in os.environ:
            os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
        from themes import DARK, LIGHT, load_theme
        from tui.app import LamellaApp, Options

        options = Options(
            model=model,
            reference=reference,
            device=device,
            theme=load_theme(LIGHT if light else DARK),
            ascii_only=ascii_only,
            colorless="NO_COLOR" in os.environ,
        )
        LamellaApp(options, backend, opening).run()
    finally:
        backend.close()


def _log_file() -> str | None:
    """Where the worker and its libraries may print; None where no file can be made."""
    from pathlib import Path

    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    folder = Path(base).expanduser() / "lamella"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return str(folder / "worker.log")
