"""The diff as values and as JSON."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from inspect_core import diff, to_json
from inspect_core.control import Control
from inspect_core.errors import Cancelled, CheckpointError, UsageError
from inspect_core.results.comparison import STATUSES
from tui.demo import demo_pair

TENSOR_KEYS = [
    "name", "reference_name", "status", "reason", "shape", "dtype", "reference_dtype", "numel",
    "mean_abs", "max_abs", "l2", "rel_l2", "cosine", "angle", "changed_fraction", "nonfinite",
]  # fmt: skip
METRICS = TENSOR_KEYS[8:]
SUMMARY_KEYS = ["counts", "numel", "parameters", *METRICS, "identical", "rounding"]
MORE_KEYS = [
    "sum_abs", "angle_pi", "one_minus_cosine", "beyond_fraction", "rel_l2_beyond", "sign_flips",
    "mean_abs_model", "mean_abs_reference",
]  # fmt: skip
F32 = np.float32


def make_pair(folder: Path, base: dict, model: dict) -> tuple[str, str]:
    save_file(base, folder / "base.safetensors")
    save_file(model, folder / "model.safetensors")
    return str(folder / "base.safetensors"), str(folder / "model.safetensors")


def strict(text: str) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def only(report):
    (tensor,) = report.tensors
    return tensor


def test_every_status(tmp_path: Path) -> None:
    a = np.arange(6, dtype=F32).reshape(2, 3)
    base = {"same": a, "moved": a, "gone": a[:1], "turned": a, "odd": a.astype(np.complex64)}
    model = {"same": a, "moved": a + 1, "new": a, "turned": a.T.copy(), "odd": base["odd"]}
    base["gone"] = base["gone"].copy()
    base["cast"] = a / 7
    model["cast"] = base["cast"].astype(np.float16)
    pair = make_pair(tmp_path, base, model)
    report = diff(*pair)
    found = {tensor.name: tensor for tensor in report.tensors}
    status = {name: tensor.status for name, tensor in found.items()}
    assert status == {
        "same": "identical", "moved": "changed", "new": "added", "gone": "removed",
        "turned": "shape_mismatch", "odd": "unsupported", "cast": "rounded",
    }  # fmt: skip
    assert report.summary.counts == dict.fromkeys(STATUSES, 1)
    assert report.summary.numel == 18
    assert report.summary.parameters == 36
    assert not report.summary.identical
    for name in ("new", "gone", "turned", "odd"):
        assert all(getattr(found[name], key) is None for key in METRICS)
        assert found[name].reason
    gone = found["gone"]
    assert (gone.shape, gone.numel, gone.dtype) == ((1, 3), 3, "F32")
    assert gone.reference_name == "gone"
    assert found["new"].reference_name is None
    assert found["new"].reference_dtype is None
    assert found["turned"].shape == (3, 2)
    assert (report.reference, report.model) == pair


def test_numbers_are_those_of_float64(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(64, 65)).astype(F32)
    b = (a + rng.normal(size=a.shape) * 1e-3).astype(F32)
    b[0] = a[0]
    tensor = only(diff(*make_pair(tmp_path, {"w": a}, {"w": b})))
    x, y = b.astype(np.float64).ravel(), a.astype(np.float64).ravel()
    d = x - y
    cosine = x @ y / (np.linalg.norm(x) * np.linalg.norm(y))
    assert tensor.mean_abs == pytest.approx(np.abs(d).mean(), rel=1e-12)
    assert tensor.max_abs == np.abs(d).max()
    assert tensor.l2 == pytest.approx(np.linalg.norm(d), rel=1e-12)
    assert tensor.rel_l2 == pytest.approx(np.linalg.norm(d) / np.linalg.norm(y), rel=1e-12)
    assert tensor.cosine == pytest.approx(cosine, rel=1e-12)
    u, v = x / np.linalg.norm(x), y / np.linalg.norm(y)
    angle = 2 * math.atan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    assert tensor.angle == pytest.approx(angle, rel=1e-9)
    assert tensor.changed_fraction == np.count_nonzero(d) / d.size
    assert tensor.nonfinite == 0


NAN = np.array([0x7FC00001], np.uint32).view(F32)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (np.zeros(3, F32), -np.zeros(3, F32), "identical"),
        (NAN, NAN, "identical"),
        (NAN, np.array([0x7FC00002], np.uint32).view(F32), "changed"),
        (NAN, np.array([np.nan], np.float64), "rounded"),
        (np.array([1 / 3]), np.array([1 / 3], F32), "rounded"),
        (np.array([1 / 3], F32), np.array([np.nan], np.float16), "changed"),
        (np.array([1.5, -2], F32), np.array([1.5, -2], np.float16), "identical"),
        (np.array([1, 0], np.int64), np.array([True, False]), "identical"),
        (np.array([2**53], np.int64), np.array([2**53 + 1], np.int64), "changed"),
        (np.array([1.0], F32), np.array([np.nextafter(F32(1), F32(2))], F32), "changed"),
        (np.array([np.inf], F32), np.array([np.inf], F32), "identical"),
        (np.zeros((0, 4), F32), np.zeros((0, 4), F32), "identical"),
    ],
)
def test_identical_or_changed(tmp_path: Path, old, new, status) -> None:
    report = diff(*make_pair(tmp_path, {"w": old}, {"w": new}))
    assert only(report).status == status
    assert report.summary.identical == (status == "identical")


def test_undefined_is_none_and_null(tmp_path: Path) -> None:
    base = {
        "zero": np.zeros(4, F32),
        "nan": np.full(4, np.nan, F32),
        "big": np.full(4, 1e300),
        "empty": np.zeros(0, F32),
    }
    model = {**base, "zero": np.ones(4, F32), "nan": np.zeros(4, F32), "big": np.full(4, -1e300)}
    report = diff(*make_pair(tmp_path, base, model))
    found = {tensor.name: tensor for tensor in report.tensors}
    assert found["zero"].l2 == 2.0
    assert found["zero"].rel_l2 is found["zero"].cosine is found["zero"].angle is None
    assert found["nan"].nonfinite == 4
    assert found["nan"].mean_abs is found["nan"].max_abs is found["nan"].l2 is None
    big = found["big"]
    assert big.max_abs == 2e300
    assert big.l2 is big.rel_l2 is big.cosine is big.angle is None
    assert found["empty"].changed_fraction is None
    decoded = strict(to_json(report))
    assert decoded["summary"]["l2"] is None
    assert decoded["summary"]["nonfinite"] == 4


def test_overflow_is_silent(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    big = {f"{at}.w": np.full(3, 1e200) * (at + 1) for at in range(3)}
    diff(*make_pair(tmp_path, big, {name: -values for name, values in big.items()}))
    assert not [str(warning.message) for warning in recwarn]


def test_json_is_exact_and_ascii(tmp_path: Path) -> None:
    names = [
        "\x1b]0;x\x07",
        "a\nb",
        "[bold]x[/]",
        "\u202eabc",
        "é",
        "\U0001f600",
        "x" * 1000,
        '"\\',
    ]
    base = {name: np.ones(2, F32) for name in names}
    text = to_json(diff(*make_pair(tmp_path, base, base)))
    assert text.isascii()
    assert all(char.isprintable() or char == "\n" for char in text)
    decoded = strict(text)
    assert list(decoded) == ["model", "reference", "tensors", "summary", "files"]
    assert {tensor["name"] for tensor in decoded["tensors"]} == set(names)
    assert all(list(tensor) == TENSOR_KEYS + MORE_KEYS for tensor in decoded["tensors"])
    assert list(decoded["summary"]) == SUMMARY_KEYS + MORE_KEYS
    assert list(decoded["summary"]["counts"]) == list(STATUSES)


def test_prefixed_names_are_paired_and_say_so(tmp_path: Path) -> None:
    base = {f"model.l.{at}.w": np.ones(2 + at, F32) for at in range(4)}
    model = {name.removeprefix("model."): value * 2 for name, value in base.items()}
    report = diff(*make_pair(tmp_path, base, model))
    assert all(tensor.reference_name == f"model.{tensor.name}" for tensor in report.tensors)
    assert {tensor.status for tensor in report.tensors} == {"changed"}
    assert "model." in report.tensors[0].reason


def test_bundled_pair_and_itself() -> None:
    base, model = demo_pair()
    report = diff(base, model)
    assert report.summary.counts["changed"] + report.summary.counts["identical"] == 74
    assert report.summary.numel == report.summary.parameters == 861_792
    same = diff(model, model)
    assert same.summary.identical
    assert same.summary.l2 == 0.0
    assert same.summary.cosine == 1.0


def test_further_metrics() -> None:
    report = diff(*demo_pair(), metrics=["median_abs", "l1"])
    changed = [tensor for tensor in report.tensors if tensor.status == "changed"]
    assert changed and all(tensor.more["median_abs"] > 0 for tensor in changed)
    assert all(tensor.more["l1"] > 0 for tensor in changed)
    assert report.summary.more["l1"] is None  # of all tensors together there is no such norm
    assert "median_abs" in strict(to_json(report))["tensors"][0]
    with pytest.raises(UsageError, match="no such metric"):
        diff(*demo_pair(), metrics=["nothing"])


def test_cancel_and_errors(tmp_path: Path) -> None:
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        diff(*demo_pair(), control=control)
    with pytest.raises(CheckpointError):
        diff(str(tmp_path / "no.safetensors"), demo_pair()[1])


def test_progress_is_reported() -> None:
    seen = []
    diff(*demo_pair(), control=Control(seen.append))
    assert (seen[-1].done, seen[-1].total) == (74, 74)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAVY = "{'torch', 'transformers', 'numba', 'numpy', 'textual', 'rich'}"


def test_importing_is_light() -> None:
    code = f"import inspect_core, sys; print(sorted({HEAVY} & set(sys.modules)))"
    assert run(code) == "[]\n"
    code = (
        "from inspect_core import open_checkpoint, module_tree, diff; import inspect_core, sys;"
        f"assert 'diff' in dir(inspect_core); print(sorted({HEAVY} & set(sys.modules)))"
    )
    assert run(code) == "[]\n"


def test_cpu_needs_no_torch() -> None:
    code = (
        "import sys; from inspect_core import diff, to_json; from tui.demo import demo_pair;"
        "to_json(diff(*demo_pair())); print('torch' in sys.modules)"
    )
    assert run(code) == "False\n"


def test_unknown_attribute() -> None:
    import inspect_core

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = inspect_core.nothing


def test_module_tree_of_names_a_config_and_a_live_model(tmp_path: Path) -> None:
    import torch

    from inspect_core import module_tree

    model = demo_pair()[1]
    assert module_tree(model, types=False).root.type == ""
    assert module_tree(Path(model)).root.type == "LlamaForCausalLM"
    live = module_tree(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(3, 4)))
    assert live.root.type == "Sequential"
    assert [group.names for group in live.root.groups] == [("0", "1")]
    save_file({"a.w": np.ones(2, F32)}, tmp_path / "plain.safetensors")
    assert module_tree([str(tmp_path / "plain.safetensors")]).untyped
