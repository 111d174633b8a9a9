"""Representations on disk: they come back as they were, or not at all."""

import os
import struct
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.geometry.representations import MEAN, Representations
from inspect_core.work import kept_results, representation_store
from inspect_core.work.representation_store import (
    MAGIC,
    HeldRepresentations,
    representation_folder,
    representation_parts,
    representations_from,
    store_representations,
    stored_representations,
)

KEY = bytes(range(32))
ODD = "\ud800 \x1b[2J \u202e"


def made(seed: int = 0, rows: int = 5, layers: int = 2) -> Representations:
    rng = np.random.default_rng(seed)
    values = [
        rng.normal(size=(rows, 3 + at)).astype(np.float32 if at % 2 else np.float64)
        for at in range(layers)
    ]
    if rows and layers:
        values[0][0, 0] = np.nan
    return Representations(
        f"a model{ODD}", tuple(f"layer.{at}{ODD}" for at in range(layers)), values,
        ((f"mood{ODD}", tuple(f"{at % 2}{ODD}" for at in range(rows))),), np.arange(rows) * 3 - 1,
        MEAN, ("a note",), np.arange(rows, dtype=np.uint64) + 2**63 if seed % 2 else None,
    )  # fmt: skip


def flat(space: Representations) -> list[object]:
    values = [(one.dtype, one.shape, one.tobytes()) for one in space.values]
    return [space.title, space.names, values, space.labels, space.samples.tolist(), space.pooling,
            space.notes, None if space.digests is None else space.digests.tolist()]  # fmt: skip


def content(space: Representations, key: bytes = KEY) -> bytes:
    return b"".join(bytes(part) for part in representation_parts(space, key))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(0, 9), st.integers(0, 4))
def test_they_come_back_as_they_were(seed, rows, layers):
    space = made(seed, rows, layers)
    found = representations_from(content(space), KEY)
    assert found is not None and flat(found) == flat(space)


WHOLE = content(made())


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_one_damaged_byte_and_they_are_none(at, flip):
    damaged = bytearray(WHOLE)
    damaged[at] ^= flip
    assert representations_from(bytes(damaged), KEY) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_a_torn_file_is_none(end):
    assert representations_from(WHOLE[:end], KEY) is None


ABOUT = (
    b'{"title": "a", "names": ["p"], "layers": [["<f4", 1, 2]], "labels": [["m", ["x"]]],'
    b'"samples": 1, "digests": false, "pooling": "mean", "notes": []}'
)
VALUES = struct.pack("<qff", 7, 1.0, 2.0)


def crafted(about: bytes, values: bytes = VALUES) -> Representations | None:
    """What is read of a file whose checksum is right and whose content is a stranger's."""
    head = MAGIC + KEY + struct.pack("<Q", len(about)) + about + values
    return representations_from(head + blake2b(head, digest_size=32).digest(), KEY)


def test_what_a_stranger_wrote_is_held_against_the_bytes_that_are_there():
    assert crafted(ABOUT) is not None and crafted(ABOUT).samples.tolist() == [7]
    for old, new in (
        (b"1, 2]", b"1, 99999999999]"), (b"1, 2]", b"1, -2]"), (b"1, 2]", b"2, 1]"),
        (b"1, 2]", b"1, 1]"), (b"1, 2]", b"1, 2, 1]"), (b"1, 2]", b"1, true]"),
        (b"<f4", b"|O8"), (b"<f4", b"<i8"), (b'"<f4"', b"[]"), (b'["p"]', b'["p", "q"]'),
        (b'["p"]', b"[7]"), (b'["x"]', b"[]"), (b'"samples": 1', b'"samples": 9999999999'),
        (b'"samples": 1', b'"samples": -1'), (b'"title"', b'"other"'), (b"}", b""),
        (ABOUT, b"[" * 100_000), (ABOUT, b"[]"),
    ):  # fmt: skip
        assert crafted(ABOUT.replace(old, new)) is None, (old, new)
    assert crafted(ABOUT, VALUES + b"\0") is None and crafted(ABOUT, VALUES[:-1]) is None


def test_what_is_stored_is_its_users_alone():
    store_representations(KEY, made())
    (file,) = representation_folder().iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert representation_folder().stat().st_mode & 0o777 == 0o700
    assert flat(stored_representations(KEY)) == flat(made())
    assert stored_representations(KEY[::-1]) is None


def test_the_oldest_make_room(monkeypatch):
    monkeypatch.setattr(representation_store, "MOST_BYTES", 3 * len(WHOLE))
    keys = [bytes([at]) * 32 for at in range(4)]
    for at, key in enumerate(keys[:3]):
        store_representations(key, made())
        os.utime(representation_store._path(key), (1000 + at, 1000 + at))
    assert stored_representations(keys[0]) is not None  # in use: no longer the oldest
    store_representations(keys[3], made())
    found = [stored_representations(key) is not None for key in keys]
    assert found == [True, False, True, True]


def test_what_is_larger_than_all_the_room_is_not_stored(monkeypatch):
    monkeypatch.setattr(representation_store, "MOST_BYTES", len(WHOLE) - 1)
    store_representations(KEY, made())
    assert not representation_folder().exists()


@pytest.mark.parametrize("base", ["relative/cache", "/proc/nowhere", "/dev/null"])
def test_no_usable_folder_is_no_matter(base, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.chdir(tmp_path)
    store_representations(KEY, made())
    assert stored_representations(KEY) is None and not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(monkeypatch):
    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_results, "write_all", full)
    store_representations(KEY, made())
    assert not list(representation_folder().iterdir())


def test_in_memory_what_was_not_used_for_longest_goes(monkeypatch):
    monkeypatch.setattr(representation_store, "MOST_HELD", 3)
    held = HeldRepresentations()
    keys = [bytes([at]) for at in range(4)]
    for key in keys[:-1]:
        held.put(key, made())
    held.get(keys[0])
    held.put(keys[-1], made())
    assert [held.get(key) is not None for key in keys] == [True, False, True, True]
