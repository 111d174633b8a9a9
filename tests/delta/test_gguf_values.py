"""Values of quantised tensors: those of the gguf package, whatever they are compared with."""

import gguf
import numpy as np
import pytest
from delta_made import Held, assert_close, assert_identical, chunk_of, tensor

from inspect_core import diff, open_checkpoint
from inspect_core.checkpoint.tensor_info import DTYPES, GGML_QUANTS, TensorInfo
from inspect_core.control import Control
from inspect_core.delta import compare, values
from inspect_core.delta.compare import CHUNK_VALUES, Comparer
from inspect_core.delta.heat import MatrixView
from inspect_core.delta.kernel import CpuKernel
from inspect_core.delta.values import ValueReader
from inspect_core.pairing import Pair

DECODED = [name for name, dtype in GGML_QUANTS.items() if dtype.comparable]
QUANTISED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"]
"""What the gguf package can write from floats; of the others it only reads random blocks."""


def random_blocks(rng, name, shape):
    """Any bytes; scales that are infinite or NaN are among them."""
    raw = rng.integers(0, 256, DTYPES[name].nbytes(int(np.prod(shape))), np.uint8)
    return raw.reshape(*shape[:-1], -1)


def quantised(rng, name, shape):
    if name not in QUANTISED:
        return random_blocks(rng, name, shape)
    floats = rng.normal(size=shape).astype(np.float32)
    return gguf.quants.quantize(floats, gguf.GGMLQuantizationType[name])


def decoded(raw, name):
    """What the package makes of whole rows at once, float32."""
    with np.errstate(all="ignore"):
        return gguf.quants.dequantize(raw, gguf.GGMLQuantizationType[name])


def write(path, **tensors):
    """A file of arrays, and of `(blocks, dtype name)`."""
    writer = gguf.GGUFWriter(path, "llama")
    for name, content in tensors.items():
        if isinstance(content, tuple):
            blocks, dtype = content
            writer.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType[dtype])
        else:
            writer.add_tensor(name, content)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def held(raw, name, shape):
    return Held({"w": raw.reshape(-1)}), TensorInfo("w", name, shape, 0, 0, raw.size)


@pytest.mark.parametrize("name", DECODED)
def test_every_quantisation_reads_as_the_package_decodes_it(tmp_path, name):
    rng = np.random.default_rng(3)
    blocks = quantised(rng, name, (6, 512))
    with open_checkpoint(write(tmp_path / "m.gguf", w=(blocks, name))) as checkpoint:
        info = checkpoint.tensors["w"]
        assert (info.dtype, info.shape) == (name, (6, 512))
        raw, dtype = ValueReader().read(checkpoint, info, 0, info.numel)
    assert dtype == "F32"
    assert np.array_equal(raw.view(np.uint32), decoded(blocks, name).reshape(-1).view(np.uint32))


@pytest.mark.parametrize("name", DECODED)
def test_sums_of_a_quantised_tensor_are_those_of_its_float64_values(name):
    rng = np.random.default_rng(4)
    blocks = quantised(rng, name, (4, 512))
    floats = rng.normal(size=(4, 512)).astype(np.float32)
    expected = decoded(blocks, name).astype(np.float64).reshape(-1)
    finite = np.isfinite(expected)
    a, b = expected[finite], floats.reshape(-1).astype(np.float64)[finite]
    model, ours = held(blocks, name, (4, 512))
    reference, theirs = held(floats.view(np.uint8), "F32", (4, 512))
    comparer = Comparer(CpuKernel(), 2)
    [(_, got)] = comparer.summaries(model, reference, [Pair(ours, theirs)], Control())
    assert got.nonfinite_model == got.left_out == 2048 - a.size
    assert got.sq_d == pytest.approx(((a - b) ** 2).sum(), rel=1e-12)
    assert got.dot == pytest.approx((a * b).sum(), rel=1e-12, abs=1e-12 * np.abs(a * b).sum())
    assert got.max_abs == np.abs(a - b).max()
    [(_, alone)] = comparer.summaries(model, model, [Pair(ours)], Control())
    assert alone.sq_model == pytest.approx((a * a).sum(), rel=1e-12)


@pytest.mark.parametrize("name", DECODED)
def test_equal_blocks_are_identical_and_others_are_not(tmp_path, name):
    rng = np.random.default_rng(5)
    blocks = random_blocks(rng, name, (8, 1024))
    other = blocks.copy()
    other[3] = random_blocks(rng, name, (1, 1024))
    base = write(tmp_path / "a.gguf", w=(blocks, name), v=np.ones(3, np.float32))
    same = write(tmp_path / "b.gguf", w=(blocks, name), v=np.ones(3, np.float32))
    changed = write(tmp_path / "c.gguf", w=(other, name), v=np.ones(3, np.float32))
    assert diff(base, same).summary.identical
    found = diff(base, changed)
    assert {report.name: report.status for report in found.tensors} == {
        "w": "changed", "v": "identical"
    }  # fmt: skip
    one, two = (decoded(raw, name).astype(np.float64) for raw in (blocks, other))
    finite = np.isfinite(one) & np.isfinite(two)
    [report] = [report for report in found.tensors if report.name == "w"]
    assert report.max_abs == np.abs(one[finite] - two[finite]).max()
    assert report.nonfinite == (~finite).sum()


@pytest.mark.parametrize("name", DECODED)
def test_decoded_values_are_identical_to_the_floats_they_stand_for(tmp_path, name):
    """A dequantised copy: the same values, NaN and infinities among them."""
    blocks = random_blocks(np.random.default_rng(6), name, (4, 512))
    quants = write(tmp_path / "q.gguf", w=(blocks, name))
    floats = write(tmp_path / "f.gguf", w=decoded(blocks, name))
    assert diff(floats, quants).summary.identical


def test_a_quantised_file_against_the_floats_it_came_from(tmp_path):
    rng = np.random.default_rng(7)
    floats = {f"blk.{i}.attn_q.weight": rng.normal(size=(16, 256)) for i in range(3)}
    halves = {name: array.astype(np.float16) for name, array in floats.items()}
    eights = {
        name: (gguf.quants.quantize(array.astype(np.float32), gguf.GGMLQuantizationType.Q8_0),
               "Q8_0")
        for name, array in halves.items()
    }  # fmt: skip
    base = write(tmp_path / "f16.gguf", **halves)
    found = diff(base, write(tmp_path / "q8.gguf", **eights))
    assert found.summary.counts["changed"] == 3
    for report in found.tensors:
        assert (report.dtype, report.reference_dtype) == ("Q8_0", "F16")
        a = decoded(eights[report.name][0], "Q8_0").astype(np.float64)
        b = halves[report.name].astype(np.float64)
        rel = np.linalg.norm(a - b) / np.linalg.norm(b)
        assert report.rel_l2 == pytest.approx(rel, rel=1e-12)
        assert 0 < rel < 0.01


def test_a_dtype_that_is_only_listed_is_not_compared(tmp_path):
    blocks = random_blocks(np.random.default_rng(8), "Q1_0", (2, 256))
    path = write(tmp_path / "m.gguf", w=(blocks, "Q1_0"), v=np.ones(3, np.float32))
    found = diff(path, path)
    assert {report.name: report.status for report in found.tensors} == {
        "w": "unsupported", "v": "identical"
    }  # fmt: skip


# --- pieces


@pytest.mark.parametrize("name", ["Q4_0", "Q4_K", "NVFP4"])
def test_any_piece_is_read_in_whole_blocks(name):
    rng = np.random.default_rng(9)
    blocks = random_blocks(rng, name, (5, 1024))
    whole = decoded(blocks, name).reshape(-1)
    source, info = held(blocks, name, (5, 1024))
    reader = ValueReader()
    size = DTYPES[name].nbytes(DTYPES[name].block)
    for start, stop in [(0, 0), (0, 1), (255, 257), (1024, 2048), (1000, 4999), (5119, 5120)]:
        raw, _ = reader.read(source, info, start, stop)
        assert raw.tobytes() == whole[start:stop].tobytes()
        if stop > start:
            _, offset, nbytes = source.reads[-1]
            assert offset % size == nbytes % size == 0


@pytest.mark.parametrize("chunk_values", [256, 1000, 4096])
@pytest.mark.parametrize("run", [256, 512, 1 << 17])
def test_sums_and_cells_do_not_depend_on_the_pieces(monkeypatch, chunk_values, run):
    rng = np.random.default_rng(10)
    blocks = quantised(rng, "Q4_0", (3, 17, 512))
    source, info = held(blocks, "Q4_0", (3, 17, 512))
    floats = decoded(blocks, "Q4_0").reshape(-1).view(np.uint8)
    plain, view = tensor("w", "F32", (3, 17, 512)), MatrixView.of((3, 17, 512), 1)
    asked = (view, (5, 7), Control())
    comparer = Comparer(CpuKernel(), 2)
    expected, cells = comparer.detail(Held({"w": floats}), source, Pair(plain), *asked)
    monkeypatch.setattr(compare, "CHUNK_VALUES", chunk_values)
    monkeypatch.setattr(values, "DECODED_VALUES", run)
    got, heat = comparer.detail(source, source, Pair(info), *asked)
    assert_close(got, expected)
    assert np.array_equal(got.histogram, expected.histogram)
    assert np.allclose(heat.cells, cells.cells, rtol=1e-12, atol=0)


def test_chunks_end_with_blocks():
    assert all(CHUNK_VALUES % dtype.block == 0 for dtype in DTYPES.values())
    assert all(values.DECODED_VALUES % dtype.block == 0 for dtype in DTYPES.values())


def test_each_byte_is_read_once_and_progress_ends_at_all_of_them(monkeypatch):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 4096)
    blocks = random_blocks(np.random.default_rng(11), "Q6_K", (50, 512))
    source, info = held(blocks, "Q6_K", (50, 512))
    seen = []
    control = Control(lambda progress: seen.append(progress.bytes_done))
    list(Comparer(CpuKernel(), 2).summaries(source, source, [Pair(info)], control))
    assert sum(nbytes for _, _, nbytes in source.reads) == blocks.size
    assert seen[-1] == blocks.size
    assert seen == sorted(seen)


def test_two_kernels_see_the_same_values(torch_subject):
    blocks = quantised(np.random.default_rng(12), "Q5_1", (4, 512))
    source, info = held(blocks, "Q5_1", (4, 512))
    [(_, got)] = Comparer(torch_subject.kernel, 1).summaries(
        source, source, [Pair(info)], Control()
    )
    floats = decoded(blocks, "Q5_1").reshape(-1).view(np.uint8)
    assert_close(got, CpuKernel().compare(chunk_of(floats, "F32"), False, None)[0], 2e-6)


def test_threads_change_no_bit():
    blocks = random_blocks(np.random.default_rng(13), "IQ2_XS", (40, 65536))
    source, info = held(blocks, "IQ2_XS", (40, 65536))
    one, four = (
        next(Comparer(CpuKernel(), threads).summaries(source, source, [Pair(info)], Control()))[1]
        for threads in (1, 4)
    )
    assert_identical(one, four)
