"""The trace file: what Perfetto and Chrome need of it, and that it tells the run."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.anatomy import STAGES, Turns
from dualpath_lab.studies.perfetto import trace_lines, write_trace

CLUSTER = {"prefill_nodes": 1, "decode_nodes": 2, "gpus_per_node": 2, "storage_gbps": 20, "hbm_gbytes": 150}
SYSTEMS = ("basic", "dualpath", "split", "oracle")


@cache
def run(system: str, model: str = "ds-27b", agents: int = 6) -> Simulation:
    simulation = Simulation(Scenario(model=model, system=system, cluster=CLUSTER, workload={"source": "paper-32k", "agents": agents}))
    simulation.run()
    return simulation


def events_of(simulation: Simulation) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(b"".join(trace_lines(simulation)))["traceEvents"]
    return events


@pytest.fixture(params=SYSTEMS)
def simulation(request: pytest.FixtureRequest) -> Simulation:
    return run(request.param)


def slices(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == "X"]


def test_slices_lie_within_the_run_and_those_of_a_thread_do_not_overlap(simulation: Simulation) -> None:
    """Mutant: ms or s for us; all turns of an engine on one thread; a thread that is free a moment too early."""
    threads = defaultdict(list)
    for event in slices(events_of(simulation)):
        start_ns, length_ns = round(1e3 * event["ts"]), round(1e3 * event["dur"])
        assert start_ns >= 0
        assert length_ns > 0
        assert start_ns + length_ns <= round(1e9 * simulation.now)
        threads[event["pid"], event["tid"]].append((start_ns, start_ns + length_ns))
    assert max(len(each) for each in threads.values()) > 50
    for spans in threads.values():
        assert spans == sorted(spans)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_every_turn_is_there_with_all_of_its_time(simulation: Simulation) -> None:
    """A split read is there on both sides. Mutant: a stage, an engine or the last turns are left out; a read is told of both nodes."""
    turns = Turns(simulation)
    told_us: Counter[int] = Counter()
    for event in slices(events_of(simulation)):
        if "turn" in event["args"]:
            told_us[event["args"]["turn"]] += event["dur"]
    assert len(told_us) == len(turns)
    for turn, told in told_us.items():
        stages = turns.stages(turn)
        twice_s = stages[1].end_s - stages[1].start_s if turns.path(turn) == "both" else 0.0
        assert told == pytest.approx(1e6 * (stages[-1].end_s - stages[0].start_s + twice_s), abs=0.01)


@pytest.mark.parametrize("model", ["ds-27b", "qwen-32b"])
def test_slices_are_in_the_process_of_their_node(model: str) -> None:
    """Mutant: decode stages under the prefill node, a read where it is not read, forwards of another group."""
    simulation = run("dualpath", model)
    events, turns = events_of(simulation), Turns(simulation)
    names = {kind: {} for kind in ("process_name", "thread_name")}
    for event in events:
        if event["ph"] == "M" and event["name"] in names:
            key = (event["pid"], event.get("tid"))
            assert key not in names[event["name"]], "named once"
            names[event["name"]][key] = event["args"]["name"]
    assert [*names["process_name"].values()] == ["cluster", "prefill node p0", "decode node d0", "decode node d1"]
    assert len({tid for _, tid in names["thread_name"]}) == len(names["thread_name"])
    forwards = 0
    by_words = {words: name for name, words in STAGES.items()}
    for event in slices(events):
        process, thread = names["process_name"][event["pid"], None], names["thread_name"][event["pid"], event["tid"]]
        if event["name"] == "forward":
            forwards += 1
            assert thread.endswith("forwards")
            continue
        (stage,) = (each for each in turns.stages(event["args"]["turn"]) if each.name == by_words[event["name"]])
        engine = thread.partition(" ")[0]
        assert engine in (stage.where or ("scheduler",))
        assert process.endswith(engine.partition(".")[0] if stage.where else "cluster")
    assert forwards == sum(group.forwards for group in simulation.cluster.prefill_groups)


def test_counters_are_shares_and_numbers(simulation: Simulation) -> None:
    """Mutant: shares for per cent, more turns than agents, a counter that is never told."""
    counters = defaultdict(list)
    for event in events_of(simulation):
        if event["ph"] == "C":
            counters[event["name"]].append(event["args"])
    agents = simulation.scenario.workload.agents
    inside = [sum(each.values()) for each in counters.pop("turns")]
    assert max(inside) == agents
    assert min(inside) >= 0
    assert set(counters) >= {f"{role} SNIC {way} (%)" for role in ("prefill", "decode") for way in ("rx", "tx")}
    for told in counters.values():
        assert len(told) == int(simulation.now)
        assert all(0 <= sum(each.values()) <= 100.01 for each in told)
    busiest = max(max(each.values()) for each in counters["prefill SNIC rx (%)"])
    assert (busiest > 50) == (simulation.scenario.system != "oracle")


def test_an_answer_of_one_token_leaves_every_counter(tmp_path: Path) -> None:
    """It copies to HBM until it ends. Mutant: it goes on copying for ever, as it has no second token, and others decode less than none."""
    trace = tmp_path / "short.csv"
    rows = [f"s{agent},{turn},{9000 + turn},{1 + 90 * (turn % 2)},{64 * turn},0" for agent in range(3) for turn in range(8)]
    trace.write_text("\n".join(["session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s", *rows]), encoding="utf-8")
    simulation = Simulation(run("dualpath").scenario.with_values({"workload.source": str(trace), "workload.agents": 3}))
    simulation.run()
    inside = [list(event["args"].values()) for event in events_of(simulation) if event["ph"] == "C" and event["name"] == "turns"]
    assert len(inside) > 5
    assert all(0 <= number <= 3 for told in inside for number in told)
    assert all(sum(told) == 3 for told in inside[:3])


def test_a_trace_is_the_same_every_time() -> None:
    """Law 8. Mutant: order of a set, or looking that changes something."""
    first = [*trace_lines(run("dualpath"))]
    assert first == [*trace_lines(run("dualpath"))]
    again = Simulation(run("dualpath").scenario)
    again.advance(10)
    assert b"".join(trace_lines(again)) != b"".join(first)
    again.run()
    assert [*trace_lines(again)] == first


def test_a_run_of_nothing_is_a_trace_too() -> None:
    events = events_of(Simulation(run("dualpath").scenario))
    assert slices(events) == []


def test_a_file_is_written_whole_or_said_to_be_impossible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a traceback, or half a file, where the disk is full."""
    path = tmp_path / "trace.json"
    write_trace(path, run("dualpath"))
    whole = path.read_bytes()
    assert json.loads(whole)["traceEvents"]

    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(ScenarioError, match=r"trace.json' cannot be written: No space left"):
        write_trace(path, run("oracle"))
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("trace.json", whole)]
