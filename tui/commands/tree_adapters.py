"""What `lamella tree` says of adapters: lines above the tree, and members of its JSON."""

from collections.abc import Iterator

from inspect_core.opening import Live, Uri, open_model
from inspect_core.structure.fold import short_names
from inspect_core.work.adapted import AdapterListing
from inspect_core.work.adapted_places import hits_of, usual_facts
from tui.commands.output import Output, Part


def never_trained(model: Uri) -> list[str]:
    """What is said of small adapters that change nothing.

    Raises:
        CheckpointError: a file cannot be read.
    """
    if isinstance(model, Live):
        return []
    with open_model(model) as checkpoint:
        if checkpoint.overlay is None:
            return []
        from inspect_core.adapters.exact.untrained import untrained_remarks

        return untrained_remarks(checkpoint)


def adapter_lines(
    adapted: AdapterListing, names: list[str], output: Output
) -> Iterator[list[Part]]:
    """A line for each adapter, and one for each kind of module that it changes."""
    hits, glyphs = hits_of(adapted, names), output.palette.glyphs
    for number, adapter in enumerate(adapted.adapters):
        yield [(f"{glyphs.delta} {output.cut(adapter.name)}", "delta"), f"  {adapter.method}"]
        own = [hit for hit in hits if hit.adapter == number]
        usual = usual_facts(own)
        for hit in own:
            layers = f" in layers {short_names(map(str, hit.layers))}" if hit.layers else ""
            missed = short_names(map(str, hit.missed))
            facts = "" if hit.facts == usual and hit.alike else f"  {hit.facts}"
            facts += "" if hit.alike else ", not all alike"
            line: list[Part] = [f"    {output.cut(hit.kind)}: {hit.modules}{layers}"]
            line += [(facts, "muted")] if facts else []
            yield [*line, (f", not in {missed}", "note")] if hit.missed else line


def adapter_members(adapted: AdapterListing | None) -> dict[str, object]:
    """The adapters, and every weight that they change; nothing without any."""
    if adapted is None:
        return {}
    listed = []
    for number, note in enumerate(adapted.adapters):
        targets = [target._asdict() for target in adapted.targets if target.adapter == number]
        for target in targets:
            target.pop("adapter")
        listed.append(
            {
                "name": note.name,
                "path": note.uri,
                "method": note.method,
                "parameters": note.params,
                "bytes": note.nbytes,
                "flags": note.flags,
                "targets": targets,
            }
        )
    return {"base": adapted.base, "adapters": listed}
