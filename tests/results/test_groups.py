"""Groups: what is in them, and that their numbers are those of all their values."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from results_made import F32, compared
from saved_made import comparisons

from inspect_core.delta.metrics import METRICS
from inspect_core.results.formats import json_object, sheet_text
from inspect_core.results.groups import GROUPINGS, groups_of
from inspect_core.results.records import parts_of, report_of, summary_of
from inspect_core.results.selection import Selection, side_by_side
from inspect_core.results.sheets import beside_sheet, group_sheet, similarity_sheet
from inspect_core.results.thresholds import Threshold, breaches


def made() -> tuple[dict, dict]:
    rng = np.random.default_rng(5)
    base = {
        f"enc.{at}.{kind}": rng.normal(size=(3, 4)).astype(F32)
        for at in range(3)
        for kind in ("up.weight", "down.weight")
    }
    base |= {"emb.weight": rng.normal(size=(6, 4)).astype(F32), "gone": np.ones(2, F32)}
    model = {name: (v + 0.1 * rng.normal(size=v.shape)).astype(F32) for name, v in base.items()}
    model["enc.1.up.weight"] = base["enc.1.up.weight"]
    model["enc.1.down.weight"] = base["enc.1.down.weight"]
    del model["gone"]
    return base, model


def test_names_and_members(tmp_path) -> None:
    found = compared(tmp_path, *made())
    names = {by: [group.name for group in groups_of(found, by)] for by in GROUPINGS}
    assert names["layer"] == ["enc.0", "enc.1", "enc.2", "emb.weight"]
    assert sorted(names["kind"]) == ["emb.weight", "enc.{n}.down.weight", "enc.{n}.up.weight"]
    assert names["type"] == ["other weight", "all weight", "neither"]
    assert len(names["tensor"]) == 8
    layers = {group.name: group for group in groups_of(found, "layer")}
    assert layers["enc.1"].status == "identical"
    assert (layers["enc.0"].status, layers["enc.0"].tensors, layers["enc.0"].compared) == (
        "changed", 2, 2,
    )  # fmt: skip


def test_numbers_are_of_all_values(tmp_path) -> None:
    base, model = made()
    found = compared(tmp_path, base, model)
    for group in groups_of(found, "kind"):
        ending = group.name.rpartition("{n}.")[2]
        names = [name for name in model if name.endswith(ending)]
        d = np.concatenate([(model[n].astype("f8") - base[n]).ravel() for n in names])
        assert METRICS["mean_abs"].value(group.summary) == pytest.approx(np.abs(d).mean())


def test_only_what_was_asked_for(tmp_path) -> None:
    found = compared(tmp_path, *made(), keep=lambda match: match.name.endswith("up.weight"))
    assert [group.name for group in groups_of(found, "kind")] == ["enc.{n}.up.weight"]
    assert [group.tensors for group in groups_of(found, "layer")] == [1, 1, 1]


def test_a_longer_vocabulary_is_not_identical(tmp_path) -> None:
    base = {"emb.embed_tokens.weight": np.ones((4, 3), F32), "w": np.ones(2, F32)}
    longer = {**base, "emb.embed_tokens.weight": np.ones((5, 3), F32)}
    found = compared(tmp_path, base, longer)
    report = report_of(found)
    assert {tensor.status for tensor in report.tensors} == {"identical"}
    assert [found.matches[at].name for at in parts_of(found)] == ["emb.embed_tokens.weight"]
    assert not report.summary.identical
    sheet = group_sheet(found, groups_of(found, "tensor"), "tensor", [METRICS["rel_l2"]])
    (note,) = [row["note"] for row in sheet.records() if "emb" in row["name"]]
    assert note.startswith("identical, first 4 rows")
    shorter = compared(tmp_path, longer, base)
    assert len(parts_of(shorter)) == 1 and not summary_of(shorter).identical
    assert summary_of(compared(tmp_path, base, base)).identical


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(comparisons())
def test_every_view_of_any_comparison(found) -> None:
    """Saved results come from strangers: whatever is in one, it can be looked at."""
    metrics = tuple(METRICS.values())
    for by in GROUPINGS:
        groups = groups_of(found, by)
        if by in ("tensor", "layer", "kind"):
            members = [at for group in groups for at in group.indices]
            assert len(members) == len(set(members)) and set(members) <= set(found.kept)
        sheet = group_sheet(found, groups, by, metrics)
        for form in ("csv", "tsv", "md"):
            assert len(sheet_text(sheet, form).splitlines()) >= len(groups) + 1
        assert json_object({"rows": sheet.records()}).isascii()
        for sort in (None, "change", "name"):
            listed = Selection(sort, top=2, over=0.0).of(groups, metrics[0])
            assert len(listed) <= min(2, len(groups))
        rows = side_by_side([found, found], [groups, groups], by)
        assert len(beside_sheet([found, found], rows, by, metrics[0]).for_files().columns) == 3
        limits = [Threshold(metric, 0.1) for metric in metrics]
        assert len(breaches(groups, limits)) <= len(groups) * len(limits)
    assert len(similarity_sheet(found).rows) >= 6
    assert report_of(found).summary.numel >= 0


def test_the_parts_of_a_fused_tensor_are_all_there(tmp_path) -> None:
    rng = np.random.default_rng(6)
    split = {f"h.{at}.attn.{k}_proj.weight": rng.normal(size=(4, 4)).astype(F32)
             for at in range(2) for k in "qkv"}  # fmt: skip
    fused = {
        f"h.{at}.attn.in_proj_weight": np.concatenate(
            [split[f"h.{at}.attn.{k}_proj.weight"] for k in "qkv"]
        )
        for at in range(2)
    }
    found = compared(tmp_path, split, fused)
    assert {match.status for match in found.matches} == {"pair"}
    assert parts_of(found) == [] and summary_of(found).identical
    back = compared(tmp_path, fused, split)
    assert parts_of(back) == [] and summary_of(back).identical
