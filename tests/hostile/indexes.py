"""Index files that lead out of their folder, in circles, or nowhere."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from hostile.case import (
    FOUR,
    SQUARE,
    Case,
    Kind,
    Room,
    Want,
    entry,
    safetensors,
    squares,
    to_json,
    write,
)

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
GOOD, GOOD_TWO = squares(["a"]), squares(["b"])
_BOTH = {ONE: GOOD, TWO: GOOD_TWO}
_MAP = {"a": ONE, "b": TWO}

_OUTSIDE = "a shard lies beside its index, under a plain name"
# The weight map alone; no file beside the index.
_PLACES: list[tuple[str, object, str]] = [
    ("i_traversal_passwd", {"a": "../../../../../../../../etc/passwd"}, _OUTSIDE),
    ("i_absolute_dev", {"a": "/dev/zero"}, "reading a device never ends"),
    ("i_proc", {"a": "/proc/self/environ"}, _OUTSIDE),
    ("i_subdir", {"a": f"sub/{ONE}"}, f"rare, but seen; {_OUTSIDE}"),
    ("i_backslash", {"a": "..\\..\\outside_secret.safetensors"}, _OUTSIDE),
    ("i_url", {"a": "http://127.0.0.1:1/evil.safetensors"}, "nothing is fetched on a file's word"),
    ("i_tilde", {"a": "~/.ssh/id_rsa", "b": "$HOME/x"}, _OUTSIDE),
    ("i_tilde_plain", {"a": "~root"}, "no shell reads it"),
    ("i_glob", {"a": "*.safetensors"}, "no shell reads it"),
    ("i_nul", {"a": "x\0.safetensors"}, "open() raises ValueError"),
    ("i_empty_name", {"a": ""}, "joined, it is the folder itself"),
    ("i_dot", {"a": "."}, ""),
    ("i_dotdot", {"a": ".."}, ""),
    ("i_long_name", {"a": "x" * 5000}, "ENAMETOOLONG"),
    ("i_ansi_name", {"a": "\x1b]0;PWNED-BY-SHARD\x1b\\.safetensors"}, "the error quotes it"),
    ("i_newline_name", {"a": "a\n\rb.safetensors"}, "the error quotes it"),
    ("i_loop_self", {"a": INDEX}, "an index that names itself"),
]

# The whole index, beside two good shards.
_CONTENTS: list[tuple[str, object, Want, str]] = [
    ("i_good", {"metadata": {"total_size": 32}, "weight_map": _MAP}, "open", ""),
    ("i_wm_list", {"metadata": {}, "weight_map": [["a", ONE]]}, "reject", ""),
    ("i_wm_missing", {"metadata": {}}, "reject", ""),
    ("i_wm_null", {"weight_map": None}, "reject", ""),
    ("i_wm_empty", {"metadata": {}, "weight_map": {}}, "warn", ""),
    ("i_val_int", {"metadata": {}, "weight_map": {"a": 1}}, "reject", ""),
    ("i_val_null", {"metadata": {}, "weight_map": {"a": None, "b": ONE}}, "reject", ""),
    ("i_val_list", {"metadata": {}, "weight_map": {"a": [ONE]}}, "reject", "no key of a set"),
    ("i_no_metadata", {"weight_map": _MAP}, "open", "transformers raises KeyError"),
    ("i_extra_key", {"weight_map": _MAP, "evil": [1]}, "open", "unknown keys harm nobody"),
    ("i_meta_str", {"metadata": "x", "weight_map": _MAP}, "warn", ""),
    (
        "i_wrong_shard",
        {"metadata": {}, "weight_map": {"a": TWO, "b": ONE}},
        "warn",
        "each tensor is in another shard than the index says",
    ),
    ("i_total_size_lie", {"metadata": {"total_size": 10**18}, "weight_map": _MAP}, "warn", ""),
    ("i_total_size_neg", {"metadata": {"total_size": -1}, "weight_map": _MAP}, "warn", ""),
    ("i_total_size_text", {"metadata": {"total_size": "32"}, "weight_map": _MAP}, "warn", ""),
    ("i_total_size_float", {"metadata": {"total_size": 32.0}, "weight_map": _MAP}, "open", "old"),
    ("i_not_listed", {"metadata": {}, "weight_map": {"a": ONE, "x": ONE}}, "warn", "x is nowhere"),
    ("i_is_list", [], "reject", ""),
]

_ONE_JSON = b'"weight_map":{"a":"%s"}' % ONE.encode()
# The index as raw bytes, beside two good shards.
_RAW: list[tuple[str, bytes, Want, str]] = [
    ("i_surrogate", b'{"weight_map":{"a":"\\ud800.safetensors"}}', "reject", "open() raises"),
    (
        "i_json_depth",
        b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b',"weight_map":{}}',
        "reject",
        "a bomb",
    ),
    ("i_json_nan", b'{"metadata":{"total_size":NaN},%s}' % _ONE_JSON, "warn", ""),
    (
        "i_json_hugeint",
        b'{"metadata":{"total_size":' + b"9" * 5000 + b"}," + _ONE_JSON + b"}",
        "warn",
        "Python's json raises ValueError beyond 4,300 digits",
    ),
    (
        "i_json_dup",
        b'{"metadata":{},"weight_map":{"a":"x.safetensors"},%s}' % _ONE_JSON,
        "reject",
        "readers differ in which of the two wins",
    ),
    (
        "i_json_dup_tensor",
        b'{"weight_map":{"a":"%s","a":"%s"}}' % (ONE.encode(), TWO.encode()),
        "reject",
        "readers differ in which of the two wins",
    ),
    ("i_json_bom", b"\xef\xbb\xbf" + to_json({"weight_map": _MAP}), "warn", ""),
    ("i_json_utf16", json.dumps({"weight_map": {"a": ONE}}).encode("utf-16"), "reject", ""),
    ("i_json_trunc", to_json({"metadata": {}, "weight_map": {"a": ONE}})[:-5], "reject", ""),
    ("i_json_empty", b"", "reject", ""),
    ("i_json_nul", bytes(4096), "reject", "a file that was allocated and never written"),
]


def indexes(room: Room) -> Iterator[Case]:
    """Weight maps of all kinds, then shards that are no files, links, and a hub cache."""
    secret = write(room.root / "outside_secret.safetensors", squares(["secret"]))
    for id_, weight_map, note in _PLACES:
        yield _index(room, id_, {"metadata": {}, "weight_map": weight_map}, {}, "reject", note)
    to = {"a": ONE, "secret": f"../../{secret.name}"}
    yield _index(room, "i_traversal", {"weight_map": to}, {ONE: GOOD}, "reject", _OUTSIDE)
    to = {"secret": str(secret)}
    yield _index(room, "i_absolute", {"weight_map": to}, {}, "reject", _OUTSIDE)
    for id_, content, want, note in _CONTENTS:
        yield _index(room, id_, content, _BOTH, want, note)
    for id_, raw, want, note in _RAW:
        yield _index(room, id_, raw, _BOTH, want, note)
    yield from _sets(room)
    yield from _no_files(room)
    yield from _links(room, secret)


def _sets(room: Room) -> Iterator[Case]:
    """Shards that do not fit their index."""
    yield _index(
        room, "i_missing_shard", {"weight_map": _MAP}, {ONE: GOOD}, "warn", "a partial download"
    )
    yield _index(
        room, "i_broken_shard", {"weight_map": _MAP}, {ONE: GOOD, TWO: GOOD_TWO[:-3]}, "warn",
        "one shard is cut: the other is shown",
    )  # fmt: skip
    more = safetensors({"a": SQUARE, "zz": entry("F32", [2, 2], 16, 32)}, FOUR * 2)
    yield _index(
        room, "i_extra_in_shard", {"weight_map": {"a": ONE}}, {ONE: more}, "warn",
        "a tensor that the index hides",
    )  # fmt: skip
    again = safetensors({"a": SQUARE, "b": entry("F32", [2, 2], 16, 32)}, FOUR[::-1] + FOUR)
    yield _index(
        room, "i_dup_in_shards", {"weight_map": _MAP}, {ONE: GOOD, TWO: again}, "warn",
        "'a' is in both shards with other values: the one that the index names is shown",
    )  # fmt: skip
    many = {f"t{at}": f"m-{at}.safetensors" for at in range(100_000)}
    note = "more files than a model has, each worth a look at the disk"
    yield _index(room, "i_100k_shards", {"weight_map": many}, {}, "reject", note)
    many = {f"t{at}": f"m-{at}.safetensors" for at in range(1500)}
    note = "one error for 1,500 missing shards"
    yield _index(room, "i_1500_shards", {"weight_map": many}, {}, "reject", note)
    note = "one warning for 1,499 missing shards"
    one = {"m-7.safetensors": squares(["t7"])}
    yield _index(room, "i_1499_missing", {"weight_map": many}, one, "warn", note)
    other = {**_BOTH, "model.safetensors": squares(["other"])}
    note = "the one file wins, as it does in transformers; the others are mentioned"
    yield _index(room, "i_both_single_and_index", {"weight_map": _MAP}, other, "warn", note)
    pickle = {"evil.bin": b"\x80\x02."}
    note = "a safetensors index never leads to a pickle"
    yield _index(room, "i_pickle_shard", {"weight_map": {"a": "evil.bin"}}, pickle, "reject", note)
    loop = {"other.index.json": to_json({"weight_map": {"a": INDEX}})}
    yield _index(room, "i_loop_two", {"weight_map": {"a": "other.index.json"}}, loop, "reject")
    yield room.files("i_set_incomplete", {ONE: GOOD}, "warn", "1 of 2, and no index")
    twins = {"x.safetensors": GOOD, "y.safetensors": GOOD_TWO}
    yield room.files("i_two_models", twins, "reject", "which of the two is not ours to guess")


def _no_files(room: Room) -> Iterator[Case]:
    """Indexes and shards that are folders, pipes or giants."""
    case = _index(room, "i_shard_is_dir", {"weight_map": {"a": "d"}}, {}, "reject")
    (case.path / "d").mkdir()
    yield case
    note = "open() would wait for ever"
    case = _index(room, "i_shard_fifo", {"weight_map": {"a": "f.safetensors"}}, {}, "reject", note)
    os.mkfifo(case.path / "f.safetensors")
    yield case
    folder = room.subfolder("i_index_fifo")
    os.mkfifo(folder / INDEX)
    yield room.case("i_index_fifo", folder, "reject", note, kind="index")
    folder = room.subfolder("i_index_is_dir")
    (folder / INDEX).mkdir()
    yield room.case("i_index_is_dir", folder, "reject", kind="index")
    folder = room.subfolder("i_index_101MB")
    write(folder / INDEX, b'{"weight_map":{', 101_000_000)
    yield room.case("i_index_101MB", folder, "reject", "more than is read", kind="index")


def _links(room: Room, secret: Path) -> Iterator[Case]:
    """Links out of the folder: said, and followed, as the hub's cache is made of them."""
    case = _index(
        room, "i_symlink_escape", {"weight_map": {"secret": "l.safetensors"}}, {}, "warn",
        "a link to another folder: followed, and said",
    )  # fmt: skip
    (case.path / "l.safetensors").symlink_to(f"../../{secret.name}")
    yield case
    case = _index(room, "i_symlink_dangling", {"weight_map": {"a": "l.safetensors"}}, {}, "reject")
    (case.path / "l.safetensors").symlink_to("nope")
    yield case
    case = _index(room, "i_symlink_dev", {"weight_map": {"a": "l.safetensors"}}, {}, "reject")
    (case.path / "l.safetensors").symlink_to("/dev/zero")
    yield case
    snapshot = room.subfolder("hf_cache/models--org--m/snapshots/abc")
    blob = room.subfolder("hf_cache/models--org--m/blobs") / "deadbeef"
    write(blob, GOOD)
    (snapshot / "model.safetensors").symlink_to("../../blobs/deadbeef")
    note = "honest: the hub's cache is made of such links"
    yield room.case("i_hf_cache_symlink", snapshot, "open", note, kind="index")


def _index(
    room: Room, id_: str, index: object, files: Mapping[str, bytes], want: Want, note: str = ""
) -> Case:
    """A folder with an index file and some others."""
    raw = index if isinstance(index, bytes) else to_json(index)
    kind: Kind = "index"
    return room.files(id_, {**files, INDEX: raw}, want, note, kind=kind)
