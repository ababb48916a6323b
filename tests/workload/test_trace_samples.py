"""Sessions of a trace are drawn with the seed: as many as the scenario asks for, or as fit where there are too many turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dualpath_lab.scenario import ScenarioError, WorkloadSpec
from dualpath_lab.workload import build_workload, load, read_trace, sources
from dualpath_lab.workload.traces import Draw, tables

MOST = 3_000
SESSIONS = 2_500
"""Of 1 to 5 turns, 7,500 in all."""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that a test can pass."""
    monkeypatch.setattr(tables, "MOST_TURNS", MOST)
    monkeypatch.setattr(sources, "MOST_TURNS", MOST)


def rows(form: str) -> list[str]:
    """The session of a row can be told from its appended tokens."""
    found = []
    for session in range(SESSIONS):
        for turn in range(session % 5 + 1):
            match form:
                case "plain":
                    found.append(f"s{session},{turn},{session + 1},0")
                case "sessions":
                    found.append(f"s{session},{turn},{(session + 1) * (turn + 1)},0")
                case "singles":
                    found.append(f"{session},{session + 1},0")
                case "hashes":
                    ids = range(session * 10, session * 10 + 2 * turn + 1)
                    found.append(f'{session + 10**4 * turn},{512 * (2 * turn + 1)},0,"{list(ids)}"')
    return found


HEADERS = {
    "plain": "session,turn,appended,generated",
    "sessions": "session_id,turn,input_tokens,output_tokens",
    "singles": "timestamp,input_tokens,output_tokens",
    "hashes": "timestamp,input_length,output_length,hash_ids",
}


@pytest.fixture
def trace(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / f"{request.param}.csv"
    path.write_text("\n".join([HEADERS[request.param], *rows(request.param)]), encoding="utf-8")
    return path


every_form = pytest.mark.parametrize("trace", HEADERS, indirect=True)


@every_form
@pytest.mark.usefixtures("few")
def test_a_trace_with_too_many_turns_is_thinned_out_by_whole_sessions(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants: rows are drawn and not sessions; the first ones are kept; the seed has no say; batches have."""
    found = load(str(trace))
    assert MOST / 3 < found.turns <= MOST
    monkeypatch.setattr("dualpath_lab.workload.traces.csv_file._BATCH_ROWS", 777)
    np.testing.assert_array_equal(found.append, load(str(trace)).append)
    other = load(str(trace), rng=np.random.default_rng(1))
    assert found.append.tolist() != other.append.tolist()
    turns = np.diff(found.first_turn)
    if trace.stem in ("plain", "sessions"):
        kept = found.append[found.first_turn[:-1]] - 1
        assert (turns == kept % 5 + 1).all()
        assert kept.mean() == pytest.approx((SESSIONS - 1) / 2, rel=0.1)
        assert turns.mean() == pytest.approx(3, rel=0.1)
    assert any("drawn with the seed" in note for note in found.told)


@pytest.mark.parametrize("trace", ["plain", "sessions", "singles"], indirect=True)
@pytest.mark.usefixtures("few")
def test_memory_follows_what_is_kept(trace: Path) -> None:
    """Mutant: all rows are read before some are left out."""
    draw = Draw(np.random.default_rng(0))
    read_trace(trace, draw)
    assert draw.below < 1


@every_form
@pytest.mark.usefixtures("few")
def test_where_nothing_may_be_left_out_too_many_are_refused(trace: Path) -> None:
    with pytest.raises(ScenarioError, match="too many turns: it should have at most"):
        read_trace(trace)


@pytest.mark.parametrize("trace", ["plain"], indirect=True)
def test_the_scenario_says_how_many_sessions_are_drawn(trace: Path) -> None:
    """Each as likely as another. Mutant: the first ones."""
    workload = load(str(trace), sessions=200)
    assert workload.trajectories == 200
    assert workload.append[workload.first_turn[:-1]].mean() == pytest.approx(SESSIONS / 2, rel=0.1)
    assert "200 of 2,500 sessions are taken, drawn with the seed." in workload.told
    spec = WorkloadSpec(source=str(trace), sessions=3, agents=50)
    built, _ = build_workload(spec, 5)
    assert len(set(built.append.tolist()) - {63}) == 3
    assert "3 of 2,500 sessions are taken, drawn with the seed." in built.told
    assert any("all are taken" in note for note in load(str(trace), sessions=9_999).told)


def test_a_paper_source_gives_as_many_sessions_as_are_asked_for() -> None:
    assert load("paper-32k", sessions=7).trajectories == 7


@pytest.mark.parametrize(("gap", "told"), [(0.0, True), (None, False), (3.0, False)])
def test_pauses_that_a_run_leaves_out_are_told(tmp_path: Path, gap: float | None, told: bool) -> None:
    path = tmp_path / "t.csv"
    path.write_text("session,turn,appended,generated,gap_s\na,0,100,1,\na,1,5,1,9\n", encoding="utf-8")
    workload, _ = build_workload(WorkloadSpec(source=str(path), agents=1, tool_gap_s=gap), 0)
    assert any("workload.tool_gap_s = 0" in note for note in workload.told) == told
