"""`inspect` in a real pseudo-terminal: from a script without a guard, and from the prompt."""

import os
import signal
import sys

import psutil
import pytest
from terminal_helper import starting

SCRIPT = """
import copy, gc, os, signal, sys, termios, threading
import torch
from tui import inspect

def handler(number, frame):
    print("HANDLED", number, flush=True)

signal.signal(signal.SIGTERM, handler)

def state():
    return (
        termios.tcgetattr(0)[:6], signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT),
        sys.getswitchinterval(), gc.isenabled(), gc.get_freeze_count(),
        os.environ.get("TEXTUAL_COLOR_SYSTEM"),
    )

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
before = copy.deepcopy(model)
with torch.no_grad():
    model[1].weight += 1
was = state()
try:
    returned = inspect(model, before)
    print("RETURNED", returned, flush=True)
except KeyboardInterrupt:
    print("INTERRUPTED", flush=True)
print("RESTORED" if state() == was else f"DIFFERENT {was} {state()}", flush=True)
print("HOOKS", sum(len(m._forward_hooks) for m in model.modules()), flush=True)
"""


@pytest.fixture
def python(tmp_path):
    yield from starting(tmp_path, [sys.executable, "-P"])


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return str(path)


def test_a_script_goes_on_as_if_nothing_had_been(python, script) -> None:
    terminal = python(script)
    terminal.until("4 of 4 tensors compared")
    assert "Sequential vs Sequential" in terminal.text
    children = psutil.Process(terminal.child.pid).children(recursive=True)
    terminal.child.send("q")
    terminal.until("HOOKS 0")
    assert b"RETURNED None" in terminal.raw and b"RESTORED" in terminal.raw, terminal.text
    assert terminal.is_restored() and not children


def test_an_interrupt_is_the_scripts(python, script) -> None:
    terminal = python(script)
    terminal.until("4 of 4 tensors compared")
    os.kill(terminal.child.pid, signal.SIGINT)
    terminal.until("HOOKS 0")
    assert b"INTERRUPTED" in terminal.raw and b"RESTORED" in terminal.raw, terminal.text
    assert terminal.is_restored()


def test_a_signal_to_end_is_the_scripts(python, script) -> None:
    terminal = python(script)
    terminal.until("4 of 4 tensors compared")
    os.kill(terminal.child.pid, signal.SIGTERM)
    terminal.until("HOOKS 0")
    assert b"HANDLED 15" in terminal.raw and b"RESTORED" in terminal.raw, terminal.text
    assert terminal.is_restored()


def test_from_the_prompt_twice(python) -> None:
    terminal = python("-q")
    terminal.until(">>> ")
    terminal.child.sendline("import torch; from tui import inspect, print_tree")
    for name in ("Bilinear", "Embedding"):
        made = "torch.nn.Bilinear(2, 3, 4)" if name == "Bilinear" else "torch.nn.Embedding(5, 2)"
        terminal.child.sendline(f"inspect({made})")
        terminal.until(f"▾ {name}")
        terminal.until("no reference")
        before = len(terminal.raw)
        terminal.child.send("q")
        terminal.wait(lambda at=before: b"\x1b[?1049l" in terminal.raw[at:], "the prompt")
        terminal.child.sendline(f"print('after', '{name}')")
        terminal.until(f"after {name}")
    terminal.child.sendline("print_tree(torch.nn.Linear(2, 3))")
    terminal.until("weight")
    terminal.child.sendline("exit()")
    assert terminal.ends() == 0


def test_a_model_that_trains_meanwhile_is_left_alone(python, tmp_path) -> None:
    path = tmp_path / "trains.py"
    path.write_text(
        """
import copy, threading, torch
from tui import inspect
model = torch.nn.Sequential(*[torch.nn.Linear(8, 8) for _ in range(3)])
before = copy.deepcopy(model)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
stop, failed, steps = threading.Event(), [], [0]
def train():
    try:
        while not stop.is_set():
            optimizer.zero_grad()
            model(torch.randn(4, 8)).sum().backward()
            optimizer.step()
            steps[0] += 1
            stop.wait(0.01)
    except Exception as error:
        failed.append(error)
thread = threading.Thread(target=train)
thread.start()
inspect(model, before)
stop.set(); thread.join()
print("FAILED", failed, "ENOUGH" if steps[0] > 10 else steps[0], flush=True)
"""
    )
    terminal = python(str(path))
    terminal.until("changed since")
    terminal.child.send("R")
    terminal.settle(1.0)
    terminal.child.send("q")
    terminal.until("FAILED [] ENOUGH")
    assert terminal.is_restored()
