"""Tiny models of many families, texts and tokenizers for them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from inspect_core.capture.batch import Batch
from inspect_core.capture.loading import RunningModel, live_model
from inspect_core.capture.output import Output
from inspect_core.capture.passes import PassReport, run_passes
from inspect_core.capture.texts import Sample
from inspect_core.control import Control

VOCABULARY = 60

_SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 40,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
_LLAMA = _SMALL | {"num_key_value_heads": 1}
_T5: dict[str, Any] = {
    "vocab_size": VOCABULARY, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2,
    "num_heads": 2, "decoder_start_token_id": 0, "dropout_rate": 0.0,
}  # fmt: skip
_BART: dict[str, Any] = {
    "vocab_size": VOCABULARY, "d_model": 16, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24, "max_position_embeddings": 40, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": None,
}  # fmt: skip

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertModel", _SMALL),
    "bert-classes": ("BertForSequenceClassification", _SMALL),
    "roberta": ("RobertaForMaskedLM", _SMALL),
    "albert": ("AlbertModel", _SMALL | {"embedding_size": 8}),
    "gpt2": ("GPT2LMHeadModel", {
        "vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40,
        "bos_token_id": 1, "eos_token_id": 2,
    }),
    "llama": ("LlamaForCausalLM", _LLAMA),
    "qwen3": ("Qwen3ForCausalLM", _LLAMA | {"head_dim": 8}),
    "mixtral": ("MixtralForCausalLM", _LLAMA | {"num_local_experts": 4}),
    "opt": ("OPTForCausalLM", {
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 24,
        "num_attention_heads": 2, "max_position_embeddings": 40, "word_embed_proj_dim": 16,
        "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2,
    }),
    "convbert": ("ConvBertModel", _SMALL),
    "mobilebert": ("MobileBertModel", _SMALL | {
        "embedding_size": 8, "intra_bottleneck_size": 8, "true_hidden_size": 8,
    }),
    "mamba": ("MambaForCausalLM", {
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4,
    }),
    "fnet": ("FNetModel", {
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2,
        "intermediate_size": 24, "max_position_embeddings": 40,
    }),
    "t5": ("T5ForConditionalGeneration", _T5),
    "bart": ("BartForConditionalGeneration", _BART),
}  # fmt: skip


def family(name: str, **more: Any) -> Any:
    """A model with random weights, all of them other than 0 and 1, in eval mode."""
    kind, options = FAMILIES[name]
    torch.manual_seed(0)
    made = getattr(transformers, kind)
    model = made(made.config_class(**options | more))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 8)
    return model.eval()


def to_ids(text: str) -> list[int]:
    """`w7 w9` -> [7, 9]."""
    return [int(word.removeprefix("w")) for word in text.split()]


def write_tokenizer(folder: Path, size: int = VOCABULARY) -> None:
    """A tokenizer.json with the words `w0` .. for the ids 0 .."""
    vocabulary = {f"w{at}": at for at in range(size)}
    content = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None,
        "decoder": None, "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w3"},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(content))


def save(model: Any, folder: Path) -> str:
    """Save a model of transformers with a tokenizer."""
    model.save_pretrained(str(folder))
    write_tokenizer(folder)
    return str(folder)


class Lines:
    """Texts, without a file."""

    labels: tuple[str, ...] = ()
    fingerprint = "00"

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)

    @property
    def count(self) -> int:
        return len(self.texts)

    def notes(self) -> tuple[str, ...]:
        return ()

    def __iter__(self) -> Iterator[Sample]:
        return (Sample(at, text) for at, text in enumerate(self.texts))


def some_texts(lengths: Sequence[int], seed: int = 1) -> Lines:
    """Texts of so many words each, of the ids from 5 on."""
    made = torch.Generator().manual_seed(seed)
    rows = [torch.randint(5, VOCABULARY, (length,), generator=made) for length in lengths]
    return Lines([" ".join(f"w{int(one)}" for one in row) for row in rows])


def live(module: torch.nn.Module, tokenizer: Any = to_ids) -> RunningModel:
    return live_model(module, tokenizer, "model")


class Kept:
    """A visitor that keeps copies: values by site and text, of the text's own words."""

    def __init__(self) -> None:
        self.values: dict[str, dict[int, torch.Tensor]] = {}
        self.order: list[str] = []

    def __call__(self, batch: Batch, output: Output) -> None:
        assert output.values.shape[:2] == output.word.shape == output.attended.shape
        own = self.values.setdefault(output.site.name, {})
        if output.site.name not in self.order:
            self.order.append(output.site.name)
        for row, sample in enumerate(batch.samples.tolist()):
            at = output.word[row] >= 0
            assert (batch.rows[output.word[row][at].cpu().numpy()] == row).all()
            assert output.attended[row][at].all()
            own[sample] = output.values[row][at].clone()


def run(
    model: RunningModel, texts: Lines, paths: Sequence[str], **options: Any
) -> tuple[Kept, PassReport]:
    kept = Kept()
    report = run_passes(model, texts, paths, kept, Control(), **options)  # type: ignore[arg-type]
    return kept, report


def each_alone(module: Any, texts: Lines, **options: Any) -> list[Any]:
    """What transformers gives for each text without padding, with all hidden states."""
    with torch.no_grad():
        return [
            module(torch.tensor([to_ids(text)]), output_hidden_states=True, **options)
            for text in texts.texts
        ]
