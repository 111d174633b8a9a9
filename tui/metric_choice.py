"""Which metric and which scale: keys that step, commands that name one, and a list of all."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.app import LamellaApp

STEPS = (
    "rel_l2", "mean_abs", "max_abs", "l2", "angle", "one_minus_cosine", "changed_fraction",
    "sign_flips",
)  # fmt: skip
"""The metrics that a key steps through; the list has all."""


class MetricChoice:
    """Changes what is shown of what was compared.

    Args:
        app: its session and its screen.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app

    def next(self) -> None:
        """The next of the usual metrics."""
        key = self._app.session.awaited or self._app.session.metric_key
        at = STEPS.index(key) + 1 if key in STEPS else 0
        self.use(STEPS[at % len(STEPS)])

    def use(self, key: str) -> None:
        """Show a metric; where the sweep did not collect what it needs, sweep again."""
        from inspect_core.delta.metrics import METRICS

        app = self._app
        if app.session.pairs is None:
            app.notify("a metric needs a reference: press r")
            return
        if app.session.saved and not app.session.collected.shown.covers(METRICS[key].needs):
            app.notify(f"what {METRICS[key].name} is made of was not saved")
            return
        app.session.show_metric(key)
        app.comparison.collect()
        if app.session.awaited:
            app.inspector.status.say(f"collecting for {METRICS[key].name}")
        else:
            self.show()
        app.remember(metric=key)

    def show(self) -> None:
        """Everything that shows numbers of the metric."""
        app = self._app
        app.inspector.tree_view.changes_arrived()
        if app.session.by_change:
            app.navigation.resort()
        app.show_title()
        app.detail.draw(anew=False)

    def ask(self) -> None:
        """Show the list of all metrics."""
        from inspect_core.delta.metrics import METRICS
        from tui.screens.metric import MetricList

        session = self._app.session
        if session.pairs is None:
            self._app.notify("a metric needs a reference: press r")
            return
        lacking = "not saved" if session.saved else "reads again"
        known = session.collected.shown
        rows = [
            (metric.key, metric.name, "" if known.covers(metric.needs) else lacking)
            for metric in METRICS.values()
        ]

        def answered(key: str | None) -> None:
            if key is not None:
                self.use(key)

        self._app.push_screen(MetricList(rows, session.awaited or session.metric_key), answered)

    def next_scale(self) -> None:
        """Spread the values over the colours in the next way."""
        from inspect_core.results.scale import SCALES

        app = self._app
        at = SCALES.index(app.session.scale) + 1
        app.session.scale = SCALES[at % len(SCALES)]
        app.inspector.status.say(f"{app.session.scale} scale")
        app.detail.draw(anew=False)
        app.remember(scale=app.session.scale)
