"""`inspect` and `print_tree` as functions: what they take, and what they say where they cannot."""

import asyncio
import contextlib
import io
import subprocess
import sys
import threading
from pathlib import Path

import peft
import pytest
from live_made import net, tiny_llama
from torch import nn

import tui
from inspect_core import module_tree
from tui import live
from tui.demo import demo_pair

ROOT = Path(__file__).parents[2]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_has_terminal", lambda: True)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_without_a_terminal_one_line_says_what_to_do(capsys) -> None:
    assert tui.inspect(nn.Linear(1, 1)) is None
    assert said(capsys) == (
        "lamella: the app needs a terminal for input, output and errors:"
        " print_tree(model) prints the tree"
    )


def test_in_a_notebook(capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", tui)
    tui.inspect(nn.Linear(1, 1))
    assert "a notebook has no terminal" in said(capsys)


def test_inside_an_event_loop(capsys, terminal) -> None:
    async def run() -> None:
        tui.inspect(nn.Linear(1, 1))

    asyncio.run(run())
    assert "inside a running event loop: print_tree(model)" in said(capsys)


def test_from_another_thread(capsys, terminal) -> None:
    thread = threading.Thread(target=tui.inspect, args=(nn.Linear(1, 1),))
    thread.start()
    thread.join()
    assert "in the main thread only" in said(capsys)


@pytest.mark.parametrize("thing", [3, None, nn.Linear, {"a": 1}])
def test_what_is_no_model(thing, terminal) -> None:
    with pytest.raises(TypeError, match=r"torch.nn.Module or the path of a checkpoint"):
        tui.print_tree(thing)
    with pytest.raises(TypeError):
        tui.inspect(thing)


def test_an_adapter_that_is_not_there_is_one_line(capsys, monkeypatch, terminal) -> None:
    model = peft.get_peft_model(net(), peft.LoraConfig(r=2, target_modules=["up"]))
    monkeypatch.setattr(live, "_process_restored", contextlib.nullcontext)
    tui.inspect(model, adapters=["other"])
    assert "no adapter other: it has default" in said(capsys)


def printed(model: object, **more) -> str:
    file = io.StringIO()
    assert tui.print_tree(model, file=file, **more) is None
    return file.getvalue()


def test_a_printed_tree() -> None:
    lines = printed(tiny_llama()).splitlines()
    assert lines[0].startswith("LlamaForCausalLM (LlamaForCausalLM)")
    assert "live model" in lines[0] and "file" not in lines[0]
    assert any("0-2 ×3 (LlamaDecoderLayer)" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_depth_and_ascii() -> None:
    whole, top = printed(tiny_llama()), printed(tiny_llama(), depth=1, ascii_only=True)
    assert len(top.splitlines()) == 3 < len(whole.splitlines())
    assert top.isascii() and not whole.isascii()


def test_modules_without_parameters_are_shown_when_asked_for() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    assert "ReLU" not in printed(model) and "(ReLU)" in printed(model, bare=True)


def test_adapters_stand_below_the_title() -> None:
    model = peft.get_peft_model(net(), peft.LoraConfig(r=2, target_modules=["up"]))
    lines = printed(model).splitlines()
    assert lines[0].startswith("PeftModel of Net")
    assert lines[1] == "adapter default: active, tunable, LoRA r=2 alpha=8 scaling=4 on 1 module"
    assert any("lora_A" in line and "◆" in line for line in lines)


def test_a_frozen_adapter_is_told_from_a_tunable_one() -> None:
    model = peft.get_peft_model(net(), peft.LoraConfig(r=2, target_modules=["up"]))
    tunable = printed(model)
    model.requires_grad_(False)
    frozen = printed(model)
    marks = [
        next(line for line in text.splitlines() if "default (Linear)" in line)
        for text in (tunable, frozen)
    ]
    assert marks[0] != marks[1] and "frozen" in marks[1]


def test_hostile_names_are_made_safe() -> None:
    model = nn.Module()
    for name in ("[/]", "a\x1b[31m", "b\x1b]52;c;ZXZpbA==\x07", "c\u202ed"):
        model.register_parameter(name, nn.Parameter(nn.Linear(1, 1).weight.detach()))
    found = printed(model)
    assert "\x1b" not in found and "\u202e" not in found and "[/]" in found


def test_checkpoints_are_printed_too() -> None:
    assert "live model" not in printed(str(demo_pair()[0]))


def test_the_core_has_the_same_tree() -> None:
    model = tiny_llama()
    assert module_tree(model).root.totals.params == sum(p.numel() for p in model.parameters())


def test_importing_loads_nothing() -> None:
    code = (
        "import sys, tui; tui.inspect, tui.print_tree, dir(tui);"
        "print(sorted({'torch', 'textual', 'rich', 'numpy', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        tui.other  # noqa: B018


def test_a_script_without_a_terminal_goes_on(tmp_path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        "import torch\nfrom tui import inspect\ninspect(torch.nn.Linear(1, 1))\nprint(7)"
    )
    done = subprocess.run(
        [sys.executable, "-P", str(path)], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout == "7\n" and done.stderr.startswith("lamella: the app needs a terminal")


def test_names_are_the_public_ones() -> None:
    assert tui.inspect is live.inspect and tui.print_tree is live.print_tree
    assert {"inspect", "print_tree"} <= set(dir(tui))
