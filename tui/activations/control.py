"""What neurons listen to: asks for texts, has the models run over them, keeps what was found."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Branch
from inspect_core.text import clean
from tui.text_run import TextRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.capture.texts import TextColumns
    from inspect_core.work.activation_jobs import ActivationQuery
    from tui.activations.answers import Answers
    from tui.activations.files import TableFiles
    from tui.activations.screen import ActivationScreen
    from tui.activations.state import ViewState
    from tui.app import LamellaApp
    from tui.screens.asking import Tried

MOST_WORDS = 20
"""Strongest words on the page of a neuron."""


class ActivationControl(TextRun["ActivationQuery", "ViewState"]):
    """Runs one query at a time, and keeps the last result.

    Args:
        app: its desk, its session and its screens.

    Attributes:
        where: whose neurons are or were asked for, foreign.
    """

    NAME, KEY = "activations", "i"
    NOT_YET = "i finds those of a row"
    THERE = "the activations are there: I shows them"
    LOOK, RUN, CLOSER = "texts", "activations", "neuron"

    def __init__(self, app: "LamellaApp") -> None:
        super().__init__(app)
        self._answers: Answers | None = None
        self.where = ""
        self._paths: tuple[str, ...] = ()

    @property
    def answers(self) -> "Answers | None":
        """Texts and rule; None before they were chosen."""
        texts = self._app.options.texts
        if self._answers is None and texts is not None:
            from tui.activations.answers import Answers

            self._answers = Answers(texts, tokenizer=self._app.options.tokenizer)
        return self._answers

    @property
    def file(self) -> str:
        """The file of texts that is read, or that what is on show was found in; foreign."""
        if self._found is not None:
            return Path(self._found.texts.path).name
        return self.answers.file if self.answers is not None else ""

    @property
    def files(self) -> "TableFiles":
        """Writes tables."""
        from tui.activations.files import TableFiles

        return TableFiles(self._app)

    # Asking

    def open(self) -> None:
        """Ask for the activations of the row under the cursor; one run at a time."""
        if self.shows_run() or not self.may_run():
            return
        row = self._app.inspector.tree_view.current_row
        if row is None:
            return
        branch = row if isinstance(row, Branch) else row.branch
        self._paths = () if branch.parent is None else tuple(branch.paths())
        self.where = branch.path or "every block"
        if self.answers is None:
            self.ask()
        else:
            self.start()

    def ask(self) -> None:
        """Ask for texts and rule; then run."""
        from inspect_core.capture.tagger import taggers_here
        from tui.activations.answers import Answers
        from tui.activations.dialog import TextsDialog
        from tui.text_fields import suggested_texts

        if self.shows_run():
            return

        def answered(answers: "Answers | None") -> None:
            self._look = None
            if answers is not None:
                self._answers = answers
                self.start()

        def try_out(asked: "Answers", tried: "Tried[TextColumns]") -> None:
            self.look_into(asked.texts.path, asked, tried)

        options = self._app.options
        start = self.answers or Answers(suggested_texts(options.model), tokenizer=options.tokenizer)
        where = clean(self.where, 60)
        dialog = TextsDialog(self._app.palette, start, where, taggers_here(), try_out)
        self._app.push_screen(dialog, answered)

    # Running

    def start(self) -> None:
        """Run the models, unless what they would say is known."""
        from inspect_core.work.activation_jobs import FindActivations

        query = self._query()
        if query is not None:
            self.run(query, FindActivations(query))

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

    def state_of(self, result: "ActivationReport") -> "ViewState":
        """See `TextRun.state_of`."""
        from tui.activations.rows import most_moved
        from tui.activations.state import ViewState
        from tui.activations.words import orders_of

        # One module: its neurons. Several: where something moved, first.
        kind = "overview" if len(result.sites) == 1 else "layers"
        some = any(not bool(site.neurons.rare.all()) for site in result.sites)
        state = ViewState(result, most_moved(result), kind=kind, hide_rare=some)
        return state if state.order in orders_of(state) else replace(state, order="mass")

    # Screens

    def make_screen(self, said: str) -> "ActivationScreen":
        """See `TextRun.make_screen`."""
        from tui.activations.screen import ActivationScreen

        return ActivationScreen(self._app.palette, self, said)

    def open_neuron(self, site: int, unit: int, listed: "Sequence[int]") -> None:
        """Show the page of a neuron.

        Args:
            site: its site, by index.
            unit: its number.
            listed: the neurons that its page goes on to, in their order.
        """
        from tui.activations.neuron_screen import NeuronScreen

        if self.state is not None:
            page = NeuronScreen(self._app.palette, self, self.state, site, unit, listed)
            self.open_page(page)

    def leave_neuron(self, unit: int) -> None:
        """Back from the page of a neuron: the list stands on it."""
        if self.state is not None:
            self.state = replace(self.state, unit=unit)
        self.leave_page()
        self.refresh()

    def find_neuron(self, site: int, unit: int) -> None:
        """Find what the page of a neuron shows."""
        from inspect_core.work.activation_jobs import FindNeuron

        if self.state is not None and self._found is not None:
            name = self.state.report.sites[site].neurons.site
            self._app.desk.submit(self.CLOSER, FindNeuron(self._found, name, unit, MOST_WORDS))

    def neuron_arrived(self, detail: "NeuronDetail") -> None:
        """What the page of a neuron shows is known."""
        if self._page is not None:
            self._page.found(detail)
