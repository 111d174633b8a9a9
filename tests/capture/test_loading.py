"""Models made of files: the values of the files, every one of them, or a line that says why not."""

import json
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
from running_made import FAMILIES, VOCABULARY, family, live, run, save, some_texts, write_tokenizer
from safetensors.torch import load_file, save_file

from inspect_core.capture import loading, memory
from inspect_core.capture.loading import load_model
from inspect_core.capture.sites import block_paths, chosen_paths
from inspect_core.checkpoint import open_checkpoint
from inspect_core.control import Control
from inspect_core.errors import Cancelled, CheckpointError, LamellaError, UsageError
from inspect_core.opening import Adapted, open_model

NOISE = 1e-5


def changed(folder, tensors=lambda found: found, config=lambda found: found):
    """A saved model with other tensors, or another config."""
    path = Path(folder)
    save_file(tensors(load_file(path / "model.safetensors")), path / "model.safetensors")
    found = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config(found)))
    return open_checkpoint(folder)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_saved_model_runs_as_it_did(name, tmp_path):
    module = family(name)
    model = load_model(open_checkpoint(save(module, tmp_path)))
    assert not model.module.training and not model.untrained and not model.notes
    assert model.vocabulary == VOCABULARY
    ours = dict(model.module.named_parameters())
    for path, parameter in module.named_parameters():
        assert torch.equal(ours[path], parameter)
    assert {*model.paths.values()} <= {path for path, _ in model.module.named_modules()}
    _, report = run(model, some_texts((4, 7)), block_paths(model))
    assert report.sites and not report.skipped


def test_paths_are_those_of_the_file(tmp_path):
    folder = save(family("bert-classes"), tmp_path)
    with changed(folder, lambda found: {f"module.{name}": one for name, one in found.items()}) as c:
        model = load_model(c)
    assert model.paths["module.bert.encoder.layer.0"] == "bert.encoder.layer.0"
    assert block_paths(model) == ("module.bert.encoder.layer.0", "module.bert.encoder.layer.1")


def test_a_base_without_its_prefix_under_a_head(tmp_path):
    def bare(found):
        return {n.removeprefix("bert."): t for n, t in found.items() if n.startswith("bert.")}

    with changed(save(family("bert-classes"), tmp_path), bare) as checkpoint:
        model = load_model(checkpoint)
    assert model.paths[""] == "bert"
    assert model.paths["encoder.layer.1"] == "bert.encoder.layer.1"
    assert model.untrained == ("classifier",)
    assert "random and not shown: classifier" in model.notes[0]
    run(model, some_texts((4,)), ["encoder.layer.1"])
    with pytest.raises(UsageError, match=r"no weights of classifier.*would be random"):
        run(model, some_texts((4,)), ["classifier"])


def test_modules_that_the_library_renames(tmp_path):
    module = family("mixtral")
    folder = save(module, tmp_path)
    names = load_file(Path(folder) / "model.safetensors")
    assert any("block_sparse_moe" in name for name in names)  # as published files have them
    model = load_model(open_checkpoint(folder))
    assert model.paths["model.layers.1.block_sparse_moe"] == "model.layers.1.mlp"
    _, report = run(model, some_texts((4, 7)), ["model.layers.1.block_sparse_moe"])
    assert report.sites[0].path == "model.layers.1.block_sparse_moe"
    with pytest.raises(UsageError, match="no module of this path runs"):
        run(model, some_texts((4,)), ["model.layers.1.block_sparse_moe.experts.2"])


def test_a_missing_pooler_is_left_out_and_a_missing_layer_refused(tmp_path):
    folder = save(family("bert"), tmp_path)
    with changed(folder, lambda f: {n: t for n, t in f.items() if "pooler" not in n}) as checkpoint:
        model = load_model(checkpoint)
    assert model.untrained == ("pooler.dense",)
    run(model, some_texts((4,)), ["encoder.layer.1", ""])
    assert "pooler.dense" in model.notes[0]
    with pytest.raises(UsageError, match="would be random"):
        run(model, some_texts((4,)), ["pooler"])
    lost = "encoder.layer.1.output.dense.weight"
    with (
        changed(folder, lambda f: {n: t for n, t in f.items() if n != lost}) as checkpoint,
        pytest.raises(UsageError, match=rf"1 weights of BertModel are not in the files.*{lost}"),
    ):
        load_model(checkpoint)


def test_the_file_of_another_model(tmp_path):
    folder = save(family("bert"), tmp_path)
    with (
        changed(folder, lambda f: {"a.weight": next(iter(f.values()))}) as checkpoint,
        pytest.raises(UsageError, match="most would be random"),
    ):
        load_model(checkpoint)


def test_sizes_that_the_config_does_not_have(tmp_path):
    folder = save(family("bert"), tmp_path)
    with (
        changed(folder, config=lambda f: f | {"intermediate_size": 20}) as checkpoint,
        pytest.raises(
            CheckpointError, match=r"intermediate.dense.bias is 24, .* wants 20;.*another"
        ),
    ):
        load_model(checkpoint)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (lambda f: {k: v for k, v in f.items() if k != "model_type"}, "no model_type"),
        (lambda f: f | {"model_type": "evil"}, "'evil' is not one the library knows"),
        (lambda f: f | {"num_hidden_layers": 10**6}, "more than the 2,000 that are sensible"),
        (lambda f: f | {"num_attention_heads": 3}, "cannot be built"),
        (lambda f: f | {"quantization_config": {"quant_method": "fp8"}}, "quantised weights"),
    ],
)
def test_configs_that_cannot_run(config, says, tmp_path):
    with (
        changed(save(family("bert"), tmp_path), config=config) as checkpoint,
        pytest.raises(UsageError, match=says),
    ):
        load_model(checkpoint)


def test_no_config_and_no_tokenizer(tmp_path):
    folder = save(family("bert"), tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(LamellaError, match=r"no tokenizer.*--tokenizer DIR"):
        load_model(open_checkpoint(folder))
    other = tmp_path / "other"
    other.mkdir()
    write_tokenizer(other)
    assert load_model(open_checkpoint(folder), tokenizer=str(other)).vocabulary == VOCABULARY
    (tmp_path / "config.json").unlink()
    with pytest.raises(UsageError, match=r"no config\.json, which says how it computes"):
        load_model(open_checkpoint(folder))


def test_a_model_of_pictures(tmp_path):
    import transformers

    options = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    small = {"intermediate_size": 8, "image_size": 8, "patch_size": 4}
    made = transformers.ViTModel(transformers.ViTConfig(**options, **small))
    with pytest.raises(UsageError, match="ViTModel reads pictures, not text"):
        load_model(open_checkpoint(save(made, tmp_path)))


def test_too_large_for_memory(tmp_path, monkeypatch):
    checkpoint = open_checkpoint(save(family("bert"), tmp_path))
    monkeypatch.setattr(memory, "free_bytes", lambda: 10_000)
    with pytest.raises(UsageError, match=r"it needs \d+ kB of memory, 10 kB are free; free some"):
        load_model(checkpoint)


def test_free_memory_is_that_of_the_container(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:   1000 kB\n")
    assert memory.free_bytes(str(meminfo)) <= 1_024_000
    files = [tmp_path / name for name in ("max", "current", "stat")]
    for file, text in zip(files, ("900\n", "500\n", "anon 1\ninactive_file 100\n"), strict=True):
        file.write_text(text)
    assert memory._left(*map(str, files)) == 500
    files[0].write_text("max\n")
    assert memory._left(*map(str, files)) is None


def test_stored_in_16_bits_runs_in_32(tmp_path):
    module = family("llama")
    folder = save(module, tmp_path)
    checkpoint = changed(folder, lambda f: {n: t.to(torch.bfloat16) for n, t in f.items()})
    model = load_model(checkpoint)
    assert {one.dtype for one in model.module.parameters()} == {torch.float32}
    weight = module.model.layers[0].mlp.up_proj.weight
    ours = model.module.model.layers[0].mlp.up_proj.weight
    assert torch.equal(ours, weight.to(torch.bfloat16).float())


def test_pytorch_files_and_shards(tmp_path):
    module = family("gpt2")
    torch.save(module.state_dict(), tmp_path / "pytorch_model.bin")
    module.config.architectures = ["GPT2LMHeadModel"]
    module.config.save_pretrained(str(tmp_path))
    write_tokenizer(tmp_path)
    wanted = module.transformer.h[1].mlp.c_fc.weight
    ours = load_model(open_checkpoint(str(tmp_path))).module
    assert torch.equal(ours.transformer.wpe.weight, module.transformer.wpe.weight)
    shards = tmp_path / "shards"
    module.save_pretrained(str(shards), max_shard_size="10KB")
    write_tokenizer(shards)
    assert len(list(shards.glob("*.safetensors"))) > 1
    ours = load_model(open_checkpoint(str(shards))).module
    assert torch.equal(ours.transformer.h[1].mlp.c_fc.weight, wanted)


def test_cancelled_while_values_are_read(tmp_path):
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        load_model(open_checkpoint(save(family("bert"), tmp_path)), control=control)


def test_progress_is_in_tensors(tmp_path):
    told = []
    checkpoint = open_checkpoint(save(family("bert"), tmp_path))
    load_model(checkpoint, control=Control(told.append))
    count = len(checkpoint.tensors)
    assert [one.done for one in told] == list(range(1, count + 1))
    assert (told[-1].total, told[-1].unit) == (count, "tensors")
    assert told[-1].bytes_done == told[-1].bytes_total > 0


def test_a_file_that_breaks_off_says_so(tmp_path, monkeypatch):
    checkpoint = open_checkpoint(save(family("bert"), tmp_path))

    def broken(*_):
        raise CheckpointError("the file changed while it was read", where="x")

    monkeypatch.setattr(type(checkpoint), "read_into", broken)
    with pytest.raises(CheckpointError, match="changed while it was read"):
        load_model(checkpoint)


def test_nothing_is_printed(tmp_path, capfd):
    load_model(open_checkpoint(save(family("bert"), tmp_path)))
    folder = save(family("llama"), tmp_path / "b") if (tmp_path / "b").mkdir() is None else ""
    capfd.readouterr()
    load_model(open_checkpoint(folder))
    assert capfd.readouterr() == ("", "")


def tuned(name, config, folder):
    """A saved base, its trained adapter, and peft's own model of both."""
    base = save(family(name), folder / "base") if not (folder / "base").mkdir() else ""
    model = peft.get_peft_model(family(name), config)
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) / 4)
            assert path
    model.save_pretrained(str(folder / "adapter"))
    return base, str(folder / "adapter"), model.eval()


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("llama", peft.LoraConfig(target_modules=["q_proj", "up_proj"], r=4, lora_alpha=8)),
        ("bert", peft.LoraConfig(target_modules=["query", "value"], r=4, use_dora=True)),
        ("gpt2", peft.LoraConfig(target_modules=["c_attn"], r=2, fan_in_fan_out=True)),
        ("bert", peft.IA3Config(target_modules=["key", "output.dense"],
                                feedforward_modules=["output.dense"])),
    ],
)  # fmt: skip
def test_a_base_with_an_adapter_gives_what_peft_gives(name, config, tmp_path):
    base, adapter, theirs = tuned(name, config, tmp_path)
    model = load_model(open_model(Adapted(base, (adapter,))))
    texts = some_texts((4, 9))
    paths = block_paths(model)
    kept, _ = run(model, texts, paths)
    wanted, report = run(live(theirs), texts, [f"base_model.model.{path}" for path in paths])
    assert len(report.sites) == len(paths) == 2
    for path in paths:
        for sample in (0, 1):
            ours = kept.values[path][sample]
            other = wanted.values[f"base_model.model.{path}"][sample]
            assert torch.allclose(ours, other, atol=NOISE)
    plain, _ = run(load_model(open_model(base)), texts, paths)
    assert not torch.allclose(plain.values[paths[1]][0], kept.values[paths[1]][0], atol=1e-3)


def test_an_adapter_alone_or_of_prompts_does_not_run(tmp_path):
    config = peft.LoraConfig(target_modules=["q_proj"], r=2)
    base, adapter, _ = tuned("llama", config, tmp_path)
    with pytest.raises(UsageError, match=r"an adapter alone does not run.*--adapter"):
        load_model(open_model(adapter))
    prompts = tmp_path / "prompts"
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    peft.get_peft_model(family("llama"), config).save_pretrained(str(prompts))
    with pytest.raises(LamellaError, match="more than change weights"):
        load_model(open_model(Adapted(base, (str(prompts),))))


@pytest.mark.parametrize("more", [{}, {"modules_to_save": ["lm_head"]}])
def test_an_adapter_of_another_size_says_so_once(more, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    save(family("llama"), base)
    config = peft.LoraConfig(target_modules=["q_proj"], r=4, **more)
    peft.get_peft_model(family("llama", hidden_size=32), config).save_pretrained(
        str(tmp_path / "adapter")
    )
    with pytest.raises(UsageError) as caught:
        load_model(open_model(Adapted(str(base), (str(tmp_path / "adapter"),))))
    said = str(caught.value)
    assert "this adapter belongs to another base" in said and "adapter_config.json" in said
    assert "cannot be told" not in said and "merge" not in said


def test_patterns_choose_modules(tmp_path):
    model = load_model(open_checkpoint(save(family("llama"), tmp_path)))
    first, second = block_paths(model)
    assert chosen_paths(model, ["layers.1"]) == (second,)
    assert chosen_paths(model, ["*.layers.{n}"]) == (first, second)
    assert chosen_paths(model, ["mlp", f"={first}"]) == (first, f"{first}.mlp", f"{second}.mlp")
    with pytest.raises(UsageError, match=r"nowhere: fits no module.*model\.layers\.0"):
        chosen_paths(model, ["mlp", "nowhere"])


def test_the_blocks_of_families(tmp_path):
    assert block_paths(live(family("t5"))) == (
        "encoder.block.0", "encoder.block.1", "decoder.block.0", "decoder.block.1",
    )  # fmt: skip
    assert block_paths(live(family("gpt2"))) == ("transformer.h.0", "transformer.h.1")
    assert block_paths(live(family("mixtral"))) == ("model.layers.0", "model.layers.1")
    assert block_paths(live(family("albert"))) == ("encoder.albert_layer_groups.0",)


def test_a_live_model_needs_a_tokenizer():
    with pytest.raises(UsageError, match=r"no tokenizer.*tokenizer=\.\.\."):
        loading.live_model(torch.nn.Linear(2, 2), None, "m")


def test_files_that_hold_other_things_than_weights(tmp_path):
    folder = save(family("bert"), tmp_path)
    checkpoint = open_checkpoint(folder)
    with pytest.raises(UsageError, match=r"GGUF.*give the model that it was made from"):
        load_model(replace(checkpoint, format="GGUF", config=None))
    scale = {"encoder.layer.0.output.dense.weight_scale": torch.ones(1)}
    with pytest.raises(UsageError, match="quantised weights are not run"):
        load_model(changed(folder, lambda found: found | scale))
    with pytest.raises(UsageError, match=r"pooler\.dense\.bias: cannot be read.* F4 is only"):
        infos = dict(checkpoint.tensors)
        infos["pooler.dense.bias"] = infos["pooler.dense.bias"]._replace(dtype="F4")
        load_model(replace(checkpoint, tensors=infos))


def test_weights_that_the_class_lacks_are_named(tmp_path):
    more = {"extra.weight": torch.ones(3)}
    model = load_model(changed(save(family("bert"), tmp_path), lambda found: found | more))
    assert model.notes == ("1 tensor of the file not in BertModel (extra.weight)",)
    with pytest.raises(UsageError, match="extra: no module of this path runs"):
        run(model, some_texts((4,)), ["extra"])
