"""Files that are replaced while they are open: it is noticed, and R opens them again."""

from time import monotonic
from typing import TYPE_CHECKING, Any

from inspect_core.opening import Live
from inspect_core.work.jobs import LookAgain, OpenModel

if TYPE_CHECKING:
    from tui.app import LamellaApp
    from tui.outline import Key

LOOK_SECONDS = 2.0
"""While the user moves about, the file system is asked at most this often; never when idle."""

OF_THE_OLD_FILES = (
    *("types", "pair", "sweep", "some", "inspect", "zoom", "look", "files", "adapters"),
)
"""Roles whose answers would be about files that are opened again."""


class Reloading:
    """Notices that the files of the model or the reference were replaced; reloads them.

    Args:
        app: its desk, its session and its screen.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app
        self._looked = 0.0
        self._noticed = ""
        self._landed: Key | None = None
        self._wanted: Key | None = None
        self.generation = 0

    def look(self) -> None:
        """The user did something: ask the file system, beside the app, if it was long ago."""
        session, now = self._app.session, monotonic()
        if session.listing is None or self._noticed or now - self._looked < LOOK_SECONDS:
            return
        self._look()

    def refused(self, error: BaseException) -> None:
        """A job found other files than it was to read: find out which."""
        self._app.problem = self._noticed or str(error)
        self._app.say_ready()
        if not self._noticed:
            self._look()

    def looked(self, replaced: tuple[bool, ...]) -> None:
        """Say whose files were replaced, once; nothing more is read of them."""
        if not any(replaced):
            return
        whose = [name for name, one in zip(("model", "reference"), replaced, strict=False) if one]
        self._noticed = f"the files of the {' and the '.join(whose)} were replaced"
        if isinstance(self._app.options.model, Live):
            self._noticed = f"the {' and the '.join(whose)} changed since it was read"
        self._noticed += ": press R to reload"
        for role in ("sweep", "some"):
            self._app.desk.cancel(role)
        self._app.problem = self._noticed
        self._app.warn(self._noticed)
        self._app.say_ready()

    def start(self) -> None:
        """Open model and reference anew, also when nothing was noticed or nothing is open."""
        self.generation += 1
        self._app.inspector.status.say("opening the model again")
        self._app.desk.submit("open", OpenModel(self._app.options.model, self.generation))

    def failed(self, text: str) -> None:
        """It cannot be opened now: what was known of it stays on show."""
        self._noticed = f"press R to try again: cannot open the model: {text}"
        self._app.problem = self._noticed
        self._app.say_ready()

    def opened(self, listing: Any) -> None:
        """The model was opened anew: show it where the user was; no number of before holds."""
        app, tree_view = self._app, self._app.inspector.tree_view
        for role in OF_THE_OLD_FILES:
            app.desk.cancel(role)
        self._noticed = app.problem = ""
        self._wanted = tree_view.current_key()
        app.session.pair(None)
        app.session.expects_pairs = app.comparison.wanted is not None
        app.session.open(listing)
        if listing.saved is not None:
            app.comparison.restore(listing.saved)
        assert tree_view.outline is not None
        app.detail.forget()
        app.activations.forget()
        app.geometry.forget()
        tree_view.outline.replace_tree(listing.tree)
        app.navigation.apply()
        tree_view.lines_changed(self._wanted)
        self._landed = tree_view.current_key()
        app.detail.replace_row(tree_view.current_row)
        app.show_title()
        app.say_ready()

    def cursor_key(self) -> "Key | None":
        """The row for the cursor when types change the tree.

        The tree by names may lack the row that the user was on before the reload.
        """
        now = self._app.inspector.tree_view.current_key()
        wanted, landed = self._wanted, self._landed
        self._wanted = self._landed = None
        return wanted if wanted is not None and now == landed else now

    def _look(self) -> None:
        session = self._app.session
        if session.listing is not None and not self._app.desk.busy("look", "open"):
            self._looked = monotonic()
            pairs = session.pairs
            opened = (session.listing.opened, *([pairs.opened] if pairs is not None else []))
            self._app.desk.submit("look", LookAgain(opened))
