"""The parts of a model that a plan neither trains nor adapts, the largest first."""

from inspect_core.plan.working import Work
from inspect_core.structure.fold import is_index, short_names
from inspect_core.structure.kinds import REPEATED

MOST = 12
"""Parts that are listed."""


def untouched(work: Work) -> tuple[tuple[str, int], ...]:
    """Paths of the largest parts that the plan leaves alone, and their parameters.

    Parts that differ in the number of their layer are one: `encoder.layer.0-5.output`; a second
    number in a path is a star. A parameter stands for itself where its module is touched.
    """
    outline = work.outline
    touched = _touched(work)
    top: list[int] = [0]
    for module in range(1, len(outline.paths)):
        above = outline.parent[module]
        top.append(module if touched[above] else top[above])
    sizes: dict[str, int] = {}
    numbers: dict[str, dict[str, None]] = {}
    shown: dict[int, tuple[str, str]] = {}
    for tensor, module in enumerate(outline.module):
        if outline.owner[tensor] != tensor or not work.frozen[tensor]:
            continue
        if not outline.parameter[tensor] or not outline.specs[tensor].stored:
            continue
        if tensor in work.replaced or module in work.wrappers:
            continue
        if touched[module]:
            kind, number = _kind(outline.names[tensor])
        else:
            at = top[module]
            known = shown.get(at)
            kind, number = known or shown.setdefault(at, _kind(outline.paths[at]))
        sizes[kind] = sizes.get(kind, 0) + outline.numel[tensor]
        if number:
            numbers.setdefault(kind, {})[number] = None
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:MOST]
    return tuple((_spelled(kind, numbers.get(kind, {})), size) for kind, size in largest)


def _touched(work: Work) -> bytearray:
    """For each module whether something in it is trained or adapted."""
    outline = work.outline
    touched = bytearray(len(outline.paths))
    own = {*work.wrappers, *work.saved, *(one.module for one in work.additions)}
    own.update(
        module
        for tensor, module in enumerate(outline.module)
        if outline.parameter[tensor] and not work.frozen[outline.owner[tensor]]
    )
    for module in own:
        above = module
        while not touched[above]:
            touched[above] = True
            above = outline.parent[above]
    return touched


def _kind(path: str) -> tuple[str, str]:
    """A path with its first number as `{n}` and the others as stars, and that number."""
    parts = path.split(".")
    places = [at for at, part in enumerate(parts) if is_index(part)]
    if not places:
        return path, ""
    number = parts[places[0]]
    for at in places:
        parts[at] = REPEATED
    parts[places[0]] = "{n}"
    return ".".join(parts), number


def _spelled(kind: str, numbers: dict[str, None]) -> str:
    return kind.replace("{n}", short_names(sorted(numbers, key=int)), 1) if numbers else kind
