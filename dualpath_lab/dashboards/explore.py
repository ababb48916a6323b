"""The Explore page: a sweep over two axes as a heat map and curves, filled in cell by cell while it runs."""

from __future__ import annotations

from functools import partial
from math import isnan, nan
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dualpath_lab.dashboards.explore_curves import ExploreCurves
from dualpath_lab.dashboards.explore_export import explore_plots, explore_words
from dualpath_lab.dashboards.explore_plan import Plan, make_plan, region_text
from dualpath_lab.dashboards.explore_sidebar import ExploreSidebar
from dualpath_lab.dashboards.explore_state import CHOSEN, ExploreState
from dualpath_lab.dashboards.explore_text import progress, readout, spoken, written
from dualpath_lab.dashboards.export import Export
from dualpath_lab.dashboards.headings import titled
from dualpath_lab.dashboards.heat_map import GRADIENT, HeatMap, heat_grid
from dualpath_lab.dashboards.jobs import Batch, Jobs, shared
from dualpath_lab.dashboards.locking import in_turn, together
from dualpath_lab.dashboards.prints import Plotted
from dualpath_lab.dashboards.shell import PAIR, href
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.dashboards.visit import Visit, visited, while_open
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.sweep.rows import Row

POLL_MS = 250


class ExploreLab(Visit):
    """Everything that one session shows; ``root`` is its page.

    Parameters
    ----------
    state : ExploreState
    problems : list of str
        What a link got wrong.
    jobs : Jobs
        Where the runs are made.
    """

    def __init__(self, state: ExploreState, problems: list[str], jobs: Jobs) -> None:
        super().__init__(state)
        self.state: ExploreState = state
        self.rows: dict[str, Row] = {}
        self.plan: Plan | None = None
        self.batch: Batch | None = None
        self._jobs, self._visitor = jobs, jobs.visitor()
        self._shown = self._settings()
        self.sidebar = ExploreSidebar(state)
        self.heat = HeatMap(sizing_mode="stretch_width", margin=(4, 0))
        self.curves = ExploreCurves()
        self._heading, self._legend, self._readout, self._status = (_html() for _ in range(4))
        self._bar = pmui.LinearProgress(value=0, sizing_mode="stretch_width", margin=(10, 8), variant="determinate")
        self._button = pmui.Button(label="Cancel", icon="close", variant="outlined", size="small", margin=4, width=130)
        self.build([self.message, *self.sidebar.root], self._main(), self._export())
        self._button.on_click(in_turn(lambda _: self._cancel() if self._running else self._start("Running the rest.")))
        self.heat.param.watch(self._picked, "picked")
        state.param.watch(self._changed, [name for name in state.KEYS if name not in CHOSEN])
        state.param.watch(self._choose, list(CHOSEN))
        self._start()
        if problems:
            self.say(" ".join(problems), "warning")

    def poll(self) -> None:
        """Take in what has come since the last time, and show it."""
        if self.batch is None:
            return
        news = self.batch.poll()
        with together():
            if news:
                self.rows |= news
                self._show()
            self._show_progress()

    def stop(self) -> None:
        """Let go of everything that runs."""
        if self.batch:
            self.batch.cancel()

    def table(self) -> pd.DataFrame:
        """The cells as a table."""
        assert self.plan is not None  # there is one from the beginning
        return self.plan.table(self.rows)

    @property
    def _running(self) -> bool:
        return self.batch is not None and not self.batch.finished

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self.state, name) for name in self.state.KEYS}

    def _start(self, text: str = "") -> None:
        """Run what the settings ask for and is not known; what was there stays if they are refused."""
        with together():
            try:
                plan = make_plan(self.state)
            except ScenarioError as error:
                self._refuse(str(error))
                return
            self.message.visible = False
            self.say(text)
            self._run(plan)

    def _refuse(self, sentence: str) -> None:
        shown = "the settings before"
        if self.plan is None:
            self._run(make_plan(ExploreState()))
            shown = "the default settings"
        self.refuse(sentence, f"The picture is of {shown}.")

    def _run(self, plan: Plan) -> None:
        """Submit a plan's runs before the old ones are let go, so that what both want goes on."""
        before, self.batch = self.batch, self._jobs.submit(plan.scenarios(), self._visitor)
        if before:
            before.cancel()
        self.plan = plan
        self.rows = self.batch.poll()
        self._name()
        self._choose()
        self._show()
        self._show_progress()

    def _cancel(self) -> None:
        self.stop()
        self.say("Cancelled: what was run stays.")
        self.poll()

    def _changed(self, *_: Any) -> None:
        text = f"Changed: {self.state.differences(self._shown, self.state.KEYS)}."
        self._shown = self._settings()
        self.uncover()
        self._start(text)

    def _name(self) -> None:
        plan = self.plan
        assert plan is not None
        systems = f"A {plan.systems['a']}, B {plan.systems['b']}" if plan.measure.both else f"B {plan.systems['b']}"
        self._heading.object = f'<div class="heading">{titled("Heat map", plan.measure.axis)}<span class="quiet">{systems}</span></div>'
        self._legend.object = f'<div class="quiet region"><span class="outline"></span>{region_text(plan)}</div>'
        columns = [f"{x:g}" for x in plan.xs]
        self.curves.name(plan.x.title, plan.measure.axis, columns, [plan.y.text(y) for y in plan.ys], plan.measure.both)

    def _show(self) -> None:
        """Show what there is of every cell."""
        plan, rows = self.plan, self.rows
        assert plan is not None
        values = [[plan.value(cell, rows) for cell in line] for line in plan.cells]
        says = [[spoken(plan, cell, rows) for cell in line] for line in plan.cells]
        grid = heat_grid(
            values,
            [[written(plan, cell, rows) for cell in line] for line in plan.cells],
            says,
            [[bool(cell.failure(rows)) for cell in line] for line in plan.cells],
            [[cell.bottleneck_free() for cell in line] for line in plan.cells],
        )
        known = not all(isnan(value) for line in values for value in line)
        ends = {end: plan.measure.text(grid[end] if known else nan) for end in ("low", "high")}
        titles = {"x_title": plan.x.title, "y_title": plan.y.title, "says": f"{plan.measure.axis} by {plan.x.title} and {plan.y.title}"}
        names = {"columns": [f"{x:g}" for x in plan.xs], "rows": [f"{y:g}" for y in plan.ys]}
        self.heat.grid = grid | ends | titles | names | {"gradient": GRADIENT}
        self.curves.show(values, says)
        self._show_readout()

    def _show_readout(self) -> None:
        if not self.heat.picked or self.plan is None:
            self._readout.object = '<div class="quiet">Press a cell for its numbers and a link that opens it live.</div>'
            return
        row, column = self.heat.picked
        cell = self.plan.cells[row][column]
        pathname = (pn.state.location.pathname if pn.state.location else None) or "/"
        link = href("", pathname).rstrip("?") + cell.live.to_query()
        self._readout.object = readout(self.plan, cell, self.rows, link)

    def _picked(self, event: Any) -> None:
        """A visitor has chosen a cell, which the link then names."""
        assert self.plan is not None  # there is one from the beginning
        if event.new:
            row, column = event.new
            self.state.param.update(x_cell=self.plan.xs[column], y_cell=self.plan.ys[row])

    def _choose(self, *_: Any) -> None:
        """Show the cell that the settings name; none where the plan has no such cell."""
        assert self.plan is not None  # there is one from the beginning
        self.heat.picked = self.plan.at(self.state.x_cell, self.state.y_cell)
        self._show_readout()

    def _show_progress(self) -> None:
        plan, batch = self.plan, self.batch
        assert plan is not None
        assert batch is not None
        settled = plan.settled(self.rows)
        text = progress(settled, len(plan), batch.left_s() if self._running else None, batch.ahead())
        self._status.object = f'<div class="quiet progress">{text}</div>'
        self._bar.value = round(100 * settled / len(plan))
        again = not self._running and settled < len(plan)
        self._button.param.update(
            label="Run the rest" if again else "Cancel", icon="play_arrow" if again else "close", disabled=not (self._running or again)
        )

    def _export(self) -> Export:
        def plots() -> list[Plotted]:
            assert self.plan is not None  # there is one from the beginning
            return explore_plots(self.plan, self.heat.grid, self.curves)

        return Export("explore", lambda: explore_words(self.state), self.table, plots, self.say)

    def _main(self) -> Any:
        self._status.param.update(min_width=260, styles={"flex": "1 1 260px"}, sizing_mode=None)
        run = pn.FlexBox(self._button, self._status, align_items="center", sizing_mode="stretch_width", margin=0)
        wide = {"sizing_mode": "stretch_width", "margin": 0}
        left = pn.Column(self._heading, self.heat, self._legend, self._readout, **wide)
        return pn.Column(
            run,
            self._bar,
            self.notice,
            pn.Column(left, self.curves.root, **wide, stylesheets=[PAIR]),
            self.viewport,
            sizing_mode="stretch_width",
            margin=(6, 16, 12, 16),
        )


def _html() -> Any:
    return pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 6), stylesheets=[CSS])


def explore_page() -> Any:
    """Build the page for the session that asks for it."""
    lab = visited(ExploreState(), partial(ExploreLab, jobs=shared()))
    while_open(POLL_MS, lab.poll, lab.stop)
    return lab.root
