"""Stages on disk: they come back as they were, or not at all."""

import os
import struct
from dataclasses import fields, replace
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.activations.rule import Rule
from inspect_core.activations.stage import Counts, Features, SiteCounts, Stage
from inspect_core.capture.output import Site
from inspect_core.work import kept_results, stage_store
from inspect_core.work.stage_file import MAGIC, stage_bytes, stage_from
from inspect_core.work.stage_store import (
    HeldStages,
    stage_folder,
    store_stage,
    stored_stage,
)

KEY = bytes(range(32))
ODD = "\ud800 \x1b[2J \u202e"


def counts(seed: int, units: int, features: int, entries: int) -> Counts:
    rng = np.random.default_rng(seed)
    return Counts(
        units,
        np.sort(rng.integers(0, units, entries)).astype(np.int32),
        rng.integers(0, features, entries).astype(np.int32),
        rng.integers(1, 1 << 60, entries),
        rng.normal(size=entries) * 1e200,
        rng.normal(size=entries),
        rng.integers(-1, 1 << 40, entries),
    )


def made(seed: int = 0, sites: int = 2, entries: int = 7, tags: bool = True) -> Stage:
    names = tuple(f"word {at} {ODD}" for at in range(5))
    words = Features("word", names, ("N",) * 5 if tags else None, np.arange(5))
    labels = Features("mood", ("up", "down"), None, np.array([3, 4]))
    places = [
        SiteCounts(
            Site(f"layer.{at}{ODD}", at, sites, "input"), counts(seed + at, 9, 5, entries),
            (counts(seed + 50 + at, 9, 2, entries),),
        )
        for at in range(sites)
    ]  # fmt: skip
    rule = Rule("over", "value", 3, 0.25, lower=False)
    return Stage("a model", rule, words, (labels,), tuple(places), 11, 222, ("a note",), "4f")


def flat(stage: Stage) -> list[object]:
    """Everything of a stage, arrays as bytes with their dtype."""
    found: list[object] = [
        stage.title, stage.rule, stage.samples, stage.tokens, stage.notes, stage.tokenizer,
    ]  # fmt: skip
    for one in (stage.words, *stage.labels):
        found += [one.kind, one.names, one.tags, one.occurrences.tobytes()]
    for site in stage.sites:
        found.append(site.site)
        for part in (site.words, *site.labels):
            for field in fields(part):
                value = getattr(part, field.name)
                found.append(value if isinstance(value, int) else (value.dtype, value.tobytes()))
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(0, 3), st.integers(0, 20), st.booleans())
def test_a_stage_comes_back_as_it_was(seed, sites, entries, tags):
    stage = made(seed, sites, entries, tags)
    found = stage_from(stage_bytes(stage, KEY), KEY)
    assert found is not None and flat(found) == flat(stage)


WHOLE = stage_bytes(made(), KEY)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_one_damaged_byte_and_it_is_no_stage(at, flip):
    damaged = bytearray(WHOLE)
    damaged[at] ^= flip
    assert stage_from(bytes(damaged), KEY) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_a_torn_file_is_no_stage(end):
    assert stage_from(WHOLE[:end], KEY) is None


def test_another_key_is_another_stage():
    assert stage_from(WHOLE, KEY[::-1]) is None


def signed(content: bytes) -> bytes:
    return content + blake2b(content, digest_size=32).digest()


ABOUT = (
    b'{"title": "a", "rule": ["max", "value", 1, 0.0, true], "features": [["word", ["a"], null]],'
    b'"sites": [[["p", 0, 1, "output"], [[%s, %s]]]], "samples": 1, "tokens": 1, "notes": [],'
    b'"tokenizer": "t"}'
)
ENTRY = struct.pack("<q", 1) + struct.pack("<iiqddq", 0, 0, 1, 1.0, 1.0, 0)
"""How often the one word occurred, and the one entry."""


def crafted(about: bytes, columns: bytes = ENTRY) -> Stage | None:
    """What is read of a file whose checksum is right and whose content is a stranger's."""
    return stage_from(signed(MAGIC + KEY + struct.pack("<Q", len(about)) + about + columns), KEY)


def test_what_a_stranger_wrote_is_held_against_the_bytes_that_are_there():
    good = ABOUT % (b"1", b"1")
    assert crafted(good) is not None
    for about in (
        ABOUT % (b"1", b"999999999999999"), ABOUT % (b"1", b"-1"), ABOUT % (b"0", b"1"),
        ABOUT % (b"99999999999999999", b"1"), ABOUT % (b"true", b"1"), ABOUT % (b"1", b"0"),
        b"[]", b"[" * 100_000, b"{}", good.replace(b'["a"]', b"[7]"), good[:-1],
        good.replace(b'"samples": 1', b'"samples": 99999999999999999999'),
        good.replace(b'"tokens": 1', b'"tokens": 99999999999999999999'),
        ABOUT % (b"2000000000", b"1"),
        good.replace(b'"notes": []', b'"notes": [1]'), good.replace(b'["a"], null', b'["a"], []'),
    ):  # fmt: skip
        assert crafted(about) is None, about[:200]
    assert crafted(good, ENTRY + b"\0") is None
    assert crafted(good, ENTRY[:-1]) is None
    beyond = ENTRY[:12] + struct.pack("<i", 5) + ENTRY[16:]
    assert crafted(good, beyond) is None


def test_a_stored_stage_is_its_users_alone():
    store_stage(KEY, made())
    (file,) = stage_folder().iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert stage_folder().stat().st_mode & 0o777 == 0o700
    assert flat(stored_stage(KEY)) == flat(made())
    assert stored_stage(KEY[::-1]) is None


def test_a_stage_stored_again_takes_the_place_of_the_first():
    store_stage(KEY, made())
    store_stage(KEY, replace(made(), title="another"))
    assert stored_stage(KEY).title == "another" and len(list(stage_folder().iterdir())) == 1


def test_the_oldest_stages_make_room(monkeypatch):
    monkeypatch.setattr(stage_store, "MOST_BYTES", 3 * len(WHOLE))
    keys = [bytes([at]) * 32 for at in range(4)]
    for at, key in enumerate(keys[:3]):
        store_stage(key, made())
        os.utime(stage_store._path(key), (1000 + at, 1000 + at))
    assert stored_stage(keys[0]) is not None  # in use: no longer the oldest
    store_stage(keys[3], made())
    assert [stored_stage(key) is not None for key in keys] == [True, False, True, True]


def test_a_stage_larger_than_all_the_room_is_not_stored(monkeypatch):
    monkeypatch.setattr(stage_store, "MOST_BYTES", len(WHOLE) - 1)
    store_stage(KEY, made())
    assert not stage_folder().exists()


def test_a_link_or_a_pipe_in_its_place_is_not_read(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(WHOLE)
    path = stage_store._path(KEY)
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    assert stored_stage(KEY) is None
    path.unlink()
    os.mkfifo(path)
    assert stored_stage(KEY) is None


@pytest.mark.parametrize("base", ["relative/cache", "/proc/nowhere", "/dev/null"])
def test_no_usable_folder_is_no_matter(base, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.chdir(tmp_path)
    store_stage(KEY, made())
    assert stored_stage(KEY) is None and not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(monkeypatch):
    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_results, "write_all", full)
    store_stage(KEY, made())
    assert not list(stage_folder().iterdir())


def test_in_memory_what_was_not_used_for_longest_goes(monkeypatch):
    held = HeldStages()
    keys = [bytes([at]) for at in range(stage_store.MOST_HELD + 1)]
    for key in keys[:-1]:
        held.put(key, made())
    held.get(keys[0])
    held.put(keys[-1], made())
    assert held.get(keys[1]) is None and held.get(keys[0]) is not None
    monkeypatch.setattr(stage_store, "MOST_HELD_BYTES", 1)
    held.put(b"large", made())
    assert held.get(b"large") is not None and held.get(keys[-1]) is None
    assert held.get(keys[0]) is not None  # both sides of what is on show
