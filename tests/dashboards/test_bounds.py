"""What a visitor's run may take is looked at before it starts, and is told from turns, tokens and links, never from times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dualpath_lab import Scenario, ScenarioError
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.dashboards import bounds
from dualpath_lab.dashboards.advisor_state import AdvisorState
from dualpath_lab.dashboards.anatomy_state import AnatomyState
from dualpath_lab.dashboards.bounds import MOST_BYTES, MOST_GENERATED, MOST_GENERATED_BY_TURN, check, links_of, needed_bytes
from dualpath_lab.dashboards.cluster_state import DATA_FOLDER, _traces
from dualpath_lab.dashboards.explore_state import ExploreState
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.dashboards.uploads import CheckTask
from dualpath_lab.workload import build_workload

PEAK = """
import json, re, sys
from pathlib import Path
from dualpath_lab.core.network import warm_up
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.run import simulate
warm_up()
result = simulate(Scenario(**json.loads(sys.argv[1])))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]  # getrusage counts the parent's memory too
print(json.dumps([1024 * int(peak), result.values["turns"]]))
"""


def trace(folder: Path, sessions: int = 1, turns: int = 2, generated: int = 10, gap_s: float = 0.0) -> Path:
    path = folder / "trace.csv"
    rows = [f"s{session},{turn},100,{generated},{gap_s if turn else 0}" for session in range(sessions) for turn in range(turns)]
    path.write_text("\n".join(["session,turn,appended,generated,gap_s", *rows, ""]))
    return path


def of(path: Path, agents: int = 8, **others: Any) -> Scenario:
    workload = {"source": str(path), "agents": agents, "tool_gap_s": None}
    return Scenario(model="qwen-32b", cluster={"prefill_nodes": 1, "decode_nodes": 1}, workload=workload | others)


@pytest.mark.parametrize(
    "workload",
    [
        {"source": "paper-32k", "agents": 8},
        {"source": "paper-64k", "agents": 200},
        {"source": "paper-64k", "agents": 20, "tool_gap_s": 1e5},
        {"source": "paper-64k", "agents": 20, "arrival_rate": 1e-7},
    ],
)
def test_a_run_needs_no_more_memory_than_is_told_before(workload: dict[str, Any]) -> None:
    """Mutants: a turn's, a link's or a process' share is left out; the bins follow the simulated time."""
    scenario = {"model": "qwen-32b", "workload": workload}
    made = subprocess.run([sys.executable, "-c", PEAK, json.dumps(scenario)], capture_output=True, text=True, check=True)
    peak_bytes, turns = json.loads(made.stdout)
    needed = needed_bytes(turns, links_of(Scenario(**scenario)))
    assert 0.4 * needed < peak_bytes <= needed


@pytest.mark.parametrize("nodes", [1, 3])
def test_links_are_those_of_the_cluster(nodes: int) -> None:
    scenario = Scenario(model="qwen-32b", cluster={"prefill_nodes": nodes, "decode_nodes": 2, "gpus_per_node": 4})
    assert links_of(scenario) == len(Simulation(scenario.with_values({"workload.agents": 1})).network.links)


def test_pauses_play_no_part(tmp_path: Path) -> None:
    """Mutant: a long pause is refused, or lets a large run in."""
    check(of(trace(tmp_path, gap_s=1e9)))
    with pytest.raises(ScenarioError, match="take"):
        check(of(trace(tmp_path, turns=20_000, gap_s=1e9), 512))


@pytest.mark.parametrize("source", ["paper-32k", "paper-64k"])
def test_the_turns_told_are_those_of_the_run(source: str) -> None:
    """Within a tenth. Mutant: the trajectories of the source are not counted as the agents take them."""
    scenario = Scenario(workload={"source": source, "agents": 400})
    turns = build_workload(scenario.workload, 0)[0].turns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "MOST_BYTES", needed_bytes(round(0.9 * turns), links_of(scenario)))
        with pytest.raises(ScenarioError, match="400 is not allowed"):
            check(scenario)
        patch.setattr(bounds, "MOST_BYTES", needed_bytes(round(1.1 * turns), links_of(scenario)))
        check(scenario)


def test_who_asks_for_too_much_memory_is_told_how_many_agents_would_do(tmp_path: Path) -> None:
    path = trace(tmp_path, turns=20_000)
    with pytest.raises(ScenarioError, match="about 10,240,000 turns") as told:
        check(of(path, 512))
    most = int(str(told.value).split("at most about ")[1].split()[0])
    check(of(path, most))
    with pytest.raises(ScenarioError):
        check(of(path, most + 1))
    assert needed_bytes(20_000 * most, links_of(of(path))) <= MOST_BYTES


def test_tokens_are_bounded_by_turn_and_by_run(tmp_path: Path) -> None:
    check(of(trace(tmp_path, generated=MOST_GENERATED_BY_TURN)))
    with pytest.raises(ScenarioError, match="a turn generates 1,000,001 tokens"):
        check(of(trace(tmp_path, generated=MOST_GENERATED_BY_TURN + 1)))
    with pytest.raises(ScenarioError, match="a turn generates 2,000,000 tokens"):
        check(of(trace(tmp_path, generated=MOST_GENERATED_BY_TURN), generate_scale=2))
    path = trace(tmp_path, turns=1, generated=MOST_GENERATED_BY_TURN)
    check(of(path, MOST_GENERATED // MOST_GENERATED_BY_TURN))
    with pytest.raises(ScenarioError, match=r"about 1,001,000,000 generated tokens.*at most about 1000 agents"):
        check(of(path, 1001))


def test_an_upload_says_what_its_pauses_are_and_refuses_turns_too_long(tmp_path: Path) -> None:
    row = CheckTask(trace(tmp_path, gap_s=90), "trace").run(lambda _: None)
    assert row["told"] == "1 sessions, 2 turns, whose pauses of up to 90 s are kept"
    assert CheckTask(trace(tmp_path), "trace").run(lambda _: None)["told"] == "1 sessions, 2 turns"
    row = CheckTask(trace(tmp_path, generated=10**8), "trace").run(lambda _: None)
    assert "trace.csv is not allowed here: a turn generates 100,000,000 tokens" in row["error"]


def test_pages_keep_the_pauses_of_a_recorded_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: the default, no pauses, on one of the pages: the JCT of a trace with a pause of a day is a few seconds."""
    path = trace(tmp_path, gap_s=86_400)
    uploaded = AdvisorState()
    uploaded.offer("source", path)
    assert uploaded.scenario().workload.tool_gap_s is None
    monkeypatch.setenv(DATA_FOLDER, str(tmp_path))
    _traces.cache_clear()
    for state in (LabState(source=path.name), AnatomyState(source=path.name), AdvisorState(source=path.name)):
        scenario = state.scenarios()[0] if isinstance(state, LabState) else state.scenario()
        assert scenario.workload.source == str(path)
        assert build_workload(scenario.workload, 0)[0].gap_s.max() == 86_400
    for state in (LabState(), AnatomyState(), AdvisorState()):
        scenario = state.scenarios()[0] if isinstance(state, LabState) else state.scenario()
        assert scenario.workload.tool_gap_s == 0


@pytest.mark.parametrize("state", [LabState, AnatomyState])
def test_pages_that_run_in_the_server_are_bounded_too(state: type[LabState | AnatomyState], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_BYTES", needed_bytes(100, 57))
    asked = state()
    with pytest.raises(ScenarioError, match="this server gives a run"):
        asked.scenarios() if isinstance(asked, LabState) else asked.scenario()


def test_whatever_the_controls_can_be_set_to_is_let_in() -> None:
    """Mutant: a bound that refuses what a page offers."""
    LabState(agents=2048, prefill_nodes=12, decode_nodes=12).scenarios()
    agents, gpus = (AdvisorState.param[name].bounds[1] for name in ("agents", "gpus"))
    check(AdvisorState(agents=agents, gpus=gpus, source="paper-64k").scenario().with_values({"cluster.prefill_nodes": 8}))
    assert ExploreState.param["agents"].default <= 512
