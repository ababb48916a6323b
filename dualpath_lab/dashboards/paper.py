"""The page of the published results: each figure with ours over it, and the table of all rows."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar

import holoviews as hv
import panel as pn
import param
from bokeh.models.annotations import Whisker
from bokeh.models.renderers import GlyphRenderer

import dualpath_lab
from dualpath_lab.dashboards.controls import Controls, title
from dualpath_lab.dashboards.export import Export
from dualpath_lab.dashboards.jobs import Jobs, shared
from dualpath_lab.dashboards.locking import together
from dualpath_lab.dashboards.marks import INK
from dualpath_lab.dashboards.paper_figures import FIGURES
from dualpath_lab.dashboards.paper_rows import row_table
from dualpath_lab.dashboards.paper_run import SEED, RowRun, RowState
from dualpath_lab.dashboards.prints import Plotted
from dualpath_lab.dashboards.shell import PAIR
from dualpath_lab.dashboards.style import CSS, LEGEND
from dualpath_lab.dashboards.visit import Visit, visited, while_open
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.reproduce import Results, RowResult, in_words, stored_results
from dualpath_lab.studies.reproduce.report import READING, cells
from dualpath_lab.studies.reproduce.results import HOLLOW

POLL_MS = 250
ALL = "all"


class PaperState(RowState):
    """Which figure a visitor looks at, and which row to run."""

    PAGE: ClassVar[str] = "paper"
    KEYS: ClassVar[Mapping[str, str]] = {"figure": "figure", "row": "row"}

    figure: Any = param.Selector(
        default=ALL, objects=[ALL, *FIGURES], label="Figure", doc="One of the published figures, larger and by itself, or all of them."
    )


class PaperLab(Visit):
    """Everything that one session shows; ``root`` is its page."""

    def __init__(self, state: PaperState, results: Results, problems: list[str], jobs: Jobs) -> None:
        super().__init__(state)
        self.state: PaperState = state
        self.results = results
        self.run = RowRun(state, results, jobs, self._take)
        self.drawn = {name: element for name, figure in FIGURES.items() if len(element := figure.draw(results))}
        self._figures = pn.Column(sizing_mode="stretch_width", margin=0, stylesheets=[PAIR])
        self._table = table = pn.pane.HTML(table_html(results), sizing_mode="stretch_width", margin=(8, 0), stylesheets=[CSS, _TABLE])
        main = pn.Column(self.notice, self._figures, table, self.viewport, sizing_mode="stretch_width", margin=(10, 16, 12, 16))
        export = Export("paper", self._words, lambda: row_table(self.results), self._plots, self.say)
        self.build(self._sidebar(), main, export)
        state.param.watch(self._show, "figure")
        self._show()
        if problems:
            self.say(" ".join(problems), "warning")

    def _show(self, *_: Any) -> None:
        chosen = list(self.drawn) if self.state.figure == ALL else [self.state.figure]
        missing = [FIGURES[name].title for name in chosen if name not in self.drawn]
        with together():
            self._figures.objects = [figure_pane(name, self.drawn[name]) for name in chosen if name in self.drawn]
            self.say(
                f"No run of the stored results belongs to “{missing[0]}”." if missing else _INTRODUCTION, "warning" if missing else "info"
            )
            self.uncover()

    def _take(self, rows: list[RowResult]) -> None:
        """Rows that were run here stand in the place of the stored ones, new ones at the end."""
        fresh = {row["row"]: row | {"here": True} for row in rows}
        shown = {row["row"]: row for row in self.results.rows} | fresh
        self.results = self.results.model_copy(update={"rows": list(shown.values())})
        self._table.object = table_html(self.results)

    def _plots(self) -> list[Plotted]:
        return [Plotted(pane.name, pane[1].object) for pane in self._figures.objects]

    def _words(self) -> list[str]:
        return [self.state.figure, f"seeds {' '.join(map(str, self.results.seeds))}"]

    def _sidebar(self) -> list[Any]:
        results = self.results
        settings = f" and {in_words(results.settings)}" if results.settings else ""
        about = (
            f'<span class="quiet">{results.turns:,} turns, simulated with seed{"s" if len(results.seeds) > 1 else ""} '
            f"{', '.join(map(str, results.seeds))}{escape(settings)} by version {escape(results.version)}. To make them again:<br>"
            f"<code>{escape(results.command)}</code></span>"
        )
        return [
            title("Published figures"),
            Controls(self.state, "Acts at once.").select("figure"),
            pn.pane.HTML(about, stylesheets=[CSS], margin=(8, 16, 0, 16), sizing_mode="stretch_width"),
            title("Run a row"),
            Controls(self.state, "Acts once you press Run.").select("row"),
            self.run.root,
        ]


def figure_pane(name: str, element: hv.Overlay) -> Any:
    """A figure with its title and caption, in colours for either theme and with the legend where a narrow screen has room for it."""
    figure = FIGURES[name]
    drawn: Any = hv.render(element, backend="bokeh")
    drawn.update(sizing_mode="stretch_width", height=_HEIGHT, min_width=250)
    for mark in drawn.select(GlyphRenderer):
        if getattr(mark.glyph, "line_color", None) == INK:
            mark.glyph.line_color = _NEUTRAL
    for whisker in drawn.select(Whisker):
        whisker.update(line_color=_NEUTRAL)
        for head in (whisker.lower_head, whisker.upper_head):
            head.line_color = _NEUTRAL
    for legend in list(drawn.legend):
        for side in (drawn.right, drawn.above):
            if legend in side:
                side.remove(legend)
        legend.update(orientation="horizontal", ncols=2, location="left", styles=LEGEND)
        drawn.add_layout(legend, "below")
    words = pn.pane.HTML(
        f"<h3>{escape(figure.title)}</h3><p>{escape(figure.caption)}</p>",
        margin=0,
        min_height=66,
        sizing_mode="stretch_width",
        stylesheets=[_WORDS],
    )
    plot = pn.pane.Bokeh(drawn, sizing_mode="stretch_width", height=_HEIGHT, margin=0)
    return pn.Column(
        words, plot, name=figure.title, sizing_mode="stretch_width", min_height=_HEIGHT + 90, styles=_SHEET, margin=(0, 0, 6, 0)
    )


def table_html(results: Results) -> str:
    """All rows: what is published, ours, and how far they are apart."""
    head, *body = cells(results.rows)
    marks = [' class="here"' if row.get("here") else "" for row in results.rows]
    rows = "".join(f"<tr{mark}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for mark, row in zip(marks, body, strict=True))
    here = f" Rows with a bar at their left were run here, with seed {SEED}." if any(marks) else ""
    reading = escape(READING.replace("*", ""))
    caption = f"{here} Rows marked calibrate had a constant fitted on them; the others are predictions. {reading} Times in s.".strip()
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table of all rows"><table><caption>{caption}</caption><thead><tr>'
        f"{''.join(f'<th scope=col>{escape(cell)}</th>' for cell in head)}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


_INTRODUCTION = f"{HOLLOW}; solid marks are ours, whose whiskers go from the lowest to the highest seed."
_HEIGHT = 400
_NEUTRAL = "#8C979E"
"""For marks that are black on white paper: it shows on a light and on a dark page."""
_SHEET = {"border": "1px solid color-mix(in srgb, currentColor 18%, transparent)", "border-radius": "6px", "padding": "8px 12px"}
_WORDS = """
:host { font-family: Roboto, "Helvetica Neue", Arial, sans-serif; }
h3 { font-size: 15px; font-weight: 600; margin: 2px 0; }
p { font-size: 13px; margin: 0 0 4px; }
"""
_TABLE = """
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { text-align: left; opacity: 0.8; padding: 4px 0; }
th, td { text-align: left; padding: 3px 12px 3px 0; border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
th { font-weight: 600; }
tr.here td:first-child { box-shadow: inset 4px 0 #009E73; padding-left: 8px; }
td:not(:nth-child(2)), th { white-space: nowrap; }
td:nth-child(2) { min-width: 260px; }
"""


def paper_page() -> Any:
    """Build the page for the session that asks for it."""
    missing = ""
    try:
        results = stored_results()
    except ScenarioError as error:
        results = Results(version=dualpath_lab.__version__, command="", seeds=[], rows=[], jobs=[])
        missing = f"There are no stored results to show: {error}"

    def open_with(state: PaperState, problems: list[str]) -> PaperLab:
        return PaperLab(state, results, [*problems, missing] if missing else problems, shared())

    lab = visited(PaperState(), open_with)
    while_open(POLL_MS, lab.run.poll, lab.run.stop)
    return lab.root
