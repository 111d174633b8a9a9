"""The landscape of representations: asks for texts, has models run, keeps what was found."""

from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui.text_run import TextRun

if TYPE_CHECKING:
    from inspect_core.capture.texts import TextColumns
    from inspect_core.geometry.landscape import LandscapeReport, LayerDetail
    from inspect_core.work.geometry_jobs import GeometryQuery
    from tui.app import LamellaApp
    from tui.geometry.answers import Answers
    from tui.geometry.files import LandscapeFiles
    from tui.geometry.screen import GeometryScreen
    from tui.geometry.state import GeometryState
    from tui.screens.asking import Tried


class GeometryControl(TextRun["GeometryQuery", "GeometryState"]):
    """Runs one query at a time, and keeps the last result.

    Args:
        app: its desk, its session and its screens.
    """

    NAME, KEY = "landscape", "d"
    NOT_YET = "d finds it"
    THERE = "the landscape is there: D shows it"
    LOOK, RUN, CLOSER = "geometry_texts", "landscape", "layer"

    def __init__(self, app: "LamellaApp") -> None:
        super().__init__(app)
        self._answers: Answers | None = None

    @property
    def answers(self) -> "Answers | None":
        """Texts, places and measures; None before they were chosen."""
        texts = self._app.options.texts
        if self._answers is None and texts is not None:
            from tui.geometry.answers import Answers

            self._answers = Answers(texts, tokenizer=self._app.options.tokenizer)
        return self._answers

    @property
    def where(self) -> str:
        """Whose landscape is meant, safe to show."""
        listing = self._app.session.listing
        return clean(listing.title, 60) if listing is not None else ""

    @property
    def file(self) -> str:
        """The file that what is on show is of, or that is asked for; foreign."""
        if self._found is not None and self._found.texts is not None:
            return Path(self._found.texts.path).name
        return self.answers.file if self.answers is not None else ""

    @property
    def files(self) -> "LandscapeFiles":
        """Writes numbers and curves."""
        from tui.geometry.files import LandscapeFiles

        return LandscapeFiles(self._app)

    # Asking, running

    def open(self) -> None:
        """Ask for the landscape of the model; one run at a time."""
        if self.shows_run() or not self.may_run():
            return
        if self.answers is None:
            self.ask()
        else:
            self.start()

    def ask(self) -> None:
        """Ask for texts, places and measures; then run."""
        from tui.geometry.answers import Answers
        from tui.geometry.dialog import LandscapeDialog
        from tui.text_fields import suggested_texts

        if self.shows_run():
            return

        def answered(answers: "Answers | None") -> None:
            self._look = None
            if answers is not None:
                self._answers = answers
                self.start()

        options = self._app.options
        start = self.answers or Answers(suggested_texts(options.model), tokenizer=options.tokenizer)

        def try_out(asked: "Answers", tried: "Tried[TextColumns]") -> None:
            self.look_into(asked.texts.path, asked, tried)

        dialog = LandscapeDialog(self._app.palette, start, self.where, try_out)
        self._app.push_screen(dialog, answered)

    def start(self) -> None:
        """Run the models, unless what they would say is known."""
        from inspect_core.work.geometry_jobs import FindLandscape

        query = self._query()
        if query is not None:
            self.run(query, FindLandscape(query))

    def _query(self) -> "GeometryQuery | None":
        from inspect_core.work.geometry_jobs import AskedSpace, GeometryQuery

        app, answers = self._app, self.answers
        listing, pairs = app.session.listing, app.session.pairs
        if listing is None or answers is None:
            return None
        waiting = app.comparison.reference if app.session.expects_pairs else None
        reference = waiting if pairs is None else pairs.opened
        models = (listing.opened,) if reference is None else (reference, listing.opened)
        return GeometryQuery(
            spaces=tuple([AskedSpace(model) for model in models]),
            texts=answers.texts,
            where=answers.where,
            pooling=answers.pooling,
            measured=answers.measured,
            shots=answers.shots,
            template=answers.template,
            tokenizer=answers.tokenizer,
            device=app.device,
        )

    def state_of(self, result: "LandscapeReport") -> "GeometryState":
        """See `TextRun.state_of`."""
        from tui.geometry.steps import first_state

        return first_state(result)

    # Screens

    def make_screen(self, said: str) -> "GeometryScreen":
        """See `TextRun.make_screen`."""
        from tui.geometry.screen import GeometryScreen

        return GeometryScreen(self._app.palette, self, said)

    def open_layer(self, space: int, layer: int) -> None:
        """Show the page of a layer."""
        from tui.geometry.layer_screen import LayerScreen

        if self.state is not None:
            self.open_page(LayerScreen(self._app.palette, self, space, layer))

    def find_layer(self, space: int, layer: int) -> None:
        """Find what the page of a layer shows."""
        from inspect_core.work.geometry_jobs import FindLayer

        if self._found is not None:
            self._app.desk.submit(self.CLOSER, FindLayer(self._found, space, layer))

    def layer_arrived(self, detail: "LayerDetail") -> None:
        """What the page of a layer shows is known."""
        if self._page is not None:
            self._page.found(detail)

    def jump(self, space: int, layer: int) -> None:
        """Go to a layer in the tree: its screen closes."""
        path = self._path_of(space, layer)
        if path is None:
            self._app.notify("the tree has no module of that name")
            return
        if self._page is not None:
            self.leave_page()
        self.leave()
        self._app.inspector.go_to_tree()
        self._app.navigation.go(path)

    def _path_of(self, space: int, layer: int) -> str | None:
        """The module of a layer in the tree; a reference's by the same place in the model."""
        from tui.geometry.paths import nearest_path

        listing, state = self._app.session.listing, self.state
        if listing is None or state is None:
            return None
        spaces = state.report.spaces
        # The model's own spaces first: it is the model that the tree shows.
        asked = [spaces[space].layers[layer].name]
        asked += [one.layers[layer].name for one in spaces[::-1] if layer < len(one.layers)]
        found = (nearest_path(name, listing.names) for name in asked)
        return next((path for path in found if path is not None), None)
