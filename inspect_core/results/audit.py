"""A proof that what should have stayed frozen did: bit by bit, or up to rounding when asked.

Identical here is what it says: the same dtype and the same bits. So 0.0 against -0.0 has moved,
and so has a NaN with another payload, though no metric tells them apart. Tensors that no pattern
names are not read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from inspect_core.checkpoint import Checkpoint, open_checkpoint
from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.pairing import LayerMap, Match, Pair, pair_checkpoints
from inspect_core.results.comparison import Side, Uri
from inspect_core.structure.patterns import fitting

if TYPE_CHECKING:
    from inspect_core.delta.summary import Summary

Expected = Literal["frozen", "trained"]
Verdict = Literal["identical", "rounded", "changed", "unproven"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""Same bits; other bits that rounding to the narrower dtype explains (asked for, or expected to
train); more than that; nothing can be said."""

ZEROS_ONLY = "equal values in other bits, such as 0.0 and -0.0"


@dataclass(frozen=True, slots=True)
class AuditedTensor:
    """One tensor that a pattern names, and what was found.

    Attributes:
        name: exact name in the model; of a removed tensor, in the reference.
        reference_name: exact name in the reference; None where there is no partner.
        expected: what it should have been.
        verdict: what it is.
        reason: why nothing can be said, or what else to know; foreign text inside.
        dtype: in the model; of a removed tensor, in the reference.
        reference_dtype: in the reference; None where there is no partner.
        numel: values of it.
        changed: positions whose values differ; None where they were not compared.
        beyond: those of them that rounding to the narrower dtype does not explain.
        rel_l2: norm of the difference over that of the reference; None where undefined.
        max_abs: largest difference; None where undefined.
    """

    name: str
    reference_name: str | None
    expected: Expected
    verdict: Verdict
    reason: str
    dtype: str
    reference_dtype: str | None
    numel: int
    changed: int | None = None
    beyond: int | None = None
    rel_l2: float | None = None
    max_abs: float | None = None

    @property
    def as_expected(self) -> bool | None:
        """Whether it is what it should be; None where nothing can be said."""
        if self.verdict == "unproven":
            return None
        return (self.verdict == "changed") == (self.expected == "trained")


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        model: the new one.
        reference: the base.
        rounding: whether frozen tensors may differ by rounding.
        tensors: those that the patterns name: what is not as expected, the most changed first;
            then what could not be proven; then the others; each in the model's order.
    """

    model: Side
    reference: Side
    rounding: bool
    tensors: tuple[AuditedTensor, ...]

    @property
    def broken(self) -> list[AuditedTensor]:
        """Those that are not what they should be."""
        return [tensor for tensor in self.tensors if tensor.as_expected is False]

    @property
    def unproven(self) -> list[AuditedTensor]:
        """Those of which nothing can be said."""
        return [tensor for tensor in self.tensors if tensor.as_expected is None]

    @property
    def held(self) -> bool:
        """Whether every tensor is proven to be what it should be."""
        return all(tensor.as_expected for tensor in self.tensors)


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
        base_uri: the old one; see `open_checkpoint`.
        model_uri: the new one.
        frozen: shell patterns of names, of tensors or of modules on the way to them, that must
            be bit-identical.
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
    with open_checkpoint(base_uri) as reference, open_checkpoint(model_uri) as model:
        matches = pair_checkpoints(model, reference, layer_map).matches
        expected = _expected(matches, frozen, trained)
        found = _judged(model, reference, expected, rounding, control)
        model.check_unchanged()
        reference.check_unchanged()
        return Audit(Side.of(model), Side.of(reference), rounding, tuple(sorted(found, key=_rank)))


def _expected(
    matches: Iterable[Match], frozen: Sequence[str], trained: Sequence[str]
) -> list[tuple[Match, Expected]]:
    """The matches that a pattern names, and what each of them should be."""
    found: dict[int, tuple[Match, Expected]] = {}
    wanted: tuple[tuple[Expected, Sequence[str]], ...] = (("frozen", frozen), ("trained", trained))
    listed = list(matches)
    for state, patterns in wanted:
        for pattern in patterns:
            fits = fitting(pattern)
            at = [number for number, match in enumerate(listed) if fits(match.name)]
            if not at:
                raise UsageError("no tensor of the two fits this pattern", where=pattern)
            for number in at:
                if found.setdefault(number, (listed[number], state))[1] != state:
                    name = listed[number].name
                    raise UsageError("should be both frozen and trained", where=name)
    return [found[number] for number in sorted(found)]


def _judged(
    model: Checkpoint,
    reference: Checkpoint,
    expected: list[tuple[Match, Expected]],
    rounding: bool,
    control: Control,
) -> list[AuditedTensor]:
    """Compare bits where that decides, and values where it does not."""
    from inspect_core.delta.bits import same_bits

    bitwise = {
        number: pair
        for number, (match, _) in enumerate(expected)
        if (pair := _bits_of(match)) is not None
    }
    same = same_bits(model, reference, list(bitwise.values()), control)
    identical = {number for number, equal in zip(bitwise, same, strict=True) if equal}
    pairs = {
        number: pair
        for number, (match, _) in enumerate(expected)
        if number not in identical and (pair := match.pair) is not None and _is_whole(match, pair)
    }
    summaries = _summaries(model, reference, pairs, control)
    return [
        _tensor(
            match, state, number in identical, number in bitwise, summaries.get(number), rounding
        )
        for number, (match, state) in enumerate(expected)
    ]


def _bits_of(match: Match) -> Pair | None:
    """What to compare bit by bit: two tensors of one dtype and shape, comparable or not."""
    model, reference = match.model, match.reference
    if model is None or reference is None or model.dtype != reference.dtype:
        return None
    if match.status == "pair":
        pair = match.pair
        whole = pair is not None and _is_whole(match, pair)
        return pair if whole else None
    return Pair(model, reference) if model.shape == reference.shape else None


def _is_whole(match: Match, pair: "Pair") -> bool:
    """Whether a pair holds all of both tensors: leading rows prove nothing of the others."""
    assert match.model is not None
    return pair.model.numel == match.model.numel


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
    return {**numbers, "rel_l2": summary.rel_l2, "max_abs": summary.largest}


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
    return "changed", _rounding_of(match, summary) if explained else ""


def _why_unproven(match: Match) -> str:
    if match.status == "pair":
        return "only a part of it has a partner"
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
