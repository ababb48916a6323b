"""Turns taken apart: their stages fill their time, their steps are the bytes of the links, and forwards are what was prefilled."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dualpath_lab.calibration import COMPUTE_QUOTA_S
from dualpath_lab.core.links import Link
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.systems import mechanisms
from dualpath_lab.result import result_of
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError
from dualpath_lab.studies.anatomy import STAGES, Turns, group_name
from dualpath_lab.workload import BLOCK_TOKENS

CLUSTER = {"prefill_nodes": 1, "decode_nodes": 2, "gpus_per_node": 2, "storage_gbps": 20, "hbm_gbytes": 150}


def scenario(system: str = "dualpath", model: str = "ds-27b") -> Scenario:
    return Scenario(model=model, system=system, cluster=CLUSTER, workload={"source": "paper-32k", "agents": 6})


@cache
def run(system: str = "dualpath", model: str = "ds-27b") -> Turns:
    simulation = Simulation(scenario(system, model))
    simulation.run()
    return Turns(simulation)


@pytest.fixture(params=SYSTEMS)
def turns(request: pytest.FixtureRequest) -> Turns:
    return run(request.param)


def test_stages_tile_the_time_of_every_turn(turns: Turns) -> None:
    """Mutant: a stage begins where another than the one before it ends, or two times are in the wrong order."""
    assert len(turns) > 200
    for turn in range(len(turns)):
        stages = turns.stages(turn)
        assert [stage.name for stage in stages] == list(STAGES)
        assert stages[0].start_s == turns.columns["submitted"][turn]
        assert stages[-1].end_s == turns.columns["finished"][turn]
        for stage, following in pairwise(stages):
            assert stage.end_s == following.start_s
        assert all(stage.end_s >= stage.start_s for stage in stages)


def test_the_stages_before_the_first_token_are_ttft(turns: Turns) -> None:
    """Mutant: the copy to the decode engine counts before the first token."""
    for turn in range(len(turns)):
        before = sum(stage.end_s - stage.start_s for stage in turns.stages(turn)[:5])
        assert before == pytest.approx(turns.columns["ttft"][turn])


def test_the_stage_between_the_first_two_tokens_is_ttst(turns: Turns) -> None:
    """Mutant: TTST from submission, or without the copy."""
    for turn in np.flatnonzero(turns.columns["generate"] > 1):
        copy = turns.stages(turn)[5]
        assert copy.name == "copy"
        assert copy.end_s - copy.start_s == pytest.approx(turns.columns["ttst"][turn])


def test_stages_are_where_the_turn_was(turns: Turns) -> None:
    """Mutant: a read on the decode side is told of the prefill node, or an engine by the number of another."""
    columns, gpus = turns.columns, CLUSTER["gpus_per_node"]
    moved = turns.simulation.scenario.system != "oracle"
    for turn in range(len(turns)):
        pe, de = (f"{role[0]}{columns[role][turn] // gpus}.g{columns[role][turn] % gpus}" for role in ("pe", "de"))
        where = {stage.name: stage.where for stage in turns.stages(turn)}
        assert (where["schedule"], where["prefill"], where["decode"]) == ((), (pe,), (de,))
        hit, near = columns["hit"][turn], columns["prefill_read"][turn]
        if hit and moved:
            assert where["read"] == tuple(name for name, tokens in ((pe, near), (de, hit - near)) if tokens)


def test_an_answer_of_one_token_ends_with_the_copy(tmp_path: Path) -> None:
    """It is never decoded. Mutant: the copy is told as decoding."""
    trace = tmp_path / "one.csv"
    rows = ["session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s", "a,0,5000,1,0,0", "a,1,6000,4,5000,0"]
    trace.write_text("\n".join(rows) + "\n", encoding="utf-8")
    simulation = Simulation(scenario().with_values({"workload.source": str(trace), "workload.agents": 1}))
    simulation.run()
    lengths = [[stage.end_s - stage.start_s for stage in Turns(simulation).stages(turn)[-2:]] for turn in range(2)]
    assert lengths[0][0] > 0
    assert lengths[0][1] == 0
    assert min(lengths[1]) > 0


def test_steps_sum_to_section_4(turns: Turns) -> None:
    """Each resource against what section 4 counts. Mutant: a step that is left out, counted twice, or on the link of another node."""
    kv_bytes = turns.simulation.model.kv_bytes_per_token
    columns = turns.columns
    for turn in range(len(turns)):
        total: Counter[Link] = Counter()
        for step in turns.steps(turn):
            for link in step.links:
                total[link] += step.size_bytes
        near, hit, miss, generate = (int(columns[name][turn]) * kv_bytes for name in ("prefill_read", "hit", "computed", "generate"))
        far, prompt = hit - near, hit + miss
        near_again, far_again = (int(columns[name][turn]) * kv_bytes for name in ("prefill_reloaded", "decode_reloaded"))
        block = BLOCK_TOKENS * kv_bytes
        written = (prompt + generate) // block * block - hit
        pe, de = (engine.ports for engine in turns.engines(turn))
        expected = {
            pe.snic_rx: near,
            pe.dram: 2 * near + near_again,
            pe.cnic_tx: 2 * near + near_again + miss,
            pe.cnic_rx: near + near_again + far + far_again,
            de.snic_rx: far,
            de.snic_tx: written,
            de.dram: 2 * far + far_again + (near + miss) + prompt + 2 * written,
            de.cnic_tx: far + far_again + prompt + written,
            de.cnic_rx: (near + miss) + prompt + written,
        }
        moved = turns.simulation.scenario.system != "oracle"
        assert total == Counter({link: size for link, size in expected.items() if size} if moved else {})


def test_the_steps_of_all_turns_are_what_the_links_carried(turns: Turns) -> None:
    """Law 2. Mutant: a turn's steps with the engines of another."""
    total: Counter[Link] = Counter()
    for turn in range(len(turns)):
        for step in turns.steps(turn):
            for link in step.links:
                total[link] += step.size_bytes
    carried = turns.simulation.network.carried_bytes(turns.simulation.now)
    for link in turns.simulation.cluster.links():
        assert carried[link.number] == pytest.approx(total[link], abs=2)


def test_the_slowest_is_and_the_median_stands_in_the_middle(turns: Turns) -> None:
    """Mutant: by another latency, or the last to finish."""
    ttft = turns.columns["ttft"]
    assert ttft[turns.pick("slowest")] == ttft.max()
    median = ttft[turns.pick("median")]
    assert (ttft < median).sum() <= len(ttft) / 2
    assert (ttft > median).sum() <= len(ttft) / 2


def test_what_was_seen_decided() -> None:
    """Section 7: the shorter queue reads. Mutant: queues swapped, or seen after the turn itself had joined one."""
    turns = run()
    paths = Counter(turns.path(turn) for turn in range(len(turns)))
    assert min(paths[path] for path in ("prefill", "decode", "none")) > 5
    for turn in range(len(turns)):
        seen = turns.seen(turn)
        if turns.path(turn) != "none":
            assert (turns.path(turn) == "decode") == (seen.decode_queue < seen.prefill_queue)
        assert seen.pe >= turns.columns["hit"][turn] + turns.columns["computed"][turn]


@pytest.mark.parametrize("model", ["ds-27b", "qwen-32b"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_forwards_are_what_was_prefilled(system: str, model: str) -> None:
    """Mutant: a forward that is not written down, one that still runs, or the tokens of one engine for those of the group."""
    turns = run(system, model)
    tokens, groups = 0, turns.simulation.cluster.prefill_groups
    for group in groups:
        forwards = group.log.columns()
        assert len(group.log) == group.forwards
        assert (forwards["end"] > forwards["start"]).all()
        assert (forwards["start"][1:] >= forwards["end"][:-1]).all(), "one at a time"
        assert (forwards["end"] - forwards["start"] >= forwards["attention_s"]).all()
        if mechanisms(turns.simulation.scenario).compute_quota:
            assert (forwards["attention_s"] <= COMPUTE_QUOTA_S * (1 + 1e-9)).all()
        tokens += forwards["tokens"].sum()
    assert tokens == turns.columns["computed"].sum()
    assert sum(group.log.columns()["requests"].sum() for group in groups) >= len(turns)
    for turn in range(0, len(turns), 7):
        forwards = turns.forwards(turn)
        assert turns.columns["prefill_started"][turn] in forwards["start"]
        assert turns.columns["prefill_ended"][turn] in forwards["end"]


def test_a_group_is_named_after_its_engines() -> None:
    assert {group_name(group) for group in run(model="qwen-32b").simulation.cluster.prefill_groups} == {"p0.g0", "p0.g1"}
    assert [group_name(group) for group in run().simulation.cluster.prefill_groups] == ["p0.g0 to p0.g1"]


def test_looking_at_a_run_changes_nothing() -> None:
    """Law 8. Mutant: taking turns apart moves the simulation."""
    simulation = Simulation(scenario())
    simulation.advance(20.0)
    early = Turns(simulation)
    stages = [early.stages(turn) for turn in range(len(early))]
    assert 0 < len(early) < len(run())
    assert max(stage[-1].end_s for stage in stages) <= 20.0
    simulation.run()
    whole = run()
    assert [whole.stages(turn) for turn in range(len(early))] == stages
    watched, plain = (result_of(each, 0.0).to_dict() for each in (simulation, whole.simulation))
    assert watched == plain
    np.testing.assert_array_equal(Turns(simulation).columns["ttft"], whole.columns["ttft"])


def test_a_turn_that_is_not_there_is_said() -> None:
    turns = run()
    turns.check(len(turns) - 1)
    for wrong in (-1, len(turns)):
        with pytest.raises(ScenarioError, match=f"turn = {wrong} is not allowed: .* from 0 to {len(turns) - 1}"):
            turns.check(wrong)
    nothing = Turns(Simulation(scenario()))
    with pytest.raises(ScenarioError, match="No turn has finished"):
        nothing.pick("slowest")
    with pytest.raises(ScenarioError, match="No turn has finished"):
        nothing.check(0)
