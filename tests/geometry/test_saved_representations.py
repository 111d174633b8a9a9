"""Representations in files: read as others save them, written, and refused where they lie."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inspect_core.capture.texts import TextSource
from inspect_core.errors import LamellaError
from inspect_core.geometry.representations import LAST, Representations, text_digest
from inspect_core.geometry.room import Room
from inspect_core.geometry.saved import read_representations, write_representations

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((6, 3)).astype(np.float32), RNG.standard_normal((6, 5))


def same(one, other):
    assert (one.names, one.labels, one.pooling, one.notes, one.title) == (
        other.names, other.labels, other.pooling, other.notes, other.title
    )  # fmt: skip
    np.testing.assert_array_equal(one.samples, other.samples)
    assert (one.digests is None) == (other.digests is None)
    np.testing.assert_array_equal(one.digests, other.digests)
    for left, right in zip(one.values, other.values, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


text = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(text, min_size=1, max_size=3, unique=True),
    st.lists(text, min_size=3, max_size=3),
    st.data(),
)
def test_what_is_written_reads_back_equal(tmp_path_factory, names, labels, data):
    kinds = st.sampled_from([np.float32, np.float64])
    values = [
        data.draw(arrays.arrays(data.draw(kinds), (3, data.draw(st.integers(1, 4))))) for _ in names
    ]
    space = Representations(
        "model", tuple(names), values, (("a", tuple(labels)),), np.array([0, 4, 2]), LAST, ("n",),
        data.draw(st.sampled_from([None, np.array([1, 2**64 - 1, 7], np.uint64)])),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("saved") / "space.npz"
    write_representations(space, path)
    same(read_representations(path), space)


def test_names_that_mean_something_to_the_file_are_kept(tmp_path):
    names = ("lamella", "a/b", "nul\0nul", "layer 2", "../up")
    space = Representations("m", names, [A] * 5, (), np.arange(6), "")
    write_representations(space, tmp_path / "x.npz")
    same(read_representations(tmp_path / "x.npz"), space)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["a/b"], A)


def test_a_file_is_never_written_over(tmp_path):
    space = Representations("m", ("a",), [A], (), np.arange(6), "")
    (tmp_path / "x.npz").write_bytes(b"mine")
    with pytest.raises(LamellaError, match="there already"):
        write_representations(space, tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == b"mine"
    with pytest.raises(LamellaError, match=r"\.npz"):
        write_representations(space, tmp_path / "x.txt")
    assert [one.name for one in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.parametrize("dtype", [">f4", "<f8", "f2", "f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, dtype, order):
    values = np.asarray(B.astype(dtype), order=order)
    np.save(tmp_path / "l3.npy", values)
    found = read_representations(tmp_path / "l3.npy")
    assert found.names == ("l3",) and found.samples.tolist() == [-1] * 6
    assert found.values[0].dtype == (np.float64 if dtype == "<f8" else np.float32)
    np.testing.assert_array_equal(found.values[0], values)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_has_layers_in_the_order_of_their_numbers(tmp_path, save):
    save(tmp_path / "x.npz", l10=B, l2=A, answers2=np.arange(6))
    found = read_representations(tmp_path / "x.npz")
    assert found.names == ("l2", "l10")
    np.testing.assert_array_equal(found.values[1], B)
    assert "answers2" in found.notes[0] and "int64" in found.notes[0]
    save(tmp_path / "y.npz", embeddings=A, norm=B, l1=A)
    assert read_representations(tmp_path / "y.npz").names == ("embeddings", "norm", "l1")


def test_a_folder_as_the_published_code_saves_it(tmp_path):
    for number in (10, 2, 0):
        torch.save(torch.tensor(A + number).bfloat16(), tmp_path / f"l{number}_target.pt")
    (tmp_path / "statistics_target.pkl").write_bytes(pickle.dumps({"subjects": [1]}))
    found = read_representations(tmp_path)
    assert found.names == ("l0_target", "l2_target", "l10_target")
    wanted = torch.tensor(A + 10).bfloat16().float().numpy()
    np.testing.assert_array_equal(found.values[2], wanted)


def test_a_dict_of_tensors(tmp_path):
    torch.save(
        {"l1": torch.tensor(A), "l0": torch.tensor(B).t().contiguous().t(), "n": torch.ones(3)},
        tmp_path / "x.pt",
    )
    found = read_representations(tmp_path / "x.pt")
    assert found.names == ("l0", "l1") and "1 axis" in found.notes[0]
    np.testing.assert_array_equal(found.values[0], B)


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("it was run",)


def test_nothing_of_a_file_is_run(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[Bomb()]], object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", a=np.array([[Bomb()]], object))
    torch.save({"a": Bomb(), "b": torch.tensor(A)}, tmp_path / "x.pt")
    for name in ("x.npy", "x.npz"):
        with pytest.raises(LamellaError, match="Python objects"):
            read_representations(tmp_path / name)
    assert read_representations(tmp_path / "x.pt").names == ("b",)


def header(shape, dtype="<f4"):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    raw = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\x93NUMPY", header("(1000000000, 1000000000)"), header("(2, 2)"),
        header("(-1, 2)"), header("(2,"), header("(" * 60), header("(2, 2)", "O4,<f4"),
        header("(True, 2)") + b"0" * 8, b"\x93NUMPY\x09\x00" + b"x" * 200,
    ],
)  # fmt: skip
def test_npy_files_that_lie(tmp_path, raw):
    (tmp_path / "x.npy").write_bytes(raw)
    with pytest.raises(LamellaError) as error:
        read_representations(tmp_path / "x.npy")
    assert "\n" not in str(error.value)


def test_archives_that_lie(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros((3000, 3000)))
    with pytest.raises(LamellaError, match="would become"):
        read_representations(tmp_path / "bomb.npz")
    write_representations(
        Representations("m", ("a",), [A], (), np.arange(6), ""), tmp_path / "x.npz"
    )
    whole = (tmp_path / "x.npz").read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        raw = bytearray(whole)
        raw[place] ^= 0x55
        (tmp_path / "y.npz").write_bytes(raw)
        try:
            read_representations(tmp_path / "y.npz")
        except LamellaError as error:
            refused += "\n" not in str(error)
    assert refused > len(whole) / 14
    (tmp_path / "y.npz").write_bytes(whole[:-40])
    with pytest.raises(LamellaError):
        read_representations(tmp_path / "y.npz")


def test_what_says_nothing_true_of_itself(tmp_path):
    for said in (b"[]", b'{"version": 2}', b"{", b'{"version": 1, "names": {"a": 3}}'):
        np.savez(tmp_path / "x.npz", a=A, lamella=np.frombuffer(said, np.uint8))
        with pytest.raises(LamellaError, match="says of itself"):
            read_representations(tmp_path / "x.npz")


def test_layers_of_other_texts_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=A, b=A[:4])
    with pytest.raises(LamellaError, match="'b' has 4 rows, the layers before it 6"):
        read_representations(tmp_path / "x.npz")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(LamellaError, match="no saved layers"):
        read_representations(empty)


def test_labels_come_from_the_texts_by_number(tmp_path):
    path = tmp_path / "texts.tsv"
    path.write_text("text\tmood\n" + "".join(f"t{k}\tm{k % 2}\n" for k in range(6)))
    source = TextSource(str(path), "text", labels=("mood",))
    np.save(tmp_path / "x.npy", A)
    found = read_representations(tmp_path / "x.npy", source)
    assert found.labels == (("mood", ("m0", "m1") * 3),)
    assert found.samples.tolist() == [0, 1, 2, 3, 4, 5]
    space = Representations("m", ("a",), [A[:2]], (), np.array([1, 4]), "")
    write_representations(space, tmp_path / "some.npz")
    assert read_representations(tmp_path / "some.npz", source).labels[0][1] == ("m1", "m0")
    np.save(tmp_path / "y.npy", A[:4])
    with pytest.raises(LamellaError, match=r"6 texts, and .* has 4 rows"):
        read_representations(tmp_path / "y.npy", source)


def test_what_does_not_fit_into_memory_lies_in_a_file_without_a_name(tmp_path):
    np.savez(tmp_path / "x.npz", a=A, b=B)
    folder = tmp_path / "room"
    found = read_representations(tmp_path / "x.npz", room=Room(A.nbytes, folder))
    np.testing.assert_array_equal(found.values[1], B)
    assert found.values[1].base is not None and not list(folder.iterdir())
    with pytest.raises(LamellaError, match="no room for"):
        Room(0, tmp_path / "x.npz" / "under").array((2, 2), np.float32)


@pytest.mark.parametrize("shape", ["(10**15, 0)", "(300000000, 0)", "(1" + "0" * 26 + ", 0)"])
def test_a_layer_without_units_is_left_out_before_its_rows_are_made(tmp_path, shape):
    shape = shape.replace("10**15", "1" + "0" * 15)
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    (tmp_path / "x.npy").write_bytes(head)
    with pytest.raises(LamellaError, match="0 units"):
        read_representations(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("empty.npy", head)
        with archive.open("full.npy", "w") as stream:
            np.save(stream, A)
    found = read_representations(tmp_path / "x.npz")
    assert found.names == ("full",) and "0 units" in found.notes[0]


def test_tensors_without_units_are_left_out(tmp_path):
    head = json.dumps({"a": {"dtype": "F32", "shape": [10**12, 0], "data_offsets": [0, 0]}})
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head.encode())
    with pytest.raises(LamellaError, match="0 units"):
        read_representations(path)


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_description_far_larger_than_its_rows_is_not_parsed(tmp_path, packed, monkeypatch):
    monkeypatch.setattr("inspect_core.geometry.saved.parse_plain", lambda text: pytest.fail("read"))
    raw = b'{"x":[' + b"[]," * 2_000_000 + b"[]]}"
    with zipfile.ZipFile(tmp_path / "x.npz", "w", packed) as archive:
        for name, values in (("lamella", np.frombuffer(raw, np.uint8)), ("a", A)):
            with archive.open(f"{name}.npy", "w") as stream:
                np.save(stream, values)
    with pytest.raises(LamellaError, match="bytes"):
        read_representations(tmp_path / "x.npz")


def test_labels_go_by_what_texts_say(tmp_path):
    texts = tmp_path / "t.tsv"
    told = np.array([text_digest(f"text {row}") for row in (3, 1, 0, 3, 2, 5)], np.uint64)
    space = Representations("m", ("a",), [A], (), np.arange(6), "", (), told)
    write_representations(space, tmp_path / "x.npz")
    source = TextSource(str(texts), "text", None, ("label",))
    texts.write_text("text\tlabel\n" + "".join(f"text {row}\tl{row}\n" for row in range(6)))
    found = read_representations(tmp_path / "x.npz", source)
    assert found.labels == (("label", ("l3", "l1", "l0", "l3", "l2", "l5")),)
    assert found.samples.tolist() == [3, 1, 0, 3, 2, 5]
    texts.write_text("text\tlabel\n" + "".join(f"other {row}\tl{row}\n" for row in range(6)))
    with pytest.raises(LamellaError, match="6 of 6 texts"):
        read_representations(tmp_path / "x.npz", source)


def test_columns_of_one_name_are_noted(tmp_path):
    column = ("c", tuple("abcabc"))
    space = Representations("m", ("a",), [A], (column, column), np.arange(6), "")
    write_representations(space, tmp_path / "x.npz")
    assert read_representations(tmp_path / "x.npz").notes == (
        "several columns of labels have the name 'c'",
    )


def test_layers_that_memory_cannot_hold_are_refused_before_they_are_read(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", a=np.zeros((200, 4000), np.float16))
    monkeypatch.setattr("inspect_core.geometry.saved.free_bytes", lambda: 10_000_000)
    with pytest.raises(LamellaError, match=r"12\.8 MB .* 10\.0 MB"):
        read_representations(tmp_path / "x.npz")
