"""The comparison with a reference: opening it, sweeping over it, going on after trouble."""

from typing import TYPE_CHECKING, Any

from textual.timer import Timer

from inspect_core.work.jobs import PairUp, Sweep
from inspect_core.work.listings import Uri
from inspect_core.work.ticket import WorkerDied
from tui.messages import SweepArrived

if TYPE_CHECKING:
    from tui.app import LamellaApp

REFRESH_SECONDS = 0.25
"""While a sweep runs, the change column is painted again at most this often."""


class Comparison:
    """Keeps the session's pairs and summaries.

    Args:
        app: its timers, its desk, its session and its screen.
        reference: what to compare with, or None.
    """

    def __init__(self, app: "LamellaApp", reference: Uri | None) -> None:
        self._app = app
        self._refreshing: Timer | None = None
        self._retried = False
        self.reference = reference
        app.session.expects_pairs = reference is not None

    def start(self, reference: Uri | None = None) -> None:
        """Open a reference, by default the one that was asked for; nothing without one."""
        self.reference = reference or self.reference
        session, desk = self._app.session, self._app.desk
        if self.reference is not None and session.listing is not None:
            session.expects_pairs = True
            desk.cancel("sweep")
            # Summaries of values must not land among those of changes.
            desk.cancel("some")
            self._app.inspector.status.say("opening the reference")
            desk.submit("pair", PairUp(session.listing.opened, self.reference))

    def paired(self, pairs: Any) -> None:
        """The reference is open: compare everything."""
        self._app.session.pair(pairs)
        self._app.show_title()
        self._retried = False
        self._sweep()
        self._app.detail.inspect()

    def not_paired(self) -> None:
        """Another reference could not be opened: what was compared before still counts."""
        pairs = self._app.session.pairs
        self.reference = pairs.uri if pairs is not None else None
        self._app.session.expects_pairs = pairs is not None
        if pairs is not None:
            self._sweep()
        self._app.detail.inspect()

    def interrupted(self, error: BaseException) -> bool:
        """A sweep failed: go on once if only its worker died. False if that is no help."""
        if not isinstance(error, WorkerDied) or self._retried:
            return False
        self._retried = True
        self._sweep()
        return True

    def arrived(self, message: SweepArrived) -> None:
        """Take in summaries, and paint them soon."""
        self._app.session.put(message.part)
        if self._refreshing is None:
            self._refreshing = self._app.set_timer(REFRESH_SECONDS, self.refresh)

    def refresh(self) -> None:
        """Paint what was summarised."""
        self._refreshing = None
        if not self._app.gone:
            self._app.inspector.tree_view.changes_arrived()
            self._app.detail.refresh()

    def _sweep(self) -> None:
        session = self._app.session
        if session.listing is not None and session.pairs is not None:
            model, reference = session.listing.opened, session.pairs.opened
            job = Sweep(model, reference, self._app.device, done=session.done)
            self._app.desk.submit("sweep", job)
