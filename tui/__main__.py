"""Where `lamella` begins: for the app, the worker starts while the rest is imported."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

PRINTS = frozenset({"tree", "diff", "audit", "check", "-h", "--help", "--version"})
"""First words after which no app is opened."""

COLLECT_EVERY = 1_000_000
"""New objects between two looks for cycles: what is imported has none, and a command that prints
spends a fifth of its start-up on looking."""


def main() -> None:
    """Run the command line."""
    try:
        if sys.argv[1:2] and sys.argv[1] not in PRINTS and sys.stdout.isatty():
            # A collector that runs during start-up finds nothing and costs the first frame
            # some 30 ms; the app turns it on again once the tree is on show.
            gc.disable()
            from tui.launch import start_worker

            start_worker()
        else:
            gc.set_threshold(COLLECT_EVERY)
            _run_and_leave()
        from tui.cli import main as run

        run()
    except KeyboardInterrupt:  # while something is still being imported
        sys.exit(130)


def _run_and_leave() -> NoReturn:
    """Run a command that prints; leave without taking the interpreter and LLVM down.

    That takes a quarter of a second, and longer where a model has many tensors.
    """
    from tui.cli import main as run

    status = 0
    try:
        run()
    except SystemExit as leaving:
        if isinstance(leaving.code, str):  # words, which the interpreter would print
            raise
        status = leaving.code or 0
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
