"""The comparison with a reference: opening it, sweeping over it, going on after trouble."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.timer import Timer

from inspect_core.adapters.folders import is_adapter
from inspect_core.delta.collect import NOTHING
from inspect_core.opening import Adapted, spelled
from inspect_core.work.jobs import PairUp
from inspect_core.work.listings import Uri
from inspect_core.work.saved import FindFileDifferences
from inspect_core.work.sweep import Sweep
from inspect_core.work.ticket import WorkerDied
from tui.messages import SweepArrived

if TYPE_CHECKING:
    from inspect_core.work.saved import SavedPair
    from tui.app import LamellaApp

MOST_DEATHS = 3
"""A sweep is given up when its worker died so often without a tensor done in between."""

NEED_MODELS = frozenset({"screen.aspect", "screen.reference"})
"""Bindings that can do nothing with a saved result."""

NO_OTHER = "a saved result cannot be compared with anything else"

REFRESH_SECONDS = 0.25
"""While a sweep runs, the change column is painted again at most this often."""


class Comparison:
    """Keeps the session's pairs and summaries.

    Args:
        app: its timers, its desk, its session and its screen.
        reference: what to compare with, or None.

    Attributes:
        reference: what is compared with, or None.
        wanted: the same, also while it could not be opened: a reload tries again.
    """

    def __init__(self, app: "LamellaApp", reference: Uri | None) -> None:
        self._app = app
        self._refreshing: Timer | None = None
        self._asked = ""
        self._sweeping = NOTHING
        self._deaths = 0
        self._done_at_death = -1
        self.reference = self.wanted = reference
        app.session.expects_pairs = reference is not None

    def restore(self, saved: "SavedPair") -> None:
        """A saved result brings its reference and its numbers along."""
        if self.wanted is not None:
            self._app.warn(f"{NO_OTHER}: --ref is not used")
        self.reference = self.wanted = None
        self._app.session.restore(saved)
        self._app.inspector.offer_all_but(NEED_MODELS)

    def ask(self) -> None:
        """Ask what to compare with; what was typed last is there to mend."""
        from tui.screens.reference import ReferencePrompt

        if self._app.session.saved:
            self._app.notify(f"{NO_OTHER}: open the model itself")
            return
        model = self._app.options.model
        start = self._asked or (self.reference if isinstance(self.reference, str) else "")
        if isinstance(model, Adapted) and not start:
            model = model.base if model.base is not None else model.adapters[0]
        if not start and isinstance(model, str):
            # Whether it is there is for the completion to find out: this is the UI thread.
            start = f"{Path(model).parent}/"

        def answered(path: str | None) -> None:
            if path:
                self._asked = path
                adapted = self._app.session.adapted
                if adapted is not None and adapted.base is None:
                    self._app.run_worker(partial(self._look, path), thread=True, group="base")
                else:
                    self.start(path)

        self._app.push_screen(ReferencePrompt(start), answered)

    def _look(self, path: str) -> None:
        """An adapter alone is to be compared: with another one, or is that its base?"""
        other = is_adapter(path)
        self._app.call_from_thread(self.start if other else self._put_on, path)

    def _put_on(self, base: str) -> None:
        """Open the adapter that is alone anew, on its base, and compare both."""
        app, listing = self._app, self._app.session.listing
        if listing is not None and not app.gone:
            alone = spelled(listing.uri)
            adapters = (alone,) if isinstance(alone, str) else alone
            app.options = replace(app.options, model=Adapted(base, adapters))
            self.reference = self.wanted = base
            app.reloading.start()

    def start(self, reference: Uri | None = None) -> None:
        """Open a reference, by default the one that was asked for; nothing without one."""
        self.reference = self.wanted = reference or self.wanted
        session, desk = self._app.session, self._app.desk
        if self.reference is not None and session.listing is not None:
            session.expects_pairs = True
            desk.cancel("sweep")
            # Summaries of values must not land among those of changes.
            desk.cancel("some")
            self._app.inspector.status.say("opening the reference")
            generation = self._app.reloading.generation
            opened, map_file = session.listing.opened, self._app.options.map_file
            common = self._app.common.on
            desk.submit("pair", PairUp(opened, self.reference, generation, map_file, common))

    def paired(self, pairs: Any) -> None:
        """The reference is open: compare everything."""
        self._app.session.pair(pairs)
        self._app.show_title()
        self._deaths, self._done_at_death = 0, -1
        self._sweep()
        self._look_beside()
        self._app.detail.inspect()

    def _look_beside(self) -> None:
        """What differs beside the weights is asked for once, and comes when it comes."""
        session = self._app.session
        if session.listing is not None and session.pairs is not None:
            job = FindFileDifferences(session.listing.opened, session.pairs.opened)
            self._app.desk.submit("files", job)

    def not_paired(self) -> None:
        """A reference could not be opened: what was compared before with another still counts."""
        pairs = self._app.session.pairs
        self.reference = pairs.uri if pairs is not None else None
        self._app.session.expects_pairs = pairs is not None
        if pairs is not None:
            self.wanted = pairs.uri
            self._sweep()
        self._app.detail.inspect()

    def interrupted(self, error: BaseException) -> bool:
        """A sweep failed: go on if only its worker died; False where something else was wrong."""
        done = len(self._app.session.done)
        self._deaths = self._deaths + 1 if done == self._done_at_death else 1
        if not isinstance(error, WorkerDied):
            return False
        if self._deaths >= MOST_DEATHS:
            self._app.problem = f"the sweep stopped, press R to go on: {error.what}"
            self._app.say_ready()
            return True
        if self._done_at_death < 0:
            self._app.warn(f"{error}. The sweep goes on.")
        self._done_at_death = done
        self._sweep()
        return True

    def collect(self) -> None:
        """The metric is another: sweep for what it lacks, and for nothing else any more."""
        session, desk = self._app.session, self._app.desk
        if session.complete:
            if desk.busy("sweep"):
                desk.cancel("sweep")
                self._app.say_ready()
        elif not desk.busy("sweep") or self._sweeping != session.collected.filling:
            self._sweep()

    def arrived(self, message: SweepArrived) -> None:
        """Take in summaries, and paint them soon."""
        awaited = self._app.session.awaited
        self._app.session.put(message.part)
        if awaited:
            self._app.metric.show()
        if self._refreshing is None:
            self._refreshing = self._app.set_timer(REFRESH_SECONDS, self.refresh)

    def refresh(self) -> None:
        """Paint what was summarised."""
        self._refreshing = None
        if not self._app.gone:
            self._app.session.begin_paint()
            self._app.inspector.tree_view.changes_arrived()
            self._app.detail.refresh()
            self._app.set_timer(REFRESH_SECONDS, self._catch_up)

    def _catch_up(self) -> None:
        """Paint again the rows that took too long to do all at once."""
        if self._app.session.behind and self._refreshing is None:
            self.refresh()

    def _sweep(self) -> None:
        session = self._app.session
        if session.listing is not None and session.pairs is not None and not session.saved:
            model, reference = session.listing.opened, session.pairs.opened
            self._sweeping = session.collected.filling
            job = Sweep(
                model,
                reference,
                self._app.device,
                done=session.done,
                kept=True,
                collect=self._sweeping,
            )
            self._app.inspector.status.say("comparing")
            self._app.desk.submit("sweep", job)
