"""Which neuron `--neuron [SITE:]N` means."""

from typing import TYPE_CHECKING

from inspect_core.errors import UsageError

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport
    from tui.commands.activations import Asked


def module_beyond(asked: "Asked", report: "ActivationReport") -> str:
    """The module that `SITE:N` speaks of where it is none of the usual ones; `""` if it is."""
    place, _, number = (asked.neuron or "").rpartition(":")
    if asked.modules or not place or not number.isdigit():
        return ""
    sites = [site.neurons.site for site in report.sites]
    known = any(_fits(site, place) or _is_call(site, place) for site in sites)
    return "" if known else _bare(place)


def _bare(place: str) -> str:
    """The module of a place, without the number of its call and what of it is taken."""
    bare = place.removesuffix(" (input)")
    name, sign, call = bare.rpartition("#")
    return name if sign and call.isdigit() else bare


def _fits(site: str, place: str) -> bool:
    return site == place or site.endswith(f".{place}")


def _is_call(site: str, place: str) -> bool:
    """Whether a site is one call of the module that a place names."""
    return "#" in site and _fits(_bare(site), place)


def neuron_place(word: str, report: "ActivationReport") -> tuple[str, int]:
    """The site and number that `[SITE:]N` means.

    Raises:
        UsageError: it means none, or more than one.
    """
    sites = [site.neurons.site for site in report.sites]
    place, _, number = word.rpartition(":")
    if not (number.isascii() and number.isdigit() and len(number) < 12):
        raise UsageError("is no number of a neuron", where=word, hint="give SITE:N, or N")
    if not place:
        if len(sites) > 1:
            raise UsageError(
                f"{len(sites)} modules have neurons",
                where=word,
                hint=f"say of which, as {sites[-1]}:{number}",
            )
        return sites[0], int(number)
    fits = [site for site in sites if _fits(site, place)]
    calls = [] if fits else [site for site in sites if _is_call(site, place)]
    if len(calls) > 1:
        what = f"is called {len(calls)} times: say which"
        raise UsageError(what, where=place, hint=f"give one, as {calls[0]}:{number}")
    if len(fits) != 1:
        which = "is none of the modules" if not fits else f"is one of {len(fits)} modules"
        raise UsageError(which, where=place, hint=f"give one, as {sites[-1]}:{number}")
    return fits[0], int(number)
