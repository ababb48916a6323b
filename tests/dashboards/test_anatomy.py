"""The anatomy page without a browser: what it draws is the turn, and it follows its controls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import isna

from dualpath_lab.dashboards import anatomy
from dualpath_lab.dashboards.anatomy import AnatomyLab
from dualpath_lab.dashboards.anatomy_cards import seen_table, turn_card
from dualpath_lab.dashboards.anatomy_columns import (
    NOT_TAKEN,
    bar_columns,
    forward_columns,
    link_columns,
    link_totals,
    prefill_window,
    turn_columns,
    turn_links,
)
from dualpath_lab.dashboards.anatomy_export import turn_plots, turn_table
from dualpath_lab.dashboards.anatomy_state import MOST_TURNS, NUMBER, RUNNING, AnatomyState
from dualpath_lab.dashboards.anatomy_views import AnatomyViews
from dualpath_lab.picture.style import NOTHING, duration
from dualpath_lab.scenario import SYSTEMS, ScenarioError
from dualpath_lab.studies.anatomy import Turns

SMALL: dict[str, Any] = {"source": "paper-32k", "agents": 8}


def run(**values: Any) -> Turns:
    return anatomy._run(AnatomyState(**SMALL, **values).scenario().model_dump_json())


@pytest.fixture(params=SYSTEMS)
def turns(request: pytest.FixtureRequest) -> Turns:
    return run(system=request.param)


def of_path(turns: Turns, path: str) -> int:
    return next(turn for turn in range(len(turns)) if turns.path(turn) == path)


def test_bars_are_the_turns_stages(turns: Turns) -> None:
    """Mutant: a bar from the run's start and not from the submission; a read that was not made has a length."""
    for turn in range(0, len(turns), 11):
        bars = bar_columns(turns, turn)
        assert len({len(values) for values in bars.values()}) == 1
        lengths = np.subtract(bars["right"], bars["left"])
        whole = turns.columns["finished"][turn] - turns.columns["submitted"][turn]
        assert min(bars["left"]) == 0
        assert max(bars["right"]) == pytest.approx(whole)
        both = 2 if turns.path(turn) == "both" else 1
        stages = {stage.name: stage.end_s - stage.start_s for stage in turns.stages(turn)}
        waited_unread = stages["read"] if turns.path(turn) == "none" else 0.0
        assert lengths.sum() == pytest.approx(whole + (both - 1) * stages["read"] - waited_unread)
        assert sorted(bars["y"]) == list(range(8))
        reads = dict(zip(bars["label"], bars["text"], strict=True))
        taken = [name for name in ("Read by p0", f"Read by {turns.engines(turn)[1].node.name}") if reads[name] != NOT_TAKEN]
        assert len(taken) == {"none": 0, "both": 2}.get(turns.path(turn), 1)


def test_link_bars_end_at_what_the_link_carries(turns: Turns) -> None:
    """Mutant: steps drawn over each other; a link crossed twice counted once."""
    for turn in range(0, len(turns), 11):
        segments, totals = link_columns(turns, turn), link_totals(turns, turn)
        for y, total in zip(totals["y"], totals["total"], strict=True):
            mine = [place for place, row in enumerate(segments["y"]) if row == y]
            assert sum(segments["right"][place] - segments["left"][place] for place in mine) == pytest.approx(total)
            assert max((segments["right"][place] for place in mine), default=0.0) == pytest.approx(total)
        moved = sum(step.size_bytes * len(step.links) for step in turns.steps(turn))
        assert sum(totals["total"]) == pytest.approx(moved / 1e9)
        assert len(turn_links(turns, turn)) == len(totals["y"])


def test_the_turns_own_forwards_stand_out(turns: Turns) -> None:
    for turn in range(0, len(turns), 11):
        window = prefill_window(turns, turn)
        shown = forward_columns(turns, turn, *window)
        assert len({len(values) for values in shown.values()}) == 1
        assert (shown["end"] > window[0]).all()
        assert (shown["start"] < window[1]).all()
        own = shown["alpha"] == shown["alpha"].max()
        assert shown["start"][own].min() == turns.columns["prefill_started"][turn]
        assert shown["end"][own].max() == turns.columns["prefill_ended"][turn]
        assert shown["tokens"][own].sum() >= turns.columns["computed"][turn]


def test_points_tell_the_path_of_every_turn() -> None:
    turns = run()
    points = turn_columns(turns)
    assert {len(values) for values in points.values()} == {len(turns)}
    assert set(points["path"]) == {"prefill path", "decode path", "nothing read"}
    assert points["path"][of_path(turns, "decode")] == "decode path"


@pytest.mark.parametrize(
    ("system", "path", "words"),
    [
        ("dualpath", "decode", "Read on the decode side, whose queue is shorter."),
        ("dualpath", "none", "Nothing is read."),
        ("basic", "prefill", "always reads on the prefill side"),
        ("roundrobin", "decode", "take turns"),
        ("split", "both", "Divided"),
        ("oracle", "none", "This system reads nothing."),
    ],
)
def test_what_the_scheduler_saw_is_told_with_what_it_chose(system: str, path: str, words: str) -> None:
    """Mutant: a reason that is another system's; the numbers of the other engine."""
    turns = run(system=system)
    turn = of_path(turns, path)
    table, seen = seen_table(turns, turn), turns.seen(turn)
    assert words in table
    rows = [f"{number:,} tokens" for number in seen]
    assert [table.index(row) for row in dict.fromkeys(rows)] == sorted(table.index(row) for row in dict.fromkeys(rows))
    assert turns.engines(turn)[1].name in table


def test_the_card_names_the_turn() -> None:
    turns = run()
    turn = of_path(turns, "decode")
    card = turn_card(turns, turn)
    engines = " to ".join(engine.name for engine in turns.engines(turn))
    for words in (
        f"Turn {turn:,}",
        f"of {len(turns):,}",
        f"agent {turns.columns['agent'][turn]}",
        "decode path",
        engines,
    ):
        assert words in card


@pytest.fixture
def short(tmp_path: Path) -> Turns:
    """Answers of one token and of ninety by turns."""
    trace = tmp_path / "short.csv"
    rows = [f"a,{turn},{9000 + turn},{1 + 89 * (turn % 2)},{64 * turn},0" for turn in range(4)]
    trace.write_text("\n".join(["session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s", *rows]), encoding="utf-8")
    return anatomy._run(AnatomyState().scenario().with_values({"workload.source": str(trace), "workload.agents": 1}).model_dump_json())


def test_the_first_two_tokens_are_marked_where_the_first_step_begins_and_ends(short: Turns) -> None:
    """Mutant: the second token is marked at TTST since submission; a turn without one keeps the mark, or the key, of the turn before."""
    views = AnatomyViews(lambda _: None)
    for turn in (1, 0, 3, 2):
        views.show_turn(short, turn)
        bars = views.bars.data
        copy = bars["label"].index("Copy, first step")
        first, second = views._tokens
        assert first.location == pytest.approx(bars["left"][copy])
        keys = [key.label for key in turn_plots(short, turn, views)[1].keys]
        decoded = short.columns["generate"][turn] > 1
        assert second.visible == ("second token" in keys) == ("second token" in views._headings["stages"].object) == decoded
        if decoded:
            assert second.location - first.location == pytest.approx(short.columns["ttst"][turn])
            assert second.location == pytest.approx(bars["right"][copy])


def test_a_turn_without_a_second_token_has_no_ttst(short: Turns) -> None:
    """Mutant: its TTST is told as 0, as TTFT, or as nan."""
    table = turn_table(short)
    for turn in range(len(short)):
        figures = dict(re.findall(r">(TTST|TPOT)<.*?class=\"value\">(.*?)<", turn_card(short, turn)))
        decoded = short.columns["generate"][turn] > 1
        assert all((figures[name] == NOTHING) != decoded for name in ("TTST", "TPOT"))
        assert all(isna(table[f"{name}_s"][turn]) != decoded for name in ("second_token", "ttst", "tpot"))
        if decoded:
            assert figures["TTST"] == duration(table["second_token_s"][turn] - table["first_token_s"][turn])


@pytest.fixture
def lab() -> AnatomyLab:
    return AnatomyLab(AnatomyState(**SMALL), [])


def test_it_opens_with_the_median_turn(lab: AnatomyLab) -> None:
    assert lab.turn == lab.turns.pick("median") == lab.state.turn
    assert len(lab.views.points.data["ttft"]) == len(lab.turns)
    assert len(lab.views.bars.data["left"]) == 8
    assert len(lab.views.forward.data["start"]) > 0
    assert f"Turn {lab.turn:,}" in lab._card.object
    assert "Click on a turn" in lab.notice.object


def test_a_choice_shows_that_turn_and_runs_nothing(lab: AnatomyLab) -> None:
    """Mutant: the pictures stay, or the number of the turn does."""
    turns, bars = lab.turns, lab.views.bars.data
    lab.state.pick = "slowest"
    assert lab.turn == lab.state.turn == turns.pick("slowest")
    assert lab.views.bars.data is not bars
    assert lab.views.here.data["ttft"] == [turns.columns["ttft"].max()]
    assert lab.turns is turns


def test_a_click_takes_the_turn(lab: AnatomyLab) -> None:
    lab.views.points.selected.indices = [17]
    assert (lab.turn, lab.state.pick, lab.state.turn) == (17, NUMBER, 17)
    assert "Turn 17<" in lab._card.object
    lab.views.points.selected.indices = []
    assert lab.turn == 17


def test_a_number_takes_the_turn(lab: AnatomyLab) -> None:
    _, number, _ = lab._choices
    assert number.value == lab.turn
    number.value = 23
    assert (lab.turn, lab.state.pick) == (23, NUMBER)


def test_a_turn_that_is_not_there_is_said_and_the_median_shown(lab: AnatomyLab) -> None:
    """Mutant: silently the last one."""
    lab.state.param.update(pick=NUMBER, turn=9_000)
    assert "turn = 9000 is not allowed" in lab.notice.object
    assert lab.turn == lab.turns.pick("median")
    lab.state.pick = "slowest"
    assert "not allowed" not in lab.notice.object


def test_a_change_runs_again_and_says_what_changed(lab: AnatomyLab) -> None:
    before = lab.turns
    lab.state.system = "basic"
    assert lab.turns is not before
    assert set(lab.views.points.data["path"]) == {"prefill path", "nothing read"}
    assert "System dualpath → basic" in lab.notice.object
    assert not lab.views._quota.visible
    lab.state.system = "dualpath"
    assert lab.views._quota.visible


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "ds-27b"),
        ("source", "paper-48k"),
        ("agents", 16),
        ("system", "split"),
        ("prefill_nodes", 2),
        ("decode_nodes", 1),
        ("storage_gbps", 100.0),
    ],
)
def test_every_control_of_the_run_acts(name: str, value: Any) -> None:
    assert name in RUNNING
    assert AnatomyState(**(SMALL | {name: value})).scenario() != AnatomyState(**SMALL).scenario()


def test_a_heavy_setting_is_refused_in_a_sentence_and_the_picture_stays(lab: AnatomyLab) -> None:
    before, bars = lab.turns, lab.views.bars.data
    lab.state.agents = 512
    assert lab.message.visible
    assert "workload.agents = 512 is not allowed with paper-32k" in lab.message.object
    assert "the settings before" in lab.notice.object
    assert (lab.turns, lab.views.bars.data) == (before, bars)
    lab.state.agents = 8
    assert not lab.message.visible


def test_what_the_sentence_allows_is_allowed() -> None:
    """Mutant: a limit that the page itself then refuses."""
    with pytest.raises(ScenarioError, match=r"at most about \d+") as refused:
        AnatomyState(agents=512).scenario()
    agents = int(str(refused.value).rstrip(".").rpartition(" ")[2])
    AnatomyState(agents=agents // 8 * 8 - 8).scenario()
    assert agents < 512


def test_a_link_that_is_refused_still_opens_with_a_picture() -> None:
    lab = AnatomyLab(AnatomyState(agents=512), [])
    assert len(lab.turns) <= MOST_TURNS
    assert "the default settings" in lab.notice.object
    assert len(lab.views.bars.data["left"]) == 8


def test_both_scales_show_all_turns(lab: AnatomyLab) -> None:
    for scale in ("linear", "log"):
        lab.state.scale = scale
        drawn = lab.views._scatter.object
        assert type(drawn.y_scale).__name__.lower().startswith(scale)
        assert "(s)" in drawn.yaxis.axis_label
        assert drawn.renderers[0].data_source is lab.views.points


def test_the_trace_is_of_the_run_that_is_shown(lab: AnatomyLab) -> None:
    lab.state.system = "layerwise"
    events = json.loads(lab.trace().getvalue())["traceEvents"]
    assert len({event["args"]["turn"] for event in events if "turn" in event.get("args", {})}) == len(lab.turns)
    assert lab._download.callback().getvalue() == lab.trace().getvalue()


def test_a_link_carries_every_setting_and_the_pages_name() -> None:
    values = {"model": "ds-27b", "source": "paper-48k", "agents": 16, "system": "split", "prefill_nodes": 3, "decode_nodes": 4}
    sent = AnatomyState(**values, storage_gbps=125.0, pick=NUMBER, turn=12, scale="linear")
    received = AnatomyState()
    assert sent.to_query().startswith("?page=anatomy&v=1&")
    assert received.take_query(sent.to_query()) == []
    assert all(getattr(received, name) == getattr(sent, name) != getattr(AnatomyState(), name) for name in AnatomyState.KEYS)
    (problem,) = received.take_query("?pick=fastest")
    assert "one of slowest, median, number" in problem
