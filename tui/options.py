"""What the command line asked the app for."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspect_core.work.listings import Uri
from themes import ThemeFile
from tui.palette import Depth
from tui.settings import Settings

if TYPE_CHECKING:
    from inspect_core.capture.texts.source import TextSource


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for.

    Attributes:
        model: the model.
        reference: what to compare it with, or None.
        device: `auto`, `cpu`, `cuda`, `mps`.
        theme: the theme.
        ascii_only: draw with ASCII alone.
        depth: how many colours the terminal has.
        bookmark: a pattern of names to begin on, or None.
        settings: what the user wants every time.
        map_file: a file that says how the reference spells names of the model, or None.
        plan_file: a plan to begin with, or None.
        texts: what the models are run over for activations; None to be asked.
        tokenizer: a folder or file to use instead of the models' own, or None.
    """

    model: Uri
    reference: Uri | None
    device: str
    theme: ThemeFile
    ascii_only: bool = False
    depth: Depth = Depth.TRUE
    bookmark: str | None = None
    settings: Settings = field(default_factory=Settings)
    map_file: str | None = None
    plan_file: str | None = None
    texts: "TextSource | None" = None
    tokenizer: str | None = None
