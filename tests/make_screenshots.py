"""Draw the screenshots of the README from the running app:  make screenshots [NAME...]"""

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from inspect_core.capture.texts import TextSource
from inspect_core.geometry.representations import MEAN
from inspect_core.opening import Adapted
from inspect_core.work.backend import Workers
from themes import DARK, LIGHT, load_theme
from tui.app import LamellaApp
from tui.demo import demo_pair, demo_sentences
from tui.export import screen_svg
from tui.geometry.answers import Answers
from tui.options import Options
from tui.palette import Depth

HERE = Path(__file__).parent / "screenshots"
sys.path.append(str(HERE.parent / "adapters"))
FOLD = ("down", "down", "down", "down")
PARAMETER = "model.layers.4.self_attn.v_proj.weight"


@dataclass(frozen=True)
class Scene:
    """One picture.

    Attributes:
        keys: pressed once everything has settled.
        size: columns and lines.
        theme: name of a theme.
        depth: colours of the terminal.
        node: where the cursor begins.
        model: what is opened; empty for the bundled pair.
        adapted: the real adapter on its base is opened.
        texts: activations are looked at, over the bundled sentences.
        landscape: so is the landscape: means of the tokens, agreement with their labels.
    """

    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (120, 30)
    theme: str = DARK
    depth: Depth = Depth.TRUE
    node: str | None = None
    model: str = ""
    adapted: bool = False
    texts: bool = False
    landscape: bool = False


SCENES = {
    "demo": Scene((*FOLD, "right")),
    "light": Scene((*FOLD, "tab", "right", "right", "down"), theme=LIGHT),
    "sixteen": Scene((*FOLD, "right"), depth=Depth.ANSI),
    "narrow": Scene((*FOLD, "right", "s"), size=(80, 24)),
    "parameter": Scene(("tab", "plus", "down", "right"), node=PARAMETER),
    "spectrum": Scene(("v",), node=PARAMETER),
    "adapter": Scene(("down", "down", "right", "right", "right", "up", "up", "up"), adapted=True),
    "plan": Scene(("p", *FOLD, "right", "down", "right", "down", "a"), size=(120, 36)),
    "activations": Scene(("i", "1"), size=(120, 36), texts=True),
    "neuron": Scene(("i", "1", "enter"), size=(120, 40), texts=True),
    "geometry": Scene(("d", "M", "M", "M", "end"), size=(120, 30), adapted=True, landscape=True),
    "layer": Scene(("d", "end", "enter", "c"), size=(130, 40), adapted=True, landscape=True),
    "error": Scene(model="model-00001-of-00002.safetensors"),
}
"""Name of the picture -> what it shows."""


def _opened(scene: Scene) -> tuple[str | None, str | Adapted]:
    """The reference and the model of a scene."""
    if scene.adapted:
        import minilm

        base = minilm.base()
        assert base is not None, "the development packages are not installed"
        return base, Adapted(base, (minilm.LORA,))
    base, model = demo_pair()
    return (None, scene.model) if scene.model else (base, model)


async def draw(name: str, scene: Scene) -> None:
    """Run the app until it has settled, press the keys, and keep what it shows then."""
    base, model = _opened(scene)
    app = LamellaApp(
        Options(
            model,
            base,
            "cpu",
            load_theme(scene.theme),
            depth=scene.depth,
            bookmark=scene.node,
            texts=TextSource(demo_sentences()) if scene.texts else None,
        ),
        Workers(),
    )
    async with app.run_test(size=scene.size) as pilot:

        async def settle() -> None:
            await pilot.pause(0.5)
            while app.desk.busy():
                await pilot.pause(0.1)
            await pilot.pause(0.5)

        while app.session.listing is None and app.failure is None:
            await pilot.pause(0.1)
        await settle()
        if scene.landscape:
            texts = TextSource(demo_sentences(), labels=("label",))
            app.geometry._answers = Answers(texts, pooling=MEAN)
        for key in scene.keys:
            await pilot.press(key)
            await settle()
        lines = app.screen._compositor.render_strips()
        picture = screen_svg(lines, "lamella demo" if not scene.model else "lamella")
    (HERE / f"{name}.svg").write_text(picture, "utf-8")


async def main(names: list[str]) -> None:
    """Draw the pictures of these names, or all."""
    HERE.mkdir(exist_ok=True)
    home = tempfile.mkdtemp()  # what a picture's keys choose is not for the user to remember
    os.environ |= {f"XDG_{kind}_HOME": home for kind in ("STATE", "CONFIG", "CACHE")}
    for name in names or SCENES:
        await draw(name, SCENES[name])
        print(HERE / f"{name}.svg")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
