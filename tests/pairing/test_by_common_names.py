"""Two architectures are paired by place, last of all rules and only when asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pairing_made import by_name, differ, listed, saved
from test_layouts import LLAMA, llama
from two_architectures import GPT2, OPT, as_gpt2, opt

from inspect_core.checkpoint import Checkpoint
from inspect_core.control import Control
from inspect_core.pairing import LayerMap, Pairing, pair_checkpoints
from inspect_core.pairing.by_common_names import REASON, RULE
from inspect_core.results.records import diff
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.inspections import Inspect
from inspect_core.work.jobs import Job, OpenModel, PairUp

COMMON = LayerMap("", (), common=True)


def two(tmp_path: Path) -> tuple[Checkpoint, Checkpoint]:
    return saved(tmp_path / "gpt2", as_gpt2(opt()), GPT2), saved(tmp_path / "opt", opt(), OPT)


def bert_head(prefix: str, words: int, **names: str) -> dict[str, tuple[int, ...]]:
    """An encoder's shapes and its head over words."""
    found = {f"{prefix}.embeddings.word_embeddings.weight": (words, 8)}
    block = f"{prefix}.encoder.layer.0"
    found |= {f"{block}.attention.self.{part}.weight": (8, 8) for part in ("query", "key", "value")}
    found |= {f"{block}.intermediate.dense.weight": (16, 8)}
    found |= {f"{names['dense']}.weight": (8, 8), f"{names['norm']}.weight": (8,)}
    return found | {f"{names['decoder']}.weight": (words, 8)}


BERT = bert_head(
    "bert", 30, dense="cls.predictions.transform.dense",
    norm="cls.predictions.transform.LayerNorm", decoder="cls.predictions.decoder",
)  # fmt: skip
ROBERTA = bert_head(
    "roberta", 50, dense="lm_head.dense", norm="lm_head.layer_norm", decoder="lm_head.decoder"
)


def paired(pairing: Pairing) -> int:
    return sum(match.status == "pair" for match in pairing.matches)


@pytest.mark.parametrize("turned", [False, True])
def test_gpt2_and_opt_hold_the_same_weights(tmp_path: Path, turned: bool) -> None:
    one, other = two(tmp_path)
    model, reference = (other, one) if turned else (one, other)
    pairing = pair_checkpoints(model, reference, COMMON)
    assert {match.status for match in pairing.matches} == {"pair"}
    assert pairing.rules == {RULE: len(model.tensors)}
    for match in by_name(pairing).values():
        assert match.reason.startswith(REASON)
        assert differ(model, reference, match) == 0.0, match.name


def test_what_is_said_of_a_pair(tmp_path: Path) -> None:
    matches = by_name(pair_checkpoints(*two(tmp_path), COMMON))
    assert matches["ln_f.weight"].reason == f"{REASON}: final_layer_norm.weight in the reference"
    fused = matches["h.0.attn.c_attn.weight"]
    assert "3 tensors in the reference" in fused.reason and "stored [in, out] here" in fused.reason
    assert len(fused.partners) == 3
    assert matches["h.0.attn.c_proj.weight"].doubt.startswith("square")


def test_only_when_asked(tmp_path: Path) -> None:
    model, reference = two(tmp_path)
    for asked in (None, LayerMap("", ())):
        pairing = pair_checkpoints(model, reference, asked)
        assert not paired(pairing) and not pairing.rules
        assert "common" not in pairing.matches[0].reason
    lone = pair_checkpoints(listed({"a.weight": (2,)}), listed({"b.weight": (2,)}), COMMON)
    assert lone.matches[0].reason.endswith("common structure)")


def test_other_rules_come_first() -> None:
    model, reference = listed(BERT), listed(ROBERTA)
    before = pair_checkpoints(model, reference)
    after = pair_checkpoints(model, reference, COMMON)
    assert after.rules == {**before.rules, RULE: 2}
    old, new = by_name(before), by_name(after)
    assert all(new[name] == match for name, match in old.items() if match.status == "pair")
    transform = new["cls.predictions.transform.dense.weight"]
    assert transform.reference is not None
    assert transform.reference.name == "lm_head.dense.weight"


def test_other_shapes_make_no_pair_and_say_why() -> None:
    pairing = pair_checkpoints(listed(BERT), listed(ROBERTA), COMMON)
    head = by_name(pairing)["cls.predictions.decoder.weight"]
    assert (head.status, head.reference) == ("added", None)
    assert head.reason == (
        f"{REASON} as lm_head.decoder.weight, but shape 30x8 here, 50x8 in the reference"
    )
    lost = {match.name: match for match in pairing.matches if match.model is None}
    assert REASON in lost["lm_head.decoder.weight"].reason


def test_own_names_are_never_paired_by_it() -> None:
    model = listed({"wte.weight": (4, 8), "h.0.ln_1.weight": (8,), "h.0.new.weight": (8,)})
    reference = listed({
        "model.decoder.embed_tokens.weight": (4, 8),
        "model.decoder.layers.0.self_attn_layer_norm.weight": (8,),
        "model.decoder.layers.0.new.weight": (8,),
    })  # fmt: skip
    matches = by_name(pair_checkpoints(model, reference, COMMON))
    assert matches["h.0.new.weight"].status == "added"
    assert matches["h.0.ln_1.weight"].status == "pair"


def test_two_of_one_place_stay_alone() -> None:
    twice = {"wte.weight": (4, 8), "transformer.wte.weight": (4, 8), "h.0.ln_1.weight": (8,)}
    one = {"model.decoder.embed_tokens.weight": (4, 8)}
    one["model.decoder.layers.0.self_attn_layer_norm.weight"] = (8,)
    for pairing in (
        pair_checkpoints(listed(twice), listed(one), COMMON),
        pair_checkpoints(listed(one), listed(twice), COMMON),
    ):
        assert pairing.rules == {RULE: 1}


def test_experts_in_one_tensor_and_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    apart: dict[str, np.ndarray] = {}
    for expert in range(3):
        at = f"model.layers.0.block_sparse_moe.experts.{expert}"
        for part, shape in (("w1", (6, 4)), ("w2", (4, 6)), ("w3", (6, 4))):
            apart[f"{at}.{part}.weight"] = rng.normal(size=shape).astype(np.float32)
    place = "model.layers.0.block_sparse_moe.experts"
    halves = [
        np.concatenate([apart[f"{place}.{e}.w1.weight"], apart[f"{place}.{e}.w3.weight"]])
        for e in range(3)
    ]
    inside = "model.layers.0.feed_forward.experts"
    fused = {
        f"{inside}.gate_up_proj": np.stack(halves).transpose(0, 2, 1),
        f"{inside}.down_proj": np.stack(
            [apart[f"{place}.{e}.w2.weight"] for e in range(3)]
        ).transpose(0, 2, 1),
    }
    sizes = {"hidden_size": 4, "num_hidden_layers": 1}
    model = saved(tmp_path / "llama4", fused, {"model_type": "llama4_text", **sizes})
    reference = saved(tmp_path / "mixtral", apart, {"model_type": "mixtral", **sizes})
    pairing = pair_checkpoints(model, reference, COMMON)
    assert pairing.rules == {RULE: 2}
    for match in by_name(pairing).values():
        assert differ(model, reference, match) == 0.0
    back = pair_checkpoints(reference, model, COMMON)
    assert back.rules == {RULE: 9}
    assert {differ(reference, model, match) for match in by_name(back).values()} == {0.0}


def test_it_changes_nothing_where_all_are_paired(tmp_path: Path) -> None:
    one, other = saved(tmp_path / "a", llama(), LLAMA), saved(tmp_path / "b", llama(), LLAMA)
    assert pair_checkpoints(one, other, COMMON) == pair_checkpoints(one, other)


def test_it_goes_with_the_jobs_and_beside_a_map(tmp_path: Path) -> None:
    model, reference = two(tmp_path)
    rules = tmp_path / "map.toml"
    rules.write_text("[[rename]]\nmatch = 'wte.weight'\nto = 'model.decoder.embed_tokens.weight'\n")
    shelf = Shelf()

    def run(job: Job[Any]) -> Any:
        return job.run(JobContext(shelf, Control(), lambda part: None))

    listing = run(OpenModel(model.uri))
    pairs = run(PairUp(listing.opened, reference.uri, 0, str(rules), True))
    assert pairs.rules == {"map map.toml": 1, RULE: len(model.tensors) - 1}
    assert pairs.opened.layer_map is not None and pairs.opened.layer_map.common
    name = "h.1.mlp.c_fc.weight"
    at = listing.names.index(name)
    detail = run(Inspect(listing.opened, pairs.opened, name, pairs.renamed[at], (8, 8)))
    assert detail.summary.changed == 0
    report = diff(reference.uri, model.uri, layer_map=COMMON)
    assert {tensor.status for tensor in report.tensors} == {"identical"}


def test_the_blocks_of_an_encoder_stand_for_those_of_a_decoder(tmp_path: Path) -> None:
    decoder = saved(tmp_path / "gpt2", as_gpt2(opt()), GPT2)
    size = int(next(i for n, i in decoder.tensors.items() if n.endswith("ln_1.bias")).shape[0])
    block = "encoder.layer.0"
    encoder = saved(
        tmp_path / "bert",
        {
            "embeddings.word_embeddings.weight": np.ones((30, size), np.float32),
            **{
                f"{block}.attention.self.{part}.weight": np.ones((size, size), np.float32)
                for part in ("query", "key", "value")
            },
            f"{block}.attention.output.dense.weight": np.ones((size, size), np.float32),
            f"{block}.attention.output.LayerNorm.weight": np.ones(size, np.float32),
        },
        {"model_type": "bert"},
    )
    found = by_name(pair_checkpoints(encoder, decoder, COMMON))
    for name in ("attention.self.query", "attention.output.dense", "attention.output.LayerNorm"):
        match = found[f"{block}.{name}.weight"]
        assert match.status == "pair" and match.reference is not None
        assert ".h.0." in f".{match.reference.name}"
        assert "of an encoder and of a decoder" in match.reason
    turned = by_name(pair_checkpoints(decoder, encoder, COMMON))
    assert sum(match.status == "pair" for match in turned.values()) > 2
