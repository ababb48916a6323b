"""The figures of the published results: each is drawn from stored results alone, ours solid, the published value hollow."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import holoviews as hv
import pytest
from bokeh.models import Plot, Whisker
from bokeh.models import Scatter as Mark

from dualpath_lab.dashboards.paper_figures import FIGURES
from dualpath_lab.dashboards.pictures import NoPictures, _page, write_pictures
from dualpath_lab.result import STAGES
from dualpath_lab.studies.reproduce.results import Results
from dualpath_lab.studies.reproduce.runs import SMALL_PAIRS

from .made_up_results import ALL, CAPACITY, PEAK_WINDOW, STAGES_S, made_up


def drawn(name: str, results: Results) -> Plot:
    plot = hv.render(FIGURES[name].draw(results), backend="bokeh")
    assert isinstance(plot, Plot)
    return plot


def hollow(plot: Plot, marker: str = "diamond") -> list[tuple[float, float]]:
    """Where the published values stand, on the axes."""
    found = set()
    for renderer in plot.renderers:
        glyph, source = renderer.glyph, renderer.data_source.data
        if isinstance(glyph, Mark) and glyph.marker == marker and glyph.fill_color is None:
            found |= set(zip(map(float, source[glyph.x]), map(float, source[glyph.y]), strict=True))
    return sorted(found)


def whiskers(plot: Plot, dimension: str = "height") -> list[tuple[float, float]]:
    """Ends of all whiskers."""
    found = []
    for item in plot.select(Whisker):
        if item.dimension == dimension:
            columns = item.source.data
            found += list(zip(map(float, columns[item.lower]), map(float, columns[item.upper]), strict=True))
    return sorted(found)


WIDTH = 6.0
"""Of a group of bars."""
PUBLISHED = {
    "offline_jct": [
        *[(0, 2900), (3, 2100), (4, 2000)],
        *[(WIDTH, 5400), (WIDTH + 1, 4250), (WIDTH + 2, 3200), (WIDTH + 3, 3000)],
        *[(2 * WIDTH, 10_100), (2 * WIDTH + 1, 8750), (2 * WIDTH + 2, 6500), (2 * WIDTH + 3, 5450)],
    ],
    "offline_speedup": [(2048, 1.87)],
    "ablation": [(0, 17.21), (1, 38.19), (2, 45.62)],
    "online_ttft": [(0.2, 4), (0.4, 1.739), (0.45, 4)],
    "ttft_breakdown": [],
    "append_scale": [(3, 2000), (3, 3700)],
    "append_speedup": [(scale, end) for scale in (1, 2, 3) for end in (1.82, 1.99)],
    "small_model": [(512, 1.09), (512, 1.85), (1024, 1.78)],
    "attention_balance": [(0, 1.06)],
    "batch_throughput": [(5, 2.5), (10, 2.9), (20, 3.0)],
    "scale": [],
    "large_throughput": [(1650, 60)],
    "large_ttft": [((PEAK_WINDOW + 0.5) * 150, 27), (1650, 10), (1650, 13)],
}
READ = ("offline_jct", "append_scale", "batch_throughput", "large_throughput", "large_ttft")
"""Figures whose published values were all read off one."""


@pytest.fixture(scope="module")
def everything() -> Results:
    return made_up(ALL, [0, 1, 2])


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_with_what_is_published(everything: Results, name: str) -> None:
    """Section 11. Mutant: a figure of ours alone, a solid diamond, a value at the wrong place, an axis without a name or unit."""
    plot = drawn(name, everything)
    if name in PUBLISHED:
        assert hollow(plot) == [pytest.approx(place) for place in PUBLISHED[name]]
    assert plot.yaxis[0].axis_label
    assert not (plot.center and any(type(item).__name__ == "Legend" for item in plot.center)), "the legend covers the data"


@pytest.mark.parametrize("name", FIGURES)
def test_what_was_read_has_a_whisker_of_the_reading_error(name: str) -> None:
    """Three per cent, of the value. Mutant: on printed values; on ours; of another length, or none."""
    plot = drawn(name, made_up(ALL, [0]))
    read = [y for _, y in PUBLISHED[name]] if name in READ else []
    assert whiskers(plot) == [pytest.approx((0.97 * y, 1.03 * y)) for y in sorted(read)]
    along = [0.2, 0.45] if name == "online_ttft" else []
    assert whiskers(plot, "width") == [pytest.approx((0.97 * x, 1.03 * x)) for x in along]


def test_what_is_inferred_looks_otherwise_and_the_legend_says_so(everything: Results) -> None:
    """C1, C2. Mutant: it passes for printed."""
    plot = drawn("scale", everything)
    assert hollow(plot, "square") == [(0, 3167), (1, 3201)]
    for name, words in {"scale": "inferred", "append_scale": "±3%", "ablation": "published"}.items():
        labels = [item.label.value for item in drawn(name, everything).legend[0].items]
        assert any(words in label for label in labels)
        assert name == "scale" or not any("inferred" in label for label in labels)
        assert name == "append_scale" or not any("read" in label for label in labels)


def test_equal_pairs_have_the_left_one_as_the_published(everything: Results) -> None:
    """E3. Mutant: the bar's own height, which always agrees."""
    plot = drawn("small_pairs", everything)
    tops = {float(box["left"] + 0.38): float(box["top"]) for box in boxes(plot)}
    assert hollow(plot) == [pytest.approx((left + 1, tops[left])) for left in (0.0, 2.5, 5.0)]
    agents = {job.scenario(0).workload.agents for pair in SMALL_PAIRS.values() for job in pair.jobs}
    assert f"{agents.pop()} agents" in plot.yaxis[0].axis_label
    assert not agents


def test_capacities_of_both_systems_are_dashed(everything: Results) -> None:
    """D3: ours, as means over the seeds. Mutant: the first seed's; one system."""
    (dashed,) = [
        sorted(
            {float(x) for renderer in plot.renderers if type(renderer.glyph).__name__ == "Segment" for x in renderer.data_source.data["x0"]}
        )
        for plot in [drawn("online_ttft", everything)]
    ]
    assert dashed == pytest.approx([1.01 * rate for rate in CAPACITY.values()])


def test_the_course_of_the_large_run_is_drawn_at_the_middle_of_its_windows(everything: Results) -> None:
    """C3. Mutant: windows that begin at their middle; an empty window as 0 s; tokens in place of millions."""
    (curve,) = [
        renderer.data_source.data for renderer in drawn("large_ttft", everything).renderers if type(renderer.glyph).__name__ == "Line"
    ]
    course = list(zip(*(map(float, column) for column in curve.values()), strict=True))
    assert course[0] == (75, 15)
    assert len(course) == 21
    heights = [
        max(map(float, next(iter(reversed(renderer.data_source.data.values())))))
        for renderer in drawn("large_throughput", everything).renderers
        if type(renderer.glyph).__name__ == "Line"
    ]
    assert sorted(heights) == pytest.approx([58, 60])


def boxes(plot: Plot) -> list[dict[str, Any]]:
    found = []
    for renderer in plot.renderers:
        if type(renderer.glyph).__name__ == "Quad":
            columns = {name: renderer.data_source.data[getattr(renderer.glyph, name)] for name in ("left", "right", "bottom", "top")}
            found += [dict(zip(columns, corner, strict=True)) for corner in zip(*columns.values(), strict=True)]
    return found


def test_ours_are_means_over_the_seeds_with_whiskers(everything: Results) -> None:
    """Ablation, closed form. Mutant: the first seed; whiskers that are missing or have no length."""
    plot = drawn("scale", everything)
    one = made_up(["C1", "C2"], [1])
    assert [box["top"] for box in boxes(plot)] == pytest.approx([row["simulated"] for row in one.rows])
    names = [type(item).__name__ for item in plot.center]
    assert names.count("Whisker") == 1
    assert "Whisker" not in [type(item).__name__ for item in drawn("scale", one).center]


def test_stages_stand_on_each_other_and_add_up(everything: Results) -> None:
    """TTFT is the sum of its stages. Mutant: bars that overlap."""
    corners = [box for box in boxes(drawn("ttft_breakdown", everything)) if box["left"] < 0]
    corners.sort(key=lambda box: float(box["bottom"]))
    assert [box["bottom"] for box in corners] == pytest.approx([0, *(box["top"] for box in corners[:-1])])
    assert corners[-1]["top"] == pytest.approx(sum(STAGES_S.values()))
    assert set(STAGES_S) == set(STAGES)


@pytest.mark.parametrize("row", ALL)
def test_runs_that_were_not_made_are_left_out(row: str) -> None:
    """Any row by itself. Mutant: a figure fails for want of a run, or shows axes with nothing of ours."""
    results = made_up([row], [0])
    figures = {name: figure.draw(results) for name, figure in FIGURES.items()}
    shown = {name for name, figure in figures.items() if len(figure)}
    for name in shown:
        assert not drawn(name, results).title.text
    assert shown >= {
        **{row: {"offline_jct"} for row in ("A1", "A2", "A3", "B1", "B2", "B3")},
        "A4": {"online_ttft"},
        "A5": {"batch_throughput"},
        "B4": {"ablation"},
        "B5": {"offline_speedup"},
        "C2": {"scale", "large_throughput", "large_ttft"},
        "D3": {"online_ttft"},
        "D5": {"ttft_breakdown"},
        "E1": {"append_scale", "append_speedup"},
        "E2": {"small_model"},
        "E3": {"small_pairs"},
        "E4": {"attention_balance"},
    }.get(row, set())
    large = {"scale", "large_throughput", "large_ttft"} & shown
    assert bool(large) is (row in ("C2", "C3"))


def test_captions_say_nothing_that_a_run_could_refute() -> None:
    """What is in them are settings. Mutant: a number of an older reproduction."""
    for figure in FIGURES.values():
        assert figure.caption.endswith(".")
        assert not re.search(r"\d\.\d|\d ?s\b|[0-9]x", figure.caption)


def test_nothing_at_all_gives_no_figure(tmp_path: Path) -> None:
    """Mutant: a browser is started for nothing."""
    nothing = Results(version="1", command="", seeds=[0], rows=[], jobs=[])
    assert write_pictures(tmp_path, nothing) == []


def test_pictures_are_files_with_titles_and_captions(tmp_path: Path) -> None:
    """A real browser, offline. Mutant: an empty picture, a title without a picture."""
    try:
        pictures = write_pictures(tmp_path, made_up(["A5", "D5"], [0]))
    except NoPictures as error:
        pytest.skip(f"{error}; apt-get install chromium")
    assert [picture.file for picture in pictures] == ["ttft_breakdown.png", "batch_throughput.png"]
    for picture in pictures:
        content = (tmp_path / picture.file).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 15_000
        assert picture.title
        assert picture.caption.endswith(".")


def test_without_a_browser_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a traceback."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(NoPictures, match="chromium"):
        write_pictures(tmp_path, made_up(["C2"], [0]))


def test_the_page_asks_nobody() -> None:
    """House rule. Mutant: scripts from a CDN."""
    page = _page({"scale": FIGURES["scale"].draw(made_up(["C2"], [0]))})
    assert "<script src" not in page
    assert "<link" not in page
