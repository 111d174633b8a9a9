"""Every hostile case through the printing commands: exit codes, and not one foreign byte."""

import json
from collections.abc import Iterator

import pytest

from hostile.adapters import ENDLESS
from hostile.case import Case
from hostile.command import Printed, lamella
from hostile.corpus import GROUPS
from hostile.pickles import MARKER
from hostile.safe import snapshot, unsafe_output
from inspect_core.errors import LamellaError
from inspect_core.work.backend import Threads, Workers
from inspect_core.work.jobs import FindTypes

SMALL = [group for group in GROUPS if group != "scale"]
LARGEST = "s_200k_tensors"
WIDE = "gg_20k_tensors"
WORDS = ("tree", "--no-types"), ("tree", "--no-types", "--json")


def faults(case: Case, words: tuple[str, ...], printed: Printed) -> Iterator[str]:
    """What is wrong with what a command printed of a case."""
    what = f"{' '.join(words)} {case.id}"
    if printed.status not in (0, 1, 2):
        yield f"{what}: status {printed.status}"
    if case.want not in ("any", "said") and (printed.status == 2) != (case.want == "reject"):
        yield f"{what}: status {printed.status}, wanted {case.want}: {printed.err[:300]!r}"
    for raw in (printed.out, printed.err):
        bad = unsafe_output(raw)
        if bad:
            yield f"{what}: {bad[:5]}"
        if b"Traceback" in raw:
            yield f"{what}: {raw[-300:]!r}"
    lines = printed.err.splitlines()
    if printed.status == 2 and (printed.out or len(lines) != 1):
        yield f"{what}: {len(lines)} lines, and {printed.out[:100]!r}"
    if any(not line.startswith(b"lamella: ") for line in lines):
        yield f"{what}: {lines!r}"
    if printed.status != 2 and ("--json" in words or "json" in words):
        if not printed.out.isascii():
            yield f"{what}: JSON that is not ASCII"
        json.loads(printed.out)


def run(case: Case, *words: str, encoding: str = "utf-8") -> list[str]:
    """Run a command on a case, on both sides of it for `diff`."""
    models = (
        [str(case.base or case.path), str(case.path)] if words[0] == "diff" else [str(case.path)]
    )
    try:
        return list(faults(case, words, lamella(*words, "--", *models, encoding=encoding)))
    except Exception as error:  # the next case goes on
        return [f"{' '.join(words)} {case.id}: {type(error).__name__}: {error}"]


@pytest.mark.parametrize("group", GROUPS)
def test_tree_prints_every_case(corpus, group) -> None:
    before = snapshot(corpus.root)
    cases = [case for case in corpus.of(group) if case.id != LARGEST]
    forms = WORDS if group in SMALL else WORDS[:1]
    assert [line for case in cases for words in forms for line in run(case, *words)] == []
    assert snapshot(corpus.root) == before
    assert not (corpus.root / MARKER).exists()


def test_tree_prints_200_000_tensors(corpus) -> None:
    document = json.loads(lamella(*WORDS[1], corpus[LARGEST].path).out)
    assert document["tree"]["totals"]["tensors"] == 200_000


@pytest.mark.parametrize("group", SMALL)
def test_diff_compares_every_case(corpus, group) -> None:
    every = 1 if group in ("pairs", "values", "names") else 3
    cases = [case for case in corpus.of(group) if case.values and case.id != WIDE][::every]
    forms = ("diff",), ("diff", "--format", "json")
    assert [line for case in cases for words in forms for line in run(case, *words)] == []


def test_diff_says_what_differs(corpus) -> None:
    for case in corpus.of("pairs"):
        printed = lamella("diff", "--exit-code", case.base, case.path)
        # The same values in another dtype are no change; the dtypes stand in the table.
        differs = case.want == "warn" and case.id != "p_dtype_int8"
        assert printed.status == int(differs), case.id
        assert ("F32 → I8" in printed.out.decode()) == (case.id == "p_dtype_int8")
    table = lamella("diff", corpus["p_prefix"].base, corpus["p_prefix"].path).out.decode()
    assert "paired: 2 by prefix 'model.' stripped" in table


@pytest.fixture
def checking_here(monkeypatch) -> None:
    """`check` in threads of this process: a worker process for each case would take minutes."""
    monkeypatch.setattr("tui.commands.check.Workers", Threads)


@pytest.mark.parametrize("group", SMALL)
def test_check_judges_every_case(corpus, checking_here, group) -> None:
    before = snapshot(corpus.root)
    forms = ("check",), ("check", "--format", "json")
    assert [
        line for case in corpus.of(group) for words in forms for line in run(case, *words)
    ] == []
    assert snapshot(corpus.root) == before
    assert not (corpus.root / MARKER).exists()


def test_check_finds_what_only_values_tell(corpus, checking_here) -> None:
    for case in corpus.of("values"):
        if case.told == "check":
            printed = lamella("check", "--format", "json", case.path)
            found = [f for f in json.loads(printed.out)["findings"] if f["severity"] != "note"]
            assert len(found) == 1, case.id
            assert printed.status == int(found[0]["severity"] == "problem"), case.id


def test_diff_refuses_a_product_that_would_take_hours(corpus) -> None:
    printed = lamella("diff", corpus[ENDLESS].path, corpus[ENDLESS].path)
    assert printed.status == 2 and b"90,000,000,000 values" in printed.err


def test_check_says_all_that_opening_says(corpus, checking_here) -> None:
    for case in corpus.of("adapters") + corpus.of("indexes"):
        if case.want == "warn":
            document = json.loads(lamella("check", "--format", "json", case.path).out)
            assert document["counts"]["problem"] + document["counts"]["warning"] > 0, case.id


def test_an_ascii_terminal_gets_ascii(corpus, checking_here) -> None:
    for id_ in ("n_ALL", "n_ALL_modules", "n_meta_escapes", "f_name_not_utf8", "i_ansi_name"):
        for words in (("tree", "--no-types"), ("diff",), ("check",)):
            case = corpus[id_]
            models = [case.path] * (2 if words[0] == "diff" else 1)
            printed = lamella(*words, *models, encoding="ascii")
            assert printed.out.isascii() and printed.err.isascii()
            assert list(faults(case, words, printed)) == []


def test_a_hostile_config_gives_types_or_a_note(corpus) -> None:
    workers = Workers()
    try:
        tickets = {
            case.id: workers.submit(FindTypes(str(case.path), False))
            for case in corpus.of("configs")
            if case.want == "open"
        }
        ends: dict[str, str] = {}
        for id_, ticket in tickets.items():
            try:
                listing = ticket.result(120)
                ends[id_] = "untyped" if listing.tree.untyped else "typed"
            except LamellaError as error:
                ends[id_] = str(error)
    finally:
        workers.close()
    assert ends.pop("c_good") == "typed"
    assert ends.pop("c_bom") == "typed"
    assert not (corpus.root / MARKER).exists()
    assert list(corpus.root.rglob(MARKER)) == []
    assert all(text.isprintable() for text in ends.values())
    assert ends["c_remote_code"] != "typed" and ends["c_layers_1e9"] != "typed"
