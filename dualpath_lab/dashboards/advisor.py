"""The Advisor page: would dual path pay for this model, trace and budget, and how should the cluster be built."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from html import escape
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dualpath_lab.dashboards.advice_report import pareto_plot
from dualpath_lab.dashboards.advice_run import AdviceRun
from dualpath_lab.dashboards.advisor_state import ONLINE, AdvisorState
from dualpath_lab.dashboards.controls import Controls, title
from dualpath_lab.dashboards.export import Export
from dualpath_lab.dashboards.file_input import BoundedFileInput
from dualpath_lab.dashboards.headings import titled
from dualpath_lab.dashboards.jobs import Batch, Jobs, shared
from dualpath_lab.dashboards.locking import in_turn, together
from dualpath_lab.dashboards.prints import Plotted
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.dashboards.uploads import MOST_BYTES, CheckTask, Kind, Uploads
from dualpath_lab.dashboards.visit import Visit, visited, while_open
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.advise import Advice
from dualpath_lab.studies.advise.report import sections
from dualpath_lab.studies.sweep.rows import DONE

POLL_MS = 250
_KINDS: dict[Kind, tuple[str, str, str]] = {
    "trace": ("source", "Your trace", ".csv,.tsv,.parquet,.json,.jsonl,.gz,.xz,.zst"),
    "config": ("model", "Your model's config.json", ".json"),
}
"""What a file becomes, what it is called, and its endings."""


class AdvisorLab(Visit):
    """Everything that one session shows; ``root`` is its page."""

    def __init__(self, state: AdvisorState, problems: list[str], jobs: Jobs) -> None:
        super().__init__(state)
        self.state: AdvisorState = state
        self.advice: Advice | None = None
        self.run: AdviceRun | None = None
        self.uploads = Uploads()
        self._jobs, self._visitor = jobs, jobs.visitor()
        self._checks: dict[str, tuple[CheckTask, Batch]] = {}
        self._ask = pmui.Button(label="Ask", icon="play_arrow", variant="contained", size="small", margin=4, width=130)
        self._ask.on_click(in_turn(lambda _: self.cancel() if self.run else self.ask()))
        self._bar = pmui.LinearProgress(variant="indeterminate", visible=False, sizing_mode="stretch_width", margin=(10, 8))
        self._answer = pn.Column(_html(_INTRODUCTION), sizing_mode="stretch_width", margin=0)
        self._progress = pn.pane.HTML("", min_width=260, styles={"flex": "1 1 260px"}, margin=(4, 6), stylesheets=[CSS])
        row = pn.FlexBox(self._ask, self._progress, align_items="center", sizing_mode="stretch_width", margin=0)
        main = pn.Column(row, self._bar, self.notice, self._answer, self.viewport, sizing_mode="stretch_width", margin=(10, 16, 12, 16))
        export = Export("advice", self._words, self.table, self._plots, self.say)
        self.build(self._sidebar(), main, export)
        state.param.watch(lambda *_: self.uncover(), list(state.KEYS))
        self.ask()
        if problems:
            self.say(" ".join(problems), "warning")

    def ask(self) -> None:
        """Begin with the question as it is set."""
        with together():
            try:
                online = self.state.question == ONLINE
                self.run = AdviceRun(self._jobs, self._visitor, self.state.scenario(), self.state.gpus, self.state.seeds, online)
            except ScenarioError as error:
                self._refuse(error)
                return
            self.message.visible = False
            self._show_running()

    def cancel(self) -> None:
        """Ask for nothing more; an earlier answer stays."""
        self.stop_run()
        self._show_running()
        self.say("Cancelled.")

    def poll(self) -> None:
        """Take in what has come since the last time, and show it."""
        with together():
            self._poll_checks()
            if not self.run:
                return
            try:
                says_more = self.run.poll()
            except ScenarioError as error:
                self.stop_run()
                self._show_running()
                self._refuse(error)
                return
            if says_more and self.run.advice:
                self.advice = self.run.advice
                self._show_answer(self.advice)
                if self.run.finished:
                    self.run = None
            self._show_running()

    def upload(self, kind: Kind, name: str, content: bytes) -> None:
        """Take a file and have it checked beside the server."""
        with together():
            try:
                path = self.uploads.take(name, content)
            except ScenarioError as error:
                self._refuse(error)
                return
            task = CheckTask(path, kind)
            self._checks[task.key] = task, self._jobs.submit_tasks([task])  # as somebody new: it waits for no answer to him
            self.say(f"Reading {name} …")

    def stop_run(self) -> None:
        """Let go of what runs."""
        if self.run:
            self.run.cancel()
            self.run = None

    def stop(self) -> None:
        """Let go of everything, the visitor's files too."""
        self.stop_run()
        self.uploads.close()

    def table(self) -> pd.DataFrame:
        """Every point tried, a row each.

        Raises
        ------
        ScenarioError
            If nothing was asked yet.
        """
        return pd.DataFrame([asdict(point) for point in self._answered().found.points])

    def _answered(self) -> Advice:
        if self.advice is None:
            raise ScenarioError("there is no answer yet.")
        return self.advice

    def _plots(self) -> list[Plotted]:
        return [Plotted("Throughput against latency", pareto_plot(self._answered()))]

    def _words(self) -> list[str]:
        return [self.state.model, self.state.source, f"{self.state.gpus} GPUs"]

    def _refuse(self, error: ScenarioError) -> None:
        self.refuse(self.state.shown(str(error)), "The answer is to the question before." if self.advice else "")

    def _poll_checks(self) -> None:
        for key, (task, batch) in list(self._checks.items()):
            for row in batch.poll().values():
                del self._checks[key]
                if row["status"] != DONE:
                    self._refuse(ScenarioError(row["error"].removeprefix("ScenarioError: ")))
                    continue
                self.message.visible = False
                self.state.offer(_KINDS[task.kind][0], task.path)
                self.say(f"{task.path.name}: {row['told']}. It is chosen now, and gone when you leave.")

    def _show_running(self) -> None:
        run = self.run
        self._ask.param.update(label="Cancel" if run else "Ask", icon="close" if run else "play_arrow")
        self._bar.visible = run is not None
        if run is None:
            self._progress.object = ""
        else:
            ahead = run.ahead()
            others = f" Queued behind {ahead} {'run' if ahead == 1 else 'runs'} of other visitors." if ahead else ""
            step = "searches for agents a second left" if run.advice else "more before the next step"
            self._progress.object = f'<div class="quiet">{run.runs} runs done, {run.waiting} {step}.{others}</div>'

    def _show_answer(self, advice: Advice) -> None:
        shown = self.state.shown
        first, *others = (_section(shown(title), shown(text), header, rows) for title, text, header, rows in sections(advice))
        pareto = pn.pane.Bokeh(pareto_plot(advice), sizing_mode="stretch_width", margin=0)
        self._answer.objects = [
            _html(first),
            _html(f'<div class="heading">{titled("Throughput against latency")}</div>'),
            pareto,
            *map(_html, others),
        ]
        more = "" if self.run is None or self.run.finished else " The agents a second come next."
        self.say(f"Answered with {advice.gpus} GPUs, {len(advice.found.points)} points tried.{more}")

    def _sidebar(self) -> list[Any]:
        controls = Controls(self.state, "Acts at the next Ask.", {"hit_rate": "as the trace has it"}, {"hit_rate": 0.95})
        return [
            self.message,
            title("Model and trace"),
            self._select(controls, "model"),
            self._file("config"),
            self._select(controls, "source"),
            self._file("trace"),
            controls.slider("agents"),
            *controls.optional("hit_rate"),
            title("Budget and hardware"),
            controls.slider("gpus"),
            controls.select("hardware"),
            controls.slider("storage_gbps"),
            controls.slider("compute_gbps"),
            title("Answer"),
            controls.select("question"),
            controls.slider("slo_ttft_s"),
            controls.slider("slo_tpot_s"),
            controls.slider("seeds"),
        ]

    def _select(self, controls: Controls, name: str) -> Any:
        """A list that grows with what is uploaded."""
        select = controls.select(name)
        self.state.param.watch(lambda event: select.param.update(options=self.state.param[name].objects, value=event.new), name)
        return select

    def _file(self, kind: Kind) -> Any:
        _, label, endings = _KINDS[kind]
        chosen = BoundedFileInput(
            label=label,
            accept=endings,
            max_file_size=MOST_BYTES,
            description=f"Up to {MOST_BYTES / 1e6:g} MB; it is read here, kept to this visit, and never run.",
            size="small",
            variant="outlined",
            sizing_mode="stretch_width",
            margin=(6, 16),
        )

        def came(event: Any) -> None:
            if event.new:
                self.upload(kind, chosen.filename or "", event.new)
                chosen.clear()

        chosen.param.watch(came, "value")
        return chosen


def _section(heading: str, text: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<h2>{escape(heading)}</h2><p>{escape(text)}</p>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(heading)}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _html(html: str) -> Any:
    return pn.pane.HTML(html, sizing_mode="stretch_width", margin=(4, 0), stylesheets=[CSS, _TABLE])


_INTRODUCTION = (
    '<p class="quiet">Every P:D of the GPU budget is tried for each system, the best with more seeds, and then with twice of this and '
    "that to see what would help; how many agents a second each system serves is looked for if you ask. Change the question at the left, "
    "and press Ask.</p>"
)
_TABLE = """
h2 { font-size: 17px; font-weight: 600; margin: 10px 0 4px; }
p { margin: 0 0 6px; max-width: 90ch; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 3px 14px 3px 0; white-space: nowrap; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
th { font-weight: 600; }
"""


def advisor_page() -> Any:
    """Build the page for the session that asks for it, have it follow its runs, and let go of them when the session ends."""
    lab = visited(AdvisorState(), partial(AdvisorLab, jobs=shared()))
    while_open(POLL_MS, lab.poll, lab.stop)
    return lab.root
