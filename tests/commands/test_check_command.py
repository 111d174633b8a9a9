"""`lamella check`, through the command line."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from inspect_core.work.ticket import WorkerDied
from tui.cli import main
from tui.commands import check as command
from tui.demo import demo_pair

_, MODEL = demo_pair()
NAN, INF = float("nan"), float("inf")


def write(
    path: Path, tensors: dict[str, list[float]], metadata: dict[str, str] | None = None
) -> str:
    """A file of F32 tensors; the format's own library takes no odd names."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, values in tensors.items():
        raw = np.array(values, "<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return str(path)


@pytest.fixture
def check(monkeypatch, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamella", "check", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


def test_a_sound_model(check) -> None:
    status, out, err = check(MODEL)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "movies (LlamaForCausalLM)  model, safetensors"
    assert lines[1] == "862k parameters  74 tensors  BF16  1.72 MB  1 file"
    assert lines[-1].startswith("everything is finite: 74 tensors, 1.72 MB read in ")
    assert "problem" not in out


def test_problems_come_first(check, tmp_path: Path) -> None:
    path = write(tmp_path / "m.safetensors", {"zero": [0, 0], "bad": [NAN, INF, 1]}, {"step": "7"})
    status, out, err = check(path)
    assert (status, err) == (1, "")
    lines = [line for line in out.splitlines() if line]
    assert lines[2:7] == [
        "1 problem", "  bad: 1 NaN, 1 inf of 3 values", "1 note", "  zero: all zero", "metadata",
    ]  # fmt: skip
    assert lines[7].split() == ["step", "7"]
    assert lines[8].startswith("1 of 2 tensors has NaN or infinity, 20 B read in ")


def test_values_can_be_left_alone(check, tmp_path: Path) -> None:
    path = write(tmp_path / "m.safetensors", {"bad": [NAN]})
    status, out, _ = check(path, "--no-values")
    assert status == 0
    assert out.splitlines()[-1] == "no value was read"


def test_a_missing_shard(check, tmp_path: Path) -> None:
    write(tmp_path / "m-00001-of-00002.safetensors", {"w": [1, 2]})
    for words in ((), ("--no-values",), ("--format", "json")):
        status, out, _ = check(str(tmp_path), *words)
        assert status == 1
        assert "1 of 2 files are missing" in out


def test_what_cannot_be_read(check, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"nothing")
    for path in (tmp_path / "m.safetensors", tmp_path / "no.safetensors"):
        status, out, err = check(str(path))
        assert (status, out) == (2, "")
        assert err.startswith("lamella: ")
        assert err.count("\n") == 1


def test_json(check, tmp_path: Path) -> None:
    path = write(tmp_path / "m.safetensors", {"w\x1b[2J\n": [1, NAN]}, {"k\x9b": "\x1b]0;x\x07"})
    status, out, err = check(path, "--format", "json")
    assert (status, err) == (1, "")
    assert out.isascii()
    assert "\x1b" not in out
    found = json.loads(out)
    assert (found["model"], found["sound"]) == (path, False)
    assert found["metadata"] == {"k\x9b": "\x1b]0;x\x07"}
    assert found["findings"][0]["tensors"] == ["w\x1b[2J\n"]
    assert check(path, "--format", "json")[1] == out


def test_foreign_text_is_made_safe(check, tmp_path: Path) -> None:
    hostile = "\x1b]52;c;eA==\x07\x9b31m\u202e\u2028[/red]"
    tensors = {f"{hostile}{at}": [NAN] for at in range(40)}
    tensors |= {f"{hostile}zero{at}": [0, 0] for at in range(3)}
    metadata = {hostile + str(at): hostile * 50 for at in range(30)}
    config = {"architectures": [hostile], "model_type": hostile, "vocab_size": 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    adapter = {"peft_type": hostile, "base_model_name_or_path": hostile, "r": hostile}
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter))
    for name in ("model.safetensors", "adapter_model.safetensors"):
        path = write(tmp_path / name, tensors, metadata)
        status, out, err = check(path)
        assert (status, err) == (1, "")
        assert out.replace("\n", "").isprintable()
        assert "  and 10 more\n" in out  # 40 problems, 30 entries of metadata
        assert out.count("\n") < 80


def test_an_adapter_says_what_it_is(check, tmp_path: Path) -> None:
    config = {
        "peft_type": "LORA", "r": 1, "lora_alpha": 16, "base_model_name_or_path": "org/base",
        "target_modules": ["q_proj", "k_proj"], "use_dora": True,
    }  # fmt: skip
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    write(tmp_path / "adapter_model.safetensors", {"x": [1, 2]})
    status, out, _ = check(str(tmp_path))
    assert status == 0
    assert out.splitlines()[2] == "LORA with DoRA  rank 1  alpha 16  for org/base  in q_proj k_proj"


def test_ascii_alone(check, tmp_path: Path) -> None:
    path = write(tmp_path / "m.safetensors", {"w" * 500: [NAN]}, {"k" * 99: "v" * 9999})
    assert check(path, "--ascii")[1].isascii()
    assert "…" in check(path)[1]


def test_a_worker_that_dies_is_one_line(check, monkeypatch) -> None:
    class Dying(command.Workers):
        def submit(self, *words):
            ticket = super().submit(*words)
            for pid in self.pids:
                os.kill(pid, signal.SIGKILL)
            return ticket

    monkeypatch.setattr(command, "Workers", Dying)
    status, out, err = check(MODEL)
    assert (status, out) == (2, "")
    assert "it was killed" in err
    assert err.count("\n") == 1
    with pytest.raises(WorkerDied):
        command.print_check(MODEL)


def test_a_reader_that_has_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", "check", MODEL, "--format", "json"],
        stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_ends_quietly_and_takes_the_worker_along(tmp_path: Path) -> None:
    # A hole of 64 GB: reading it takes long, and it takes no room.
    header = json.dumps(
        {"w": {"dtype": "U8", "shape": [64 << 30], "data_offsets": [0, 64 << 30]}}
    ).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(path, 8 + len(header) + (64 << 30))
    child = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "check", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    family, deadline = psutil.Process(child.pid), time.monotonic() + 60
    while not (workers := family.children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    assert workers
    assert not any(worker.is_running() for worker in workers)
