"""Every hostile case, opened in this process: it ends as it must, in one clean line or none."""

import json
import shutil
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import pytest

from hostile.case import Case
from hostile.corpus import GROUPS, build
from hostile.pickles import MARKER
from hostile.safe import INVISIBLE, snapshot, unsafe
from inspect_core import module_tree, open_checkpoint
from inspect_core.checkpoint import Checkpoint
from inspect_core.errors import CheckpointError, LamellaError

ENDS = {"any": ("open", "warn", "reject"), "said": ("warn", "reject")}
"""What a wish that is none of the three ends allows."""

LEAST_CASES = 600
MEGABYTE = 1 << 20
MEMORY = 2 << 30
"""Address space in bytes that is enough for every case that is not large in itself."""


def opened(case: Case) -> tuple[str, list[str]]:
    """How opening ends, and every text that it would show."""
    try:
        with open_checkpoint(str(case.path)) as checkpoint:
            texts = [checkpoint.title, *checkpoint.warnings]
            if case.values:
                read_all(checkpoint)
            checkpoint.check_unchanged()
        module_tree(str(case.path), types=False)
    except LamellaError as error:
        return "reject", [str(error)]
    return ("warn" if len(texts) > 1 else "open"), texts


def read_all(checkpoint: Checkpoint) -> None:
    """Read the first bytes of some tensors, and the last of them."""
    for info in list(checkpoint.tensors.values())[:50]:
        if info.nbytes:
            buffer = bytearray(min(info.nbytes, 64))
            checkpoint.read_into(info, 0, memoryview(buffer))
            checkpoint.read_into(info, info.nbytes - len(buffer), memoryview(buffer))


def faults(case: Case) -> list[str]:
    """What is wrong with how a case ends."""
    try:
        got, texts = opened(case)
    except Exception as error:  # whatever is not ours is a fault, and the next case goes on
        return [f"{case.id}: {type(error).__name__}: {error}"]
    # What only the values or the other file tell is no warning here.
    want = "open" if case.want == "warn" and case.told != "open" else case.want
    found = [] if got in ENDS.get(want, (want,)) else [f"{case.id}: {got}, not {want}: {texts}"]
    found += [f"{case.id}: {bad} in {text!r}" for text in texts if (bad := unsafe(text))]
    found += [f"{case.id}: {len(text)} characters" for text in texts if len(text) > 1100]
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_every_case_ends_as_it_must_and_nothing_is_written(corpus, group) -> None:
    before = snapshot(corpus.root)
    assert [line for case in corpus.of(group) for line in faults(case)] == []
    assert snapshot(corpus.root) == before
    assert not (corpus.root / MARKER).exists() and not Path(MARKER).exists()


def test_all_is_bounded_in_memory(corpus) -> None:
    cases = [case for case in corpus.cases if case.group != "scale"]
    code = textwrap.dedent(
        f"""
        import json, os, resource, sys
        resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
        from inspect_core import open_checkpoint, module_tree
        from inspect_core.errors import LamellaError
        for path in json.load(sys.stdin):
            path = os.fsdecode(bytes.fromhex(path))
            try:
                open_checkpoint(path).close()
                module_tree(path, types=False)
                print("open")
            except LamellaError:
                print("reject")
        """
    )
    paths = json.dumps([bytes(case.path).hex() for case in cases])
    done = subprocess.run(
        [sys.executable, "-c", code], input=paths, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (cases[len(done.stdout.split())].id, done.stderr[-2000:])
    ends = dict(zip([case.id for case in cases], done.stdout.split(), strict=True))
    wanted = {case.id: case.want for case in cases if case.want not in ENDS}
    assert {id_: ends[id_] == "reject" for id_ in wanted} == {
        id_: want == "reject" for id_, want in wanted.items()
    }


def test_a_giant_is_described_without_being_read(corpus) -> None:
    with open_checkpoint(str(corpus["s_64GiB"].path)) as checkpoint:
        (info,) = checkpoint.tensors.values()
        assert info.nbytes == 64 << 30
        end = bytearray(16)
        checkpoint.read_into(info, info.nbytes - 16, memoryview(end))
        assert end == bytes(16)


def test_a_file_cut_while_it_is_read_is_an_error(corpus, tmp_path) -> None:
    copy = Path(shutil.copy(corpus["f_shrinks_while_mapped"].path, tmp_path / "m.safetensors"))
    with open_checkpoint(str(copy)) as checkpoint:
        info = checkpoint.tensors["big"]
        buffer = memoryview(bytearray(info.nbytes))
        checkpoint.read_into(info, 0, buffer)
        with copy.open("r+b") as file:
            file.truncate(info.start + 100)
        with pytest.raises(CheckpointError, match="changed while it was read"):
            checkpoint.read_into(info, 0, buffer)
        with pytest.raises(CheckpointError, match="changed while it was read"):
            checkpoint.check_unchanged()


def test_the_index_decides_between_two_files(corpus) -> None:
    with open_checkpoint(str(corpus["i_dup_in_shards"].path)) as checkpoint:
        shown = checkpoint.tensors["a"]
        assert checkpoint.shards[shown.shard].path.name.startswith("model-00001")
    with open_checkpoint(str(corpus["i_both_single_and_index"].path)) as checkpoint:
        assert set(checkpoint.tensors) == {"other"}  # no index is asked, as in transformers


def test_an_index_cannot_name_files_without_end(corpus) -> None:
    with pytest.raises(CheckpointError, match="names 100,000 files, more than 20,000"):
        open_checkpoint(str(corpus["i_100k_shards"].path))
    with pytest.raises(CheckpointError, match="none of 1,500 files can be read"):
        open_checkpoint(str(corpus["i_1500_shards"].path))


def test_the_corpus_is_whole_and_the_same_each_time(corpus, tmp_path) -> None:
    ids = [case.id for case in corpus.cases]
    assert len(set(ids)) == len(ids) >= LEAST_CASES
    assert {case.group for case in corpus.cases} == set(GROUPS)
    again = build(tmp_path)
    made = [case for case in corpus.cases if not case.path.is_symlink() and case.path.is_file()]
    small = [case for case in made if case.path.stat().st_size < MEGABYTE]
    paths = {case.id: case.path for case in again}
    where = str(corpus.root).encode(), str(tmp_path).encode()
    assert len(small) > LEAST_CASES // 2
    for case in small:
        # The payloads of pickles name the folder, and so their lengths differ.
        if case.id != "f_unreadable" and case.kind != "pickle":
            assert paths[case.id].read_bytes() == case.path.read_bytes().replace(*where), case.id
    assert [case.id for case in again] == ids


def test_what_is_invisible_is_what_unicode_says() -> None:
    assert "\u00ad" in INVISIBLE and "\u3164" in INVISIBLE and "\u2800" in INVISIBLE
    assert not INVISIBLE & set("aé模ض한😀\u0301")
    assert all(unicodedata.category(char) in ("Cf", "Cn", "Lo", "Mn", "So") for char in INVISIBLE)
