"""A plan carried out on an outline: what is frozen, what is added, and what is wrapped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from inspect_core.errors import UsageError
from inspect_core.plan.addressing import PATIENCE, Budget
from inspect_core.plan.counting import with_suggestions
from inspect_core.plan.outline import Outline
from inspect_core.plan.peft_rules.kinds_of_layer import Layers
from inspect_core.plan.peft_rules.placement import NAMED, Made
from inspect_core.plan.peft_rules.resolving import Model
from inspect_core.plan.plan import Place, Plan, Precision
from inspect_core.plan.preview import Hits
from inspect_core.structure.build import ModuleFacts
from inspect_core.structure.tree import LeafSpec

MOST_WORK = 10_000_000
"""Tensors times steps; more takes longer than anybody waits."""

IN_MODEL = "base_model.model."
"""What `get_peft_model` puts before the names of a model."""


@dataclass(slots=True)
class Addition:
    """A parameter that the plan adds.

    Attributes:
        module: the module it is put on.
        made: its name and shape.
        depth: wrappers of the module that are inside of the one that holds it.
        frozen: whether it is not trained.
        source: the tensor that it is a copy of, where a module is trained whole; else -1.
        twin: the addition that it is a copy of; else -1.
    """

    module: int
    made: Made
    depth: int = 0
    frozen: bool = False
    source: int = -1
    twin: int = -1

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy of something in a module that is trained whole."""
        return self.source >= 0 or self.twin >= 0


@dataclass(eq=False)
class Work:
    """The state of a model while a plan is carried out.

    Attributes:
        model: the outline, and how the model's class spells it.
        frozen: for each tensor whether it is frozen; of tied ones the owner's counts.
        additions: what the plan adds, in order.
        wrappers: for each adapted module how many layers are wrapped around it.
        saved: modules that are trained as copies.
        replaced: tensors that have such a copy, and are not used any more.
        settings: rank, alpha and whether it feeds forward, by path, of each adapted module.
        placed: steps of `Place` that took effect.
        thawed: tensors that a step thawed.
        held: owners that a step froze.
        under_frozen: adapted modules whose weight an earlier step had frozen.
        hits: what each entry of each step found.
        error: why peft would refuse it; foreign text inside.
        remarks: what else should be said; foreign text inside.
    """

    model: Model
    frozen: bytearray
    additions: list[Addition] = field(default_factory=list)
    wrappers: dict[int, int] = field(default_factory=dict)
    saved: dict[int, None] = field(default_factory=dict)
    replaced: set[int] = field(default_factory=set)
    settings: dict[str, tuple[int, float, bool]] = field(default_factory=dict)
    placed: list[Place] = field(default_factory=list)
    thawed: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    under_frozen: list[int] = field(default_factory=list)
    hits: list[Hits] = field(default_factory=list)
    error: str = ""
    remarks: list[str] = field(default_factory=list)

    @property
    def outline(self) -> Outline:
        """The listing."""
        return self.model.outline

    def is_frozen(self, tensor: int) -> bool:
        """Whether a tensor is not trained."""
        return bool(self.frozen[self.outline.owner[tensor]])

    def dtype_of(self, addition: Addition, precision: Precision) -> str:
        """The dtype of an addition: a copy has that of the weights."""
        if addition.source < 0:
            return precision.adapter
        return precision.weights or self.outline.specs[addition.source].dtype

    def shown_name(self, addition: Addition) -> str:
        """The name of an addition at its place in the listing, as adapter files spell it."""
        inside = ".base_layer" * addition.depth
        return f"{self.outline.paths[addition.module]}{inside}.{addition.made.stored}"

    def copy(self) -> "Work":
        """The state as it is now."""
        return replace(
            self,
            frozen=bytearray(self.frozen),
            additions=[replace(one) for one in self.additions],
            wrappers=dict(self.wrappers),
            saved=dict(self.saved),
            replaced=set(self.replaced),
            settings=dict(self.settings),
            under_frozen=list(self.under_frozen),
        )

    def restore(self, other: "Work") -> None:
        """Take back what was placed since a copy was made; hits and remarks stay."""
        self.frozen, self.additions, self.wrappers = other.frozen, other.additions, other.wrappers
        self.saved, self.replaced, self.settings = other.saved, other.replaced, other.settings
        self.under_frozen = other.under_frozen

    def save(self, module: int) -> None:
        """Train a copy of a module whole: everything below it gets one, adapters too."""
        outline = self.outline
        self.saved[module] = None
        inside = f"{outline.paths[module]}."
        copied: set[int] = set()
        for tensor in outline.below(module):
            owner = outline.owner[tensor]
            if owner in copied or not outline.is_parameter(tensor):
                continue
            copied.add(owner)
            self.replaced.add(tensor)
            self.frozen[owner] = True
            if outline.trains(owner):
                tail = outline.names[tensor].removeprefix(inside)
                made = Made(f"modules_to_save.{NAMED}.{tail}", outline.specs[tensor].shape)
                self.additions.append(Addition(module, made, source=tensor))
        for at, addition in enumerate(list(self.additions)):
            if not addition.is_copy and outline.paths[addition.module].startswith(inside):
                tail = self.shown_name(addition).removeprefix(inside)
                made = Made(f"modules_to_save.{NAMED}.{tail}", addition.made.shape)
                self.additions.append(Addition(module, made, twin=at))
                addition.frozen = True


def carry_out(
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    plan: Plan,
    config: Mapping[str, object] | None,
) -> Work:
    """Apply all steps of a plan.

    Raises:
        UsageError: a pattern cannot be understood, or takes too long.
    """
    from inspect_core.plan.freezing import freeze
    from inspect_core.plan.peft_rules.placing import place

    if any(spec.computed for spec in specs):
        raise UsageError("an adapter without its base cannot be planned on", hint="open the base")
    if len(names) * len(plan.steps) > MOST_WORK:
        raise UsageError(
            f"{len(plan.steps):,} steps on {len(names):,} tensors are too many",
            hint="one step takes many patterns: join those that follow each other",
        )
    outline = Outline.of(names, specs, facts)
    family = (config or {}).get("model_type")
    model = Model(
        outline, Layers(outline, config), model_paths(outline),
        family if isinstance(family, str) else "", Budget(PATIENCE),
    )  # fmt: skip
    work = Work(model, bytearray(len(outline.names)))
    for tensor, (spec, owner) in enumerate(zip(outline.specs, outline.owner, strict=True)):
        if (spec.frozen and owner == tensor) or not outline.trainable[owner]:
            work.frozen[owner] = True
    for number, step in enumerate(plan.steps):
        if isinstance(step, Place):
            place(work, number, step)
        else:
            freeze(work, number, step)
    work.hits = with_suggestions(outline, work.hits, model.hosts)
    return work


def model_paths(outline: Outline) -> list[str]:
    """For each module the path that the model's class has for it."""
    strip, add = outline.facts.renamed
    if strip == add:
        return outline.paths
    kept = outline.facts.kept

    def spelled(path: str) -> str:
        if not path or path.partition(".")[0] in kept or not f"{path}.".startswith(strip):
            return path
        return (add + f"{path}."[len(strip) :])[:-1]

    return [spelled(path) for path in outline.paths]


def live_names(work: Work) -> tuple[list[str], list[str]]:
    """Names as `get_peft_model` gives them: of the outline's tensors, and of the additions."""
    outline, paths = work.outline, work.model.paths
    prefix = IN_MODEL if work.placed else ""
    outer, inner = [""], [""]
    for module in range(1, len(paths)):
        above = outline.parent[module]
        below = paths[module].removeprefix(f"{paths[above]}.") if paths[above] else paths[module]
        # A file's module that the class has elsewhere is not below its parent there.
        nested = inner[above] and below != paths[module]
        outer.append(f"{inner[above]}.{below}" if nested else paths[module])
        original = ".original_module" if module in work.saved else ""
        inner.append(outer[-1] + original + ".base_layer" * work.wrappers.get(module, 0))
    own = [
        f"{prefix}{inner[module]}.{leaf}" if module else f"{prefix}{leaf}"
        for module, leaf in zip(outline.module, outline.leaf, strict=True)
    ]
    added: list[str] = []
    for addition in work.additions:
        home = f"{prefix}{outer[addition.module]}"
        if addition.is_copy:
            twin = own[addition.source] if addition.source >= 0 else added[addition.twin]
            tail = twin.removeprefix(f"{home}.original_module.")
            added.append(f"{home}.modules_to_save.default.{tail}")
            continue
        # The wrapper that was put on first is the innermost one.
        outside = work.wrappers[addition.module] - 1 - addition.depth
        saved = ".original_module" if addition.module in work.saved else ""
        added.append(f"{home}{saved}{'.base_layer' * outside}.{addition.made.live}")
    return own, added
