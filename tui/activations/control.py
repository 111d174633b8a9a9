"""What neurons listen to: asks for texts, has the models run over them, keeps what was found."""

from dataclasses import replace
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Branch, Row
from inspect_core.text import clean
from tui.activations.files import TableFiles

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.capture.texts import TextColumns
    from inspect_core.control import Progress
    from inspect_core.work.activation_jobs import ActivationQuery
    from tui.activations.answers import Answers
    from tui.activations.neuron_screen import NeuronScreen
    from tui.activations.screen import ActivationScreen
    from tui.activations.state import ViewState
    from tui.app import LamellaApp
    from tui.screens.asking import Tried

ROLES = ("texts", "activations", "neuron")
"""What jobs are wanted for here."""

ONE_RUN = "one run at a time: x stops it"

MOST_WORDS = 20
"""Strongest words on the page of a neuron."""


class ActivationControl:
    """Runs one query at a time, and keeps the last result.

    What it is made of is imported when it is first asked for: not for the first frame.

    Args:
        app: its desk, its session and its screens.

    Attributes:
        where: whose neurons are or were asked for, foreign.
        state: what is on show, or was last; None without a result.
        problem: why there is none, safe to show.
        files: writes tables.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app
        self._answers: Answers | None = None
        self.where = ""
        self.state: ViewState | None = None
        self.problem = ""
        self.files = TableFiles(app)
        self._paths: tuple[str, ...] = ()
        self._wanted: ActivationQuery | None = None
        self._found: ActivationQuery | None = None
        self._look: tuple[Answers, Tried[TextColumns]] | None = None
        self._screen: ActivationScreen | None = None
        self._page: NeuronScreen | None = None

    @property
    def answers(self) -> "Answers | None":
        """Texts and rule; None before they were chosen."""
        texts = self._app.options.texts
        if self._answers is None and texts is not None:
            from tui.activations.answers import Answers

            self._answers = Answers(texts, tokenizer=self._app.options.tokenizer)
        return self._answers

    @property
    def running(self) -> bool:
        """Whether the models run now."""
        return self._app.desk.busy("activations")

    # From the tree

    def open(self) -> None:
        """Ask for the activations of the row under the cursor; one run at a time."""
        if self.running:
            self._show_screen(ONE_RUN)
            return
        row = self._row()
        if row is None:
            return
        branch = row if isinstance(row, Branch) else row.branch
        self._paths = () if branch.parent is None else tuple(branch.paths())
        self.where = branch.path or "every block"
        if self.answers is None:
            self.ask()
        else:
            self.start()

    def open_last(self) -> None:
        """Show what runs, or what was found last."""
        if self.state is None and not self.running:
            self._app.notify("no activations yet: i finds those of a row")
        else:
            self._show_screen()

    def _row(self) -> Row | None:
        """The row whose neurons are meant; None, with the reason told, where there are none."""
        app = self._app
        app.common.leave()
        listing = app.session.listing
        if listing is None:
            app.notify("the model is not open yet")
        elif app.session.saved:
            app.notify("a saved result has no model to run: open the model itself")
        elif app.plan.active:
            app.notify("a plan cannot run: leave plan mode first (p)")
        else:
            return app.inspector.tree_view.current_row
        return None

    # Asking

    def ask(self) -> None:
        """Ask for texts and rule; then run."""
        from inspect_core.capture.tagger import taggers_here
        from tui.activations.answers import suggested
        from tui.activations.dialog import TextsDialog

        if self.running:
            self._show_screen(ONE_RUN)
            return

        def answered(answers: "Answers | None") -> None:
            self._look = None
            if answers is not None:
                self._answers = answers
                self.start()

        start = self.answers or suggested(self._app.options.model, self._app.options.tokenizer)
        where = clean(self.where, 60)
        self._app.push_screen(
            TextsDialog(self._app.palette, start, where, taggers_here(), self._try_out), answered
        )

    def _try_out(self, answers: "Answers", tried: "Tried[TextColumns]") -> None:
        """Look into the file, for the dialog."""
        from inspect_core.work.activation_jobs import LookAtTexts

        self._look = answers, tried
        self._app.desk.submit("texts", LookAtTexts(answers.texts.path))

    def looked(self, found: "TextColumns") -> None:
        """What is in the file is known."""
        if self._look is not None:
            self._look[1](found, "")

    # Running

    def start(self) -> None:
        """Run the models, unless what they would say is known."""
        from inspect_core.work.activation_jobs import FindActivations

        query = self._query()
        if query is None or self.running:
            return
        if query == self._found and self.state is not None:
            self._show_screen()
            return
        self._wanted, self._found = query, None
        self.state, self.problem = None, ""
        self._app.desk.submit("activations", FindActivations(query))
        self._show_screen("opening the model")

    def _query(self) -> "ActivationQuery | None":
        from inspect_core.work.activation_jobs import ActivationQuery

        app, answers = self._app, self.answers
        listing, pairs = app.session.listing, app.session.pairs
        if listing is None or answers is None:
            return None
        waiting = app.comparison.reference if app.session.expects_pairs else None
        return ActivationQuery(
            model=listing.opened,
            reference=waiting if pairs is None else pairs.opened,
            texts=answers.texts,
            paths=self._paths,
            rule=answers.rule,
            tokenizer=answers.tokenizer,
            tagger=answers.tagger,
            device=app.device,
        )

    def stop(self) -> None:
        """Stop what runs."""
        if self.running:
            self._app.desk.cancel("activations")
            self._refresh()
            self._app.say_ready()

    def progress(self, progress: "Progress", elapsed: float) -> None:
        """How far the run is, on the screen that is on show."""
        from tui.activations.words import progress_words

        screen = self._shown()
        text, share, after = progress_words(progress, elapsed)
        if screen is None:
            self._app.inspector.status.progress(f"activations: {text}", share, after)
        elif screen.is_mounted:
            screen.status.progress(text, share, after)

    def arrived(self, report: "ActivationReport") -> None:
        """The run is done."""
        from tui.activations.rows import most_moved
        from tui.activations.state import ViewState
        from tui.activations.words import orders_of

        self._found, self.problem = self._wanted, ""
        # One module: its neurons. Several: where something moved, first.
        kind = "overview" if len(report.sites) == 1 else "layers"
        some = any(not bool(site.neurons.rare.all()) for site in report.sites)
        state = ViewState(report, most_moved(report), kind=kind, hide_rare=some)
        if state.order not in orders_of(state):
            state = replace(state, order="mass")
        self.state = state
        self._refresh()
        if self._shown() is None:
            self._app.say_ready()
            self._app.notify("the activations are there: I shows them")

    def failed(self, role: str, text: str) -> None:
        """A job has no result.

        Args:
            role: one of `ROLES`.
            text: why, safe to show.
        """
        if role == "texts":
            if self._look is not None:
                self._look[1](None, text)
            return
        if role == "neuron":
            if self._page is not None:
                self._page.failed(text)
            return
        self.problem = text
        self._refresh()
        if self._shown() is None:
            self._app.say_ready()
            self._app.warn(f"no activations: {text}")

    def forget(self) -> None:
        """The model was opened anew: nothing that was found holds any more."""
        for role in ROLES:
            self._app.desk.cancel(role)
        self.state, self._found = None, None
        self.problem = "the model was opened again" if self._wanted is not None else ""
        self._refresh()

    # One neuron

    def open_neuron(self, site: int, unit: int) -> None:
        """Show the page of a neuron."""
        from tui.activations.neuron_screen import NeuronScreen

        if self.state is not None:
            self._page = NeuronScreen(self._app.palette, self, self.state, site, unit)
            self._app.push_screen(self._page)
            self.find_neuron(site, unit)

    def find_neuron(self, site: int, unit: int) -> None:
        """Find what the page of a neuron shows."""
        from inspect_core.work.activation_jobs import FindNeuron

        if self.state is not None and self._found is not None:
            name = self.state.report.sites[site].neurons.site
            self._app.desk.submit("neuron", FindNeuron(self._found, name, unit, MOST_WORDS))

    def neuron_arrived(self, detail: "NeuronDetail") -> None:
        """What the page of a neuron shows is known."""
        if self._page is not None:
            self._page.take(detail)

    def leave_neuron(self) -> None:
        """Back from the page of a neuron."""
        self._app.desk.cancel("neuron")
        self._page = None
        self._app.pop_screen()

    # The screen

    def _shown(self) -> "ActivationScreen | None":
        screen = self._screen
        return screen if screen is not None and screen in self._app.screen_stack else None

    def _show_screen(self, said: str = "") -> None:
        from tui.activations.screen import ActivationScreen

        screen = self._shown()
        if screen is None:
            self._screen = ActivationScreen(self._app.palette, self, said)
            self._app.push_screen(self._screen)
        elif screen.is_mounted:
            screen.show()
            if said:
                screen.status.say(said)

    def _refresh(self) -> None:
        screen = self._shown()
        if screen is not None and screen.is_mounted:
            screen.show()
            screen.refresh_bindings()

    def draw_again(self) -> None:
        """The theme is another one."""
        screen = self._shown()
        if screen is not None:
            screen.show()
        if self._page is not None:
            self._page.draw()

    def leave(self) -> None:
        """Back to the tree; what runs goes on."""
        self._app.pop_screen()
        if self.running:
            self._app.inspector.status.say("activations: the run goes on, i shows it")
