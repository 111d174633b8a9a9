"""One placement carried out: modules found, parameters added, all else frozen, as PEFT does."""

from collections.abc import Iterable, Mapping

from inspect_core.plan.counting import Counts, hits_of
from inspect_core.plan.peft_rules.kinds_of_layer import LINEAR
from inspect_core.plan.peft_rules.matching import Ends, PatternKeys, Selection, Wanted
from inspect_core.plan.peft_rules.model_types import GENERATING, MAMBA, MAMBA_REFUSED
from inspect_core.plan.peft_rules.placement import Made, added_by, lora_on_parameter, refusal
from inspect_core.plan.peft_rules.resolving import Refused, positive, resolve
from inspect_core.plan.peft_rules.saving import save_modules
from inspect_core.plan.plan import Place
from inspect_core.plan.preview import EntryKind
from inspect_core.plan.working import Addition, Work


def place(work: Work, number: int, step: Place) -> None:
    """Carry out one placement; what PEFT would refuse is noted in `work.error`.

    Raises:
        UsageError: an expression is none, or takes too long.
    """
    before = work.copy()
    try:
        _check_against_earlier(work, step)
        _Placement(work, number, step).carry_out()
    except Refused as error:
        # As with peft nothing is placed then; what the entries hit is still told.
        work.restore(before)
        work.error = work.error or str(error)


class _Placement:
    """The state of one placement while it is carried out.

    The entries are the targets as the plan has them; where it has none, those that PEFT takes
    for the model's type.
    """

    def __init__(self, work: Work, number: int, step: Place) -> None:
        self.work, self.number, self.step = work, number, step
        self.model, self.outline = work.model, work.outline
        self.wanted = wanted = resolve(self.model, step)
        if step.target_expression or wanted.expression:
            self.entries = [step.target_expression or wanted.expression]
        else:
            self.entries = [*(step.targets or wanted.targets or ())]
        self.at = {entry: at for at, entry in enumerate(self.entries)}
        self.counts = Counts(self.outline, len(self.entries))
        budget = self.model.budget
        self.ranks = PatternKeys(wanted.ranks, budget)
        self.alphas = PatternKeys(step.alpha_pattern, budget)
        self.select = Selection(step, wanted, budget)
        self.adapted: dict[int, str] = {}
        self.laid_out = step.fan_in_fan_out  # PEFT sets it anew at each layer that it adapts

    def carry_out(self) -> None:
        """Do all of it, in PEFT's order."""
        refused = self._modules()
        self._parameters()
        self._hits(self.counts, self.entries, "target")
        self._patterns()
        if refused:
            raise Refused(refused)
        if not self.adapted:
            raise Refused(_nothing(self.step, self.wanted))
        self._freeze_the_rest()
        counts = save_modules(self.work, self.wanted.saved, self.step.method)
        self._hits(counts, self.wanted.saved, "save")
        self.work.placed.append(self.step)

    def _hits(self, counts: Counts, entries: Iterable[str], kind: EntryKind) -> None:
        self.work.hits += hits_of(counts, self.number, list(entries), kind)

    def _modules(self) -> str:
        """Adapt what the targets take; the first reason why PEFT would fail."""
        select, step = self.select, self.step
        excluded = Counts(self.outline, len(step.exclude))
        numbers = {entry: at for at, entry in enumerate(step.exclude)}
        refused = ""
        for module in self.model.modules():
            path = self.model.paths[module]
            if spared := select.excluded(path):
                excluded.add([numbers[entry] for entry in spared], module)
                continue
            found = select.targets(path)
            if not found or select.saved(path):
                continue
            entries = self._entries(found)
            why = self._adapt(module, path)
            if why:
                shown = self.outline.paths[module]
                self.counts.refuse(entries, shown, why)
                refused = refused or f"{shown}: {why}"
            else:
                self.counts.add(entries, module)
        self._hits(excluded, step.exclude, "exclude")
        return refused

    def _entries(self, found: Iterable[str]) -> list[int]:
        """The entries behind what the resolved targets found."""
        if self.step.target_expression or self.wanted.expression:
            return [0]
        return [self.at[one] for one in found if one in self.at]

    def _rank(self, path: str) -> int:
        key = self.ranks.key(path)
        return self.step.rank if key is None else int(self.wanted.ranks[key])

    def _adapt(self, module: int, path: str) -> str:
        """Adapt one module; why not, where it cannot be."""
        step = self.step
        layer = self.model.layers.layer(module)
        name = path.rpartition(".")[2]
        if step.method != "ia3" and self.model.family in MAMBA and name in MAMBA_REFUSED:
            return f"PEFT does not adapt {name} of {self.model.family}"
        rank = self._rank(path)
        why = refusal(layer, step.method, rank)
        if not why and module in self.work.wrappers:
            why = "an earlier placement has adapted it"
        if why:
            return why
        key = self.alphas.key(path)
        alpha = step.alpha if key is None else step.alpha_pattern[key]
        feedforward = path.endswith(tuple(self.wanted.feedforward))
        self.work.settings[path] = (rank, alpha, feedforward)
        if step.method != "ia3":
            positive(rank)
        if layer.kind in LINEAR:
            self.laid_out = layer.kind == "Conv1D"
        self._add(module, added_by(layer, step.method, rank, feedforward))
        if layer.kind == "MultiheadAttention":
            self._output_of_attention(module, rank)
        return ""

    def _output_of_attention(self, module: int, rank: int) -> None:
        """PEFT adapts the output projection with the attention that owns it."""
        output = self.outline.module_at.get(f"{self.outline.paths[module]}.out_proj")
        if output is None:
            return
        layer = self.model.layers.layer(output)
        if layer.kind == "Linear":
            self._add(output, added_by(layer, "lora", rank, feedforward=False))

    def _add(self, module: int, made: Iterable[Made]) -> None:
        self.adapted[module] = self.model.paths[module]
        depth = self.work.wrappers.get(module, 0)
        held, owner = self.work.held, self.outline.owner
        if held and any(owner[own] in held for own in self.outline.own(module).values()):
            self.work.under_frozen.append(module)
        self.work.wrappers[module] = depth + 1
        self.work.additions += [Addition(module, one, depth) for one in made]

    def _parameters(self) -> None:
        """Adapt parameters themselves, as PEFT does with fused experts, in all layers."""
        ends = Ends(self.wanted.parameters)
        outline = self.outline
        for tensor, module in enumerate(outline.module) if ends else ():
            home = self.model.paths[module]
            key = f"{home}.{outline.leaf[tensor]}"
            found = ends.which(key)
            if not found or not outline.is_parameter(tensor):
                continue
            if self.step.method == "dora":
                raise Refused(f"DoRA does not adapt the fused experts of {outline.paths[module]}")
            if self.laid_out:
                raise Refused("fan_in_fan_out does not go with fused experts")
            if getattr(self.step, "dropout", 0):
                raise Refused("dropout does not go with fused experts")
            shape = outline.specs[tensor].shape
            if len(shape) not in (2, 3) or not home:
                raise Refused(f"{outline.names[tensor]} cannot be adapted itself")
            self._add(module, lora_on_parameter(shape, positive(self._rank(key))))
            self.counts.add(self._entries_of_parameter(found), module)

    def _entries_of_parameter(self, found: Iterable[str]) -> list[int]:
        if self.step.target_expression:
            return [0]
        wanted = self.wanted.remapped
        return [self.at[old] for old, new in wanted.items() if new in found and old in self.at]

    def _patterns(self) -> None:
        """Hits of rank_pattern and alpha_pattern, and of the feed-forward modules."""
        self._pattern(self.step.rank_pattern, "rank")
        self._pattern(self.step.alpha_pattern, "alpha")
        fed = self.step.feedforward
        counts = Counts(self.outline, len(fed))
        for module, path in self.adapted.items() if fed else ():
            counts.add([at for at, end in enumerate(fed) if path.endswith(end)], module)
        self._hits(counts, fed, "feedforward")

    def _pattern(self, values: Mapping[str, float], kind: EntryKind) -> None:
        keys = PatternKeys(values, self.model.budget)
        counts = Counts(self.outline, len(values))
        numbers = {key: at for at, key in enumerate(values)}
        for module, path in self.adapted.items() if values else ():
            key = keys.key(path)
            if key is not None:
                counts.add([numbers[key]], module)
        self._hits(counts, values, kind)

    def _freeze_the_rest(self) -> None:
        """Freeze the model's own parameters, but for the biases that are asked for."""
        outline, frozen, owner = self.outline, self.work.frozen, self.outline.owner
        frozen[:] = b"\1" * len(frozen)
        if self.step.bias == "all":
            for tensor, leaf in enumerate(outline.leaf):
                if leaf == "bias" and outline.trains(owner[tensor]):
                    frozen[owner[tensor]] = False
        elif self.step.bias == "lora_only":
            for module in self.work.wrappers:
                bias = outline.own(module).get("bias")
                if bias is not None and outline.trains(owner[bias]):
                    frozen[owner[bias]] = False


def _check_against_earlier(work: Work, step: Place) -> None:
    if step.task in GENERATING and work.outline.facts.generates is False:
        raise Refused(f"the model cannot generate, and the task {step.task} needs that")
    if any(spec.delta for spec in work.outline.specs):
        raise Refused("the model has adapters already, and PEFT would put new ones inside of them")
    for other in work.placed:
        for key in ("method", "rslora", "bias", "task"):
            if getattr(other, key) != getattr(step, key):
                raise Refused(f"one adapter has one {key}, and two placements differ in it")


def _nothing(step: Place, wanted: Wanted) -> str:
    """What PEFT says where no module is taken."""
    if step.target_expression:
        what = f"the expression {step.target_expression}"
    else:
        what = ", ".join((step.targets or wanted.targets or ())[:4]) or "no target"
    within = f" in layers {', '.join(map(str, step.layers[:8]))}" if step.layers else ""
    return f"no module to adapt: {what} takes none{within}"
