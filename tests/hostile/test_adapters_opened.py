"""Every hostile adapter, alone and on a base: opened, listed, and what is small compared."""

import pytest

from hostile.case import Case, packed
from hostile.safe import unsafe
from inspect_core.adapters.effect.factors import factors_of
from inspect_core.checkpoint import Checkpoint
from inspect_core.errors import LamellaError
from inspect_core.opening import Adapted, open_model
from inspect_core.results.comparison import compare
from inspect_core.work.listings import listing_of

SMALL = 1 << 20
"""Bytes of a tensor that is read whole."""

UNFIT = {"a_base_and_adapter": "the folder is a model's", "a_no_weights": "there is none"}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("base") / "model.safetensors"
    names = ["q_proj", "k_proj"]
    ones = {
        f"model.layers.0.self_attn.{name}.weight": ("F32", (16, 16), b"\0\0\x80\x3f" * 256)
        for name in names
    }
    path.write_bytes(packed(ones))
    return str(path)


def texts_of(checkpoint: Checkpoint) -> list[str]:
    overlay = checkpoint.overlay
    told = [checkpoint.title, *checkpoint.warnings]
    for side in overlay.adapters if overlay is not None else ():
        told += [side.name, side.method, *side.flags]
    return told + list(overlay.types.values() if overlay is not None else ())


def faults(case: Case, uri: str | Adapted) -> list[str]:
    """What is wrong with how a case ends; a refusal in one clean line is right."""
    try:
        with open_model(uri) as checkpoint:
            told = texts_of(checkpoint)
            tree = listing_of(checkpoint).tree
            assert tree.root.totals.tensors == len(checkpoint.tensors)
            for info in checkpoint.tensors.values():
                if info.nbytes <= SMALL:
                    checkpoint.read_into(info, 0, memoryview(bytearray(info.nbytes)))
                else:
                    checkpoint.read_into(info, info.nbytes - 8, memoryview(bytearray(8)))
            for target in checkpoint.overlay.targets if checkpoint.overlay is not None else ():
                factors_of(checkpoint, target)
            checkpoint.check_unchanged()
    except LamellaError as error:
        told = [str(error)]
    except Exception as error:
        return [f"{case.id}: {type(error).__name__}: {error}"]
    return [f"{case.id}: {bad} in {text!r}" for text in told if (bad := unsafe(text))]


def test_every_case_holds_alone_and_on_a_base(corpus, base) -> None:
    cases = corpus.of("adapters")
    assert len(cases) > 35
    found = [line for case in cases for line in faults(case, str(case.path))]
    found += [line for case in cases for line in faults(case, Adapted(None, (str(case.path),)))]
    found += [line for case in cases for line in faults(case, Adapted(base, (str(case.path),)))]
    assert found == []


def test_what_is_small_is_compared_with_its_base(corpus, base) -> None:
    for case in corpus.of("adapters"):
        try:
            found = compare(base, Adapted(base, (str(case.path),)))
        except LamellaError:
            assert case.id in {"a_no_weights", "a_prefix_injection", "a_foreign_keys", "a_1d"} or (
                case.id in UNFIT
            ), case.id
            continue
        matches = enumerate(found.matches)
        changed = [one.name for at, one in matches if found.status(at) == "changed"]
        good = case.id in {"a_good", "a_base_null", "a_base_self", "a_rank_vs_cfg"}
        assert not good or changed == ["model.layers.0.self_attn.q_proj.weight"], case.id
        # Its expression takes no module, so that PEFT loads nothing of it.
        assert case.id != "a_tm_redos" or changed == []


def test_the_change_of_a_good_one(corpus, base) -> None:
    with open_model(Adapted(base, (str(corpus["a_good"].path),))) as checkpoint:
        (target,) = checkpoint.overlay.targets
        assert (target.rank, target.alpha, target.scaling, target.note) == (4, 8.0, 2.0, "")


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("a_r0", "its scale is not known"),
        ("a_alpha_nan", "its scale is not known"),
        ("a_no_config", "its scale is not known"),
        ("a_rank_mismatch", "its factors do not fit"),
        ("a_only_A", "lora_A without its lora_B"),
        ("a_only_B", "lora_B without its lora_A"),
        ("a_empty_rank", "its rank is 0"),
        ("a_1d", "its factors are no matrices"),
        ("a_dora", ""),
    ],
)
def test_why_nothing_is_computed(corpus, base, id_, words) -> None:
    with open_model(Adapted(base, (str(corpus[id_].path),))) as checkpoint:
        (target,) = checkpoint.overlay.targets
        assert words in target.note and bool(words) == bool(target.note)
        info = checkpoint.tensors["model.layers.0.self_attn.q_proj.weight"]
        assert (info.dtype == "F64") is not bool(words)


def test_a_huge_product_is_described_and_read_row_by_row(corpus) -> None:
    with open_model(str(corpus["a_outer_product_bomb"].path)) as checkpoint:
        (target,) = checkpoint.overlay.targets
        assert target.shape == (300_000, 300_000)
        info = checkpoint.tensors[target.weight]
        value = bytearray(16)
        checkpoint.read_into(info, info.nbytes // 2, memoryview(value))
        listed = listing_of(checkpoint)
        assert listed.nbytes < 10_000_000 and listed.tree.root.totals.params == 600_000
