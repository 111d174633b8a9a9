"""How long the event loop stalls while a large model loads, sweeps, folds and is searched.

python benchmarks/event_loop.py
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from made_models import MODELS, write_sparse

from inspect_core.work.backend import Workers
from themes import DARK, load_theme
from tui.app import LamellaApp
from tui.options import Options


class Lag:
    """Measures how late a timer of a few milliseconds fires."""

    def __init__(self) -> None:
        self.worst: dict[str, float] = {}
        self.phase = "start"

    async def watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.002)
            late = time.perf_counter() - before - 0.002
            self.worst[self.phase] = max(late, self.worst.get(self.phase, 0.0))


async def until(condition: Callable[[], Any], limit: float = 120.0) -> None:
    end = time.perf_counter() + limit
    while not condition() and time.perf_counter() < end:
        await asyncio.sleep(0.02)


async def run(file: Path, small: Path) -> dict[str, float]:
    lag = Lag()
    app = LamellaApp(Options(str(file), None, "cpu", load_theme(DARK)), Workers())
    async with app.run_test(size=(120, 40)) as pilot:
        watching = asyncio.create_task(lag.watch())
        lag.phase = "loading"
        await until(lambda: app.session.listing)
        await asyncio.sleep(1.5)
        lag.phase = "folding and moving"
        for key in ("down", "down", "down", "space", "down", "space", "down", "down", "o", "end"):
            await pilot.press(key)
            await asyncio.sleep(0.2)
        lag.phase = "filter, typed"
        await pilot.press("slash", *"expert")
        await asyncio.sleep(0.5)
        await pilot.press("escape")
        lag.phase = "sweeping"
        app.comparison.start(str(small))
        await until(lambda: app.session.pairs)
        await asyncio.sleep(3.0)
        for key in ("home", "down", "down", "down", "up"):
            await pilot.press(key)
            await asyncio.sleep(0.3)
        watching.cancel()
    return lag.worst


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for size, tensors in MODELS.items():
            file = Path(name) / f"made-{size}.safetensors"
            write_sparse(file, tensors)
            copy = Path(name) / f"base-{size}.safetensors"
            write_sparse(copy, tensors)
            worst = asyncio.run(run(file, copy))
            gc.collect()
            figures = "  ".join(f"{phase}: {late * 1e3:.0f} ms" for phase, late in worst.items())
            print(f"{size:>7} tensors  {figures}")


if __name__ == "__main__":
    main()
