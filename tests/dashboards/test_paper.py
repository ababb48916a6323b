"""The page of the published results, without a browser."""

from __future__ import annotations

from typing import Any

import pytest
from bokeh.models import GlyphRenderer

from dualpath_lab.dashboards.marks import INK
from dualpath_lab.dashboards.paper import ALL, PaperLab, PaperState, figure_pane, stored_results, table_html
from dualpath_lab.dashboards.paper_figures import FIGURES
from dualpath_lab.studies.reproduce import Results


@pytest.fixture(scope="module")
def results() -> Results:
    return stored_results()


@pytest.fixture(scope="module")
def lab(results: Results) -> PaperLab:
    return PaperLab(PaperState(), results, [])


def test_it_opens_with_every_figure_that_has_runs(lab: PaperLab) -> None:
    assert lab.state.figure == ALL
    assert len(lab._figures.objects) == len(lab.drawn) >= 9


def test_one_figure_can_be_had_by_itself(lab: PaperLab) -> None:
    lab.state.figure = "ablation"
    (pane,) = lab._figures.objects
    assert FIGURES["ablation"].title in pane[0].object
    lab.state.figure = ALL


def test_a_figure_without_runs_is_said(results: Results) -> None:
    """Mutant: the page is empty without a word."""
    lab = PaperLab(PaperState(figure="ablation"), results.model_copy(update={"jobs": []}), [])
    assert not lab._figures.objects
    assert FIGURES["ablation"].title in lab._notice.object


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
    assert f"<td>{first['published']:,.0f}</td><td>{first['simulated']:,.0f}</td>" in html


def test_a_link_carries_the_figure_and_what_is_wrong_in_it_is_said() -> None:
    received = PaperState()
    assert received.take_query(PaperState(figure="scale").to_query()) == []
    assert received.figure == "scale"
    (problem,) = received.take_query("?figure=nine")
    assert "one of all, offline_jct" in problem
