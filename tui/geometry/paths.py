"""From the name of a layer to the module of the tree that it is of."""

import re
from collections.abc import Sequence

_CALL = re.compile(r"#\d{1,9}$")
_INPUT = " (input)"


def nearest_path(site: str, names: Sequence[str]) -> str | None:
    """The module of a layer; where the tree lacks it, as without parameters, the one it is in.

    Args:
        site: as `Site.name` has it.
        names: full names of the tensors of the tree.

    Returns:
        a path of the tree; None where not even the first part of the name is there.
    """
    path = _CALL.sub("", site.removesuffix(_INPUT))
    while path:
        inside = f"{path}."
        if any(name.startswith(inside) or name == path for name in names):
            return path
        path = path.rpartition(".")[0]
    return None
