"""The jobs that look into a matrix, run as a worker runs them."""

import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from inspect_core.control import Control
from inspect_core.errors import Cancelled
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.spectra import FindProfile, FindSpectra, FindSpectrum


@pytest.fixture
def pair(tmp_path):
    rng = np.random.default_rng(0)
    base = {
        "a": rng.normal(size=(20, 30)),
        "experts": rng.normal(size=(3, 16, 16)),
        "bias": rng.normal(size=8),
        "bad": np.full((4, 4), np.nan),
    }
    model = {name: values.copy() for name, values in base.items()}
    model["a"][7] += 1.0
    model["experts"][2] += np.outer(rng.normal(size=16), rng.normal(size=16))
    model["new"] = np.diag([3.0, 2.0])
    paths = [str(tmp_path / "base.safetensors"), str(tmp_path / "model.safetensors")]
    for path, tensors in zip(paths, (base, model), strict=True):
        save_file({name: values.astype(np.float32) for name, values in tensors.items()}, path)
    return paths[1], paths[0]


def run(job, control=None, parts=None):
    emit = (lambda part: None) if parts is None else parts.append
    context = JobContext(Shelf(), control or Control(), emit)
    return pickle.loads(pickle.dumps(job)).run(context)


def test_a_row_that_moved_has_rank_one(pair):
    found = pickle.loads(pickle.dumps(run(FindSpectrum(*pair, "a", "a"))))
    assert (found.spectrum.rank, found.view.rows, found.refusal) == (1, 20, "")
    np.testing.assert_allclose(found.spectrum.values[0], 30**0.5, rtol=1e-6)


def test_a_slice_is_looked_at(pair):
    ranks = [run(FindSpectrum(*pair, "experts", "experts", k)).spectrum.rank for k in range(3)]
    assert ranks == [0, 0, 1]


@pytest.mark.parametrize(("name", "why"), [("bias", "a vector"), ("bad", "16 positions")])
def test_what_has_no_spectrum_says_why(pair, name, why):
    found = run(FindSpectrum(*pair, name, name))
    assert found.spectrum is None and found.refusal.startswith(why)


def test_without_a_partner_the_values_are_looked_at(pair):
    found = run(FindSpectrum(*pair, "new", None))
    np.testing.assert_allclose(found.spectrum.values, [3.0, 2.0], rtol=1e-12)
    alone = run(FindSpectrum(pair[0], None, "new", None))
    np.testing.assert_allclose(alone.spectrum.values, [3.0, 2.0], rtol=1e-12)


def test_many_come_one_by_one(pair):
    progress, parts = [], []
    names = (("a", "a"), ("bias", "bias"), ("experts", "experts"))
    found = run(FindSpectra(*pair, names), Control(progress.append), parts)
    assert [one.name for one in found] == [one.name for one in parts] == [n for n, _ in names]
    assert [one.spectrum.rank if one.spectrum else None for one in found] == [1, None, 0]
    assert [(p.done, p.total) for p in progress] == [(0, 3), (1, 3), (2, 3)]


def test_many_stop_between_two(pair):
    parts = []
    control = Control(lambda progress: control.cancel() if progress.done == 1 else None)
    with pytest.raises(Cancelled):
        run(FindSpectra(*pair, (("a", "a"), ("experts", "experts"))), control, parts)
    assert [part.name for part in parts] == ["a"]


def test_the_rows_and_columns_that_moved(pair):
    found = pickle.loads(pickle.dumps(run(FindProfile(*pair, "a", "a"))))
    assert found.profile.rows.movers(5) == [7] and found.profile.columns.l2.shape == (30,)
    np.testing.assert_allclose(found.profile.columns.l2, 1.0, rtol=1e-6)


def test_the_profile_of_a_slice(pair):
    still, moved = (run(FindProfile(*pair, "experts", "experts", k)).profile for k in (0, 2))
    assert not still.rows.sq_d.any() and moved.rows.sq_d.any()
