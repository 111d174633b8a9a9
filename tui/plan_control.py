"""Plan mode: the plan, its undo, what it does to the model, and the keys that change it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui.plan_files import PlanFiles

if TYPE_CHECKING:
    from inspect_core.plan.plan import Freeze, Place, Plan
    from inspect_core.plan.preview import Preview
    from inspect_core.structure.branch import Row
    from inspect_core.structure.tree import ModuleTree
    from inspect_core.work.listings import Listing, Opened
    from inspect_core.work.plan_jobs import PreviewPlan
    from tui.app import LamellaApp
    from tui.plan_typed import Trial
    from tui.plan_words import PlanView

MOST_UNDONE = 200
"""Changes that can be undone."""

LINE = (
    "plan.freeze", "plan.place", "plan.by_name", "plan.settings", "plan.undo", "screen.export",
    "tree.members", "tree.toggle", "screen.plan", "tree.choose", "plan.redo", "screen.filter",
    "screen.help", "screen.quit",
)  # fmt: skip
"""Bindings on the line of keys in plan mode, in order of their weight."""


class PlanControl:
    """Keeps the plan and shows what it does.

    What it is made of is imported when plan mode is first asked for: not for the first frame.

    Args:
        app: its desk, its session and its screen.

    Attributes:
        active: whether plan mode is on.
        preview: what it does, or did before its last change; None before it was tried.
        saved: the plan as it was written or read last.
        files: writes and reads it.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app
        self.active = False
        self.preview: Preview | None = None
        self._own: Listing | None = None
        self._undo: list[Plan] = []
        self._redo: list[Plan] = []
        self._plan: Plan | None = None
        self.saved: Plan | None = None
        self._asked: Plan | None = None
        self._problem = ""
        self._usual: Place | None = None
        self._frozen_by_key: tuple[Freeze, bool] | None = None
        self._trial: Trial | None = None
        self.files = PlanFiles(app, self)
        self._leaving = False

    @property
    def plan(self) -> "Plan":
        """The plan; it stays when plan mode is left."""
        if self._plan is None:
            from inspect_core.plan.bases import base_name
            from inspect_core.plan.plan import Plan

            listing = self._app.session.listing
            base = base_name(listing.uri, listing.title) if listing is not None else ""
            self._plan = Plan(base=base)
        return self._plan

    @property
    def unsaved(self) -> "Plan | None":
        """The plan, where it has steps that no file has."""
        plan, saved = self._plan, self.saved
        kept = plan is None or not plan.steps or (saved is not None and saved.steps == plan.steps)
        return None if kept else plan

    @property
    def usual(self) -> "Place":
        """The settings of a placement that is new: those of the last one."""
        if self._usual is None:
            from inspect_core.plan.plan import Place

            self._usual = Place()
        return self._usual

    @property
    def view(self) -> "PlanView":
        """What there is to show."""
        from tui.plan_words import PlanView

        listing = self._app.session.listing
        title = clean(listing.title, 60) if listing is not None else ""
        waiting = self._app.desk.busy("plan")
        return PlanView(self.plan, self.preview, waiting, self._problem, title)

    @property
    def opened(self) -> "Opened | None":
        """The model that the plan is tried on; None outside plan mode."""
        return self._own.opened if self._own is not None else None

    @property
    def kept(self) -> str:
        """What the status line says of a plan while its model is shown without it."""
        return "plan kept: p" if self.plan.steps and not self.active else ""

    @property
    def typed(self) -> bool:
        """Whether the module types are known by now."""
        return self._own is not None and not self._own.tree.untyped

    # In and out

    def toggle(self) -> None:
        """Go into plan mode, or leave it; the plan stays."""
        if self.active:
            self.leave()
        else:
            self.enter()

    def enter(self) -> bool:
        """Go into plan mode; False, with the reason told, where there is nothing to plan for."""
        self._app.common.leave()
        listing = self._app.session.listing
        if listing is None:
            self._app.notify("the model is not open yet")
        elif self._app.session.saved:
            self._app.notify("a saved result has no model to plan for: open the model itself")
        elif listing.adapted is not None:
            self._app.notify("a plan is made on a model without adapters: open its base alone")
        elif not self.active:
            self.active, self._own = True, self._app.session.listing
            self._app.inspector.show_plan_mode(LINE)
            self._app.refresh_bindings()
            self._try()
        return self.active

    def leave(self) -> None:
        """Show the model's own states again."""
        self.active = False
        self._app.desk.cancel("plan")
        self._app.inspector.show_plan_mode(())
        self._app.refresh_bindings()
        if self._own is not None:
            self._show_tree(self._own.tree)
        self._own = None
        self._app.say_ready()
        if self.plan.steps:
            self._app.inspector.status.say(self.kept)

    def model_changed(self) -> None:
        """The model was opened again, or its types came: the plan acts on that."""
        if self.active:
            self._own = self._app.session.listing
            self._try()

    def may_leave_app(self) -> bool:
        """Whether the app may end: a plan that was not written is said once."""
        if self.unsaved is None or self._leaving:
            return True
        self._leaving = True
        key = "e writes it" if self.active else "p and then e write it"
        self._app.inspector.status.say(f"the plan is not written: {key}, q again leaves", "note")
        return False

    # What keys do

    def freeze(self) -> None:
        """Freeze what the cursor is on, or thaw it."""
        from tui.plan_edits import freeze_toggled

        row = self._row()
        step = freeze_toggled(row) if row is not None else None
        if row is None or step is None:
            self._app.inspector.status.say("nothing here is trained", "note")
            return
        steps, before = self.plan.steps, self._frozen_by_key
        last = steps[-1] if steps else None
        if before is not None and last == before[0] and before[0].patterns == step.patterns:
            # The same row again: take back what was done, or do the opposite of it.
            turned = replace(before[0], thaw=not before[0].thaw)
            self._frozen_by_key = None if before[1] else (turned, False)
            self.change(replace(self.plan, steps=(*steps[:-1], *(() if before[1] else (turned,)))))
            return
        self.change(self.plan.then(step))
        self._frozen_by_key = (step, _is_uniform(row))

    def place(self) -> None:
        """Put an adapter on what the cursor is on, or take it off."""
        from tui.plan_edits import place_toggled

        row = self._row()
        if row is None:
            return
        edit = place_toggled(self.plan, self.usual, row)
        if edit.plan is None:
            self._app.inspector.status.say(edit.said, "note")
        else:
            self.change(edit.plan)

    def by_name(self) -> None:
        """Ask for a pattern of what to freeze or thaw."""
        from tui.screens.plan_pattern import PatternPrompt

        def answered(step: "Freeze | None") -> None:
            self._trial = None
            if step is not None:
                self.change(self.plan.then(step))

        def try_step(step: "Freeze", tried: "Trial") -> None:
            self._try_out(self.plan.then(step), tried)

        self._app.push_screen(PatternPrompt(self._app.palette, try_step), answered)

    def settings(self) -> None:
        """Ask for the settings of the placement."""
        from inspect_core.plan.plan import Plan
        from tui.plan_edits import place_of
        from tui.screens.plan_settings import PlacementDialog

        def answered(plan: "Plan | str | None") -> None:
            self._trial = None
            if isinstance(plan, Plan):
                found = place_of(plan)
                if found is not None:
                    self._usual = replace(found[1], targets=(), target_expression="", layers=None)
                self.change(plan)
            elif plan == PlacementDialog.OPEN:
                self.files.ask_file()

        dialog = PlacementDialog(self._app.palette, self.plan, self.usual, self._try_out)
        self._app.push_screen(dialog, answered)

    def undo(self) -> None:
        """The plan before the last change."""
        self._step_back(self._undo, self._redo, "nothing to undo")

    def redo(self) -> None:
        """The change that was undone last."""
        self._step_back(self._redo, self._undo, "nothing was undone")

    def change(self, plan: "Plan") -> None:
        """Go on with another plan; it can be undone."""
        if plan == self.plan:
            self.say()
            return
        self._undo = [*self._undo, self.plan][-MOST_UNDONE:]
        self._redo = []
        self._go_on(plan)

    def _step_back(self, come_from: "list[Plan]", go_to: "list[Plan]", nothing: str) -> None:
        if not come_from:
            self._app.inspector.status.say(nothing, "note")
            return
        go_to.append(self.plan)
        self._go_on(come_from.pop())

    def _go_on(self, plan: "Plan") -> None:
        self._plan, self._leaving, self._frozen_by_key = plan, False, None
        self._try()
        self.say()

    def say(self) -> None:
        """The status line in plan mode: the last step."""
        from tui.plan_words import step_words

        steps = self.plan.steps
        said = f"{len(steps)}. {step_words(steps[-1])}" if steps else "nothing planned yet"
        if self._redo:
            said += f"   {len(self._redo)} undone: U does it again"
        self._app.inspector.status.say(clean(said, 300))

    def _row(self) -> "Row | None":
        return self._app.inspector.tree_view.current_row

    # Trying

    def _try(self) -> None:
        """Find out what the plan does; the newest counts."""
        self._problem = ""
        if self._own is not None and self.active:
            self._asked = self.plan
            self._app.desk.submit("plan", self._job(self.plan))
        self.show()

    def _try_out(self, plan: "Plan", tried: "Trial") -> None:
        """Find out what a plan would do, for a prompt."""
        self._trial = tried
        if self._own is not None:
            self._app.desk.submit("trial", self._job(plan))

    def _job(self, plan: "Plan") -> "PreviewPlan":
        from inspect_core.work.plan_jobs import PreviewPlan

        assert self._own is not None
        return PreviewPlan(self._own.opened, plan, self.typed, self._app.bare_modules)

    def arrived(self, preview: "Preview") -> None:
        """What the plan does is known."""
        if self.active:
            self.preview = preview
            self._show_tree(preview.tree)
            self.show()

    def tried_out(self, preview: "Preview") -> None:
        """What a plan would do is known."""
        if self._trial is not None:
            self._trial(preview, "")

    def failed(self, role: str, text: str, blameless: bool) -> None:
        """A plan could not be tried.

        Args:
            role: `plan` or `trial`.
            text: why, safe to show.
            blameless: whether that says nothing about the plan: its worker died, say.
        """
        if role == "trial":
            if self._trial is not None:
                self._trial(None, text)
            return
        if not blameless and self.plan == self._asked and self._undo:
            # A plan that cannot be tried has no tree: go back to the one before.
            self._go_on(self._undo.pop())
            self._app.warn(f"not taken: {text}")
            return
        self._problem = text
        self.show()
        self._app.warn(f"{text}. The plan is kept.")

    def show(self) -> None:
        """Show the plan, in its line and in the detail pane."""
        if self.active:
            self._app.inspector.plan_bar.show(self.view)
            self._app.detail.show_plan(self.view)

    def _show_tree(self, tree: "ModuleTree") -> None:
        """The model's tensors in another tree; the cursor and what is open stay."""
        app, own = self._app, self._own
        tree_view = app.inspector.tree_view
        if own is None or tree_view.outline is None:
            return
        if not len(tree.order):
            # The names are those of the loaded model: no row has values, and all numbers that
            # were measured are kept in their places for the file's own tree.
            tree = replace(tree, order=own.tree.order)
        key = tree_view.current_key()
        listing = app.session.listing
        note = listing.note if listing is not None else own.note
        app.session.open(replace(own, tree=tree, note=note))
        tree_view.outline.replace_tree(tree, keep_members=True)
        app.navigation.apply()
        app.navigation.reveal_again(key)
        tree_view.lines_changed(key)
        app.detail.replace_row(tree_view.current_row)
        app.show_title()


def _is_uniform(row: "Row") -> bool:
    """Whether all of a row's parameters were in one state, so that the key takes itself back."""
    from tui.states import counts

    total, tunable, _ = counts(row)
    return tunable in (0, total)
