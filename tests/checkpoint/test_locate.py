import os
from pathlib import Path

import pytest
from checkpoint_files import one_tensor, write, write_index

from inspect_core.checkpoint.hub_cache import cache_folder, parse_hub_name
from inspect_core.checkpoint.locate import locate
from inspect_core.errors import CheckpointError


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


FOLDERS: list[tuple[list[str], list[str], str | None]] = [
    (["model.safetensors"], ["model.safetensors"], None),
    (["x.safetensors", "training_args.bin", "optimizer.pt"], ["x.safetensors"], None),
    (["X.SAFETENSORS"], ["X.SAFETENSORS"], None),
    (["model.safetensors", "other.safetensors"], ["model.safetensors"], None),
    (["model.safetensors", "adapter_model.safetensors"], ["model.safetensors"], None),
    (["model.safetensors", "model.safetensors.index.json"], ["model.safetensors"], None),
    (["m-1.safetensors", "m.safetensors.index.json"], [], "m.safetensors.index.json"),
    (["a.safetensors", "adapter_model.safetensors"], ["adapter_model.safetensors"], None),
    (
        ["diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"],
        ["diffusion_pytorch_model.safetensors"],
        None,
    ),
    (
        ["model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors"],
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        None,
    ),
    (
        ["m-1-of-2.safetensors", "m-2-of-2.safetensors", "consolidated.safetensors"],
        ["m-1-of-2.safetensors", "m-2-of-2.safetensors"],
        None,
    ),
    (["pytorch_model.bin", "training_args.bin", "vocab.txt"], ["pytorch_model.bin"], None),
    (["model.pt", "pytorch_model.bin"], ["pytorch_model.bin"], None),
    (["p-1-of-2.bin", "pytorch_model.bin.index.json"], [], "pytorch_model.bin.index.json"),
    (["p-1-of-2.bin", "p-2-of-2.bin"], ["p-1-of-2.bin", "p-2-of-2.bin"], None),
    (["last.ckpt", "rng_state_0.pth", "scaler.pt"], ["last.ckpt"], None),
    (["NET.PTH"], ["NET.PTH"], None),
    (["best.pt", "model.pth"], ["model.pth"], None),
    (["adapter_model.bin", "x.bin"], ["adapter_model.bin"], None),
    (["m-Q4.gguf"], ["m-Q4.gguf"], None),
    (["m-1-of-2.gguf", "m-2-of-2.gguf"], ["m-1-of-2.gguf", "m-2-of-2.gguf"], None),
]


@pytest.mark.parametrize(("names", "files", "index"), FOLDERS)
def test_folder(tmp_path: Path, names: list[str], files: list[str], index: str | None) -> None:
    folder = fill(tmp_path / "my-model", *names)
    found = locate(folder)
    assert [path.name for path in found.files] == files
    assert found.index == (folder / index if index else None)
    assert (found.title, found.folder, found.warnings) == ("my-model", folder, ())


@pytest.mark.parametrize(
    ("names", "chosen", "named"),
    [
        (["x.safetensors", "pytorch_model.bin"], "x.safetensors", "pytorch_model.bin"),
        (["m.gguf", "model.safetensors"], "model.safetensors", "m.gguf"),
        (["m.gguf", "model.pt"], "model.pt", "m.gguf"),
        (["a.safetensors", "p.bin", "p.bin.index.json"], "a.safetensors", "p.bin.index.json"),
    ],
)
def test_the_preferred_format_and_a_word_about_the_other(
    tmp_path: Path, names: list[str], chosen: str, named: str
) -> None:
    found = locate(fill(tmp_path, *names))
    assert [path.name for path in found.files] == [chosen]
    assert found.beside == (chosen,)
    [warning] = found.warnings
    assert f"in another format too ({named}): not shown" in warning


def test_a_pattern_means_one_format(tmp_path: Path) -> None:
    fill(tmp_path, "a.bin", "a.safetensors", "b.bin", "optimizer.bin", "m.gguf")
    assert [path.name for path in locate(str(tmp_path / "*")).files] == ["a.safetensors"]
    assert [path.name for path in locate(str(tmp_path / "*.bin")).files] == ["a.bin", "b.bin"]
    assert [path.name for path in locate(str(tmp_path / "*.gg*")).files] == ["m.gguf"]


def test_set_with_missing_files(tmp_path: Path) -> None:
    fill(tmp_path, "m-00001-of-00005.safetensors", "m-00003-of-00005.safetensors")
    [warning] = locate(tmp_path).warnings
    assert "3 of 5 files are missing: m-00002-of-00005.safetensors, m-00004" in warning
    fill(tmp_path, "other.safetensors")
    with pytest.raises(CheckpointError, match="3 checkpoints are here"):
        locate(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no file with weights in this folder"),
        (["README.md"], "no file with weights in this folder"),
        (["a.safetensors", "b.safetensors"], "2 checkpoints are here: a.safetensors, b"),
        ([f"{i:02}.safetensors" for i in range(30)], "30 checkpoints.* 09.safetensors and 20 more"),
        (["a.safetensors.index.json", "b.safetensors.index.json"], "2 checkpoints are here"),
        (["\x1b[2J.safetensors", "b.safetensors"], r"\\x1b\[2J"),
        (["config.json", "tf_model.h5"], r"tf_model.h5: \.h5 files are not read"),
        (["training_args.bin", "rng_state_0.pth"], "no file with weights in this folder"),
        (["a.ckpt", "b.ckpt"], "2 checkpoints are here: a.ckpt, b.ckpt"),
        (["m-Q4.gguf", "m-Q8.gguf"], "2 checkpoints are here"),
        (["a.bin.index.json", "b.bin.index.json"], "2 checkpoints are here"),
        (["a.safetensors", "b.safetensors", "model.pt"], "2 checkpoints are here"),
    ],
)
def test_folder_without_clear_model(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        locate(fill(tmp_path / "x", *names))


def test_single_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "tuned", "model.safetensors", "x.safetensors", "noext", "é\udcff")
    for name, title in [("model.safetensors", "tuned"), ("x.safetensors", "x.safetensors")]:
        found = locate(str(folder / name))
        assert (found.title, found.files, found.beside) == (title, (folder / name,), ())
    assert locate(folder / "noext").files == (folder / "noext",)
    assert locate(folder / "é\udcff").title == "é\\udcff"
    monkeypatch.chdir(folder)
    assert locate("x.safetensors").files == (folder / "x.safetensors",)
    assert locate(".").title == "tuned"
    index = write_index(folder / "model.safetensors.index.json", {})
    assert locate(index).index == index
    bin_index = write_index(folder / "pytorch_model.bin.index.json", {})
    assert (locate(bin_index).index, locate(bin_index).title) == (bin_index, "tuned")


def test_glob_and_several(tmp_path: Path) -> None:
    fill(tmp_path, "a-1.safetensors", "a-2.safetensors", "a-3.json", "b[1].safetensors")
    files = (tmp_path / "a-1.safetensors", tmp_path / "a-2.safetensors")
    assert locate(str(tmp_path / "a-*")).files == files
    assert locate([str(path) for path in files]).files == files
    assert locate([str(files[0]), str(files[0])]).files == files[:1]
    assert locate([str(tmp_path / "a-*")]).folder == tmp_path
    assert locate(str(tmp_path / "a-1*")).files == files[:1]
    assert locate(str(tmp_path / "b[1].safetensors")).files == (tmp_path / "b[1].safetensors",)
    fill(tmp_path / "sub", "a-1.safetensors")
    two = locate([str(files[0]), str(tmp_path / "sub" / "a-1.safetensors")])
    assert (two.folder, two.title) == (None, "a-1.safetensors and 1 more")
    for wrong, message in [
        ([], "no file was given"),
        ("", "no file was given"),
        (str(tmp_path / "z*"), "no file with weights matches"),
        ([str(tmp_path), str(files[0])], "a folder among several"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            locate(wrong)


def test_not_found(home: Path, tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for wrong, message in [
        (str(tmp_path / "none.safetensors"), "no such file or folder; check the path"),
        ("org/name", f"nor a model in the cache {home}/.cache/huggingface/hub; .*hf download"),
        (str(tmp_path / "dangling"), "a link to something that is not there"),
        (str(tmp_path / "loop"), "symbolic links"),
        ("x" * 5000, "too long"),
        ("a\0b", "not a possible file name"),
        ("../x/../y", "no such file or folder"),
        ("\x1b[2J", r"\\x1b\[2J: no file with weights matches"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            locate(wrong)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_forbidden_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", "model.safetensors")
    folder.chmod(0)
    with pytest.raises(CheckpointError, match="Permission denied"):
        locate(folder)


COMMIT, OTHER = "a1" * 20, "b2" * 20


def make_cached(hub: Path, repo: str = "org/some-name", refs: tuple[str, ...] = ("main",)) -> Path:
    model = hub / f"models--{repo.replace('/', '--')}"
    write(model / "blobs" / "feed", one_tensor("w"))
    for commit in (COMMIT, OTHER):
        (model / "snapshots" / commit).mkdir(parents=True)
        (model / "snapshots" / commit / "model.safetensors").symlink_to("../../blobs/feed")
    for ref in refs:
        write(model / "refs" / ref, COMMIT.encode())
    return model / "snapshots"


def test_cache_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == home / ".cache/huggingface/hub"
    for variable, value, expected in [
        ("XDG_CACHE_HOME", "/x", "/x/huggingface/hub"),
        ("HF_HOME", "~/hf", f"{home}/hf/hub"),
        ("HUGGINGFACE_HUB_CACHE", "$HOME/old", f"{home}/old"),
        ("HF_HUB_CACHE", "/new", "/new"),
    ]:
        monkeypatch.setenv(variable, value)
        assert cache_folder() == Path(expected)


def test_cached_model(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = make_cached(home / ".cache/huggingface/hub", refs=("main", "refs/pr/1"))
    for uri in ("org/some-name", "org/some-name@main", "org/some-name@refs/pr/1"):
        found = locate(uri)
        assert (found.title, found.folder) == ("org/some-name", snapshots / COMMIT)
    assert locate(f"org/some-name@{OTHER}").folder == snapshots / OTHER
    assert locate(f"org/some-name@{OTHER[:7]}").folder == snapshots / OTHER
    assert locate(snapshots / OTHER / "model.safetensors").title == "org/some-name"
    for wrong in ("none", "../refs/main", "main/../main", "abcdef123"):
        with pytest.raises(CheckpointError, match=r"not its revision|no such file"):
            locate(f"org/some-name@{wrong}")
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "org" / "some-name", "model.safetensors")
    assert locate("org/some-name").folder == tmp_path / "org" / "some-name"


def test_cache_without_main(home: Path) -> None:
    snapshots = make_cached(home / ".cache/huggingface/hub", "gpt2", refs=())
    with pytest.raises(CheckpointError, match=f"cached are gpt2@{COMMIT[:12]}"):
        locate("gpt2")
    (snapshots / OTHER / "model.safetensors").unlink()
    (snapshots / OTHER).rmdir()
    assert locate("gpt2").title == "gpt2"
    write(snapshots.parent / "refs" / "main", b"../../../..")
    with pytest.raises(CheckpointError, match="not its revision main"):
        locate("gpt2")


def test_no_hub_name() -> None:
    for text in ["", "/", "a/b/c", "../a", "a/..", "a--b/c", "a/b@", "a/b@../x", ".a/x", "a b/c"]:
        assert parse_hub_name(text) is None
    assert parse_hub_name("a" * 300) is None
