"""A view of a tensor reads what numpy's slicing gives."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.checkpoint import Checkpoint, open_checkpoint, views
from inspect_core.checkpoint.tensor_info import TensorInfo

SHAPE = (4, 6, 10)
VALUES = np.arange(240, dtype="<f4").reshape(SHAPE)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    from safetensors.numpy import save_file

    path: Path = tmp_path_factory.mktemp("views") / "a.safetensors"
    save_file({"a": VALUES, "b": VALUES[0] + 1000, "c": VALUES[:, 0] - 7}, path)
    return open_checkpoint(path)


def values(opened: Checkpoint, info: TensorInfo | None, first: int = 0) -> np.ndarray:
    assert info is not None
    buffer = bytearray(info.nbytes - first)
    opened.read_into(info, first, memoryview(buffer))
    found = np.frombuffer(buffer, "<f4") if not first % 4 else np.frombuffer(buffer, "u1")
    return found if first else found.reshape(info.shape)


@settings(deadline=None)
@given(data=st.data())
def test_chains_of_views(opened: Checkpoint, data: st.DataObject) -> None:
    info, expected = opened.tensors["a"], VALUES
    for _ in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["narrow", "member", "every", "permuted", "split"]))
        if expected.ndim == 0 or expected.size == 0:
            break
        dim = data.draw(st.integers(0, expected.ndim - 1))
        size = expected.shape[dim]
        if kind == "narrow":
            a, b = sorted((data.draw(st.integers(0, size)), data.draw(st.integers(0, size))))
            info = views.narrow(info, dim, a, b)
            expected = np.take(expected, range(a, b), axis=dim)
        elif kind == "member" and expected.ndim > 1:
            at = data.draw(st.integers(0, expected.shape[0] - 1))
            info, expected = views.member(info, at), expected[at]
        elif kind == "every":
            a, step = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, 3))
            info = views.every(info, dim, a, step)
            expected = np.take(expected, range(a, size, step), axis=dim)
        elif kind == "permuted":
            order = data.draw(st.permutations(range(expected.ndim)))
            info, expected = views.permuted(info, order), expected.transpose(order)
        elif kind == "split" and expected.shape[0] % 2 == 0:
            half = expected.shape[0] // 2
            info = views.split(info, (half, 2))
            expected = expected.reshape(half, 2, *expected.shape[1:])
        assert info is not None
    assert info.shape == expected.shape
    np.testing.assert_array_equal(values(opened, info), expected)
    if info.nbytes > 5:
        whole = expected.astype("<f4").tobytes()
        assert values(opened, info, 5).tobytes() == whole[5:]


def test_joined(opened: Checkpoint) -> None:
    a, b, c = opened.tensors["a"], opened.tensors["b"], opened.tensors["c"]
    both = views.joined("both", [b, c])
    assert both is not None and both.shape == (10, 10) and both.name == "both"
    expected = np.concatenate([VALUES[0] + 1000, VALUES[:, 0] - 7])
    np.testing.assert_array_equal(values(opened, both), expected)
    turned = views.transposed(b)
    assert turned is not None
    mixed = views.joined("mixed", [turned, views.member(a, 2), b], (180,))
    turned_and = [(VALUES[0] + 1000).T.ravel(), VALUES[2].ravel(), VALUES[0].ravel() + 1000]
    expected = np.concatenate(turned_and)
    np.testing.assert_array_equal(values(opened, mixed), expected)
    assert values(opened, mixed, 250).tobytes() == expected.astype("<f4").tobytes()[250:]
    with pytest.raises(ValueError, match="of a tensor"):
        opened.read_into(mixed, 700, memoryview(bytearray(40)))


def test_what_lies_together_is_one_again(opened: Checkpoint) -> None:
    a = opened.tensors["a"]
    pieces = [views.rows(views.member(a, e), *part) for e in range(4) for part in ((0, 2), (2, 6))]
    assert views.joined("a", pieces, a.shape) == a


def test_other_dtypes_do_not_join(opened: Checkpoint) -> None:
    b = opened.tensors["b"]
    assert views.joined("x", [b, b._replace(dtype="I32")]) is None


def test_blocks_are_never_cut() -> None:
    info = TensorInfo("q", "Q8_0", (4, 64), 0, 100, 100 + 8 * 34)
    assert views.rows(info, 1, 3) == info._replace(shape=(2, 64), start=168, stop=304)
    assert views.narrow(info, 1, 0, 32) is not None
    assert views.narrow(info, 1, 0, 33) is None
    assert views.transposed(info) is None
    swapped = views.permuted(views.split(info, (2, 2)), (1, 0, 2))
    assert swapped is not None and swapped.strides == (64, 128, 1)


def test_rows_of_blocks_in_another_order(tmp_path: Path) -> None:
    from inspect_core.checkpoint.byte_source import LocalFile
    from inspect_core.checkpoint.strided import read_strided

    content = np.arange(8 * 34, dtype="u1").reshape(4, 68)
    (tmp_path / "q").write_bytes(bytes(3) + content.tobytes())
    info = TensorInfo("q", "Q8_0", (4, 64), 0, 3, 3 + 8 * 34)
    swapped = views.permuted(views.split(info, (2, 2)), (1, 0, 2))
    buffer = bytearray(swapped.nbytes)
    read_strided(LocalFile(tmp_path / "q"), swapped, 0, memoryview(buffer))
    assert bytes(buffer) == content.reshape(2, 2, 68).transpose(1, 0, 2).tobytes()
