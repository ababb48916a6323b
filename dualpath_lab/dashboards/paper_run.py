"""Runs a row of the published table anew, beside the server, and says what came out."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dualpath_lab.dashboards.cards import notice
from dualpath_lab.dashboards.job_tasks import ReproduceTask
from dualpath_lab.dashboards.jobs import Batch, Jobs
from dualpath_lab.dashboards.linked import LinkedState
from dualpath_lab.dashboards.locking import in_turn
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.picture.style import duration
from dualpath_lab.studies.reproduce import Job, Results, Row, RowResult
from dualpath_lab.studies.reproduce.report import compared
from dualpath_lab.studies.reproduce.rows import all_rows, choose
from dualpath_lab.studies.sweep.rows import DONE

SEED = 0
TURNS_PER_S = 5000
"""What a process simulates, roughly, on a machine that serves pages besides."""


def row_names() -> list[str]:
    """Numbers of the rows, in the order of the table."""
    return list(dict.fromkeys(row.number for row in all_rows()))


class RowState(LinkedState):
    """Which row to run."""

    row: Any = param.Selector(
        default="E4",
        objects=row_names(),
        label="Row",
        doc="A row of the published table to run on this server with one seed; the table then shows what came out.",
    )


class RowRun:
    """The chosen row: what it takes, a button, how far it is; ``root`` holds them.

    Parameters
    ----------
    state : RowState
    results : Results
        The stored ones, which know how many turns a row takes, and what is set in every run.
    jobs : Jobs
        Where it runs.
    done : callable
        Told of the rows with this number, as the table has them, once they have been run.
    """

    def __init__(self, state: RowState, results: Results, jobs: Jobs, done: Callable[[list[RowResult]], None]) -> None:
        self._state, self._results, self._jobs, self._done = state, results, jobs, done
        self._visitor = jobs.visitor()
        self.batch: Batch | None = None
        self._rows: list[Row] = []
        self._outcomes: dict[str, dict[str, Any]] = {}
        self._cost_s = 0.0
        self._button = pmui.Button(label="Run", icon="play_arrow", variant="outlined", size="small", margin=(6, 16))
        self._bar = pmui.LinearProgress(value=0, variant="determinate", visible=False, sizing_mode="stretch_width", margin=(4, 16))
        self._text = pn.pane.HTML("", stylesheets=[CSS], margin=(0, 16), sizing_mode="stretch_width")
        self._button.on_click(in_turn(lambda _: self.cancel() if self.running else self.start()))
        state.param.watch(lambda _: self._introduce(), "row")
        self.root = pn.Column(self._button, self._bar, self._text, sizing_mode="stretch_width", margin=0)
        self._introduce()

    @property
    def running(self) -> bool:
        """Whether something is still to come."""
        return self.batch is not None and not self.batch.finished

    def start(self) -> None:
        """Queue what the chosen row needs."""
        self._rows, self._outcomes, self._cost_s = choose([self._state.row]), {}, 0.0
        self.batch = self._jobs.submit_tasks((self._task(job) for job in _jobs(self._rows)), self._visitor)
        self.poll()

    def cancel(self) -> None:
        """Ask for nothing more."""
        if self.batch:
            self.batch.cancel()
            self.batch = None
        self._introduce("Cancelled; nothing has changed.")

    def stop(self) -> None:
        """Let go of what runs."""
        if self.batch:
            self.batch.cancel()

    def poll(self) -> None:
        """Take in what has come since the last time, and show it."""
        if self.batch is None:
            return
        for key, row in self.batch.poll().items():
            if row["status"] != DONE:
                self.stop()
                self.batch = None
                self._introduce(notice(f"{self._state.row} was not run to its end: {row['error']}", "error"))
                return
            self._outcomes[key] = row["outcome"]
            self._cost_s += row["wall_s"]
        if self.batch.finished:
            self.batch = None
            self._finish()
        else:
            self._show_progress(self.batch)

    def _finish(self) -> None:
        outcomes = {job: self._outcomes[self._task(job).key] for job in _jobs(self._rows)}
        self._done([compared(row, {SEED: outcomes}) for row in self._rows])
        self._introduce(f"{self._rows[0].number}: run here with seed {SEED}, {duration(self._cost_s)} of computing. The table shows it.")

    def _task(self, job: Job) -> ReproduceTask:
        return ReproduceTask(job.with_values(self._results.settings), SEED)

    def _show_progress(self, batch: Batch) -> None:
        ahead = batch.ahead()
        waits = f"; {ahead} run{'s' if ahead > 1 else ''} of others first" if ahead else ""
        left_s = batch.left_s()
        left = "" if left_s is None else f", about {_roughly(left_s)} left"
        self._button.param.update(label="Cancel", icon="close")
        self._bar.param.update(visible=True, value=round(100 * batch.done / batch.total))
        self._text.object = f'<span class="quiet">{batch.done} of {batch.total} runs{left}{waits}.</span>'

    def _introduce(self, text: str = "") -> None:
        """What the chosen row would take."""
        if self.running:
            return
        jobs = _jobs(choose([self._state.row]))
        known = {done.job: done.outcome["turns"] for done in self._results.jobs if done.seed == SEED}
        turns = sum(known.get(job, 0) for job in jobs)
        takes = f"{turns:,} turns, about {_roughly(turns / TURNS_PER_S)}" if turns else "longer than any other row"
        self._button.param.update(label=f"Run {self._state.row}", icon="play_arrow")
        self._bar.visible = False
        said = text if text.startswith("<") else f"<span>{escape(text)}</span>"
        self._text.object = (
            f'{said}<div class="quiet">{self._state.row} takes {len(jobs)} run{"s" if len(jobs) > 1 else ""}, {takes}.</div>'
        )


def _jobs(rows: list[Row]) -> list[Job]:
    return list(dict.fromkeys(job for row in rows for job in row.needs))


def _roughly(seconds: float) -> str:
    return f"{max(round(seconds / 60), 1)} min" if seconds >= 60 else f"{max(round(seconds, -1), 10):.0f} s"
