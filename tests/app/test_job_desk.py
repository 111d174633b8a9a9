"""Jobs and their messages: nothing that a job gave is overtaken by its end."""

import threading

from app_made import layers, write_model
from app_running import running

from inspect_core.work.backend import Threads
from inspect_core.work.sweep import Sweep


class Hasty(Threads):
    """Sweeps have ended before `submit` returns: their parts came from another thread."""

    def submit(self, job, on_progress=lambda _: None, on_part=lambda _: None):
        ticket = super().submit(job, on_progress, on_part)
        if isinstance(job, Sweep):
            assert threading.current_thread() is threading.main_thread()
            ticket.future.exception(30)
        return ticket


async def test_the_end_of_a_short_sweep_does_not_overtake_its_parts(tmp_path):
    base = write_model(tmp_path / "base.safetensors", layers())
    model = write_model(tmp_path / "model.safetensors", layers(l2=0.5))
    async with running(model, base, backend=Hasty()) as run:
        await run.until(lambda: not run.app.desk.busy())
        table = run.app.session.table
        assert table is not None and table.seen.all()
