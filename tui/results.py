"""What becomes of a job's result, by the role that the app wanted it for; and of a failure."""

import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inspect_core.devices import gpu_likely
from inspect_core.errors import Cancelled, FilesChanged
from inspect_core.text import clean
from inspect_core.work.adapter_jobs import FindAdapterSheet
from inspect_core.work.backend import WorkerDied
from inspect_core.work.jobs import FindDevice, FindTypes, WarmUp
from inspect_core.work.ticket import OverLimit
from tui.detail_control import MOST_UNASKED_BYTES
from tui.messages import JobEnded
from tui.outline import Outline

if TYPE_CHECKING:
    from tui.app import LamellaApp

FIRST_PAINT_SECONDS = 0.05
"""What the first rows do not need waits so long after they are made."""

REPEATED = ("open", "types", "pair", "common", "plan", "trial", "read_plan")
"""Roles that are tried again when their worker dies; others the user or a sweep repeats."""

QUIET = ("warm", "device", "look", "adapters")
"""Roles that nobody misses when their worker dies."""


def _import_ahead() -> None:
    """Import what the first figure needs, on a thread, before somebody waits for it."""
    import tui.figures.overview
    import tui.figures.tensor  # noqa: F401
    from tui.plots import fallback_note

    fallback_note()


def _collect_again() -> None:
    """Turn the garbage collector on; it was off for the first frame (see `__main__`)."""
    gc.enable()
    gc.freeze()


class Results:
    """Takes what jobs give.

    Args:
        app: its session, its screen, and whoever a result is for.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app

    def take(self, message: JobEnded) -> None:
        """Take a result, or say why there is none."""
        if message.error is None:
            getattr(self, f"_on_{message.role}")(message.result)
        elif not isinstance(message.error, Cancelled):
            self.failed(message.role, message.error)

    def _on_open(self, listing: Any) -> None:
        if (
            self._app.failure is not None
        ):  # with one pane, the reason is on show in place of the tree
            self._app.call_later(self._app.inspector.action_back)
        self._app.failure = None
        tree_view = self._app.inspector.tree_view
        if tree_view.outline is not None:
            in_common = self._app.common.on
            self._app.common.leave()
            self._app.reloading.opened(listing)
            if in_common:
                self._app.common.toggle()
            self._app.plan.model_changed()
            self._ask_more()
            return
        self._app.problem = ""
        self._app.session.open(listing)
        if listing.saved is not None:
            self._app.comparison.restore(listing.saved)
        tree_view.show(Outline(listing.tree), clean(listing.title, 60))
        self._app.navigation.opened()
        if self._app.options.plan_file is not None:
            self._app.plan.files.read(self._app.options.plan_file)
        self._app.say_ready()
        self._app.show_title()
        # Later by a blink: imports and new processes would compete with the first paint.
        self._app.set_timer(FIRST_PAINT_SECONDS, self._after_first_rows)

    def _after_first_rows(self) -> None:
        """What would only delay the first rows: types, kernels, the reference."""
        _collect_again()
        if self._app.session.listing is None:
            return
        self._ask_more()
        if self._app.session.expects_pairs:  # 80 MB of memory that looking at names does not need
            self._app.desk.submit("warm", WarmUp())
        self._app.run_worker(_import_ahead, thread=True, group="imports")
        if self._app.options.device == "auto" and gpu_likely():
            self._app.desk.submit("device", FindDevice())

    def _ask_more(self) -> None:
        """What a model that was just opened lacks: its types, and its reference."""
        listing = self._app.session.listing
        typed = listing is not None and not listing.tree.untyped
        if listing is not None and (listing.has_config or (typed and self._app.bare_modules)):
            self._app.desk.submit("types", FindTypes(listing.opened, self._app.bare_modules))
        if listing is not None and listing.adapted is not None:
            nbytes = sum(adapter.nbytes for adapter in listing.adapted.adapters)
            if nbytes <= MOST_UNASKED_BYTES:
                self._app.desk.submit("adapters", FindAdapterSheet(listing.opened))
        self._app.comparison.start()

    def _on_types(self, listing: Any) -> None:
        if listing.tree.untyped or self._app.session.listing is None:
            if self._app.session.listing is not None:
                self._app.session.listing = replace(self._app.session.listing, note=listing.note)
            self._app.say_ready()
            return
        if self._app.common.took_types(listing):
            return
        tree_view = self._app.inspector.tree_view
        key = self._app.reloading.cursor_key()
        self._app.session.open(listing)
        if tree_view.outline is not None:
            tree_view.outline.replace_tree(listing.tree)
            self._app.navigation.apply()
            self._app.navigation.reveal_again(key)
            tree_view.lines_changed(key)
            self._app.detail.replace_row(tree_view.current_row)
        self._app.plan.model_changed()
        self._app.say_ready()

    def _on_texts(self, found: Any) -> None:
        self._app.activations.looked(found)

    def _on_activations(self, report: Any) -> None:
        self._app.activations.arrived(report)

    def _on_neuron(self, detail: Any) -> None:
        self._app.activations.neuron_arrived(detail)

    def _on_geometry_texts(self, found: Any) -> None:
        self._app.geometry.looked(found)

    def _on_landscape(self, report: Any) -> None:
        self._app.geometry.arrived(report)

    def _on_layer(self, detail: Any) -> None:
        self._app.geometry.layer_arrived(detail)

    def _on_plan(self, preview: Any) -> None:
        self._app.plan.arrived(preview)

    def _on_trial(self, preview: Any) -> None:
        self._app.plan.tried_out(preview)

    def _on_write_plan(self, path: str) -> None:
        self._app.plan.files.written(path)

    def _on_read_plan(self, plan: Any) -> None:
        self._app.plan.files.was_read(plan)

    def _on_common(self, found: Any) -> None:
        self._app.common.arrived(found)

    def _on_warm(self, _: None) -> None:
        """The kernels are ready; nothing to show."""

    def _on_device(self, device: str) -> None:
        self._app.device = device
        self._app.show_title()

    def _on_pair(self, pairs: Any) -> None:
        self._app.problem = ""
        self._app.comparison.paired(pairs)
        self._app.common.pair_again()

    def _on_sweep(self, _: int) -> None:
        self._app.comparison.refresh()
        if self._app.session.by_change:
            self._app.navigation.resort()
        self._app.say_ready()

    def _on_some(self, _: int) -> None:
        self._app.comparison.refresh()
        self._app.say_ready()

    def _on_files(self, files: Any) -> None:
        self._app.session.files = files
        self._app.detail.refresh()

    def _on_adapters(self, sheet: Any) -> None:
        self._app.session.read_of_adapters = sheet.remarks
        self._app.detail.refresh()
        self._app.say_ready()

    def _on_save(self, path: str) -> None:
        self._app.notify(f"written: {clean(path)}", markup=False)

    def _on_inspect(self, detail: Any) -> None:
        self._app.say_ready()
        self._app.detail.inspected(detail)

    def _on_look(self, replaced: tuple[bool, ...]) -> None:
        self._app.reloading.looked(replaced)

    def _on_zoom(self, heat: Any) -> None:
        self._app.detail.zoomed(heat)

    def failed(self, role: str, error: BaseException) -> None:
        """Say what went wrong, and go on where there is a way."""
        text = str(error)
        if role in ("files", "adapters"):  # the sweep reads the same, and says what is wrong
            return
        for run in (self._app.activations, self._app.geometry):
            if role in run.roles:
                run.failed(role, text)
                return
        if isinstance(error, WorkerDied) and self._died(role, error):
            return
        if isinstance(error, FilesChanged):
            self._refused(role, error)
        elif role in ("sweep", "some", "inspect", "zoom") and self._app.device != "cpu":
            # Another process may have taken the GPU's memory; the CPU is always there.
            self._app.device = "cpu"
            self._app.show_title()
            self._app.warn(f"{text}. The CPU takes over.")
            self._app.comparison.start() if role == "sweep" else self._app.detail.inspect()
        elif role == "open" and self._app.session.listing is not None:
            self._app.reloading.failed(text)
        elif role == "open":
            _collect_again()
            self._app.failure = error
            self._app.inspector.tree_view.hint("cannot open the model")
            self._app.detail.say("cannot open the model", [text])
            self._app.inspector.go_to_detail()
            self._app.inspector.status.say("press q to quit, R to try again", "note")
        elif role == "types" and self._app.session.listing is not None:
            note = f"module types are not known: {text}"
            self._app.session.listing = replace(self._app.session.listing, note=note)
            self._app.say_ready()
        elif role == "common":
            self._app.common.failed(text)
        elif role in ("plan", "trial"):
            self._app.plan.failed(role, text, isinstance(error, WorkerDied))
        elif role in ("save", "write_plan", "read_plan"):
            self._app.warn(text)
        elif role == "inspect":
            path = self._app.detail.row.path if self._app.detail.row else ""
            self._app.detail.say(path, [text, "Press Enter to try again."])
        else:
            self._app.problem = text
            if role == "pair":
                self._app.comparison.not_paired()
            self._app.say_ready()

    def _died(self, role: str, error: WorkerDied) -> bool:
        """A worker died: go on with another where that may help; False where it does not."""
        if role == "sweep" and self._app.device == "cpu":
            return self._app.comparison.interrupted(error)
        blameless = not isinstance(error, OverLimit)
        return role in QUIET or (role in REPEATED and blameless and self._app.desk.again(role))

    def _refused(self, role: str, error: FilesChanged) -> None:
        """The files are not those that were listed: nothing more is read of them."""
        if role == "pair":
            self._app.comparison.not_paired()
        elif role == "inspect":
            self._app.detail.say(
                self._app.detail.row.path if self._app.detail.row else "", [str(error)]
            )
        self._app.reloading.refused(error)
