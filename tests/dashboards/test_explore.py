"""The Explore page without a browser: its cells are the live page's scenarios, its numbers the studies', its outline the theory's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import isnan, nan
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dualpath_lab.dashboards.explore import ExploreLab
from dualpath_lab.dashboards.explore_plan import BY_NAME, Plan, make_plan, region_text
from dualpath_lab.dashboards.explore_state import MEASURES, MOST_CELLS, QUANTITIES, ExploreState
from dualpath_lab.dashboards.heat_map import edges, heat_grid, painted, scale_of
from dualpath_lab.dashboards.jobs import Jobs
from dualpath_lab.dashboards.state import KEYS, LabState
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.compare import compare
from dualpath_lab.studies.run import simulate
from dualpath_lab.studies.sweep.rows import FAILED
from dualpath_lab.theory import bottleneck_free_range

QUICK: dict[str, Any] = {"agents": 8, "x_steps": 2, "y_steps": 2, "x_high": 2, "y_high": 2}


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    jobs = Jobs(processes=1)
    yield jobs
    jobs.close()


def opened(jobs: Jobs, **values: Any) -> ExploreLab:
    return ExploreLab(ExploreState(**QUICK | values), [], jobs)


def filled(lab: ExploreLab) -> ExploreLab:
    deadline = time.monotonic() + 120
    while lab._running:
        assert time.monotonic() < deadline
        time.sleep(0.05)
        lab.poll()
    lab.poll()
    return lab


def plan_of(lab: ExploreLab) -> Plan:
    assert lab.plan is not None
    return lab.plan


def texts(lab: ExploreLab) -> list[list[str]]:
    return [[cell["text"] for cell in line] for line in lab.heat.grid["cells"]]


# what is run


def test_the_plan_is_the_grid_of_both_axes() -> None:
    plan = make_plan(ExploreState(x="agents", y="hit rate", x_low=16, x_high=64, x_steps=3, y_low=0.8, y_high=1.0, y_steps=2))
    assert (plan.xs, plan.ys) == ([16, 32, 64], [0.8, 1.0])
    workloads = [[cell.scenarios["b"].workload for cell in line] for line in plan.cells]
    assert [[(each.agents, each.hit_rate) for each in line] for line in workloads] == [[(x, y) for x in plan.xs] for y in plan.ys]
    assert len(plan) == len(list(plan)) == 6


@pytest.mark.parametrize("x", QUANTITIES)
@pytest.mark.parametrize("y", QUANTITIES)
def test_any_two_quantities_make_a_plan_and_one_twice_does_not(x: str, y: str) -> None:
    state = ExploreState(x=x, y=y)
    if x == y:
        with pytest.raises(ScenarioError, match=f"y = '{y}' is not allowed"):
            make_plan(state)
        return
    plan = make_plan(state)
    assert len({cell.keys["b"] for cell in plan}) == len(plan) <= MOST_CELLS
    assert all((getattr(cell.live, plan.x.name), getattr(cell.live, plan.y.name)) == (cell.x, cell.y) for cell in plan)


@pytest.mark.parametrize("measure", MEASURES)
def test_only_a_speed_up_takes_the_run_of_a(measure: str) -> None:
    plan = make_plan(ExploreState(measure=measure, system_a="layerwise", system_b="oracle"))
    systems = {scenario.system for scenario in plan.scenarios()}
    assert systems == ({"layerwise", "oracle"} if measure == MEASURES[0] else {"oracle"})


def test_a_cells_link_opens_the_live_page_with_its_scenarios(jobs: Jobs) -> None:
    """Mutant: x and y swapped; a fixed setting forgotten."""
    lab = opened(jobs, x="storage bandwidth", x_high=200, y="hit rate", y_high=None, compute_gbps=200.0, arrival_rate=0.7, system_a="split")
    plan = plan_of(lab)
    for row, line in enumerate(plan.cells):
        for column, cell in enumerate(line):
            lab.heat.picked = [row, column]
            link = lab._readout.object.split('href="')[1].split('"')[0].replace("&amp;", "&")
            live = LabState()
            assert live.take_query(urlsplit(link).query) == []
            assert dict(zip("ab", live.scenarios(), strict=True)) == cell.scenarios
            assert (live.storage_gbps, live.hit_rate) == (plan.xs[column], plan.ys[row])
            assert (live.system_a, live.compute_gbps, live.arrival_rate) == ("split", 200, 0.7)
    lab.stop()


# what comes of it


def test_a_cells_numbers_are_those_of_the_studies(jobs: Jobs) -> None:
    lab = filled(opened(jobs))
    for cell in plan_of(lab):
        runs = compare(cell.scenarios["b"], ["basic", "dualpath"])
        assert plan_of(lab).value(cell, lab.rows) == runs.speedups()["dualpath"]
    cell = plan_of(lab).cells[1][0]
    values = simulate(cell.scenarios["b"]).to_dict()
    expected = (values["jct_s"], values["turns"] / values["jct_s"], values["latency_s"]["ttft"]["p50"], values["latency_s"]["ttft"]["p99"])
    assert tuple(BY_NAME[name].of(cell.rows(lab.rows)) for name in MEASURES[1:]) == expected


def test_heat_map_and_curves_show_the_same_numbers(jobs: Jobs) -> None:
    lab = filled(opened(jobs))
    values = [[plan_of(lab).value(cell, lab.rows) for cell in line] for line in plan_of(lab).cells]
    assert texts(lab) == [[f"{value:.2f}×" for value in line] for line in values]
    assert lab.curves.lines.data["ys"] == values
    assert sorted(lab.curves.points.data["y"]) == sorted(value for line in values for value in line)
    table = lab.table()
    assert table[plan_of(lab).measure.axis].tolist() == [value for line in values for value in line]
    assert table[KEYS["prefill_nodes"]].tolist() == [1, 1, 2, 2]


def test_it_opens_with_all_its_cells_before_anything_has_run(jobs: Jobs) -> None:
    lab = opened(jobs, agents=16)
    assert texts(lab) == [["", ""], ["", ""]]
    assert "0 of 4 cells" in lab._status.object
    assert lab._running
    assert not lab._button.disabled
    lab.stop()


def test_going_back_runs_nothing(jobs: Jobs) -> None:
    lab = filled(opened(jobs))
    before, shown = jobs.started, texts(lab)
    lab.state.measure = "JCT of B"
    assert texts(lab) != shown
    lab.state.measure = MEASURES[0]
    assert texts(lab) == shown
    assert not lab._running
    assert jobs.started == before


def test_cancel_stops_and_the_rest_can_be_run_later(jobs: Jobs) -> None:
    lab = opened(jobs, agents=24)
    lab._button.clicks += 1
    assert not lab._running
    assert "Cancelled" in lab.notice.object
    assert lab._button.label == "Run the rest"
    lab._button.clicks += 1
    assert all("×" in text for line in texts(filled(lab)) for text in line)
    assert lab._button.disabled


def test_a_new_setting_lets_go_of_what_is_no_longer_needed(jobs: Jobs) -> None:
    lab = opened(jobs, agents=2048)
    before = lab.batch
    lab.state.agents = 8
    assert before is not None
    assert before.finished
    assert "Agents 2048 → 8" in lab.notice.object
    filled(lab)


def test_a_cell_that_fails_says_why_and_the_others_stand(jobs: Jobs) -> None:
    lab = filled(opened(jobs))
    cell = plan_of(lab).cells[0][1]
    row = lab.rows[cell.keys["b"]]
    lab.rows[cell.keys["b"]] = {"key": row["key"], "scenario": row["scenario"], "status": FAILED, "error": "ScenarioError: a = 1 is wrong."}
    lab._show()
    assert [[each["kind"] for each in line] for line in lab.heat.grid["cells"]] == [["done", "failed"], ["done", "done"]]
    lab.heat.picked = [0, 1]
    assert ">a = 1 is wrong.<" in lab._readout.object
    assert [error for error in lab.table()["error"] if error] == ["a = 1 is wrong."]
    assert plan_of(lab).settled(lab.rows) == 4


def test_a_model_that_does_not_fit_fails_in_every_cell_and_says_so(jobs: Jobs) -> None:
    lab = filled(opened(jobs, model="llama-70b"))
    assert texts(lab) == [["✕", "✕"], ["✕", "✕"]]
    assert "is not allowed with cluster.hardware = 'h200': its weights take" in lab.heat.grid["cells"][0][0]["says"]
    assert lab._button.disabled, "there is no rest to run"


def test_what_is_refused_is_said_and_the_picture_stays(jobs: Jobs) -> None:
    lab = filled(opened(jobs))
    shown = texts(lab)
    lab.state.x_high = 13
    assert lab.message.visible
    assert "x.to = 13 is not allowed for decode nodes: it should be a whole number from 1 to 12 nodes." in lab.notice.object
    assert texts(lab) == shown
    lab.state.x_high = 2
    assert not lab.message.visible


def test_a_link_that_is_refused_still_opens_with_a_picture(jobs: Jobs) -> None:
    lab = opened(jobs, x="agents", y="agents")
    assert "the default settings" in lab.notice.object
    assert len(texts(lab)) == 4
    lab.stop()


# settings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"x_low": 0}, "x.from = 0 is not allowed for decode nodes: it should be a whole number from 1 to 12 nodes."),
        ({"x_low": 1.5}, "x.from = 1.5"),
        ({"y_low": nan}, "y.from = nan"),
        ({"x_low": 3, "x_high": 3}, "x.from = 3 is not allowed: it should be below x.to = 3."),
        ({"y_high": 2, "y_steps": 4}, "y.values = 4 is not allowed: from 1 to 2"),
        ({"x": "hit rate", "x_high": 1.2}, "it should be a number from 0 to 1."),
        ({"x_high": 12, "x_steps": 12, "y_high": 12, "y_steps": 6}, "at most 64 cells"),
    ],
)
def test_a_range_that_is_not_allowed_is_refused_in_a_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        make_plan(ExploreState(**values))
    assert said in str(error.value)


@given(st.sampled_from(list(QUANTITIES)), st.data())
def test_values_go_from_end_to_end_and_rise(axis: str, data: st.DataObject) -> None:
    quantity = QUANTITIES[axis]
    least, most = LabState.param[quantity.name].bounds
    numbers = st.integers(least, most) if quantity.whole else st.floats(max(least, 0.01), most)
    low, high = sorted((data.draw(numbers), data.draw(numbers)))
    state = ExploreState(x=axis, x_low=low, x_high=high, x_steps=data.draw(st.integers(2, 12)))
    if low == high or (quantity.whole and high - low < state.x_steps - 1):
        with pytest.raises(ScenarioError, match=r"x\.from|not so many"):
            state.values("x")
        return
    assume(quantity.whole or high > 1.2 * low)  # closer ones may be the same in three digits
    values = state.values("x")
    assert (values[0], values[-1], len(values)) == (low, high, state.x_steps)
    assert sorted(set(values)) == values
    if quantity.whole:
        assert all(isinstance(value, int) for value in values)


def test_a_link_carries_every_setting_and_the_pages_name() -> None:
    sent = ExploreState(x="agents", x_low=16, x_high=80, x_steps=5, y="hit rate", y_low=0.5, measure="TTFT p99 of B", system_b="oracle")
    received = ExploreState()
    assert sent.to_query().startswith("?page=explore&v=1&")
    assert received.take_query(sent.to_query()) == []
    assert all(getattr(received, name) == getattr(sent, name) for name in ExploreState.KEYS)
    assert set(KEYS.values()) - {"speed"} < set(ExploreState.KEYS.values())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?x=agent", "x = 'agent' in the link is not allowed: it should be one of prefill nodes"),
        ("?x.from=low", "a number, or null for the usual one"),
        ("?y.values=99", "a whole number from 2 to 12 values"),
        ("?speed=20", "'speed' is unknown"),
    ],
)
def test_what_a_link_gets_wrong_is_said(query: str, said: str) -> None:
    (problem,) = ExploreState().take_query(query)
    assert said in problem


def test_choosing_the_other_axis_swaps_them_and_another_has_its_own_range() -> None:
    state = ExploreState(x_low=2, x_high=6, x_steps=3)
    state.choose("x", state.y)
    assert (state.x, state.y, state.range("y"), state.y_steps) == ("prefill nodes", "decode nodes", (2, 6), 3)
    state.choose("y", "hit rate")
    assert state.range("y") == (QUANTITIES["hit rate"].low, QUANTITIES["hit rate"].high)


# the picture


@settings(max_examples=40)
@given(
    st.sampled_from([("prefill nodes", "decode nodes"), ("decode nodes", "storage bandwidth"), ("storage bandwidth", "compute bandwidth")]),
    st.sampled_from([50, 200, 400]),
)
def test_the_outlined_region_is_the_theorys(axes: tuple[str, str], compute: float) -> None:
    state = ExploreState(x=axes[0], y=axes[1], x_high=8 if axes[0].endswith("nodes") else None, x_steps=4, compute_gbps=float(compute))
    plan = make_plan(state)
    for cell in plan:
        cluster = cell.scenarios["b"].cluster
        free = bottleneck_free_range(cluster)
        p_over_d = cluster.prefill_nodes / cluster.decode_nodes
        assert cell.bottleneck_free() is bool(not free.empty and free.low * (1 - 1e-9) <= p_over_d <= free.high * (1 + 1e-9))
    count = sum(cell.bottleneck_free() for cell in plan)
    start = "No cell" if count == 0 else "All cells" if count == len(plan) else f"Outlined are the {count} of {len(plan)} cells"
    assert region_text(plan).startswith(start)


def test_the_legend_names_the_range() -> None:
    free = bottleneck_free_range(make_plan(ExploreState()).cells[0][0].scenarios["b"].cluster)
    assert f"P/D from {free.low:.3f} to {free.high:.2f}" in region_text(make_plan(ExploreState()))


@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=5)))
def test_the_outline_runs_wherever_the_region_ends_and_nowhere_else(outlined: list[list[bool]]) -> None:
    rows, columns = len(outlined), len(outlined[0])
    inside = {(row, column) for row in range(rows) for column in range(columns) if outlined[row][column]}
    steps = {"t": (1, 0), "r": (0, 1), "b": (-1, 0), "l": (0, -1)}
    for row in range(rows):
        for column in range(columns):
            expected = {side for side, (up, right) in steps.items() if (row + up, column + right) not in inside}
            assert set(edges(outlined, row, column)) == (expected if (row, column) in inside else set())


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8))
def test_more_is_lighter_and_every_value_can_be_read(values: list[float]) -> None:
    def brightness(colour: str) -> float:
        channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        linear = (channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels)
        return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = scale_of(values)
    assert low <= min(values) <= max(values) <= high
    shades = [painted(value, low, high) for value in sorted(values)]
    lights = [brightness(shade["colour"]) for shade in shades]
    assert lights == sorted(lights)
    for shade, light in zip(shades, lights, strict=True):
        ink = 1.0 if shade["ink"] == "#fff" else 0.0
        assert (max(light, ink) + 0.05) / (min(light, ink) + 0.05) > 4.5


def test_a_trifle_does_not_look_like_a_difference() -> None:
    low, high = scale_of([1.0, 1.001])
    assert high - low == pytest.approx(0.05, rel=0.01)


def test_a_cell_without_a_number_has_no_colour() -> None:
    grid = heat_grid([[1.0, nan, nan]], [["1.00×", "", ""]], [["a", "b", "c"]], [[False, False, True]], [[False] * 3])
    (line,) = grid["cells"]
    assert [cell["kind"] for cell in line] == ["done", "waiting", "failed"]
    assert ["colour" in cell for cell in line] == [True, False, False]
    assert line[2]["text"] == "✕"
    assert not isnan(grid["low"])


def test_the_chosen_cell_is_in_the_link_and_comes_back_from_it(jobs: Jobs) -> None:
    lab = opened(jobs)
    lab.heat.picked = [1, 0]
    plan = plan_of(lab)
    assert (lab.state.x_cell, lab.state.y_cell) == (plan.xs[0], plan.ys[1])
    other = opened(jobs)
    assert other.state.take_query(lab.state.to_query()) == []
    assert other.heat.picked == [1, 0]
    assert plan.place(plan.cells[1][0]) in other._readout.object
    other.state.x_cell = 99
    assert other.heat.picked == []
    for each in (lab, other):
        each.stop()
