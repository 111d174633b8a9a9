"""The help text of the app, and the commands of its palette."""

from collections.abc import Mapping

from tui.keys import key_lines, name_lines

_MARKS = """\
Marks
  ● tunable  ○ frozen  ◆ adapter (delta)
  ×12 twelve modules of one structure, folded
  = bit-identical to the reference   + not in the reference
  ~0 equal to it up to rounding to a narrower dtype
  ! something to know
The bar beside a change is its size among the lines in sight.
A row under a fold means that place in every member of it: its
numbers are theirs together. A checkpoint on disk does not say
what was trained: all of it is shown as tunable.

The picture
  a parameter     its own matrix: model minus reference,
                  averaged into cells
  small modules   the matrix of each parameter
  anything else   layers across, parameter kinds down,
                  on one colour scale
v shows singular values: the rank counts those above the noise
that rounding to the stored dtypes makes; 128+ is at least 128.
The effective one counts by size, exp(entropy of s / sum s): it
is the rank where all are alike. Stable rank: sum s^2 / max s^2.
c changes the scale. A robust one ends at the 95% quantile where
the largest is more than twice that; what is beyond has a ^.
Indices and masks (I64, BOOL) do not count in the numbers of a
module: the position ids of a BERT outweigh all its weights.
"""


def help_text(own: Mapping[str, str], first: str = "") -> str:
    """The page of help: keys with their names in the settings, then what the screen says.

    Args:
        own: keys that the user gave, by name.
        first: the place whose keys come first, such as `plan`.
    """
    title = "lamella: a checkpoint as a folded tree, and what changed in it"
    close = "esc closes this page"
    names = ["Names of the keys, for [keys] in config.toml", *name_lines(own)]
    return "\n".join([title, close, "", *key_lines(own, first), _MARKS, *names])


COMMANDS = (
    ("Compare with another reference", "Ask for a checkpoint to compare with", "app.ask_reference"),
    ("Reload the files", "Open model and reference again", "app.reload"),
    ("Next metric", "Relative L2, mean |d|, max |d|, L2, angle, ...", "app.next_metric"),
    ("Choose a metric", "All of them, in a list", "app.choose_metric"),
    ("Next scale", "Robust, linear or logarithmic colours", "app.next_scale"),
    ("Next view", "The picture, singular values, rows and columns", "app.next_aspect"),
    ("Filter by name", "Keep the rows whose names hold all words", "screen.filter"),
    ("Sort by change", "Siblings by how much they changed, or as in the model", "app.sort"),
    ("Common names", "One set of names for all architectures, or not", "app.common_names"),
    ("Copy", "The selected name, or what the cell says", "app.copy"),
    ("Export", "The screen, the overview, the numbers, or all of it (.lamella)", "app.export"),
    ("Plan mode", "Freeze, place adapters, and see what it takes; or leave it", "app.plan_mode"),
    ("Open a plan", "Go into plan mode with a plan file", "app.open_plan"),
    ("Modules without parameters", "Show dropouts and activations, or not", "app.bare_modules"),
    ("Activations", "What the neurons of a module listen to, and did before", "app.activations"),
    ("Landscape", "Intrinsic dimension, clusters, overlaps along the layers", "app.geometry"),
    ("Next theme", "Dark, light, safe for colour-blind eyes, high contrast", "app.next_theme"),
    ("Warnings", "Everything to know about both checkpoints", "app.show_warnings"),
    ("What the screen says", "Keys, marks and numbers", "app.help"),
)
"""Name, what it does, and the action behind it."""
