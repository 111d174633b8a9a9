"""Paths of modules in little room."""

from inspect_core.text import clean

MOST_READ = 1000
"""Characters of a path that is shortened by its names; a longer one is cut in its middle."""

LAYER = "{n}"
"""Stands for the number of a layer in the name of a kind of modules."""


def short_path(path: str, room: int) -> str:
    """A path of a module in little room: layers of a model stay apart, as a cut middle would not.

    Names become their first letter, from the left, all but numbers and the last name:
    `e.l.3.a.self.query`. What is then still too long, or is no path, is cut in its middle.

    Args:
        path: foreign.
        room: the most cells.
    """
    shown = clean(path, None) if len(path) <= MOST_READ else clean(path, room)
    if len(shown) <= room and clean(shown, room) == shown:
        return shown
    if not shown.isascii() or " " in shown:
        return clean(path, room)
    names = shown.split(".")
    for at, name in enumerate(names[:-1]):
        if not name.isdigit() and name != LAYER:
            names[at] = name[:1]
        if len(".".join(names)) <= room:
            break
    return clean(".".join(names), room)
