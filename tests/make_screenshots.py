"""Draw the screenshots of the README from the running app:  make screenshots"""

import asyncio
import re
from pathlib import Path

from inspect_core.work.backend import Workers
from themes import DARK, load_theme
from tui.app import LamellaApp, Options
from tui.demo import demo_pair

HERE = Path(__file__).parent / "screenshots"
KEYS = ("down", "down", "down", "down", "right")


async def draw(target: Path) -> None:
    base, model = demo_pair()
    app = LamellaApp(Options(model, base, "cpu", load_theme(DARK)), Workers())
    async with app.run_test(size=(120, 30)) as pilot:
        while app.session.listing is None or app.desk.busy():
            await pilot.pause(0.1)
        for key in KEYS:
            await pilot.press(key)
        while app.desk.busy():
            await pilot.pause(0.1)
        await pilot.pause(1.0)
        picture = app.export_screenshot(title="lamella demo")
        # Without the rules that would fetch a font from somewhere: any monospace one will do.
        target.write_text(re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    asyncio.run(draw(HERE / "demo.svg"))
