"""What plan mode draws: its line at every width, the table of hits, hostile names."""

import pytest
from app_made import ESC, HOSTILE, tree_of

from inspect_core.plan.plan import Freeze, Pattern, Place, Plan, Precision
from inspect_core.plan.preview import Hits, PlanTotals, Preview
from themes import load_theme
from tui.figures.plan import hit_lines, plan_figure, shown_hits
from tui.palette import make_palette
from tui.plan_words import PlanView, header, short_paths, step_words

PALETTE = make_palette(load_theme("lamella-dark"))
ASCII = make_palette(load_theme("lamella-dark"), ascii_only=True)
TOTALS = PlanTotals(
    22_787_714, 74_498, 22_713_216, 74_498, 770, 91_000_000, 298_000, 596_000, 74_498
)
PLACE = Place(targets=("query", "value"), alpha=16)


def view(*steps, hits=(), error="", problem="", waiting=False, totals=TOTALS, **more) -> PlanView:
    preview = Preview(tree_of(["w"]), totals, tuple(hits), error=error, **more)
    return PlanView(Plan(steps), preview, waiting, problem, "MiniLM")


def text(lines) -> str:
    return "\n".join(strip.text for strip in lines)


def line(found, width=200, palette=PALETTE) -> str:
    return " ".join(part for part, _ in header(found, palette, width))


def test_the_line_says_what_is_placed_what_is_tuned_and_what_it_takes():
    hits = (Hits(0, "query", 6, tuple(range(6))), Hits(0, "value", 6, tuple(range(6))))
    assert line(view(PLACE, hits=hits)) == (
        "plan  LoRA r=8 alpha=16 on query,value ×12  tunable 0.33% "
        "(base 0, adapters 73,728 + head 770)  "
        "memory 91 MB weights + 298 kB gradients + 596 kB Adam"
    )


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_the_line_fits_every_width_and_keeps_the_share(width):
    hits = (Hits(0, "a" * 80, 6), Hits(0, "b" * 80, 6))
    found = header(view(Place(targets=("a" * 80, "b" * 80)), hits=hits), PALETTE, width)
    assert sum(len(part) + 1 for part, _ in found) <= width or width < 60
    assert any("tunable 0.33%" in part for part, _ in found)


def test_what_is_saved_beside_the_targets_does_not_count_as_placed():
    hits = (Hits(0, "query", 6), Hits(0, "classifier", 1, kind="save"))
    assert "×6 " in line(view(PLACE, hits=hits))


def test_the_line_says_what_is_wrong_before_all_else():
    assert "PEFT would refuse this plan: no" in line(view(PLACE, error="no"))
    assert "it died" in line(view(PLACE, problem="it died"))
    assert "trying the plan" in line(PlanView(Plan(), None, True, "", "m"))


def test_entries_that_miss_stand_out_and_those_left_out_on_purpose_do_not():
    some = Hits(0, "query", 4, (2, 3, 4, 5), (0, 1))
    assert "! query        4  ▯▯▮▮▮▮ 2-5 misses 0-1" in text(hit_lines([some], PALETTE, 80))
    asked = text(hit_lines([some], PALETTE, 80, (2, 3, 4, 5)))
    assert "misses" not in asked and "!" not in asked and "▯▯▮▮▮▮ 2-5" in asked
    assert "..#### 2-5 misses 0-1" in text(hit_lines([some], ASCII, 80))
    assert "uneven" in text(hit_lines([Hits(0, "q", 3, (0, 1), (), True)], PALETTE, 80))


def test_an_entry_that_hits_nothing_says_what_was_meant():
    nothing = Hits(0, "key_proj", 0, suggestion=f"key{ESC}")
    shown = text(hit_lines([nothing], PALETTE, 80))
    assert "! key_proj" in shown and "matches nothing; did you mean key\\x1b[31m?" in shown


def test_many_layers_are_told_by_number():
    many = Hits(0, "q", 100, tuple(range(100)), (100,))
    assert "0-99 misses 100" in text(hit_lines([many], PALETTE, 100))
    assert "▮" not in text(hit_lines([many], PALETTE, 100))


def test_members_of_a_fold_are_one_entry():
    names = [f"encoder.layer.{k}" for k in range(6)]
    step = Freeze(tuple(Pattern(name, "exact") for name in names))
    hits = [Hits(0, name, 16, (k,), tuple({*range(6)} - {k})) for k, name in enumerate(names)]
    [one] = shown_hits(step, hits)
    assert (one.entry, one.count, one.layers, one.missed) == (
        "encoder.layer.0-5", 96, tuple(range(6)), ()
    )  # fmt: skip
    assert step_words(step) == "freeze encoder.layer.0-5"


def test_paths_in_short_are_never_more_than_there_are():
    assert short_paths(["a.0.q", "a.1.q", "a.3.q"]) == "a.0-1,3.q"
    assert short_paths(["a.0.q", "a.0.k", "a.1.q", "a.1.k"]) == "a.0-1.q,k"
    assert short_paths(["a.0.q", "a.1.k"]) is None
    assert short_paths(["a", "b.c"]) is None


@pytest.mark.parametrize("width", [44, 60, 80, 140])
def test_the_figure_fits_and_says_everything(width):
    hits = (Hits(0, "embed", 1), Hits(1, "query", 0), Hits(1, "value", 6, tuple(range(6))))
    steps = (Freeze((Pattern("embed"),)), PLACE)
    more = {"warnings": ("mind this",), "untouched": (("encoder.layer.0-5.mlp", 4_000_000),)}
    lines = plan_figure(view(*steps, hits=hits, **more), PALETTE, width)
    assert max(strip.cell_length for strip in lines) <= width
    shown = text(lines)
    for part in ("74,498", "22,713,216", "gradients", "1. freeze embed", "2. LoRA", "mind this",
                 "matches nothing", "0.33%"):  # fmt: skip
        assert part in shown, part


def test_memory_names_its_dtypes():
    plan = Plan((PLACE,), Precision("BF16", "F32", "", "BF16"))
    shown = text(plan_figure(view()._replace(plan=plan), PALETTE, 100))
    assert "BF16, delta F32" in shown and "2 x BF16" in shown


def test_hostile_names_are_shown_and_nothing_more():
    for name in HOSTILE:
        step = Place(targets=(name,), exclude=(name,))
        hits = (Hits(0, name, 1, refused=((name, name),)), Hits(0, name, 0, suggestion=name))
        found = view(step, Freeze((Pattern(name),)), hits=hits, untouched=((name, 3),))
        shown = text(plan_figure(found, PALETTE, 80)) + line(found)
        assert all(char.isprintable() or char == "\n" for char in shown)


def test_ascii_is_all_ascii():
    hits = (Hits(0, "query", 6, (0, 1), (2,)),)
    shown = text(plan_figure(view(PLACE, hits=hits, untouched=(("a", 1),)), ASCII, 80))
    assert shown.isascii() and line(view(PLACE, hits=hits), 80, ASCII).isascii()


def test_targets_are_cut_at_a_comma_and_freezing_is_named():
    place = Place(targets=("q_proj", "k_proj.x", "v_proj", "gate_proj"))
    hits = (Hits(1, "q_proj", 6),)
    found = line(view(Freeze((Pattern("a"),)), place, hits=hits), 80)
    assert found.startswith("plan  freeze 1 + LoRA") and "on q_proj,k_proj.x,v_proj +1 ×6" in line(
        view(place, hits=(Hits(0, "q_proj", 6),)), 110
    )


def test_the_keys_of_plan_mode_come_first_in_its_help():
    from tui.help import help_text

    page = help_text({}, "plan")
    assert page.index("In plan mode") < page.index("In the tree")
    assert help_text({}).index("In the tree") < help_text({}).index("In plan mode")
