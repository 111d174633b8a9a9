"""The terminal app and the command line; and both for a model of your own process.

    from tui import inspect, print_tree

Nothing is imported before it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tui.live import inspect, print_tree

__all__ = ["inspect", "print_tree"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tui import live

    value = globals()[name] = getattr(live, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
