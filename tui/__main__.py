"""Where `lamella` begins: for the app, the worker starts while the rest is imported."""

import gc
import sys

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
        from tui.cli import main as run

        run()
    except KeyboardInterrupt:  # while something is still being imported
        sys.exit(130)


if __name__ == "__main__":
    main()
