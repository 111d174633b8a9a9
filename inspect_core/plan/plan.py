"""What a user means to train: steps of freezing and placing, as plain values.

A plan is a list of steps, applied in order to any structure. It holds no tensor and no name
that was not typed; `preview` says what it does to a model, `apply_plan` does it to a live one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

How = Literal["end", "glob", "regex", "exact"]
"""How a pattern is meant: the end of a dotted name (`query` is every `*.query`), the shell's
`* ? [ ]` and `{n}`, a regular expression over the whole name, or just this name."""

Method = Literal["lora", "dora", "ia3"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Some modules or parameters by name.

    Attributes:
        text: as typed.
        how: see `How`.
    """

    text: str
    how: How = "end"


@dataclass(frozen=True, slots=True)
class Freeze:
    """Freeze, or thaw, what fits: parameters, and everything below a module.

    After a `Place` it acts on delta parameters too, with one exception: all there is, frozen,
    is all of the model itself, so that freezing all but a head does not undo the placement.

    Attributes:
        patterns: what to freeze; one that fits is enough. `Pattern("", "exact")` is all.
        thaw: make it tunable instead.
        exclude: modules and parameters that stay as they are, with all below them.
    """

    patterns: tuple[Pattern, ...]
    thaw: bool = False
    exclude: tuple[Pattern, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Put adapters on modules, as PEFT would with the config that is exported from this.

    Attributes:
        method: `lora`, `dora` (LoRA with magnitudes) or `ia3`.
        targets: `target_modules`: ends of names; or one regular expression in
            `target_expression`, or `all-linear` there.
        target_expression: given instead of `targets`.
        rank: r of LoRA.
        alpha: lora_alpha.
        rslora: whether the scale is alpha / sqrt(r).
        layers: `layers_to_transform`; None for all.
        layers_pattern: names of the lists of layers, `layers_pattern`.
        exclude: `exclude_modules`: ends of names.
        rank_pattern: rank by the end of a module's name, or a regular expression.
        alpha_pattern: alpha likewise.
        modules_to_save: modules that are trained whole and stored beside the adapter.
        feedforward: `feedforward_modules` of IA3.
        fan_in_fan_out: whether weights are stored `(in, out)`.
        bias: `none`, `all` or `lora_only`.
        task: `task_type`, e.g. `CAUSAL_LM`; empty for none.
        dropout: `lora_dropout`, from 0 to less than 1.
    """

    method: Method = "lora"
    targets: tuple[str, ...] = ()
    target_expression: str = ""
    rank: int = 8
    alpha: float = 16
    rslora: bool = False
    layers: tuple[int, ...] | None = None
    layers_pattern: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    modules_to_save: tuple[str, ...] = ()
    feedforward: tuple[str, ...] = ()
    fan_in_fan_out: bool = False
    bias: Literal["none", "all", "lora_only"] = "none"
    task: str = ""
    dropout: float = 0.0


Step = Freeze | Place


@dataclass(frozen=True, slots=True)
class Precision:
    """The dtypes that memory is counted in, by checkpoint names (`BF16`).

    Attributes:
        weights: of the frozen and tunable weights; empty for those that they are stored in.
        adapter: of delta parameters.
        gradients: of gradients; empty for the dtype of the parameter.
        optimizer: of each of Adam's two states; empty for the dtype of the parameter, as torch
            has them.
    """

    weights: str = ""
    adapter: str = "F32"
    gradients: str = ""
    optimizer: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they are applied.

    A `Place` freezes everything before it, as PEFT does; what is thawed must be thawed after.

    Attributes:
        steps: what to do.
        precision: how memory is counted.
        base: name of the model it was made for, for people and for `adapter_config.json`.
    """

    steps: tuple[Step, ...] = ()
    precision: Precision = Precision()
    base: str = ""

    def then(self, step: Step) -> "Plan":
        """The plan with one step more."""
        return replace(self, steps=(*self.steps, step))
