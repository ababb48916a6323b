"""The figures of the published results: each is drawn from stored results alone, ours solid, the published value a hollow diamond."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import holoviews as hv
import pytest
from bokeh.models import Plot
from bokeh.models import Scatter as Mark

from dualpath_lab.dashboards.paper_figures import FIGURES
from dualpath_lab.dashboards.pictures import NoPictures, _page, write_pictures
from dualpath_lab.studies.reproduce.jobs import Job
from dualpath_lab.studies.reproduce.report import compared
from dualpath_lab.studies.reproduce.results import JobResult, Results
from dualpath_lab.studies.reproduce.rows import choose

ALL = [f"R{number}" for number in range(1, 16)]
SLOWER = {"basic": 2.0, "layerwise": 1.7, "roundrobin": 1.2, "dualpath": 1.0, "oracle": 0.93}
STAGES_S = {"schedule": 0.01, "read": 0.1, "prefill_queue": 0.2, "prefill": 0.35, "transfer": 0.03}


def outcome(job: Job, seed: int) -> dict[str, Any]:
    """Made up, of the published size; a per cent more with each seed."""
    scenario = job.scenario(seed)
    more, agents, cluster = 1 + seed / 100, scenario.workload.agents, scenario.cluster
    if job.kind == "capacity":
        border = {"basic": 0.21, "dualpath": 0.5}[scenario.system] * more
        tried = {0.1: 0.4, 0.16: 0.45, border: 0.6 / more, 1.04 * border: 4.3, 1.6: 9.0}
        runs = [{"arrival_rate": rate, "ttft_s": ttft, "tpot_s": 0.03, "slo_met": ttft < 4} for rate, ttft in tried.items()]
        return {"rate": border, "runs": runs, "turns": 90_000}
    if job.kind == "start":
        return {"attention_max_over_mean": 1.09 * more, "turns": 16_000}
    if job.kind == "scheduler":
        return {"cores": 0.14 * more, "possible_per_s": 21_000.0, "needed_per_s": 2950.0, "turns": 200_000}
    longer = int(scenario.workload.source[6:8]) / 64
    slower = 1 + (SLOWER[scenario.system] - 1) * (agents / 2048 * longer) ** 0.2 / scenario.workload.append_scale**0.7
    nodes = cluster.prefill_nodes + cluster.decode_nodes
    if scenario.model == "ds-27b":
        nodes = 2 * (nodes - 1 if scenario.system == "dualpath" else cluster.prefill_nodes)
    busy = 10 if (scenario.system, scenario.workload.arrival_rate) == ("basic", 0.4) else 1
    return {
        "jct_s": 6 / nodes * agents * 1.55 * longer * slower * scenario.workload.append_scale * more,
        "turns": 157 * agents,
        "latency_s": {"tpot": {"mean": 0.0386}},
        "ttft_breakdown_s": STAGES_S | {"read": busy * STAGES_S["read"]},
        "balance": {"attention_max_over_mean": 1.05 + 0.2 * (slower - 1)},
    }


def made_up(rows: list[str], seeds: list[int]) -> Results:
    chosen = choose(rows)
    jobs = [
        JobResult(kind=job.kind, changes=dict(job.changes), seed=seed, outcome=outcome(job, seed))
        for seed in seeds
        for job in dict.fromkeys(job for row in chosen for job in row.jobs)
    ]
    results = Results(version="1", command="dualpath-lab reproduce", seeds=seeds, rows=[], jobs=jobs)
    rows_made = [compared(row, results.outcomes) for row in chosen]
    return Results.model_validate_json(results.model_copy(update={"rows": rows_made}).model_dump_json())


def drawn(name: str, results: Results) -> Plot:
    plot = hv.render(FIGURES[name].draw(results), backend="bokeh")
    assert isinstance(plot, Plot)
    return plot


def diamonds(plot: Plot) -> list[tuple[float, float]]:
    """Where the published values stand, on the axes."""
    found = set()
    for renderer in plot.renderers:
        glyph, source = renderer.glyph, renderer.data_source.data
        if isinstance(glyph, Mark) and glyph.marker == "diamond":
            assert glyph.fill_color is None
            found |= set(zip(map(float, source[glyph.x]), map(float, source[glyph.y]), strict=True))
    return sorted(found)


PUBLISHED = {
    "offline_jct": [(2048, 3167)],
    "offline_speedup": [(2048, 1.87)],
    "ablation": [(0, 17.2), (1, 38.2), (2, 45.6)],
    "small_model": [(512, 1.09), (512, 1.85), (1024, 1.78)],
    "append_scale": [(1, 1.82), (1, 1.99)],
    "online_ttft": [(2.25 * 0.21 * 1.01, 4)],
    "ttft_breakdown": [],
    "attention_balance": [(0, 1.06)],
    "scale": [(0, 3167), (1, 3201)],
}


@pytest.fixture(scope="module")
def everything() -> Results:
    return made_up(ALL, [0, 1, 2])


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_with_what_is_published(everything: Results, name: str) -> None:
    """Section 11. Mutant: a figure of ours alone, a solid diamond, a value at the wrong place, an axis without a name or unit."""
    plot = drawn(name, everything)
    if name in PUBLISHED:
        assert diamonds(plot) == [pytest.approx(place) for place in PUBLISHED[name]]
    assert plot.yaxis[0].axis_label
    assert not (plot.center and any(type(item).__name__ == "Legend" for item in plot.center)), "the legend covers the data"


def test_equal_pairs_have_the_left_one_as_the_published(everything: Results) -> None:
    """R8. Mutant: the bar's own height, which always agrees."""
    plot = drawn("small_pairs", everything)
    tops = {float(box["left"] + 0.38): float(box["top"]) for box in boxes(plot)}
    assert diamonds(plot) == [pytest.approx((left + 1, tops[left])) for left in (0.0, 2.5, 5.0)]


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
    one = made_up(["R1", "R2"], [1])
    mean = one.rows[0]["simulated"]
    assert [box["top"] for box in boxes(plot)] == pytest.approx([mean, mean])
    names = [type(item).__name__ for item in plot.center]
    assert names.count("Whisker") == 1
    assert "Whisker" not in [type(item).__name__ for item in drawn("scale", one).center]


def test_stages_stand_on_each_other_and_add_up(everything: Results) -> None:
    """TTFT is the sum of its stages. Mutant: bars that overlap."""
    corners = [box for box in boxes(drawn("ttft_breakdown", everything)) if box["left"] < 0]
    corners.sort(key=lambda box: float(box["bottom"]))
    assert [box["bottom"] for box in corners] == pytest.approx([0, *(box["top"] for box in corners[:-1])])
    assert corners[-1]["top"] == pytest.approx(sum(STAGES_S.values()))


@pytest.mark.parametrize("row", ALL)
def test_runs_that_were_not_made_are_left_out(row: str) -> None:
    """Any row by itself. Mutant: a figure fails for want of a run, or shows axes with nothing of ours."""
    results = made_up([row], [0])
    figures = {name: figure.draw(results) for name, figure in FIGURES.items()}
    shown = {name for name, figure in figures.items() if len(figure)}
    for name in shown:
        assert not drawn(name, results).title.text
    assert shown >= {"R1": {"offline_jct"}, "R2": {"scale"}, "R9": {"online_ttft"}, "R14": {"ttft_breakdown"}}.get(row, set())
    assert ("scale" in shown) is (row == "R2")


def test_nothing_at_all_gives_no_figure(tmp_path: Path) -> None:
    """Mutant: a browser is started for nothing."""
    nothing = Results(version="1", command="", seeds=[0], rows=[], jobs=[])
    assert write_pictures(tmp_path, nothing) == []


def test_pictures_are_files_with_titles_and_captions(tmp_path: Path) -> None:
    """A real browser, offline. Mutant: an empty picture, a title without a picture."""
    try:
        pictures = write_pictures(tmp_path, made_up(["R2", "R14"], [0]))
    except NoPictures as error:
        pytest.skip(f"{error}; apt-get install chromium")
    assert [picture.file for picture in pictures] == ["ttft_breakdown.png", "scale.png"]
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
        write_pictures(tmp_path, made_up(["R2"], [0]))


def test_the_page_asks_nobody() -> None:
    """House rule. Mutant: scripts from a CDN."""
    page = _page({"scale": FIGURES["scale"].draw(made_up(["R2"], [0]))})
    assert "<script src" not in page
    assert "<link" not in page
