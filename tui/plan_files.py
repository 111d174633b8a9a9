"""Plan mode's files: a plan is written, as PEFT's config or otherwise, and read again."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.plan.plan import Plan
    from tui.app import LamellaApp
    from tui.plan_control import PlanControl

ENDINGS = """\
.json: PEFT's adapter_config.json   .toml: the plan, to open again
.py: a snippet that applies it   .txt: the names of what is trained
names.json and .csv: with their shapes   .svg: this screen"""

KEPT = ("plan", "peft", "python")
"""Forms from which the plan can be had again."""


class PlanFiles:
    """Writes and reads the plan, off the UI's thread.

    Args:
        app: its desk and its screens.
        control: has the plan.

    Attributes:
        rescued: the file in which a plan was kept when the app failed; empty if none was.
    """

    def __init__(self, app: "LamellaApp", control: "PlanControl") -> None:
        self._app = app
        self._control = control
        self._writing: Plan | None = None
        self.rescued = ""

    def ask_export(self) -> None:
        """Ask for a file name, and write the plan."""
        from inspect_core.plan.plan import Place
        from inspect_core.plan.written.texts import SUFFIXES
        from tui.screens.export import ExportPrompt

        places = any(isinstance(step, Place) for step in self._control.plan.steps)
        start = "adapter_config.json" if places else "plan.toml"
        prompt = ExportPrompt(
            start,
            "Write the plan to a new file",
            ENDINGS,
        )
        strips = self._app.screen_lines()

        def answered(name: str | None) -> None:
            if not name:
                return
            path = Path(name).expanduser()
            if path.suffix in SUFFIXES:
                self.write(path)
            else:
                self._app.takeaway.write(path, strips)

        self._app.push_screen(prompt, answered)

    def write(self, path: Path) -> None:
        """Write the plan; the ending says as what."""
        opened = self._control.opened
        if opened is None:
            return
        from inspect_core.work.plan_jobs import WritePlan

        self._writing = self._control.plan
        job = WritePlan(str(path.absolute()), opened, self._writing, self._control.typed)
        self._app.desk.submit("write_plan", job)

    def rescue(self) -> None:
        """The app fails: keep a plan that was not written in the folder of its state."""
        plan = self._control.unsaved
        if plan is None or self.rescued:
            return
        from inspect_core.plan.written.files import write_plan
        from tui.settings import state_folder

        folder = state_folder() / "plans"
        folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while (path := folder / f"unsaved-{number}.toml").exists():
            number += 1
        write_plan(path, plan)
        self.rescued = str(path)

    def written(self, path: str) -> None:
        """It is written."""
        from inspect_core.plan.written.texts import form_of

        if form_of(Path(path)) in KEPT and self._writing is not None:
            self._control.saved = self._writing
        self._app.notify(f"written: {clean(path)}", markup=False)

    def ask_file(self) -> None:
        """Ask for a plan file."""
        from tui.screens.plan_file import PlanFilePrompt

        def answered(path: str | None) -> None:
            if path:
                self.read(path)

        self._app.push_screen(PlanFilePrompt(), answered)

    def read(self, path: str) -> None:
        """Read a plan file, and go into plan mode with it."""
        from inspect_core.work.plan_jobs import ReadPlan

        self._app.desk.submit("read_plan", ReadPlan(str(Path(path).expanduser())))

    def was_read(self, plan: Any) -> None:
        """A plan file was read."""
        if self._control.active or self._control.enter():
            self._control.saved = plan
            self._control.change(plan)
