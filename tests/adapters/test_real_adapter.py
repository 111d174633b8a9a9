"""A real LoRA on its real base: 12 modules of rank 8, and what they change in each layer."""

from collections.abc import Iterator

import minilm
import numpy as np
import pytest
from peft_models import values_of

from inspect_core.adapters.effect.factors import factors_of
from inspect_core.adapters.exact.low_rank import LowRank
from inspect_core.checkpoint import Checkpoint
from inspect_core.control import Control
from inspect_core.health.job import CheckHealth
from inspect_core.health.report import check
from inspect_core.opening import Adapted, open_model
from inspect_core.results.comparison import compare
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.jobs import FindTypes, OpenModel

BASE = minilm.base()
pytestmark = pytest.mark.skipif(BASE is None, reason="its base is a package of its own")
MODULES = [
    f"encoder.layer.{layer}.attention.self.{name}"
    for layer in range(6)
    for name in ("query", "value")
]


@pytest.fixture(scope="module")
def adapted() -> Iterator[Checkpoint]:
    with open_model(Adapted(BASE, (minilm.LORA,))) as checkpoint:
        yield checkpoint


def test_its_modules_and_their_rank(adapted) -> None:
    overlay = adapted.overlay
    low_rank = [target for target in overlay.targets if target.method == "LoRA"]
    assert [target.module for target in low_rank] == MODULES
    assert {(t.rank, t.alpha, t.scaling, t.note) for t in low_rank} == {(8, 16.0, 2.0, "")}
    assert {overlay.types[module] for module in MODULES} == {"LoRA r=8 scale 2"}
    assert overlay.adapters[0].method == "LoRA r=8 alpha=16 on 12 modules"
    assert adapted.warnings == ()
    saved = [target.weight for target in overlay.targets if target.method == "saved"]
    assert saved == ["classifier.bias", "classifier.weight"]


def test_its_change_in_each_layer(adapted) -> None:
    found = compare(BASE, adapted.uri)
    changed = {
        found.matches[at].name: found.summary(at)
        for at in range(len(found.matches))
        if found.status(at) == "changed"
    }
    assert list(changed) == [f"{module}.weight" for module in MODULES]
    for target in adapted.overlay.targets:
        if target.method == "LoRA":
            factors = factors_of(adapted, target)
            assert isinstance(factors, LowRank) and factors.shape == (384, 384)
            wanted = float(np.linalg.norm(factors.b @ factors.a))
            summary = changed[target.weight]
            # The sum of squares of float64(W + D) - W has the rounding of the addition in it.
            assert summary.l2 == pytest.approx(wanted, rel=1e-12) and wanted > 0.01


def test_its_tree(adapted) -> None:
    context = JobContext(Shelf(), Control(), lambda part: None)
    listing = OpenModel(adapted.uri).run(context)
    totals = listing.tree.root.totals
    assert totals.delta == totals.tunable == 12 * 2 * 8 * 384 + 384 * 2 + 2
    assert totals.params == 22_713_728 + totals.delta
    assert listing.nbytes == 4 * totals.params + 4 * 512  # position_ids are 64-bit integers


def test_its_types(adapted) -> None:
    context = JobContext(Shelf(), Control(), lambda part: None)
    tree = FindTypes(adapted.uri).run(context).tree
    types = {path: module.type for path, module, _ in tree.root.walk()}
    assert types["encoder.layer.3.attention.self.query"] == "Linear + LoRA r=8 scale 2"
    assert types["encoder.layer.3.attention.self.key"] == "Linear"
    query = next(m for path, m, _ in tree.root.walk() if path == MODULES[0])
    assert [(leaf.name, leaf.spec.dtype, leaf.spec.frozen) for leaf in query.leaves] == [
        ("weight", "F32", True), ("bias", "F32", True),
    ]  # fmt: skip
    (a,) = query.children[0][1].leaves
    assert query.children[0][0] == "lora_A" and a.spec.delta and not a.spec.frozen


def test_alone_its_weights_are_the_deltas(adapted) -> None:
    with open_model(minilm.LORA) as alone:
        for target in alone.overlay.targets[:3]:
            if target.method == "LoRA":
                on_base = target.weight.removeprefix("bert.")
                delta = values_of(adapted, on_base) - values_of(adapted.overlay.base, on_base)
                assert np.abs(values_of(alone, target.weight) - delta).max() < 1e-15
        totals = alone.overlay.specs
        assert sum(spec.computed for spec in totals.values()) == 12
        assert OpenModel(minilm.LORA).run(JobContext(Shelf(), Control(), print)).nbytes == 297_992


def test_the_check_of_its_files_counts_nothing_that_is_computed(adapted) -> None:
    raw = check(minilm.LORA)
    job = CheckHealth(minilm.LORA).run(JobContext(Shelf(), Control(), lambda part: None))
    assert [tensor.name for tensor in job.tensors] == [tensor.name for tensor in raw.tensors]
    assert len(raw.tensors) == 26 and (job.identity, job.findings) == (raw.identity, raw.findings)
    assert job.findings == ()
