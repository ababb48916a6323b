"""The page of the published results, without a browser."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from bokeh.models import GlyphRenderer

from dualpath_lab.dashboards.job_tasks import ReproduceTask
from dualpath_lab.dashboards.jobs import Batch, Jobs, Visitor
from dualpath_lab.dashboards.marks import INK
from dualpath_lab.dashboards.paper import ALL, PaperLab, PaperState, figure_pane, table_html
from dualpath_lab.dashboards.paper_figures import FIGURES
from dualpath_lab.dashboards.paper_rows import row_table
from dualpath_lab.studies.reproduce import Results

from .made_up_results import ALL as ROWS
from .made_up_results import made_up, outcome


@pytest.fixture(scope="module")
def results() -> Results:
    return made_up(ROWS, [0, 1])


@pytest.fixture(scope="module")
def lab(results: Results) -> PaperLab:
    return PaperLab(PaperState(), results, [], Jobs())


def test_it_opens_with_every_figure_that_has_runs(lab: PaperLab) -> None:
    assert lab.state.figure == ALL
    assert len(lab._figures.objects) == len(lab.drawn) == len(FIGURES)


def test_one_figure_can_be_had_by_itself(lab: PaperLab) -> None:
    lab.state.figure = "ablation"
    (pane,) = lab._figures.objects
    assert FIGURES["ablation"].title in pane[0].object
    lab.state.figure = ALL


def test_a_figure_without_runs_is_said(results: Results) -> None:
    """Mutant: the page is empty without a word."""
    lab = PaperLab(PaperState(figure="ablation"), results.model_copy(update={"jobs": []}), [], Jobs())
    assert not lab._figures.objects
    assert FIGURES["ablation"].title in lab.notice.object


@pytest.mark.parametrize("name", ["ablation", "ttft_breakdown", "online_ttft"])
def test_nothing_is_drawn_in_a_colour_that_a_dark_page_swallows(results: Results, name: str) -> None:
    """Mutant: published values keep the ink of white paper."""
    figure: Any = figure_pane(name, FIGURES[name].draw(results))[1].object
    assert all(getattr(mark.glyph, "line_color", None) != INK for mark in figure.select(GlyphRenderer))
    assert figure.legend
    assert not figure.right, "a legend beside the plot leaves no room on a narrow screen"


def test_the_table_has_a_row_for_each_result_with_ours_beside_it(results: Results) -> None:
    html = table_html(results)
    assert html.count("<tr>") == 1 + len(results.rows)
    assert all(row["what"].replace("'", "&#x27;") in html for row in results.rows)
    first = results.rows[0]
    assert f"<td>{first['published']:,.0f}</td><td>read</td><td>{first['simulated']:,.0f}</td>" in html


def test_a_link_carries_the_figure_and_what_is_wrong_in_it_is_said() -> None:
    received = PaperState()
    assert received.take_query(PaperState(figure="scale").to_query()) == []
    assert received.figure == "scale"
    (problem,) = received.take_query("?figure=nine")
    assert "one of all, offline_jct" in problem


class ByHand(Jobs):
    """Tasks that are done when a test says so."""

    def submit_tasks(self, tasks: Iterable[Any], visitor: Visitor | None = None) -> Batch:
        self.asked = list(tasks)
        self.batch = Batch(self, {task.key: task for task in self.asked}, visitor or self.visitor())
        return self.batch

    def finish(self, task: ReproduceTask, outcome: dict[str, Any]) -> None:
        self.batch.take({"key": task.key, "status": "done", "outcome": outcome, "wall_s": 2.0}, task.work)


def test_a_row_that_is_run_stands_in_the_table_with_what_came_out(results: Results) -> None:
    """Mutants: the stored number stays; another row changes; it is done before the last run is."""
    jobs = ByHand()
    lab = PaperLab(PaperState(row="E3"), results, [], jobs)
    lab.run.start()
    assert {task.seed for task in jobs.asked} == {0}
    *first, last = jobs.asked
    for task in first:
        jobs.finish(task, {"jct_s": 100.0, "turns": 10})
    lab.run.poll()
    assert lab.results.rows == results.rows
    jobs.finish(last, {"jct_s": 100.0, "turns": 10})
    lab.run.poll()
    assert not lab.run.running
    for before, now in zip(results.rows, lab.results.rows, strict=True):
        assert now == before if not before["row"].startswith("E3.") else now["simulated"] == 1.0
    assert lab._table.object.count('class="here"') == 3
    assert "seed 0" in lab.run._text.object


def test_a_row_that_fails_says_why_and_changes_nothing(results: Results) -> None:
    jobs = ByHand()
    lab = PaperLab(PaperState(row="E4"), results, [], jobs)
    lab.run.start()
    jobs.batch.take({"key": jobs.asked[0].key, "status": "failed", "error": "MemoryError: no <room>"})
    lab.run.poll()
    assert "no &lt;room&gt;" in lab.run._text.object
    assert not lab.run.running
    assert lab.results.rows == results.rows


def test_a_cancelled_row_changes_nothing_and_can_be_run_again(results: Results) -> None:
    jobs = ByHand()
    lab = PaperLab(PaperState(row="E4"), results, [], jobs)
    lab.run.start()
    assert lab.run._button.label == "Cancel"
    lab.run.cancel()
    assert (lab.run._button.label, lab.run.running) == ("Run E4", False)
    lab.run.start()
    for task in jobs.asked:
        jobs.finish(task, {"attention_max_over_mean": 1.5, "turns": 1})
    lab.run.poll()
    assert next(row for row in lab.results.rows if row["row"] == "E4")["simulated"] == 1.5


def test_every_row_can_be_chosen_and_says_what_it_takes(results: Results) -> None:
    state = PaperState()
    lab = PaperLab(state, results, [], Jobs())
    assert list(dict.fromkeys(row["row"].partition(".")[0] for row in results.rows)) == state.param["row"].objects
    for name in state.param["row"].objects:
        state.row = name
        assert f"{name} takes" in lab.run._text.object


def test_a_row_that_was_not_stored_comes_at_the_end() -> None:
    """Mutant: it is dropped, or takes the place of another."""
    results = made_up(["A1", "E3"], [0])
    jobs = ByHand()
    lab = PaperLab(PaperState(row="E4"), results, [], jobs)
    lab.run.start()
    for task in jobs.asked:
        jobs.finish(task, outcome(task.job, 0))
    lab.run.poll()
    assert [row["row"] for row in lab.results.rows] == ["A1", "E3.basic", "E3.both", "E3.dualpath", "E4"]
    assert lab._table.object.count('class="here"') == 1


def test_a_row_is_run_with_what_was_set_in_the_stored_runs() -> None:
    """Mutant: another GPU's number beside the stored ones, without a word."""
    results = made_up(["A1"], [0]).model_copy(update={"settings": {"cluster.hardware": "h800"}})
    jobs = ByHand()
    lab = PaperLab(PaperState(row="A1"), results, [], jobs)
    lab.run.start()
    (task,) = jobs.asked
    assert task.job.scenario(0).cluster.hardware == "h800"
    jobs.finish(task, {"jct_s": 5000.0, "turns": 10})
    lab.run.poll()
    assert lab.results.rows[0]["simulated"] == 5000.0
    assert any("cluster.hardware = h800" in str(item.object) for item in lab._sidebar() if hasattr(item, "object"))


def test_the_data_of_an_export_has_how_each_value_was_published(results: Results) -> None:
    """Mutant: the column is missing, or says the use."""
    kinds = row_table(results).set_index("row")["kind"]
    assert (kinds["A1"], kinds["B4.dualpath"], kinds["C1"]) == ("read", "printed", "inferred")
