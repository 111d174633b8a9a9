"""The jobs compare what the pairing says: parts, tensors in several, and the user's map."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pairing_made import saved
from test_layouts import LLAMA, conv1d, linear_gpt2, llama, phi3

from inspect_core.control import Control
from inspect_core.delta.summary import COUNTS
from inspect_core.errors import UsageError
from inspect_core.pairing import pair_checkpoints
from inspect_core.results.records import diff
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.inspections import Inspect, InspectModule, ZoomIn
from inspect_core.work.jobs import Job, OpenModel, PairUp
from inspect_core.work.sweep import Sweep
from inspect_core.work.sweep_store import sweep_key

QKV = "model.layers.0.self_attn.qkv_proj.weight"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Runner:
    """Runs jobs in this process."""

    def __init__(self) -> None:
        self._shelf = Shelf()
        self.parts: list[Any] = []

    def run(self, job: Job[Any]) -> Any:
        return job.run(JobContext(self._shelf, Control(), self.parts.append))


def fused_pair(tmp_path: Path) -> tuple[str, str, np.ndarray]:
    """A fused model and its split reference: row 20 of the fused projection differs by 1."""
    split = llama()
    fused = phi3(split)
    moved = fused[QKV].copy()
    moved[20] += 1
    saved(tmp_path / "model", {**fused, QKV: moved}, LLAMA)
    saved(tmp_path / "base", split, LLAMA)
    return str(tmp_path / "model"), str(tmp_path / "base"), moved


def test_one_tensor_against_several(tmp_path: Path) -> None:
    model, base, moved = fused_pair(tmp_path)
    runner = Runner()
    listing = runner.run(OpenModel(model))
    pairs = runner.run(PairUp(listing.opened, base))
    assert pairs.rules == {"same name": 2, "fused and split projections": 2}
    at = listing.names.index(QKV)
    name = pairs.renamed[at]
    assert name.count(" + ") == 2
    job = Inspect(listing.opened, pairs.opened, QKV, name, (64, 64))
    detail = runner.run(job)
    changed = np.flatnonzero(np.abs(detail.heat.mean).sum(axis=1))
    assert (detail.view.rows, detail.view.columns) == moved.shape
    assert changed.tolist() == [20]
    zoomed = runner.run(
        ZoomIn(listing.opened, pairs.opened, QKV, name, detail.view, detail.window, (64, 64))
    )
    np.testing.assert_array_equal(zoomed.mean, detail.heat.mean)
    both = runner.run(InspectModule(listing.opened, pairs.opened, ((QKV, name),), (64, 64)))
    assert both[0].summary.changed == moved.shape[1]
    assert runner.run(Sweep(listing.opened, pairs.opened, kept=True)) == len(listing.names)
    report = {tensor.name: tensor for tensor in diff(base, model).tensors}
    assert report[QKV].status == "changed" and report[QKV].max_abs == pytest.approx(1)
    rest = {t.status for t in report.values() if t.name != QKV}
    assert rest == {"identical"}


def test_a_tensor_in_part(tmp_path: Path) -> None:
    model, base, _ = fused_pair(tmp_path)
    report = {tensor.name: tensor for tensor in diff(model, base).tensors}
    changed = [name for name, tensor in report.items() if tensor.status == "changed"]
    assert changed == ["model.layers.0.self_attn.k_proj.weight"]  # rows 16-23 are keys


def test_the_map_travels_with_the_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = {f"h.{n}.w": rng.standard_normal((4, 4), dtype=np.float32) for n in range(3)}
    saved(tmp_path / "base", layers)
    saved(tmp_path / "model", {f"h.{n + 1}.w": layers[f"h.{n}.w"] for n in range(2)})
    rules = tmp_path / "map.toml"
    rules.write_text(
        "[[rename]]\nmatch = 'h.{n}.w'\nto = 'h.{n:moved}.w'\n[layers.moved]\n1 = 0\n2 = 1\n"
    )
    runner = Runner()
    listing = runner.run(OpenModel(str(tmp_path / "model")))
    job = PairUp(listing.opened, str(tmp_path / "base"), 0, str(rules))
    pairs = runner.run(job)
    assert pairs.rules == {"map map.toml": 2} and pairs.removed == ["h.2.w"]
    detail = runner.run(Inspect(listing.opened, pairs.opened, "h.1.w", "h.0.w", (4, 4)))
    assert detail.summary.changed == 0
    runner.run(Sweep(listing.opened, pairs.opened))
    changed = COUNTS.index("changed")
    assert runner.parts and not any(part.rows.counts[:, changed].any() for part in runner.parts)
    # It is read again, and the old pairing is forgotten.
    rules.write_text(
        "[[rename]]\nmatch = 'h.9.w'\nto = 'x'\n[[rename]]\nmatch = 'h.2.*'\nto = 'h.2.*'\n"
    )
    again = runner.run(job)
    assert again.rules == {"map map.toml": 1, "same name": 1}
    assert again.warnings[-1] == "map.toml: rule 1 fits no tensor of the model: h.9.w"
    rules.write_text("[[rename]]\nmatch = 'nothing'\nto = 'x'\n")
    with pytest.raises(UsageError, match="match is tried on the model's names"):
        runner.run(job)
    rules.write_text("[[rename]]\n")
    with pytest.raises(UsageError, match="needs 'match' and 'to'"):
        runner.run(job)


def test_what_has_no_partner_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "model", {"a": np.zeros((2, 2), np.float32)})
    saved(tmp_path / "base", {"b": np.zeros((2, 2), np.float32)})
    job = Inspect(str(tmp_path / "model"), str(tmp_path / "base"), "a", "b", (4, 4))
    with pytest.raises(UsageError, match="cannot be compared: no partner in the reference"):
        Runner().run(job)


def test_stored_sums_are_those_of_the_same_values(tmp_path: Path) -> None:
    """Another view of the same tensors under the same names is another sweep."""
    straight = linear_gpt2()
    one = saved(tmp_path / "a", straight)
    two = saved(tmp_path / "b", conv1d(straight))
    matches = pair_checkpoints(one, two).matches
    pairs = {at: match.pair for at, match in enumerate(matches) if match.pair is not None}
    plain = {at: type(pair)(matches[at].model, matches[at].reference) for at, pair in pairs.items()}
    key = sweep_key(one, two, pairs)
    assert key is not None and key == sweep_key(one, two, dict(pairs))
    assert key != sweep_key(one, two, plain)
