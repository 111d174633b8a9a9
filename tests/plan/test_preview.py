"""What a plan shows: states, counts, hits, warnings, and what it leaves alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Freeze, Pattern, Place, Plan, Precision
from inspect_core.plan.preview import Preview, preview, trainable_names
from inspect_core.structure.build import NO_FACTS, ModuleFacts, build_tree
from inspect_core.structure.tree import LeafSpec

ALL = Pattern("", "exact")


def listing(layers: int = 4, width: int = 8) -> tuple[list[str], list[LeafSpec]]:
    named = {"embed_tokens.weight": (20, width)}
    for layer in range(layers):
        for part in ("q_proj", "v_proj"):
            named[f"layers.{layer}.attn.{part}.weight"] = (width, width)
            named[f"layers.{layer}.attn.{part}.bias"] = (width,)
        named[f"layers.{layer}.norm.weight"] = (width,)
    named["lm_head.weight"] = (20, width)
    made = {shape: LeafSpec("F32", shape) for shape in named.values()}
    return list(named), [made[shape] for shape in named.values()]


def shown(*steps: Freeze | Place, facts: ModuleFacts = NO_FACTS, **more) -> Preview:
    names, specs = listing()
    return preview(names, specs, facts, Plan(tuple(steps), **more))


def trained(*steps: Freeze | Place, facts: ModuleFacts = NO_FACTS) -> set[str]:
    names, specs = listing()
    return set(trainable_names(names, specs, facts, Plan(steps)))


def freeze(*texts: str, exclude: tuple[str, ...] = (), thaw: bool = False) -> Freeze:
    return Freeze(tuple(map(Pattern, texts)), thaw, tuple(map(Pattern, exclude)))


def test_no_plan_changes_nothing() -> None:
    names, specs = listing()
    result = preview(names, specs, NO_FACTS, Plan())
    assert result.tree == build_tree(names, specs)
    assert result.totals.tunable == result.totals.params == result.tree.root.totals.params
    assert (result.warnings, result.hits, result.error) == ((), (), "")
    assert trained() == set(names)


def test_the_end_of_a_name_takes_everything_below() -> None:
    names, _ = listing()
    left = trained(freeze("attn", "lm_head"))
    assert left == {name for name in names if "attn" not in name and "lm_head" not in name}
    assert trained(freeze("layers.1")) == {n for n in names if not n.startswith("layers.1.")}
    assert trained(freeze("bias")) == {n for n in names if not n.endswith("bias")}
    assert trained(freeze("roj")) == set(names)


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        (Pattern("layers.[01]", "glob"), "layers.0 layers.1"),
        (
            Pattern("layers.{n}.norm", "glob"),
            "layers.0.norm layers.1.norm layers.2.norm layers.3.norm",
        ),
        (Pattern("*.bias", "glob"), "bias"),
        (Pattern(r"layers\.[23]\.attn", "regex"), "layers.2.attn layers.3.attn"),
        (Pattern(r".*weight", "regex"), "weight"),
        (Pattern("layers.0.attn", "exact"), "layers.0.attn"),
        (Pattern("attn", "exact"), ""),
        (Pattern("lm_head.weight", "exact"), "lm_head"),
        (ALL, "weight bias"),
    ],
)
def test_patterns(pattern: Pattern, gone: str) -> None:
    names, _ = listing()
    expected = {n for n in names if not any(f".{part}." in f".{n}." for part in gone.split())}
    assert trained(Freeze((pattern,))) == expected


def test_exclude_spares_subtrees_and_parameters_by_their_own_name() -> None:
    left = trained(Freeze((ALL,), exclude=(Pattern("layers.3"), Pattern("bias"))))
    names, _ = listing()
    assert left == {n for n in names if n.startswith("layers.3.") or n.endswith("bias")}


def test_freezing_all_but_some_leaves_delta_parameters_alone() -> None:
    place = Place(targets=("q_proj",))
    delta = {n for n in trained(place) if "lora_" in n}
    assert trained(place, Freeze((ALL,), exclude=(Pattern("lm_head"),))) == delta
    assert trained(place, freeze("lora_A")) == {n for n in delta if "lora_B" in n}
    result = shown(place, freeze("layers.0"))
    assert result.totals.tunable == 3 * 8 * 16
    assert any("delta parameters are frozen" in line for line in result.warnings)


def test_a_placement_freezes_what_is_before_it_and_not_what_comes_after() -> None:
    place = Place(targets=("v_proj",), rank=2)
    delta = trained(place)
    assert delta == trained(freeze("lm_head", thaw=True), place)
    assert trained(place, freeze("lm_head", thaw=True)) == delta | {
        "base_model.model.lm_head.weight"
    }
    after = trained(place, freeze("layers.0", thaw=True))
    assert "base_model.model.layers.0.attn.v_proj.base_layer.bias" in after
    assert any("thaw after" in line for line in shown(freeze("norm", thaw=True), place).warnings)
    put = shown(freeze("layers.0"), place)
    assert any("an earlier step froze" in line for line in put.warnings)


def test_ordinals_stay_those_of_the_listing() -> None:
    names, specs = listing()
    plain = build_tree(names, specs)
    planned = shown(Place(targets=("q_proj",), modules_to_save=("lm_head",)), freeze("norm"))
    assert planned.tree.order == plain.order
    paths = [path for path, _, _ in planned.tree.root.walk()]
    assert "layers.2.attn.q_proj.lora_A" in paths
    assert "lm_head.modules_to_save" in paths
    assert len({group.names for group in dict(planned.tree.root.children)["layers"].groups}) == 1


def test_hits_say_which_layers_an_entry_misses_and_where_it_is_uneven() -> None:
    query, odd = shown(
        Place(targets=("q_proj", "layers.1.attn.v_proj"), layers=(1, 3), layers_pattern=("layers",))
    ).hits
    assert (query.count, query.layers, query.missed, query.uneven) == (2, (1, 3), (0, 2), False)
    assert (odd.count, odd.layers, odd.missed) == (1, (1,), (0, 2, 3))
    names, specs = listing()
    extra = [*names, "layers.2.cross.q_proj.weight"]
    result = preview(extra, [*specs, specs[1]], NO_FACTS, Plan((Place(targets=("q_proj",)),)))
    assert result.hits[0].uneven
    assert result.hits[0].count == 5


def test_layers_at_the_beginning_of_names_need_their_list() -> None:
    result = shown(Place(targets=("q_proj",), layers=(1,)))
    assert "no module to adapt: q_proj takes none in layers 1" in result.error
    assert any("give layers_pattern" in line for line in result.warnings)


def test_what_hits_nothing_is_named_and_a_name_suggested() -> None:
    result = shown(Place(targets=("q_proj", "v_porj"), exclude=("nothing",)), freeze("norms"))
    missed = {hit.entry: hit for hit in result.hits if not hit.count}
    assert missed["v_porj"].suggestion == "v_proj"
    assert (missed["norms"].suggestion, missed["norms"].kind) == ("norm", "freeze")
    assert missed["nothing"].kind == "exclude"
    lines = "\n".join(result.warnings)
    assert "v_porj fits nothing: did you mean v_proj?" in lines
    assert "step 2: pattern norms fits nothing" in lines


def test_modules_that_cannot_be_adapted_are_refused_with_why() -> None:
    result = shown(Place(targets=("attn", "norm", "q_proj")))
    refused = {hit.entry: hit.refused for hit in result.hits}
    assert refused["attn"][0] == ("layers.0.attn", "it holds no weight of its own")
    assert "1 dimensions" in refused["norm"][0][1]
    assert "layers.0.attn" in result.error
    assert result.totals.delta == 0
    assert result.totals.tunable == result.totals.params


def test_nothing_left_to_train() -> None:
    assert "nothing is left to train" in shown(Freeze((ALL,))).warnings
    assert trained(Freeze((ALL,))) == set()


def test_tied_parameters_are_one() -> None:
    names, specs = listing()
    facts = ModuleFacts(
        tied={"lm_head.weight": "embed_tokens.weight"}, shapes={"lm_head.weight": ("F32", (20, 8))}
    )
    left_out = (names[:-1], specs[:-1])
    result = preview(*left_out, facts, Plan((freeze("lm_head"),)))
    assert result.totals.frozen == 20 * 8
    assert result.totals.params == sum(spec.numel for spec in specs[:-1])
    thawed = preview(*left_out, facts, Plan((Freeze((ALL,)), freeze("embed_tokens", thaw=True))))
    assert any("is tied to lm_head.weight: thawing" in line for line in thawed.warnings)
    spared = Freeze((ALL,), exclude=(Pattern("lm_head"),))
    assert set(trainable_names(*left_out, facts, Plan((spared,)))) == {"embed_tokens.weight"}


def test_memory_by_hand() -> None:
    precision = Precision(weights="BF16", adapter="F32", gradients="", optimizer="F32")
    totals = shown(Place(targets=("q_proj",), rank=2), precision=precision).totals
    delta = 4 * 2 * (8 + 8)
    base = 2 * 20 * 8 + 4 * (2 * (64 + 8) + 8)
    assert (totals.delta, totals.params, totals.saved) == (delta, base + delta, 0)
    assert totals.weight_bytes == 2 * base + 4 * delta
    assert (totals.gradient_bytes, totals.optimizer_bytes) == (4 * delta, 8 * delta)
    with pytest.raises(UsageError, match="no dtype 'F33'"):
        shown(precision=Precision(weights="F33"))


def test_copies_of_saved_modules_count_as_saved() -> None:
    totals = shown(Place(targets=("q_proj",), rank=1, modules_to_save=("lm_head",))).totals
    assert totals.saved == 160
    assert totals.delta == totals.tunable == 160 + 4 * 16


def test_what_is_left_alone() -> None:
    parts = dict(
        shown(Place(targets=("q_proj",), layers=(0, 1), layers_pattern=("layers",))).untouched
    )
    assert parts["embed_tokens"] == parts["lm_head"] == 160
    assert parts["layers.2-3"] == 2 * (2 * 72 + 8)
    assert parts["layers.0-1.attn.v_proj"] == 2 * 72
    assert parts["layers.0-1.norm"] == 16
    assert sum(parts.values()) == shown().totals.params - 2 * 72


def test_a_model_with_adapters_takes_no_others() -> None:
    names, specs = listing()
    names.append("layers.0.attn.q_proj.lora_A.default.weight")
    specs.append(LeafSpec("F32", (2, 8), delta=True))
    result = preview(names, specs, NO_FACTS, Plan((Place(targets=("v_proj",)),)))
    assert "has adapters already" in result.error


def test_two_placements_make_one_adapter() -> None:
    both = trained(Place(targets=("q_proj",), rank=2), Place(targets=("v_proj",), rank=3))
    assert both == trained(Place(targets=("q_proj",))) | trained(Place(targets=("v_proj",)))
    again = shown(Place(targets=("q_proj",)), Place(targets=("q_proj",)))
    assert "an earlier placement has adapted it" in again.error
    assert "one method" in shown(Place(targets=("q_proj",)), Place("ia3", ("v_proj",))).error


def test_whole_numbers_and_buffers_are_never_trained() -> None:
    names = ["a.weight", "a.position_ids", "a.mean"]
    specs = [LeafSpec("F32", (2, 2)), LeafSpec("I64", (1, 4)), LeafSpec("F32", (2,))]
    facts = ModuleFacts(buffers=frozenset({"a.mean"}))
    plan = Plan((Freeze((ALL,)), Freeze((ALL,), thaw=True)))
    assert set(trainable_names(names, specs, facts, plan)) == {"a.weight"}


def test_experts_that_are_stored_one_by_one() -> None:
    names = [
        f"model.layers.{n}.moe.experts.{e}.w{k}.weight"
        for n in (0, 1)
        for e in (0, 1)
        for k in (1, 2)
    ]
    names += [f"model.layers.{n}.self_attn.q_proj.weight" for n in (0, 1)]
    specs = [LeafSpec("BF16", (4, 6))] * len(names)
    config = {"model_type": "mixtral"}
    on_experts = preview(names, specs, NO_FACTS, Plan((Place(targets=("w1",), rank=2),)), config)
    assert on_experts.totals.delta == 4 * 2 * 10
    assert any("stored one by one" in line for line in on_experts.warnings)
    elsewhere = preview(names, specs, NO_FACTS, Plan((Place(targets=("q_proj",)),)), config)
    assert elsewhere.warnings == (
        "a rank of 8 is more than the 6 inputs of model.layers.0.self_attn.q_proj",
    )


def test_layers_do_not_limit_fused_experts() -> None:
    names = [f"model.layers.{n}.mlp.experts.{p}_proj" for n in (0, 1) for p in ("gate_up", "down")]
    specs = [LeafSpec("BF16", (2, 4, 6))] * 4
    place = Place(targets=("w2",), rank=1, layers=(0,))
    result = preview(names, specs, NO_FACTS, Plan((place,)), {"model_type": "mixtral"})
    assert result.totals.delta == 2 * 2 * (4 + 6)
    assert any("in all layers" in line for line in result.warnings)
    half = preview(
        names, specs, NO_FACTS, Plan((Place(targets=("w1",)),)), {"model_type": "mixtral"}
    )
    assert "w1 needs w3 too" in half.error


def test_types_decide_what_can_be_adapted() -> None:
    names, specs = ["a.weight", "b.weight"], [LeafSpec("F32", (4, 4))] * 2
    types = {"": "M", "a": "Router", "b": "OwnLinear"}
    facts = ModuleFacts(types=types, bases={"OwnLinear": "Linear"})
    result = preview(names, specs, facts, Plan((Place(targets=("a", "b")),)))
    assert result.error == "a: Router is not a layer that can be adapted"
    plan = Plan((Place(target_expression="all-linear"),))
    assert set(trainable_names(names, specs, facts, plan)) == {
        "base_model.model.b.lora_A.default.weight", "base_model.model.b.lora_B.default.weight",
    }  # fmt: skip


def test_an_adapter_without_its_base_is_not_planned_on() -> None:
    specs = [LeafSpec("F64", (4, 4), delta=True, computed=True)]
    with pytest.raises(UsageError, match="without its base"):
        preview(["a.weight"], specs, NO_FACTS, Plan())


SLOW = r"(a|aa)+\.x"
"""It tries every way to split sixty letters, and none fits."""


@pytest.mark.parametrize(
    "step",
    [
        Freeze((Pattern(SLOW, "regex"),)), Place(target_expression=SLOW),
        Place(targets=("q_proj",), rank_pattern={SLOW: 2}),
        Place(targets=("q_proj",), alpha_pattern={SLOW: 2}),
        Place(targets=("q_proj",), modules_to_save=(SLOW,)),
        Place(targets=("q_proj",), layers=(0,), layers_pattern=(SLOW,)),
    ],
)  # fmt: skip
def test_a_hostile_expression_ends_in_one_line(step: Freeze | Place, monkeypatch) -> None:
    monkeypatch.setattr("inspect_core.plan.working.PATIENCE", 0.05)
    names = [f"{'a' * 60}.{n}.q_proj.weight" for n in range(9)]
    with pytest.raises(UsageError, match="take too long"):
        preview(names, [LeafSpec("F32", (4, 4))] * 9, NO_FACTS, Plan((step,)))


@pytest.mark.parametrize("text", ["(", "a{99999999999999}", "(?P<x", "[", "(" * 2000, "x" * 5000])
def test_what_is_no_expression_is_said_in_one_line(text: str) -> None:
    for step in (Freeze((Pattern(text, "regex"),)), Place(target_expression=text)):
        with pytest.raises(UsageError) as caught:
            shown(step)
        assert "\n" not in str(caught.value)


def test_an_empty_pattern_is_said() -> None:
    with pytest.raises(UsageError, match="empty pattern"):
        shown(freeze(""))


def test_hostile_names_are_shown_safely() -> None:
    names = ["ev\x1b[31mil.weight", "ok.weight"]
    specs = [LeafSpec("F32", (4, 4)), LeafSpec("F32", (4,))]
    result = preview(names, specs, NO_FACTS, Plan((Place(targets=("ok", "ev\x1b[31mal")),)))
    assert "\x1b" not in "".join([*result.warnings, result.error])


WORDS = st.sampled_from(
    ["layers.0", "layers", "attn", "q_proj", "v_proj", "bias", "norm", "lm_head", "weight", "1",
     "embed_tokens", "lora_A", "nowhere"]
)  # fmt: skip
PATTERNS = st.builds(Pattern, WORDS) | st.just(ALL)
FREEZES = st.builds(
    Freeze,
    st.lists(PATTERNS, min_size=1, max_size=3).map(tuple),
    st.booleans(),
    st.lists(PATTERNS, max_size=2).map(tuple),
)
PLACES = st.builds(
    Place,
    st.sampled_from(["lora", "dora"]),
    st.lists(st.sampled_from(["q_proj", "v_proj", "lm_head"]), min_size=1, max_size=2).map(tuple),
    rank=st.integers(1, 4),
    modules_to_save=st.sampled_from([(), ("norm",), ("embed_tokens",)]),
    bias=st.sampled_from(["none", "all", "lora_only"]),
)


def fits(name: str, pattern: Pattern) -> bool:
    """OpenDelta's rule, by hand: some module on the way, or the name itself, ends so."""
    parts = name.split(".")
    paths = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return pattern == ALL or any(f".{path}".endswith(f".{pattern.text}") for path in paths)


@settings(max_examples=60, deadline=None)
@given(st.lists(FREEZES, max_size=4))
def test_freezing_is_what_it_says(steps: list[Freeze]) -> None:
    names, _ = listing()
    tunable = set(names)
    for step in steps:
        hit = {
            name
            for name in names
            if any(fits(name, one) for one in step.patterns)
            and not any(fits(name, one) for one in step.exclude)
        }
        tunable = tunable | hit if step.thaw else tunable - hit
    assert trained(*steps) == tunable


@settings(max_examples=60, deadline=None)
@given(st.lists(FREEZES | PLACES, max_size=4))
def test_counts_add_up(steps: list[Freeze | Place]) -> None:
    result = shown(*steps)
    totals = result.totals
    names, specs = listing()
    assert totals.tunable + totals.frozen == totals.params
    assert totals.params - totals.delta == sum(spec.numel for spec in specs)
    assert 0 <= totals.saved <= totals.delta
    of_tree = result.tree.root.totals
    assert (of_tree.params, of_tree.tunable, of_tree.delta) == (
        totals.params, totals.tunable, totals.delta,
    )  # fmt: skip
    if not result.error:
        found = trainable_names(names, specs, NO_FACTS, Plan(tuple(steps)))
        assert sum(LeafSpec("", shape).numel for shape in found.values()) == totals.tunable


def test_adam_has_the_dtype_of_each_parameter_as_torch_has():
    names = ["a.weight", "head.weight"]
    about = names, [LeafSpec("BF16", (8, 8)), LeafSpec("BF16", (4, 8))], NO_FACTS
    plan = Plan((Place(targets=("a",), rank=2, modules_to_save=("head",)),))
    totals = preview(*about, plan).totals
    assert totals.optimizer_bytes == 2 * (4 * 2 * 16 + 2 * 32)
    assert totals.optimizer_bytes == 2 * totals.gradient_bytes
    frozen = preview(*about, plan.then(Freeze((Pattern("lora_A"),)))).totals
    assert (frozen.delta, frozen.tunable_delta) == (64, 48)
    with pytest.raises(UsageError, match="no dtype"):
        preview(*about, replace(plan, precision=Precision(adapter="")))
    with pytest.raises(UsageError, match="no dtype"):
        preview(*about, replace(plan, precision=Precision(weights="OTHER")))
