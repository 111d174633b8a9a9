"""What was found in a checkpoint, in words, and how much it matters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inspect_core.checkpoint import Checkpoint, TensorInfo
from inspect_core.checkpoint.adapter_config_file import read_adapter_config
from inspect_core.checkpoint.adapter_tensors import lora_factors, missed_targets
from inspect_core.checkpoint.damage import Remark
from inspect_core.checkpoint.locate import some_names
from inspect_core.health.identity import ADAPTER, NOTHING, Identity
from inspect_core.health.layouts import LAYOUTS
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.health.values import Values

Severity = Literal["problem", "warning", "note"]
PROBLEM: Severity = "problem"
WARNING: Severity = "warning"
NOTE: Severity = "note"
SEVERITIES: tuple[Severity, ...] = (PROBLEM, WARNING, NOTE)
"""A problem means damage; a warning wants a look; a note is often as it should be."""

Seen = Mapping[str, "Values | None"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: `problem`, `warning` or `note`.
        kind: `damage`, `opening`, `nonfinite`, `bool`, `near_limit`, `untrained`, `targets`,
            `empty`, `zero`, `constant`, `aside`, `not_compared` or `tokenizer`.
        tensors: exact names of those it is about; empty where it is about the whole.
        text: what it is, for people; safe to show.
    """

    severity: Severity
    kind: str
    tensors: tuple[str, ...]
    text: str


def findings_of(checkpoint: Checkpoint, identity: Identity, seen: Seen) -> tuple[Finding, ...]:
    """All findings, problems first.

    Args:
        checkpoint: the checkpoint; its warnings are among the findings.
        identity: what it is.
        seen: what the values of each tensor are like; None where they were not read.
    """
    untrained = _untrained(checkpoint.tensors, seen) if identity.kind == ADAPTER else {}
    said = frozenset(name for names in untrained.values() for name in names)
    found = [
        *_from_opening(checkpoint),
        *_from_values(checkpoint.tensors, seen),
        *_from_config(checkpoint, identity),
        *_about_adapter(checkpoint.tensors, identity, untrained),
        *_constants({name: values for name, values in seen.items() if name not in said}),
        *_about_the_whole(checkpoint, identity),
    ]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def _from_opening(checkpoint: Checkpoint) -> Iterator[Finding]:
    for warning in checkpoint.damage:
        yield Finding(PROBLEM, "damage", (), warning)
    for warning in checkpoint.warnings:
        if warning not in checkpoint.damage:
            yield Finding(WARNING, "opening", (), warning)


def _from_config(checkpoint: Checkpoint, identity: Identity) -> Iterator[Finding]:
    """What an adapter's config says and nobody has to be warned of."""
    if identity.kind != ADAPTER or checkpoint.folder is None:
        return
    for line in read_adapter_config(checkpoint.folder)[1]:
        if isinstance(line, Remark):
            yield Finding(NOTE, "opening", (), line)


def _from_values(tensors: Mapping[str, TensorInfo], seen: Seen) -> Iterator[Finding]:
    for name, values in seen.items():
        if values is None:
            continue
        if values.nonfinite:
            counts = ((values.nan, "NaN"), (values.plus_inf, "inf"), (values.minus_inf, "-inf"))
            some = ", ".join([f"{count:,} {what}" for count, what in counts if count])
            yield Finding(PROBLEM, "nonfinite", (name,), f"{some} of {_values(values.numel)}")
        if values.odd_bools:
            text = f"{values.odd_bools:,} of {_values(values.numel)} are neither 0 nor 1"
            yield Finding(PROBLEM, "bool", (name,), text)
        dtype = tensors[name].dtype
        if values.near_limit and dtype in LAYOUTS:
            limit = LAYOUTS[dtype].float_of(LAYOUTS[dtype].largest)
            text = f"{values.near_limit:,} of {_values(values.numel)} within 1% of the limit"
            yield Finding(WARNING, "near_limit", (name,), f"{text} of {dtype}, {limit:.6g}")


def _untrained(tensors: Mapping[str, TensorInfo], seen: Seen) -> dict[str, tuple[str, ...]]:
    """Low-rank factors that are all zero, by module; with one of them the product is zero."""
    found = {}
    for factor in lora_factors(tensors):
        halves = [half for half in (factor.b, factor.a) if half is not None]
        zeros = tuple(half.name for half in halves if _is_zero(seen.get(half.name)))
        if zeros:
            found[factor.module] = zeros
    return found


def _about_adapter(
    tensors: Mapping[str, TensorInfo], identity: Identity, untrained: dict[str, tuple[str, ...]]
) -> Iterator[Finding]:
    if identity.kind != ADAPTER:
        return
    factors = lora_factors(tensors)
    names = tuple(name for zeros in untrained.values() for name in zeros)
    if names and len(untrained) == len({factor.module for factor in factors}):
        text = "all zero in every module: this adapter was never trained, it changes nothing"
        yield Finding(WARNING, "untrained", names, text)
    elif names:
        count = f"{len(untrained):,} of {len({factor.module for factor in factors}):,} modules"
        yield Finding(WARNING, "untrained", names, f"all zero: {count} change nothing")
    config = identity.adapter
    missed = missed_targets(factors, config.target_modules) if config and factors else []
    if missed:
        text = f"no tensor belongs to what target_modules names: {some_names(missed)}"
        yield Finding(WARNING, "targets", (), text)


def _constants(seen: Seen) -> Iterator[Finding]:
    """Tensors of one value, those of the same value together."""
    groups: dict[int | float, list[str]] = {}
    for name, values in seen.items():
        if values is not None and values.numel > 1 and values.constant is not None:
            groups.setdefault(values.constant, []).append(name)
    for value, names in groups.items():
        if value == 0:
            yield Finding(NOTE, "zero", tuple(names), "all zero")
        else:
            text = (
                f"every value is {value:.6g}"
                if isinstance(value, float)
                else f"every value is {value}"
            )
            yield Finding(NOTE, "constant", tuple(names), text)


def _about_the_whole(checkpoint: Checkpoint, identity: Identity) -> Iterator[Finding]:
    if identity.kind == NOTHING:
        yield Finding(NOTE, "empty", (), "it holds no tensors")
    for aside in checkpoint.aside:
        yield Finding(NOTE, "aside", (), aside.told)
    complex_ = tuple(name for name, info in checkpoint.tensors.items() if info.dtype == "C64")
    if complex_:
        yield Finding(NOTE, "not_compared", complex_, "of C64, which diff does not compare")
    if identity.wants_tokenizer:
        yield Finding(NOTE, "tokenizer", (), "no tokenizer lies beside the weights")


def _is_zero(values: "Values | None") -> bool:
    return values is not None and values.numel > 0 and values.constant == 0


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count:,} values"


def headline(finding: Finding) -> str:
    """A finding on one line: its tensor, or how many and the first few; safe to show."""
    names: Sequence[str] = finding.tensors
    if not names:
        return finding.text
    if len(names) == 1:
        name = clean(names[0]) or '""'
        return f"{name}: {finding.text}"
    return f"{len(names):,} tensors: {finding.text} ({some_names(names)})"
