"""`lamella plan`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.cli.options import look_options, uri_of
from tui.cli.sections import SectionedCommand

if TYPE_CHECKING:
    from tui.terminal import Look

FILE = click.Path(path_type=Path)
MOST_RANK = 1 << 20
FORMATS = ("table", "json", "plan", "peft", "python", "names")

SECTIONS = {
    "Steps, in the order in which they are given": ("freeze", "thaw", "lora", "dora", "ia3"),
    "Of the --freeze or --thaw before it": ("exclude",),
    "Of the --lora, --dora or --ia3 before it": (
        "rank", "alpha", "dropout", "rslora", "layers", "layers_pattern", "exclude_modules",
        "rank_pattern", "alpha_pattern", "save_modules", "feedforward", "bias",
        "fan_in_fan_out", "task",
    ),
    "Memory": ("weights_dtype", "adapter_dtype", "gradients_dtype", "optimizer_dtype"),
    "Plans": ("plan_file", "from_diff", "against", "map_file"),
    "Output": ("tree", "depth", "form", "outputs"),
}  # fmt: skip


class PlanCommand(SectionedCommand):
    """Keeps the order in which steps were given: a later one counts over an earlier one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note every option that was given, with its value, in their order."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        left = super().parse_args(ctx, args)
        taken: dict[str, int] = {}
        given: list[tuple[str, Any]] = []
        for parameter in order:
            name = str(parameter.name)
            value = ctx.params.get(name)
            if isinstance(parameter, click.Option) and parameter.multiple and value:
                at = taken[name] = taken.get(name, -1) + 1
                value = value[at]
            given.append((name, value))
        ctx.meta["given"] = given
        return left


Command = TypeVar("Command", bound=Callable[..., Any])


def _named(flag: str, metavar: str, text: str, **more: Any) -> Callable[[Command], Command]:
    """An option of a step: each time that it is given counts."""
    return click.option(flag, metavar=metavar or None, multiple=True, help=text, **more)


@click.command("plan", cls=PlanCommand, sections=SECTIONS)
@click.argument("model", nargs=-1)
@_named("--freeze", "PATTERN", "Freeze what fits, and all below it.")
@_named("--thaw", "PATTERN", "Make it tunable again.")
@_named("--exclude", "PATTERN", "Leave what fits, and all below it, as it is.")
@_named("--lora", "TARGETS", "Place LoRA, as PEFT's target_modules; it freezes all the rest.")
@_named("--dora", "TARGETS", "Place LoRA with magnitudes.")
@_named("--ia3", "TARGETS", "Place IA3.")
@_named("--rank", "N", "r; 8 if not given.", type=click.IntRange(1, MOST_RANK))
@_named("--alpha", "X", "lora_alpha; 16 if not given.", type=float)
@_named("--dropout", "X", "lora_dropout.", type=click.FloatRange(0, 1, max_open=True))
@_named("--rslora", "", "Scale by alpha / sqrt(r).", is_flag=True)
@_named("--layers", "LAYERS", "layers_to_transform: 0-3,7.")
@_named("--layers-pattern", "NAMES", "layers_pattern: what the lists of layers are called.")
@_named("--exclude-modules", "NAMES", "exclude_modules.")
@_named("--rank-pattern", "NAME=N", "Another rank where NAME fits; can be repeated.")
@_named("--alpha-pattern", "NAME=X", "Another alpha; the same.")
@_named("--save-modules", "NAMES", "modules_to_save: trained whole, as copies.")
@_named("--feedforward", "NAMES", "feedforward_modules of IA3.")
@_named("--bias", "", "Biases that are trained.", type=click.Choice(("none", "all", "lora_only")))
@_named("--fan-in-fan-out", "", "Weights are stored (in, out).", is_flag=True)
@_named("--task", "TYPE", "task_type, such as CAUSAL_LM or SEQ_CLS.")
@click.option("--weights-dtype", metavar="DTYPE", help="Of the weights; as stored if not given.")
@click.option("--adapter-dtype", metavar="DTYPE", help="Of the adapter; F32 if not given.")
@click.option("--gradients-dtype", metavar="DTYPE", help="Of gradients; that of the parameter.")
@click.option("--optimizer-dtype", metavar="DTYPE", help="Of Adam's states; that of the parameter.")
@click.option("--plan", "plan_file", type=FILE, metavar="FILE", help="Begin with this plan.")
@click.option(
    "--from-diff",
    nargs=2,
    metavar="BASE TUNED",
    help="Begin with the plan that TUNED evidently used; on BASE, where MODEL is not given.",
)
@click.option("--against", type=FILE, metavar="FILE", help="Compare with the plan in FILE.")
@click.option("--map", "map_file", type=FILE, metavar="FILE", help="Pairing for --from-diff.")
@click.option("--tree", is_flag=True, help="Print the planned tree, too.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Levels of the tree.")
@click.option("--types/--no-types", default=True, help="Find the module types; needs torch.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", help="See above.")
@click.option(
    "--output",
    "outputs",
    type=FILE,
    metavar="FILE",
    multiple=True,
    help="A new file; its suffix says as what. Can be repeated.",
)
@look_options
@click.pass_context
def plan(
    ctx: click.Context, /, model: tuple[str, ...], look: "Look", form: str, **options: Any
) -> None:
    """Try freezing and adapters on MODEL before training; nothing of its weights is read.

    PATTERN is the end of a dotted name (query, layer.0, bias), or has the shell's * ? and [ ],
    or {n} for a number; re:... is a regular expression over a whole name, =NAME just that one,
    and * all there is. It means a module with all below it, or a parameter. TARGETS are ends of
    names with commas, re:EXPRESSION, all-linear, or auto for what PEFT takes by the model's
    type. NAMES are ends of names with commas. Several of one kind in a row are one step.

    \b
      lamella plan MODEL --freeze embeddings --freeze '*.layer.[0-3]'
      lamella plan MODEL --lora query,value --rank 16 --layers 2-5
      lamella plan MODEL --lora all-linear --output run/adapter_config.json
      lamella plan --from-diff BASE TUNED --output plan.toml
      lamella plan MODEL --plan one.toml --against other.toml

    Printed are parameters that are trained, frozen and added, memory for weights, gradients and
    Adam, what each entry hits and in which layers, warnings, and what the plan would not touch.
    Without a step it is the model as it is: all of it trained.

    \b
    --format, and --output by its suffix:
      plan    .toml   a plan file: --plan reads it, inspect_core.apply_plan(model, FILE) too
      peft    .json   PEFT's adapter_config.json; what it cannot say is refused
      python  .py     a snippet to paste
      names   .txt    the names of what is trained, as PEFT has them; .csv and names.json too
      json            one object in ASCII: all that the table has, and the names

    \b
    Exit code:
      0  as planned
      1  an entry hits nothing, PEFT would refuse the plan, nothing would be trained, or
         --against found a difference; files are written all the same
      2  problems: also a file that cannot say the plan
    """  # noqa: D301
    from tui.commands.plan import Asked, print_plan

    asked = Asked(look=look, form=form, given=tuple(ctx.meta["given"]), **_used(options))
    if not print_plan(uri_of(model) if model else None, asked):
        raise click.exceptions.Exit(1)


_USED = (
    "weights_dtype", "adapter_dtype", "gradients_dtype", "optimizer_dtype", "plan_file",
    "from_diff", "against", "map_file", "tree", "depth", "types", "outputs",
)  # fmt: skip


def _used(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are no steps: those are taken in their order."""
    return {name: options[name] for name in _USED}
