"""One read over both sides: how it is divided, and when it is over."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.core.scheduler import read_on_prefill_side, split_read
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.turn import Turn
from dualpath_lab.hardware import load_hardware
from dualpath_lab.scenario import Cluster, Scenario
from dualpath_lab.workload import BLOCK_TOKENS

STORAGE_EFFICIENCY = load_hardware(Cluster().hardware).storage_efficiency

blocks = st.integers(0, 2000)


def between(prefill_queue: int, decode_queue: int, hit: int) -> tuple[Any, Any, Any]:
    """A turn and engines whose nodes have so many tokens to read."""
    prefill, decode = (SimpleNamespace(node=SimpleNamespace(read_tokens=tokens)) for tokens in (prefill_queue, decode_queue))
    return SimpleNamespace(hit=hit), prefill, decode


@settings(max_examples=300)
@given(st.tuples(blocks, blocks, blocks))
def test_split_makes_both_queues_end_at_the_same_length_where_it_can(case: tuple[int, int, int]) -> None:
    """An odd block is one too many on either side. Mutant: halves whatever the queues, or the longer queue gets more."""
    prefill_queue, decode_queue, hit = (number * BLOCK_TOKENS for number in case)
    prefill_read = split_read(*between(prefill_queue, decode_queue, hit))
    assert prefill_read % BLOCK_TOKENS == 0
    assert 0 <= prefill_read <= hit
    if hit >= abs(prefill_queue - decode_queue):
        odd = sum(case) % 2 * BLOCK_TOKENS
        assert abs(prefill_queue + prefill_read - decode_queue - (hit - prefill_read)) == odd
    else:
        assert prefill_read == (hit if prefill_queue < decode_queue else 0)


@settings(max_examples=100)
@given(st.tuples(blocks, blocks, blocks))
def test_without_the_second_path_all_is_read_on_the_prefill_side(case: tuple[int, int, int]) -> None:
    """Mutant: a shorter queue on the decode side tempts."""
    prefill_queue, decode_queue, hit = (number * BLOCK_TOKENS for number in case)
    assert read_on_prefill_side(*between(prefill_queue, decode_queue, hit)) == hit


def when_loading_begins(simulation: Simulation) -> dict[int, float]:
    """Filled as the run goes on: row of each turn, in the order in which their loading begins, and when."""
    begun_s: dict[int, float] = {}
    loader = simulation._loader
    begin = loader.begin

    def watched(turn: Turn) -> None:
        begun_s[turn.row] = simulation._env.now
        begin(turn)

    loader.begin = watched  # type: ignore[method-assign]
    return begun_s


@pytest.mark.parametrize("system", ["dualpath", "split"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 1)], ids=lambda shape: "{}P{}D".format(*shape))
def test_a_turn_is_ready_when_the_later_of_its_reads_is_done(shape: tuple[int, int], system: str) -> None:
    """Law 5, exact: each storage NIC reads first come, first served, and a turn has what it needs when both its parts are there.

    Mutant: ready after the first part; the parts one after the other; a part that takes part in no queue.
    """
    cluster = {"prefill_nodes": shape[0], "decode_nodes": shape[1], "gpus_per_node": 2, "storage_gbps": 1.5, "dram_gbytes_per_s": 1e6}
    workload = {"source": "paper-32k", "agents": 12, "append_scale": 3, "arrival_rate": 1}
    simulation = Simulation(Scenario(model="ds-27b", system=system, cluster=cluster, workload=workload))
    begun_s = when_loading_begins(simulation)
    simulation.run()
    table, token_s = simulation.log.columns(), simulation.model.kv_bytes_per_token / (1.5e9 / 8 * STORAGE_EFFICIENCY)
    idle_at: dict[str, float] = defaultdict(float)
    sides = []
    at = {row: turn for turn, row in enumerate(table["row"].tolist())}
    for row, start_s in begun_s.items():
        turn = at[row]
        hit, near = int(table["hit"][turn]), int(table["prefill_read"][turn])
        done_s = start_s
        for node, tokens in ((f"p{table['pe'][turn] // 2}", near), (f"d{table['de'][turn] // 2}", hit - near)):
            if tokens:
                idle_at[node] = max(idle_at[node], start_s) + tokens * token_s
                done_s = max(done_s, idle_at[node])
        assert table["read"][turn] == pytest.approx(done_s, rel=1e-6)
        sides.append((near > 0, near < hit))
    assert set(sides) > ({(True, True)} if system == "split" else {(True, False), (False, True)})
    assert ((True, True) in sides) == (system == "split")


@pytest.mark.parametrize("number", [1, 2, 7, 200])
def test_alone_a_split_read_takes_half_as_long(tmp_path: Path, number: int) -> None:
    """Closed form: the larger half, in whole blocks, at the storage NIC's rate. Mutant: both NICs read all of it.

    The pause between the turns lets the first one's blocks reach storage.
    """
    hit = number * BLOCK_TOKENS
    path = tmp_path / "one.csv"
    header = "session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s"
    path.write_text(f"{header}\na,0,{hit - 1},1,0,0\na,1,{hit + 9},1,{hit},0\n", encoding="utf-8")
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 1, "storage_gbps": 2}
    workload = {"source": str(path), "agents": 1, "tool_gap_s": 1000}
    simulation = Simulation(Scenario(model="ds-27b", system="split", cluster=cluster, workload=workload))
    simulation.run()
    table = simulation.log.columns()
    assert table["hit"].tolist() == [0, hit]
    half_bytes = (number + 1) // 2 * BLOCK_TOKENS * simulation.model.kv_bytes_per_token
    assert (table["read"] - table["placed"])[1] == pytest.approx(half_bytes / (2e9 / 8 * STORAGE_EFFICIENCY))
    assert table["seen_prefill_queue"].tolist() == table["seen_decode_queue"].tolist() == [0, 0]
