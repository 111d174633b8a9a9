"""A short run of benchmarks/header_fuzz.py: our header reader beside the format's own library."""

import importlib.util
from pathlib import Path

import pytest

COUNT = 20_000


@pytest.fixture(scope="module")
def fuzz():
    path = Path(__file__).parents[2] / "benchmarks" / "header_fuzz.py"
    spec = importlib.util.spec_from_file_location("header_fuzz", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_crash_and_no_disagreement_that_is_not_explained(fuzz) -> None:
    counts, bad = fuzz.run(COUNT, seed=7, every=0)
    assert bad == []
    assert counts["both accept"] > COUNT // 5
    assert counts["both refuse"] > COUNT // 5
    assert counts["both accept, metadata compared"] > 50


def test_an_input_is_made_from_its_number_alone(fuzz) -> None:
    assert fuzz.made(3, 17) == fuzz.made(3, 17) != fuzz.made(3, 18)
    assert len({fuzz.made(0, number) for number in range(500)}) > 400


def test_it_finds_what_is_not_explained(fuzz, monkeypatch) -> None:
    monkeypatch.setattr(fuzz, "STRICTER", {})
    assert fuzz.run(2000, seed=0, every=0)[1]
    monkeypatch.setattr(fuzz, "ours", lambda content: [])
    counts, _ = fuzz.run(200, seed=0, every=0)
    assert counts["! other content"]
    monkeypatch.setattr(fuzz, "ours", lambda content: content.crash)
    assert fuzz.run(5, seed=0, every=0)[0]["! crash"] == 5
