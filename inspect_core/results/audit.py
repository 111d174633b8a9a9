"""A proof that what should have stayed frozen did: bit by bit, or up to rounding when asked.

Identical here is what it says: the same dtype and the same bits. So 0.0 against -0.0 has moved,
and so has a NaN with another payload, though no metric tells them apart. Tensors that no pattern
names are not read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inspect_core.checkpoint import Checkpoint
from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.opening import open_model
from inspect_core.pairing import LayerMap, Match, Pair, pair_checkpoints
from inspect_core.pairing.coverage import compared_whole
from inspect_core.results.audited import Audit, AuditedTensor, Expected, Verdict
from inspect_core.results.comparison import Side, Uri
from inspect_core.structure.patterns import fitting
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.delta.summary import Summary

NO_DTYPE = "?"
"""The dtype of what cannot be described."""

ZEROS_ONLY = "equal values in other bits, such as 0.0 and -0.0"


def audit(
    base_uri: Uri,
    model_uri: Uri,
    *,
    frozen: Sequence[str] = (),
    trained: Sequence[str] = (),
    rounding: bool = False,
    layer_map: LayerMap | None = None,
    control: Control | None = None,
) -> Audit:
    """Prove that tensors stayed as they were, and that others did not.

    Args:
        base_uri: the old one: what `open_checkpoint` takes, or a live module.
        model_uri: the new one, likewise.
        frozen: shell patterns of names, of tensors or of modules on the way to them, in the
            model or in the base, that must be bit-identical.
        trained: patterns of what must have moved by more than rounding.
        rounding: frozen tensors of two dtypes may also differ by what rounding to the narrower
            of them explains, and those of one dtype by what compares as equal.
        layer_map: what the user says of the model's names in the reference.
        control: takes progress, and can cancel.

    Raises:
        UsageError: a pattern fits no tensor, a tensor should be both, or there is no pattern.
        CheckpointError: a file cannot be read, or changed meanwhile.
        Cancelled: `control` was cancelled.
    """
    control = control or Control()
    if not frozen and not trained:
        raise UsageError("nothing to prove", hint="name what should be frozen, or trained")
    with open_model(base_uri) as reference, open_model(model_uri) as model:
        matches = pair_checkpoints(model, reference, layer_map).matches
        lost = _left_out(model, reference, matches)
        expected = _expected(matches, lost, frozen, trained)
        found = _judged(model, reference, matches, expected, rounding, control)
        model.check_unchanged()
        reference.check_unchanged()
        tensors = tuple(sorted(found, key=_rank))
        doubts = _doubts(model, reference)
        return Audit(Side.of(model), Side.of(reference), rounding, tensors, doubts)


def _doubts(model: Checkpoint, reference: Checkpoint) -> tuple[str, ...]:
    """Why what was opened may not be all that is loaded, once for both where it is the same."""
    sides = {"base": reference, "model": model}
    return tuple(
        f"{name}: {line}" for name, side in sides.items() for line in (*side.damage, *side.doubts)
    )


def _left_out(
    model: Checkpoint, reference: Checkpoint, matches: Iterable[Match]
) -> list[AuditedTensor]:
    """Tensors that are in the files and cannot be described, where no match has their name."""
    named = {name for match in matches for name in match.names}
    found: dict[str, AuditedTensor] = {}
    for side, checkpoint in (("model", model), ("base", reference)):
        for name, reason in checkpoint.left_out:
            why = f"not read in the {side}: {clean(reason, 200)}"
            if name not in named:
                nothing = AuditedTensor(name, None, "frozen", "unproven", why, NO_DTYPE, None, 0)
                found.setdefault(name, nothing)
    return list(found.values())


_Named = Match | AuditedTensor


def _expected(
    matches: Sequence[Match],
    lost: Sequence[AuditedTensor],
    frozen: Sequence[str],
    trained: Sequence[str],
) -> list[tuple[_Named, Expected]]:
    """The tensors that a pattern names, and what each of them should be."""
    found: dict[int, tuple[_Named, Expected]] = {}
    wanted: tuple[tuple[Expected, Sequence[str]], ...] = (("frozen", frozen), ("trained", trained))
    listed: list[_Named] = [*matches, *lost]
    for state, patterns in wanted:
        for pattern in patterns:
            fits = fitting(pattern)
            at = [number for number, one in enumerate(listed) if any(map(fits, _names(one)))]
            if not at:
                raise UsageError("no tensor of the two fits this pattern", where=pattern)
            for number in at:
                if found.setdefault(number, (listed[number], state))[1] != state:
                    name = listed[number].name
                    raise UsageError("should be both frozen and trained", where=name)
    return [found[number] for number in sorted(found)]


def _names(one: _Named) -> tuple[str, ...]:
    return one.names if isinstance(one, Match) else (one.name,)


def _judged(
    model: Checkpoint,
    reference: Checkpoint,
    matches: Sequence[Match],
    expected: Sequence[tuple[_Named, Expected]],
    rounding: bool,
    control: Control,
) -> list[AuditedTensor]:
    """Compare bits where that decides, and values where it does not."""
    from inspect_core.delta.bits import same_bits

    whole = {
        id(match): match.pair
        for match, all_of_it in zip(
            matches, compared_whole(matches, reference.tensors), strict=True
        )
        if all_of_it and not match.doubt
    }
    wanted = {number: one for number, (one, _) in enumerate(expected) if isinstance(one, Match)}
    bitwise = {
        number: pair
        for number, match in wanted.items()
        if (pair := _bits_of(match, whole.get(id(match)))) is not None
    }
    same = same_bits(model, reference, list(bitwise.values()), control)
    identical = {number for number, equal in zip(bitwise, same, strict=True) if equal}
    pairs = {
        number: pair
        for number, match in wanted.items()
        if number not in identical and (pair := whole.get(id(match))) is not None
    }
    summaries = _summaries(model, reference, pairs, control)
    return [
        _tensor(one, state, number in identical, number in bitwise, summaries.get(number), rounding)
        if isinstance(one, Match)
        else replace(one, expected=state)
        for number, (one, state) in enumerate(expected)
    ]


def _bits_of(match: Match, whole: Pair | None) -> Pair | None:
    """What to compare bit by bit: two tensors of one dtype and shape, comparable or not."""
    model, reference = match.model, match.reference
    if model is None or reference is None or model.dtype != reference.dtype:
        return None
    if match.status == "pair":
        return whole
    alike = match.status == "unsupported" and not match.unlike and model.shape == reference.shape
    return Pair(model, reference) if alike else None


def _summaries(
    model: Checkpoint, reference: Checkpoint, pairs: Mapping[int, Pair], control: Control
) -> "dict[int, Summary]":
    if not pairs:
        return {}
    from inspect_core.delta.compare import Comparer
    from inspect_core.delta.kernel import kernel_for

    comparer = Comparer(kernel_for("cpu"))
    found = comparer.summaries(model, reference, list(pairs.values()), control)
    numbers = list(pairs)
    return {numbers[at]: summary for at, summary in found}


def _tensor(
    match: Match,
    expected: Expected,
    identical: bool,
    bitwise: bool,
    summary: "Summary | None",
    rounding: bool,
) -> AuditedTensor:
    info = match.model or match.reference
    assert info is not None
    verdict, reason = _verdict(match, expected, identical, bitwise, summary, rounding)
    partner = match.reference
    return AuditedTensor(
        name=info.name,
        reference_name=None if partner is None else partner.name,
        expected=expected,
        verdict=verdict,
        reason=reason,
        dtype=info.dtype,
        reference_dtype=None if partner is None else partner.dtype,
        numel=info.numel,
        **(_SAME if identical else _numbers(summary)),
    )


_SAME = {"changed": 0, "beyond": 0, "rel_l2": 0.0, "max_abs": 0.0}


def _numbers(summary: "Summary | None") -> dict[str, Any]:
    if summary is None:
        return {}
    numbers = {"changed": summary.changed, "beyond": summary.beyond}
    sizes = {"rel_l2": summary.rel_l2, "max_abs": summary.largest}
    return {**numbers, **sizes, "nonfinite": summary.left_out}


def _verdict(
    match: Match,
    expected: Expected,
    identical: bool,
    bitwise: bool,
    summary: "Summary | None",
    rounding: bool,
) -> tuple[Verdict, str]:
    if identical:
        return "identical", ""
    if summary is None and bitwise:
        return "changed", "its bits differ, and its values cannot be compared"
    if summary is None:
        return "unproven", _why_unproven(match)
    explained = summary.beyond == 0
    if explained and (rounding or expected == "trained"):
        return "rounded", _rounding_of(match, summary)
    return "changed", _rounding_of(match, summary) if explained else _uncounted(summary)


def _uncounted(summary: "Summary") -> str:
    """What of a change no number shows."""
    if not summary.left_out:
        return ""
    held = "1 position holds" if summary.left_out == 1 else f"{summary.left_out:,} positions hold"
    return f"{held} NaN or infinity"


def _why_unproven(match: Match) -> str:
    if match.status == "pair":
        return match.doubt or "only a part of it has a partner"
    return match.reason


def _rounding_of(match: Match, summary: "Summary") -> str:
    """Why other bits are no more than rounding."""
    assert match.model is not None and match.reference is not None
    ours, theirs = match.model.dtype, match.reference.dtype
    if ours == theirs:
        return ZEROS_ONLY
    equal = "equal up to rounding" if summary.changed else "equal values"
    return f"{theirs} became {ours}, {equal}"


def _rank(tensor: AuditedTensor) -> tuple[int, float]:
    """What is wrong first, and of that what moved most; then what is unproven, then the rest."""
    if tensor.as_expected is None:
        return 1, 0.0
    if tensor.as_expected:
        return 2, 0.0
    moved = tensor.rel_l2
    # Nothing to divide by, NaN or a sum that overflowed: more than any number.
    return 0, -moved if moved is not None else float("-inf")
