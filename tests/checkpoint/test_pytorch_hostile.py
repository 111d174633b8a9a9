"""PyTorch files from strangers: nothing is run, nothing takes for ever, no wrong byte is read."""

import os
import pickle
import random
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoint_files import FOUR, write
from pickle_files import (
    legacy_file,
    name,
    number,
    numbers,
    program,
    records,
    state,
    storage,
    tensor,
    text,
    zip_file,
    zipped,
)

from inspect_core.checkpoint import Checkpoint, open_checkpoint
from inspect_core.errors import CheckpointError

GOOD = state({"w": tensor()})


def opened(folder: Path, content: bytes) -> Checkpoint:
    return open_checkpoint(write(folder / "x.pt", content))


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        opened(folder, content)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1000
    return message


def names_of(checkpoint: Checkpoint) -> list[str]:
    with checkpoint:
        assert all(line.isprintable() for line in checkpoint.warnings)
        for tensor in checkpoint.tensors.values():
            buffer = bytearray(min(tensor.nbytes, 1 << 16))
            checkpoint.read_into(tensor, 0, memoryview(buffer))
        return list(checkpoint.tensors)


def test_what_is_built_here_is_what_torch_reads(tmp_path: Path) -> None:
    for content in (zip_file(GOOD), legacy_file(GOOD)):
        assert torch.load(write(tmp_path / "y.pt", content))["w"].tolist() == [1, 2, 3, 4]
        with opened(tmp_path, content) as checkpoint:
            assert checkpoint.warnings == ()
            buffer = bytearray(16)
            checkpoint.read_into(checkpoint.tensors["w"], 0, memoryview(buffer))
            assert buffer == FOUR


def payloads(marker: str) -> dict[str, bytes]:
    touch = text(f"touch {marker}")
    system = name("os", "system")
    return {
        "reduce": system + b"(" + touch + b"tR",
        "stack_global": text("os") + text("system") + b"\x93" + touch + b"\x85R",
        "inst": b"(" + touch + b"ios\nsystem\n",
        "obj": b"(" + system + touch + b"o",
        "newobj": system + touch + b"\x85\x81",
        "newobj_ex": system + touch + b"\x85}\x92",
        "build": name("x", "Y") + b")\x81" + state({"__setstate__": system}) + b"b",
        "build_function": system + state({"__code__": touch}) + b"b",
        "build_known": name("torch._utils", "_rebuild_tensor_v2") + state({"a": touch}) + b"b",
        "ext1": b"\x82\x01" + touch + b"\x85R",
        "ext4": b"\x84\x01\x00\x00\x00",
        "nested": name("builtins", "eval") + system + touch + b"\x85R\x85R",
        "getattr": name("builtins", "getattr") + system + text("__call__") + b"\x86R",
        "torch": name("torch", "os.system") + touch + b"\x85R",
        "persistent_class": b"(" + text("module") + system + touch + b"tQ" + touch + b"\x85R",
        "dict_key": b"}" + system + touch + b"\x85RNs",
        "from_type": name("torch._tensor", "_rebuild_from_type_v2")
        + b"(" + system + name("torch", "Tensor") + touch + b"\x85NtR",
    }  # fmt: skip


@pytest.mark.parametrize("make", [zip_file, legacy_file])
@pytest.mark.parametrize("kind", sorted(payloads("")))
def test_nothing_is_run(tmp_path: Path, make: Callable[[bytes], bytes], kind: str) -> None:
    marker = tmp_path / "marker"
    evil = payloads(str(marker))[kind]
    content = make(state({"evil": evil, "w": tensor()}))
    with opened(tmp_path, content) as checkpoint:
        assert names_of(checkpoint) == ["w"]
        if kind not in ("build_known", "from_type"):
            assert "nothing of it was run" in checkpoint.warnings[0]
    assert not marker.exists()


@pytest.mark.parametrize("make", [zip_file, legacy_file])
@pytest.mark.parametrize("size", [80_000, 10_000_000])
def test_long_names_of_globals(tmp_path: Path, make: Callable[[bytes], bytes], size: int) -> None:
    for long in (name("x" * size, "y"), name("x", "y" * size)):
        assert "a line of more than 1,000" in refusal(tmp_path, make(long))
    by_stack = text("x" * size) + text("y") + b"\x93"
    assert f"a name of {size:,} characters" in refusal(tmp_path, make(by_stack))


LAUGHS = b"](" + b"]q\x00" + b"".join(
    b"](" + b"h%c" % (i - 1) * 10 + b"eq%c" % i for i in range(1, 100)
) + b"e"  # fmt: skip
TENSORS = b"((" + tensor() + b"lq\x00" + b"".join(
    b"](" + b"h%c" % (i - 1) * 10 + b"eq%c" % i for i in range(1, 100)
) + b"l"  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"0" * 10, "broken near byte"),
        (b"R", "broken near byte"),
        (b"h\x07", "broken near byte"),
        (b"NN", "ends with something unfinished"),
        (b"(", "ends with something unfinished"),
        (b"\xff", "unknown opcode 0xff at byte 2"),
        (b"\x97", "unknown opcode 0x97"),
        (b"\x80\x06", "unknown protocol 6"),
        (b"\x8b" + struct.pack("<I", 2**31 - 1), "2,147,483,647 bytes are not there"),
        (b"\x8b" + struct.pack("<I", 4000) + bytes(4000), "a whole number of 4,000 bytes"),
        (b"I" + b"9" * 5000 + b"\n", "a line of more than 100 bytes"),
        (b"L" + b"9" * 99 + b"L\nI1_\n", "broken near byte"),
        (b"X" + b"\xff" * 4, "bytes are not there"),
        (b"\x8d" + b"\xff" * 8, "bytes are not there"),
        (b"\x95" + b"\xff" * 3, "cut short"),
        (b"X\x01\x00\x00\x00\xff", "broken near byte"),
        (b"Nr\xff\xff\xff\xff", "keeps a value under the number 4,294,967,295"),
        (b"(" * 20_000, "nested too deeply"),
        (b"N(NNs", "broken near byte"),
        (b"}(NNNu", "a key without a value"),
        (b"NNa", "appends to something that is no list"),
        (b"}Na", "appends to something that is no list"),
        (b"]NNs", "sets a key of something that is no dict"),
        (b"NNN\x93", "a name that is no text"),
        (b"]NQ", "refers to something that is no storage"),
        (b"Px\n", "refers to something that is no storage"),
        (storage(cls="EvilStorage"), "a storage of an unknown class: torch.EvilStorage"),
        (storage(numel=-1), "storage '0' has no possible size"),
        (storage(numel=2**63), "storage '0' has no possible size"),
        (b"(" + storage() + storage(numel=5) + b"t", "described in two ways"),
        (b"(" + text("storage") + b"]q\x00h\x00aNNNtQ", "a storage of an unknown class: that"),
        (TENSORS, "more than 50,000 names of the same tensors"),
        (state({"\ud800": tensor()}), "is no text"),
        (state({"a": tensor()}) + text("a") + tensor() + b"s", "key 'a' is twice in the same dict"),
        (state({"a": state({"b": tensor()}), "a.b": tensor()}), "tensor 'a.b' is there twice"),
        (state({"x" * 70_000: tensor()}), "a key of 70,000 characters"),
        (LAUGHS, "entries in each other's containers"),
        (state({"deep": b"]" + b"\x85" * 200_000}), "more than 500 containers inside each other"),
        (state({"loops": b"N" + b"2\x86" * 60}), "entries in each other|names of the tensors"),
    ],
    ids=range(39),
)  # fmt: skip
def test_broken_pickles(tmp_path: Path, value: bytes, message: str) -> None:
    said = refusal(tmp_path, zip_file(value))
    assert re.search(message, said), said
    refusal(tmp_path, legacy_file(value))


def test_a_storage_without_values(tmp_path: Path) -> None:
    meta = tensor(stored=storage().replace(text("cpu"), text("meta")))
    with opened(tmp_path, zip_file(state({"w": meta}))) as checkpoint:
        assert list(checkpoint.tensors) == []
        assert "w: without values (meta device)" in checkpoint.warnings[0]


def test_limits_of_a_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = "inspect_core.checkpoint.pytorch"
    monkeypatch.setattr(f"{room}.unpickle.MAX_OPCODES", 5_000)
    assert "more than 5,000 steps" in refusal(tmp_path, zip_file(b"N0" * 2_500))
    monkeypatch.setattr(f"{room}.machine.MAX_CONTAINERS", 100)
    pairs = b"](" + b"(NNl" * 60 + b"e"
    assert "more than 100 dicts and lists" in refusal(tmp_path, zip_file(b"}" * 101))
    made = name("collections", "OrderedDict") + b"(" + pairs + b"tR"
    assert "more than 100 dicts and lists" in refusal(tmp_path, zip_file(made))
    monkeypatch.setattr(f"{room}.file.MAX_PICKLE_BYTES", 50)
    assert "bytes, more than the 50 that are read" in refusal(tmp_path, zip_file(GOOD))
    monkeypatch.setattr(f"{room}.archive.MAX_RECORDS", 3)
    assert "4 records in the archive, more than 3" in refusal(tmp_path, zip_file(GOOD))


@pytest.mark.parametrize("make", [zip_file, legacy_file])
@pytest.mark.parametrize(
    ("value", "names"),
    [
        (b"}q\x00" + text("a") + b"h\x00s" + text("w") + tensor() + b"s", ["w"]),
        (b"]q\x00h\x00a" + tensor() + b"a", ["1"]),
        (name("x", "Y") + b")\x81q\x00}" + text("me") + b"h\x00s" + text("w") + tensor() + b"sb",
         ["w"]),
        (b"}N" + b"2\x86" * 60 + b"Ns" + text("w") + tensor() + b"s", ["w"]),
        (state({"w": tensor(), "b": b"C\x03abc", "s": b"S'a\\x41'\n", "f": b"F1e5\n"}), ["w"]),
        (state({"w": tensor(), "n": b"I01\nI-5\n\x86L12L\nVa\\u1234\n\x86\x86"}), ["w"]),
        (state({"\x1b[2J\n.w": tensor(), "": tensor()}), ["\x1b[2J\n.w", ""]),
        (state({"a" * 10_000 + ".w": tensor()}), ["a" * 10_000 + ".w"]),
    ],
    ids=range(8),
)  # fmt: skip
def test_odd_but_harmless_pickles(
    tmp_path: Path, make: Callable[[bytes], bytes], value: bytes, names: list[str]
) -> None:
    assert names_of(opened(tmp_path, make(value))) == names


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (tensor(shape=(5,)), "reaches beyond its storage of 16 bytes"),
        (tensor(offset=1), "reaches beyond"),
        (tensor(offset=2**63), "offset or strides are impossible"),
        (tensor(offset=2**62), "reaches beyond"),
        (tensor(offset=-1), "offset or strides are impossible"),
        (tensor(strides=(2,)), "reaches beyond"),
        (tensor(strides=(2**62,)), "reaches beyond"),
        (tensor(strides=(-1,), offset=3), "its strides holds no possible size"),
        (tensor(shape=(-1,)), "its shape holds no possible size"),
        (tensor(shape=(2**63,)), "its shape holds no possible size"),
        (tensor(shape=(2**32, 2**32), strides=(0, 0)), "beyond 2^63 bytes"),
        (tensor(shape=(0, 2**62, 2), strides=(1, 1, 1)), "beyond 2^63 bytes"),
        (tensor(shape=(1,) * 65, strides=(1,) * 65), "65 dimensions, more than 64"),
        (tensor(strides=(1, 1)), "offset or strides are impossible"),
        (tensor(stored=b"N"), "has no storage"),
        (tensor().replace(numbers((4,)), b"(\x88t"), "its shape holds no possible size"),
    ],
    ids=range(16),
)  # fmt: skip
def test_impossible_tensors(tmp_path: Path, made: bytes, message: str) -> None:
    value = state({"good": tensor(), "w\x1b[31m": made})
    for content in (zip_file(value), legacy_file(value)):
        said = refusal(tmp_path, content)
        assert message in said
        assert r"'w\x1b[31m'" in said


def patched(content: bytes, at: int, raw: bytes) -> bytes:
    return content[:at] + raw + content[at + len(raw) :]


def entry_of(content: bytes, record: str) -> int:
    """Where a record's entry in the directory begins."""
    return content.rindex(record.encode()) - 46


def header_of(content: bytes, record: str) -> int:
    """Where a record's local header begins."""
    return content.index(record.encode()) - 30


ZIP = zip_file(GOOD)
ENTRY, LOCAL = entry_of(ZIP, "x/data/0"), header_of(ZIP, "x/data/0")
END = len(ZIP) - 22


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zip_file(GOOD, {}), "no record 'x/data/0' in the archive"),
        (zip_file(GOOD, {"0": FOUR[:-1]}), "has 15 bytes, not 16"),
        (zip_file(GOOD, {"0": FOUR + b"x"}), "has 17 bytes, not 16"),
        (zipped(records(program(GOOD)), zipfile.ZIP_DEFLATED), "compressed"),
        (patched(ZIP, ENTRY + 10, b"\x08\0"), "is compressed"),
        (patched(ZIP, LOCAL + 8, b"\x08\0"), "contradict each other"),
        (patched(ZIP, ENTRY + 8, b"\x01"), "encrypted"),
        (patched(ZIP, LOCAL + 6, b"\x01"), "contradict each other"),
        (patched(ZIP, LOCAL + 18, b"\x05\0\0\0"), "contradict each other"),
        (patched(ZIP, LOCAL + 22, b"\x05\0\0\0"), "contradict each other"),
        (patched(ZIP, LOCAL + 26, b"\x09\0"), "not where the directory says"),
        (patched(ZIP, LOCAL + 28, b"\x40\0"), "overlaps what follows it"),
        (patched(ZIP, LOCAL + 30, b"y"), "not where the directory says"),
        (patched(ZIP, ENTRY + 42, struct.pack("<I", LOCAL + 1)), "overlaps what follows"),
        (patched(ZIP, ENTRY + 42, struct.pack("<I", 0)), "overlaps what follows"),
        (patched(ZIP, ENTRY + 42, b"\xff\xff\xff\x7f"), "overlaps what follows"),
        (patched(ZIP, ENTRY + 42, b"\xff" * 4), "a zip64 size is missing"),
        (patched(ZIP, ENTRY + 20, b"\x11\0\0\0\x11\0\0\0"), "overlaps|contradict"),
        (patched(ZIP, ENTRY + 20, b"\xff\xff\xff\x7f" * 2), "overlaps what follows"),
        (patched(ZIP, END + 8, b"\x05\0\x05\0"), "fewer entries than its end says"),
        (patched(ZIP, END + 8, b"\x03\0\x03\0"), "does not have the length"),
        (patched(ZIP, END + 8, b"\x03\0"), "several parts"),
        (patched(ZIP, END + 12, b"\xff\xff\xff\x7f"), "not where its end says"),
        (patched(ZIP, END + 16, b"\0\0\0\0"), "not where its end says"),
        (patched(ZIP, END + 20, b"\x01\0"), "bytes follow the end|without its end"),
        (ZIP + b"x", "bytes follow the end"),
        (ZIP[:END], "without its end"),
        (zipped({"x/data.pkl": program(GOOD), "y/data.pkl": program(GOOD)}), "more than one"),
        (zipped({"data.pkl": program(GOOD)}), "without data.pkl"),
        (zipped({"../data.pkl": program(GOOD), "a": b""}), "no record '../data/0'"),
        (zipped({"a.npy": b"x"}), "numpy's .npz"),
        (zipped(records(program(GOOD)) | {"x/constants.pkl": b"x"}), "a TorchScript archive"),
        (zipped(records(program(GOOD)) | {"x/byteorder": b"big"}), "big-endian"),
        (zipped(records(program(GOOD)) | {"x/byteorder": b"l" * 99}), "more than the 16"),
        (b"PK\x03\x04" + bytes(100), "without its end"),
    ],
    ids=range(35),
)
def test_broken_archives(tmp_path: Path, content: bytes, message: str) -> None:
    said = refusal(tmp_path, content)
    assert re.search(message, said), said


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_records_of_one_name(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pt", ZIP)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x/data/0", bytes(16))
    assert "record 'x/data/0' is in the archive twice" in refusal(tmp_path, path.read_bytes())


def test_a_hundred_thousand_records(tmp_path: Path) -> None:
    many = records(program(GOOD)) | {f"x/data/{i}": b"" for i in range(1, 100_000)}
    assert names_of(opened(tmp_path, zipped(many))) == ["w"]


def zip64(content: bytes, **lies: int) -> bytes:
    """The archive with a zip64 end, as torch writes it, with some fields replaced."""
    start = content.index(b"PK\x01\x02")
    honest = {"size": 44, "count": 4, "length": END - start, "start": start, "place": END}
    fields = honest | {"disks": 1} | lies
    end = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", fields["size"], 45, 45, 0, 0, fields["count"],
        fields["count"], fields["length"], fields["start"],
    )  # fmt: skip
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, fields["place"], fields["disks"])
    small = patched(content[END:], 8, b"\xff" * 12)
    return content[:END] + end + locator + small


def test_zip64(tmp_path: Path) -> None:
    assert names_of(opened(tmp_path, zip64(ZIP))) == ["w"]
    for field in ("size", "count", "length", "start", "place", "disks"):
        for lie in (0, 2, 2**31, 2**32 - 1, 2**64 - 1):
            if field != "disks" or 1 < lie < 2**32:
                refusal(tmp_path, zip64(ZIP, **{field: lie}))
    wide = struct.pack("<2H3Q", 1, 24, 16, 16, LOCAL)
    raw = patched(ZIP, ENTRY + 20, b"\xff" * 8)
    raw = patched(patched(raw, ENTRY + 42, b"\xff" * 4), ENTRY + 30, struct.pack("<H", len(wide)))
    at = ENTRY + 46 + len("x/data/0")
    raw = raw[:at] + wide + raw[at:]
    moved = END + len(wide)
    length = struct.unpack_from("<I", raw, moved + 12)[0] + len(wide)
    assert names_of(opened(tmp_path, patched(raw, moved + 12, struct.pack("<I", length)))) == ["w"]
    short = patched(raw, moved + 12, struct.pack("<I", length))
    assert "zip64 size is missing" in refusal(tmp_path, patched(short, at + 2, b"\x08"))


def test_sparse_archive_with_a_huge_directory(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pt", ZIP[:END])
    size = 65 << 20
    os.truncate(path, size)
    start = END
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, size - start, start, 0)
    with path.open("ab") as file:
        file.write(end)
    with pytest.raises(CheckpointError, match=r"directory has .* more than is read"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (legacy_file(GOOD, b""), "storage '0' is missing"),
        (legacy_file(GOOD, struct.pack("<q", 4) + FOUR[:9]), "beyond the end of the file"),
        (legacy_file(GOOD, struct.pack("<q", 3) + FOUR), "has 3 elements, not 4"),
        (legacy_file(GOOD, struct.pack("<q", -4) + FOUR), "has -4 elements, not 4"),
        (legacy_file(GOOD, struct.pack("<q", 2**62) + FOUR), "elements, not 4"),
        (legacy_file(GOOD, b"", ()), "storage '0' is not in the file"),
        (legacy_file(GOOD, keys=("1",)), "storage '1' is in the file, but of no known type"),
        (legacy_file(GOOD, (struct.pack("<q", 4) + FOUR) * 2, ("0", "0")), "twice in the file"),
        (legacy_file(state({"w": tensor(stored=storage(numel=2**60))})), "elements, not 1,152"),
        (legacy_file(GOOD).replace(number(1001), number(1002), 1), "an unknown protocol"),
        (legacy_file(GOOD).replace(b"little_endian\x88", b"little_endian\x89"), "big-endian"),
        (program(GOOD), "none that torch.save wrote"),
        (pickle.dumps([1, 2]), "none that torch.save wrote"),
        (program(number(1)) * 5, "none that torch.save wrote"),
        (b"\x80\x02", "cut short"),
        (b"\x80", "cut short"),
    ],
    ids=range(16),
)
def test_broken_legacy_files(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(tmp_path, content)


def test_bytes_after_a_legacy_file_are_told(tmp_path: Path) -> None:
    with opened(tmp_path, legacy_file(GOOD) + b"xyz") as checkpoint:
        assert "3 bytes after the last storage belong to none" in checkpoint.warnings[0]


def test_a_legacy_pickle_longer_than_the_first_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = {f"{i}" + "x" * 100: tensor() for i in range(60)}
    for window in range(1, 2000, 37):
        monkeypatch.setattr("inspect_core.checkpoint.pytorch.legacy._FIRST_WINDOW", window)
        assert names_of(opened(tmp_path, legacy_file(state(long)))) == list(long)
    monkeypatch.setattr("inspect_core.checkpoint.pytorch.legacy.MAX_PICKLE_BYTES", 500)
    assert "cut short" in refusal(tmp_path, legacy_file(state(long)))


def samples(tmp_path: Path) -> list[bytes]:
    made = {
        "epoch": 3, "model": {"a": torch.ones(3, 2), "b": torch.ones(2, 3).T},
        "half": torch.ones(2, dtype=torch.float16), "optimizer": {"state": {0: torch.ones(3)}},
        "net": torch.nn.Linear(2, 2),
    }  # fmt: skip
    found = [zip_file(GOOD), legacy_file(GOOD)]
    for zip_format in (True, False):
        path = tmp_path / "made.pt"
        torch.save(made, path, _use_new_zipfile_serialization=zip_format)
        found.append(path.read_bytes())
    return found


def test_cut_files(tmp_path: Path) -> None:
    for content in samples(tmp_path):
        for stop in range(1, len(content), 37):
            refusal(tmp_path, content[:stop])


def test_changed_bytes_give_an_error_or_a_checkpoint(tmp_path: Path) -> None:
    dice = random.Random(7)
    survived = 0
    for content in samples(tmp_path):
        for _ in range(700):
            changed = bytearray(content)
            for _ in range(dice.choice([1, 1, 1, 4])):
                at = dice.randrange(len(changed))
                changed[at] = dice.choice([0, 0xFF, 0x7F, changed[at] ^ 1 << dice.randrange(8)])
            try:
                names_of(opened(tmp_path, bytes(changed)))
                survived += 1
            except CheckpointError as error:
                assert str(error).isprintable()
    assert survived


def test_random_opcodes_give_an_error_or_a_checkpoint(tmp_path: Path) -> None:
    dice = random.Random(8)
    known = b"\x80\x95.(012N\x88\x89ILFJKMG\x8a\x8bSVTUX\x8c\x8d)t\x85\x86\x87]lae}dsu\x8f\x90\x91"
    known += b"pqr\x94ghjc\x93\x82\x83\x84R\x81\x92iobPQBC\x8e\x96"
    pieces = [bytes([code]) for code in known] + [
        tensor(), storage(), text("a"), number(3), b"}", b"]", b")", b"(", name("os", "system"),
        name("collections", "OrderedDict"), b"q\x00", b"h\x00", name("torch", "Size"),
        name("torch._tensor", "_rebuild_from_type_v2"), name("copyreg", "_reconstructor"),
    ]  # fmt: skip
    for _ in range(2000):
        value = b"".join(dice.choices(pieces, k=dice.randrange(1, 12)))
        try:
            names_of(opened(tmp_path, zip_file(value)))
        except CheckpointError as error:
            assert str(error).isprintable()


def test_files_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.pt")
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    (tmp_path / "empty.pt").touch()
    write(tmp_path / "page.bin", b"<!DOCTYPE html><html>" + b" " * 600)
    write(tmp_path / "lfs.bin", b"version https://git-lfs.github.com/spec/v1\n" + b"x" * 600)
    write(tmp_path / "tar.pth", bytes(257) + b"ustar\x0000" + bytes(600))
    write(tmp_path / "any.ckpt", b"hello world, this is no checkpoint")
    for file, message in [
        ("fifo.pt", "a pipe"), ("zero.pt", "a device"), ("empty.pt", "the file is empty"),
        ("page.bin", "a web page"), ("lfs.bin", "git-lfs"), ("tar.pth", "a tar archive"),
        ("any.ckpt", "no weights: neither PyTorch, GGUF nor safetensors"),
    ]:  # fmt: skip
        with pytest.raises(CheckpointError, match=message):
            open_checkpoint(tmp_path / file)
