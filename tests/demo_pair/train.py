"""Train the bundled pair: a small Llama on dictionary glosses, then on movie sentences.

Run by hand (about ten minutes on one core); the result is committed under
`tui/demo/`. Everything is seeded, one thread, so the same torch gives the same bits:

    python tests/demo_pair/train.py tui/demo

The second training freezes the embeddings and the first two layers, so that the pair
shows both kinds of layer: bit-identical ones and moved ones. Both are saved in bf16
from fp32 masters; frozen tensors stay identical because both sides round the same way.
"""

import csv
import json
import math
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).parent
SEED = 20
VOCABULARY = 2048
SEQUENCE = 128
BATCH = 16
END = "<|end|>"
FROZEN = ("model.embed_tokens.", "model.layers.0.", "model.layers.1.")


def texts(file: Path, column: int) -> list[str]:
    """The texts of one column of a TSV file, in file order."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row[column] for row in rows if len(row) > column]


def train_tokenizer(corpus: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of `VOCABULARY` entries."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, bos_token=END, pad_token=END
    )


def pack(tokenizer: PreTrainedTokenizerFast, corpus: list[str]) -> torch.Tensor:
    """All texts in one row of ids, cut into sequences: int64 `(n, SEQUENCE + 1)`."""
    ids: list[int] = []
    for encoded in tokenizer(corpus)["input_ids"]:
        ids += [*encoded, tokenizer.eos_token_id]
    rows = (len(ids) - 1) // SEQUENCE
    starts = range(0, rows * SEQUENCE, SEQUENCE)
    return torch.stack([torch.tensor(ids[start : start + SEQUENCE + 1]) for start in starts])


def split(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Training and held-out rows: every twentieth is held out."""
    held_out = torch.arange(len(rows)) % 20 == 0
    return rows[~held_out], rows[held_out]


def loss_of(model: LlamaForCausalLM, batch: torch.Tensor) -> torch.Tensor:
    """Mean next-token cross-entropy in nats."""
    logits = model(input_ids=batch[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def held_out_loss(model: LlamaForCausalLM, rows: torch.Tensor) -> float:
    """Mean loss over the first 64 held-out rows."""
    return sum(loss_of(model, rows[i : i + 16]).item() for i in range(0, 64, 16)) / 4


def train(model: LlamaForCausalLM, rows: torch.Tensor, steps: int, peak: float) -> None:
    """AdamW with a linear warm-up of a twentieth and a cosine to a tenth of `peak`."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=peak, betas=(0.9, 0.95), weight_decay=0.05)
    warm = max(1, steps // 20)
    for step in range(steps):
        done = max(0.0, (step - warm) / (steps - warm))
        rate = peak * min(1.0, (step + 1) / warm) * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = rows[torch.randint(len(rows), (BATCH,))]
        loss = loss_of(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step:5d} of {steps}  loss {loss.item():.3f}", flush=True)


def main(target: Path) -> None:
    """Train both stages and save them under `target` as `glosses` and `movies`."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    glosses = texts(HERE / "wordnet_glosses.tsv", 2)
    movies = texts(HERE / "movie_sentences.tsv", 2)
    tokenizer = train_tokenizer(glosses + movies)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=96, intermediate_size=192, num_hidden_layers=8,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    gloss_rows, gloss_held = split(pack(tokenizer, glosses))
    movie_rows, movie_held = split(pack(tokenizer, movies))
    measured: dict[str, dict[str, float]] = {}

    def save(stage: str) -> None:
        measured[stage] = {
            "held_out_gloss_loss": round(held_out_loss(model, gloss_held), 3),
            "held_out_movie_loss": round(held_out_loss(model, movie_held), 3),
        }
        print(stage, measured[stage], flush=True)
        folder = target / stage
        narrow = LlamaForCausalLM(config).to(torch.bfloat16)
        narrow.load_state_dict({k: v.to(torch.bfloat16) for k, v in model.state_dict().items()})
        narrow.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    train(model, gloss_rows, steps=1500, peak=3e-3)
    save("glosses")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(FROZEN))
    train(model, movie_rows, steps=300, peak=1e-3)
    save("movies")
    (target / "losses.json").write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
