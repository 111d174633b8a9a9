"""PyTorch files: pickles that would run code, bombs, and archives that lie.

The only thing their payloads do is to make an empty file in the corpus, which a test looks for.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from hostile.case import FOUR, Case, Room, Want, to_json
from hostile.pickle_bytes import (
    MAGIC,
    archive,
    call,
    dict_of,
    legacy,
    legacy_tensor,
    named,
    number,
    program,
    storage,
    tensor,
    text,
    tuple_of,
    zip_of,
)

MARKER = "hostile-marker"
"""The file that a payload makes, where one is run."""

NOT_RUN = "what it asks Python to run is not run"


def pickles(room: Room) -> Iterator[Case]:
    """Payloads in every opcode that can call, then bombs, then lies of the archive."""
    good = archive(program(dict_of({"w": tensor()})))
    yield _pt(room, "pt_good", good, "open")
    yield _pt(room, "pt_good_legacy", legacy(program(dict_of({"w": legacy_tensor()}))), "open")
    marker = room.root / MARKER
    for id_, payload in _payloads(marker):
        body = dict_of({"w": tensor(), "evil": payload})
        yield _pt(room, id_, archive(program(body, 4)), "warn", NOT_RUN)
        alone = program(payload, 4)
        yield _pt(room, f"{id_}_alone", archive(alone), "said", f"no tensors; {NOT_RUN}")
    shell = call(named("os", "system"), text(f"touch '{marker}'"))
    yield _pt(room, "pt_raw_pickle", program(shell), "reject", "a pickle, and no file of torch")
    yield _pt(room, "pt_legacy_evil", legacy(program(shell), ()), "said", NOT_RUN)
    first = program(shell) + legacy(program(dict_of({"w": legacy_tensor()})))
    yield _pt(room, "pt_legacy_evil_first", first, "reject", "the magic number is a call")
    for id_, content, want, note in _bombs():
        yield _pt(room, id_, archive(content), want, note)
    yield from _tensors(room)
    yield from _archives(room, good)
    yield from _legacy_lies(room)
    yield from _folders(room, good)


def _payloads(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Ways to make Python call something, each making the marker."""
    touch = f"touch '{marker}'"
    write = f"open({str(marker)!r}, 'w')"
    system = named("os", "system")
    yield "pt_reduce", call(system, text(touch))
    yield "pt_stack_global", text("os") + text("system") + b"\x93" + tuple_of(text(touch)) + b"R"
    yield "pt_inst", b"(" + text(touch) + b"ios\nsystem\n"
    yield "pt_obj", b"(" + system + text(touch) + b"o"
    yield "pt_newobj", system + tuple_of(text(touch)) + b"\x81"
    yield "pt_newobj_ex", system + tuple_of(text(touch)) + b"}" + b"\x92"
    yield "pt_ext", b"\x82\x01"
    yield "pt_eval", call(named("builtins", "eval"), text(write))
    yield "pt_exec_2", call(named("__builtin__", "exec"), text(write))
    yield "pt_runpy", call(named("runpy", "_run_code"), text(write), b"}")
    opened = call(named("builtins", "getattr"), named("pathlib", "Path"), text("touch"))
    yield "pt_getattr", call(opened, call(named("pathlib", "PosixPath"), text(str(marker))))
    yield "pt_hub", call(named("torch.hub", "load"), text("evil/evil"), text("evil"))
    yield "pt_load", call(named("torch", "load"), text("/dev/zero"))
    yield "pt_numpy", call(named("numpy.testing._private.utils", "runstring"), text(write), b"}")
    yield "pt_dotted", call(named("torch", "os.system"), text(touch))
    yield "pt_build", named("torch._utils", "_rebuild_tensor_v2") + dict_of(
        {"__code__": call(system, text(touch)), "__globals__": b"}"}
    ) + b"b"  # fmt: skip
    yield "pt_lookalike", call(named("torch._utils\x1b[2J", "_rebuild_tensor_v2"), text(touch))


def _bombs() -> Iterator[tuple[str, bytes, Want, str]]:
    """Pickles that take for ever, or all memory, in a reader that trusts them."""
    laughs = b"](" + text("lol") * 10 + b"e\x94"
    for level in range(40):
        laughs += b"0](" + (b"h" + bytes([level])) * 2 + b"e\x94"
    yield "pt_laughs", program(laughs, 4), "any", "2^40 items, shared"
    named_twice = b"}\x94(" + text("w") + tensor(storage("1")) + b"u"
    for level in range(30):
        named_twice += b"0}(" + b"".join(text(k) + b"h" + bytes([level]) for k in "ab") + b"u\x94"
    yield "pt_laughs_tensors", program(named_twice, 4), "said", "2^30 names of one tensor"
    yield "pt_depth", program(b"]" * 100_000 + b"a" * 99_999), "said", "lists in lists"
    yield "pt_depth_tuples", program(b")" + b"\x85" * 200_000), "said", "tuples in tuples"
    yield "pt_itself", program(b"}\x94(" + text("me") + b"h\0u", 4), "any", "a dict in itself"
    yield (
        "pt_global_80kB",
        program(named("torch" + "." * 80_000, "x")),
        "said",
        ("importing it takes the library 75 s"),
    )
    yield "pt_global_3MB", program(named("a.b" * 1_000_000, "x")), "said", ""
    yield (
        "pt_long4",
        program(b"\x8b" + struct.pack("<i", 2**31 - 1)),
        "reject",
        "2 GB follow, it says",
    )
    yield "pt_long4_negative", program(b"\x8b" + struct.pack("<i", -1)), "reject", ""
    yield "pt_text8", program(b"\x8d" + struct.pack("<Q", 2**63)), "reject", "2^63 bytes, it says"
    yield "pt_bytes8", program(b"\x8e" + struct.pack("<Q", 2**64 - 1), 4), "reject", ""
    yield "pt_frame", program(b"\x95" + struct.pack("<Q", 2**63) + b"}", 4), "any", ""
    yield "pt_memo", program(b"}r" + struct.pack("<I", 2**32 - 1)), "any", "a memo of 2^32"
    yield "pt_memo_absent", program(b"h\x07"), "reject", ""
    yield "pt_underflow", program(b"}000000R"), "reject", "pops an empty stack"
    yield "pt_marks", program(b"(" * 1_000_000), "reject", ""
    yield "pt_no_stop", b"\x80\x02}", "reject", ""
    yield "pt_nothing", b"", "reject", ""
    yield "pt_protocol_99", b"\x80\x63}.", "said", ""
    yield "pt_opcode_ff", program(b"\xff"), "reject", "no such opcode"
    yield "pt_int_text", program(b"I" + b"9" * 100_000 + b"\n"), "said", "quadratic to parse"
    yield "pt_long_text", program(b"L" + b"9" * 100_000 + b"L\n"), "said", "quadratic to parse"
    yield "pt_string_escapes", program(b"S'\\x1b[2J'\n"), "said", ""
    yield "pt_half_pair", program(b"}(" + text("\ud800") + b"Nu"), "said", ""


_BIG = 2**62
_TENSORS: list[tuple[str, bytes, Want, str]] = [
    (
        "pt_numel_lie",
        tensor(storage(numel=8), size=(8,), stride=(1,)),
        "said",
        "more than is there",
    ),
    ("pt_numel_huge", tensor(storage(numel=_BIG), size=(_BIG,), stride=(1,)), "said", ""),
    ("pt_numel_negative", tensor(storage(numel=-4)), "said", ""),
    ("pt_offset", tensor(offset=3), "said", "a view that ends outside its storage"),
    ("pt_offset_huge", tensor(offset=2**63), "said", ""),
    ("pt_offset_negative", tensor(offset=-1), "said", ""),
    ("pt_size_huge", tensor(size=(2**32, 2**32, 4), stride=(0, 0, 1)), "said", "2^66 wraps to 4"),
    ("pt_size_expanded", tensor(size=(_BIG,), stride=(0,)), "said", "2^62 views of one value"),
    ("pt_size_negative", tensor(size=(-2, -2)), "said", ""),
    ("pt_stride_negative", tensor(stride=(-2, -1)), "said", ""),
    ("pt_stride_huge", tensor(stride=(_BIG, 1)), "said", ""),
    ("pt_stride_short", tensor(stride=(1,)), "said", "two sizes and one stride"),
    ("pt_rank_1000", tensor(size=(1,) * 1000, stride=(1,) * 1000), "said", ""),
    ("pt_key_absent", tensor(storage(key="7")), "said", "no such record"),
    ("pt_key_traversal", tensor(storage(key="../../../../etc/passwd")), "said", "no such record"),
    ("pt_key_escape", tensor(storage(key="\x1b]0;PWNED\x07")), "said", "the message quotes it"),
    ("pt_storage_unknown", tensor(storage(kind="EvilStorage")), "said", ""),
    ("pt_storage_quantised", tensor(storage(kind="QInt8Storage")), "said", ""),
    ("pt_storage_text", tensor(text("storage")), "said", "no storage at all"),
    ("pt_place_meta", tensor(storage(place="meta")), "said", ""),
]


def _tensors(room: Room) -> Iterator[Case]:
    """Descriptions that do not fit what is stored; an honest tensor is beside them."""
    for id_, described, want, note in _TENSORS:
        body = dict_of({"ok": tensor(storage("1")), "w": described})
        yield _pt(room, id_, archive(program(body)), want, note)
    turned = dict_of({"w": tensor(stride=(1, 2))})
    yield _pt(room, "pt_transposed", archive(program(turned)), "open", "honest: not contiguous")
    tied = dict_of({"a": tensor(), "b": tensor()})
    yield _pt(room, "pt_tied", archive(program(tied)), "any", "honest: two names, one storage")
    escapes = dict_of({"\x1b]0;PWNED\x07": tensor(), "[@click=app.quit]": tensor()})
    yield _pt(room, "pt_names", archive(program(escapes)), "any", "names that a terminal obeys")
    optimizer = dict_of({"model": dict_of({"w": tensor()}), "optimizer": dict_of({"x": tensor()})})
    yield _pt(room, "pt_training", archive(program(optimizer)), "any", "honest: a training state")


def _archives(room: Room, good: bytes) -> Iterator[Case]:
    pickle = program(dict_of({"w": tensor()}))
    deflated = archive(pickle, compression=zipfile.ZIP_DEFLATED)
    yield _pt(
        room, "zip_deflated", deflated, "reject", "torch writes none; a mapping reads garbage"
    )
    bomb = archive(program(text("0" * 50_000_000)), compression=zipfile.ZIP_DEFLATED)
    yield _pt(room, "zip_bomb", bomb, "reject", "50 MB of pickle in 50 kB")
    short = archive(pickle, {"data/0": FOUR[:7]})
    yield _pt(room, "zip_short_record", short, "said", "the record holds 7 of 16 bytes")
    yield _pt(room, "zip_no_record", archive(pickle, {}), "said", "the bytes are not there")
    yield _pt(room, "zip_no_pickle", zip_of({"archive/data/0": FOUR}), "reject")
    yield _pt(room, "zip_empty", zip_of({}), "reject")
    script = zip_of(
        {"m/data.pkl": pickle, "m/constants.pkl": program(b")"), "m/code/x.py": b"evil"}
    )
    yield _pt(room, "zip_torchscript", script, "reject", "an archive with code")
    two = zip_of({"a/data.pkl": pickle, "b/data.pkl": pickle, "a/data/0": FOUR})
    yield _pt(room, "zip_two_roots", two, "said", "two pickles")
    climbs = zip_of({"../../x/data.pkl": pickle, "../../x/data/0": FOUR})
    yield _pt(room, "zip_climbs", climbs, "said", "nothing is ever unpacked")
    big = archive(pickle).replace(b"archive/byteorder", b"archive/byteorder", 1)
    yield _pt(room, "zip_big_endian", big.replace(b"little", b"big\0\0\0"), "reject")
    for id_, at in (("zip_cut_10", 10), ("zip_cut_200", 200), ("zip_cut_end", len(good) - 5)):
        yield _pt(room, id_, good[:at], "reject", "a download that stopped")
    yield from _directory_lies(room, good)


def _directory_lies(room: Room, good: bytes) -> Iterator[Case]:
    """The zip's directory says something else than its records."""
    end = good.rindex(b"PK\x05\x06")
    central = good.index(b"PK\x01\x02")
    last = good.rindex(b"PK\x01\x02")
    data = good.index(b"archive/data/0", central) - 46

    def changed(at: int, raw: bytes) -> bytes:
        return good[:at] + raw + good[at + len(raw) :]

    four = struct.Struct("<I").pack
    lies: list[tuple[str, bytes, str]] = [
        ("zip_count_lie", changed(end + 8, b"\xff\xff\xff\xff"), "65,535 entries, it says"),
        ("zip_directory_past", changed(end + 16, four(2**31)), "the directory is not there"),
        ("zip_directory_size", changed(end + 12, four(2**31)), ""),
        ("zip_size_huge", changed(data + 20, four(2**31) * 2), "a record larger than the file"),
        ("zip_size_small", changed(data + 20, four(3) * 2), "it differs from the local header"),
        ("zip_offset_past", changed(data + 42, four(2**31)), "a record outside the file"),
        ("zip_offset_odd", changed(data + 42, four(3)), "no local header there"),
        ("zip_overlap", changed(last + 42, four(0)), "two records on one place"),
        ("zip_encrypted", changed(data + 8, b"\1\0"), ""),
        ("zip_method", changed(data + 10, b"\x63\0"), "an unknown compression"),
        ("zip_zip64_lie", changed(data + 20, b"\xff" * 8), "sizes are elsewhere, it says"),
    ]
    for id_, content, note in lies:
        yield _pt(room, id_, content, "said", note)
    names = {f"archive/data/{k}": b"" for k in range(3)}
    twice = zip_of(names).replace(b"archive/data/1", b"archive/data/0")
    yield _pt(room, "zip_same_name", twice, "said", "two records of one name")
    yield _pt(room, "zip_60k_entries", _many_entries(60_000), "said", "")
    yield _pt(room, "zip_comment", good[:-2] + b"\xff\xff" + good[-22:] * 2000, "said", "")


def _many_entries(count: int) -> bytes:
    """An archive of empty records, written by hand: zipfile would take seconds."""
    local, central = [], []
    at = 0
    for k in range(count):
        name = b"a/data/%d" % k
        local.append(
            struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name
        )
        central.append(
            struct.pack(
                "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, at
            )
            + name
        )
        at += len(local[-1])
    directory = b"".join(central)
    shown = min(count, 0xFFFF)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, shown, shown, len(directory), at, 0)
    return b"".join(local) + directory + end


def _legacy_lies(room: Room) -> Iterator[Case]:
    pickle = program(dict_of({"w": legacy_tensor()}))
    for id_, tail, note in (
        ("legacy_numel_lie", struct.pack("<q", 2**61) + FOUR, "2^61 values, it says"),
        ("legacy_numel_negative", struct.pack("<q", -1) + FOUR, ""),
        ("legacy_cut", struct.pack("<q", 4) + FOUR[:9], "a download that stopped"),
        ("legacy_no_data", b"", "a download that stopped"),
    ):
        yield _pt(room, id_, legacy(pickle, tail=tail), "reject", note)
    magic = program(number(MAGIC + 1))
    yield _pt(room, "legacy_magic", magic + pickle, "reject", "another magic number")
    yield _pt(room, "legacy_keys", legacy(pickle, ("1", "2")), "reject", "keys of other storages")
    zipped = zlib.compress(pickle)
    yield _pt(room, "legacy_zlib", zipped, "reject", "no file of torch")


def _folders(room: Room, good: bytes) -> Iterator[Case]:
    """Folders, and an index of pickles."""
    yield room.files("pt_folder", {"pytorch_model.bin": good}, "open", kind="pickle")
    name = "pytorch_model.bin.index.json"
    shard = "pytorch_model-00001-of-00001.bin"
    index = to_json({"weight_map": {"w": shard}})
    yield room.files("pt_sharded", {name: index, shard: good}, "open", kind="pickle")
    for id_, place in (
        ("pt_index_traversal", "../../outside_secret.safetensors"),
        ("pt_index_absolute", "/dev/zero"),
        ("pt_index_escape", "\x1b]0;PWNED\x07.bin"),
    ):
        index = to_json({"weight_map": {"w": place}})
        yield room.files(id_, {name: index}, "reject", kind="pickle")


def _pt(room: Room, id_: str, content: bytes, want: Want, note: str = "") -> Case:
    return room.file(id_, content, want, note, name=f"{id_}.pt", kind="pickle")
