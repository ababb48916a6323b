"""Decode steps in closed form."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from types import SimpleNamespace

import pytest
from simpy import Environment

from dualpath_lab.core.decode import DecodeGroup
from dualpath_lab.core.engines import DecodeEngine, Exchange
from dualpath_lab.core.network import Network
from dualpath_lab.core.paths import Ports
from dualpath_lab.core.turn import Turn
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import Model

DENSE = Model(
    name="round numbers",
    layers=10,
    kv_bytes_per_token=1_000_000,
    total_parameters=10**9,
    active_parameters=10**9,
    weight_bytes=2 * 10**9,
    routed_weight_bytes=0,
    expert_parallel=False,
    buffer_bytes_per_node=10**12,
    core_flops_per_pair=1000,
)
EXPERTS = replace(DENSE, expert_parallel=True, routed_weight_bytes=16 * 10**8, routed_experts=8, active_experts=2)
GPU = load_hardware("h800")
SILENT = Exchange(0.0, 100.0)


class Bench:
    """A decode group on its own, of engines with a compute NIC of 100 bytes/s each."""

    def __init__(self, model: Model = DENSE, engines: int = 1, exchange: Exchange = SILENT) -> None:
        self.env = Environment(0.0)
        network = Network(self.env)
        self.model = model
        self.engines = [self._engine(number, network) for number in range(engines)]
        self.group = DecodeGroup(self.env, network, exchange, model, GPU, self.engines)
        self.ended: dict[int, float] = {}
        self.turns: dict[int, Turn] = {}
        self.group.loader = SimpleNamespace(decoded=lambda *_: None)  # type: ignore[assignment]
        self.group.turn_ended = lambda turn: self.ended.update({turn.agent: self.env.now})

    @staticmethod
    def _engine(number: int, network: Network) -> DecodeEngine:
        links = [network.link("g", "cnic", "decode", "tx", 100.0) for _ in range(5)]
        node = SimpleNamespace(name="d0", ports=[Ports(*links)])
        return DecodeEngine(number, node, 0, 10**12, 0, network)  # type: ignore[arg-type]

    def join(self, number: int, at_s: float, prompt: int, generate: int, engine: int = 0) -> None:
        turn = Turn(number, number, 0, prompt, generate, self.model.kv_bytes_per_token)
        turn.de = self.engines[engine]
        self.turns[number] = turn
        self.env.timeout(at_s).callbacks.append(lambda _: self.group.join(turn))

    def step_s(self, *engine_contexts: list[int]) -> float:
        """A step of sequences whose mean contexts are given for each engine, from the class's own words."""
        model, gpus = self.model, len(self.engines)
        sequences = sum(len(contexts) for contexts in engine_contexts)
        overhead_s = model.layers * GPU.layer_overhead_s if gpus > 1 else 0.0
        weight_bytes = 2 * 10**9 if model is DENSE else 4 * 10**8 + 16 * 10**8 / gpus * (1 - 0.75**sequences)
        kv_bytes = max(sum(contexts) for contexts in engine_contexts) * model.kv_bytes_per_token
        linear_s = sequences * 2 * model.active_parameters / gpus / GPU.linear_flops_per_s
        return overhead_s + (weight_bytes + kv_bytes) / GPU.hbm_bytes_per_s + linear_s

    def run(self) -> dict[int, float]:
        self.env.run()
        return self.ended


@pytest.mark.parametrize(("model", "engines"), [(DENSE, 1), (EXPERTS, 1), (EXPERTS, 4)], ids=["dense", "experts alone", "experts"])
@pytest.mark.parametrize("generate", [2, 3, 100])
def test_one_sequence_takes_a_step_for_each_token_after_the_first(model: Model, engines: int, generate: int) -> None:
    """Law 9. Mutant: g steps and not g - 1; weights, KV-cache, linear layers or overhead left out; experts read that no token meets."""
    bench = Bench(model, engines)
    bench.join(0, 1.0, prompt=1000, generate=generate)
    step_s = bench.step_s([1000 + generate // 2])
    assert bench.run() == {0: pytest.approx(1.0 + (generate - 1) * step_s)}
    assert bench.turns[0].second_token == pytest.approx(1.0 + step_s)
    assert bench.turns[0].finished == bench.ended[0]


@pytest.mark.parametrize("generate", [0, 1])
def test_an_answer_of_one_token_is_over_with_the_prefill(generate: int) -> None:
    """Law 1: no second token. Mutant: a step for nothing, or a group that goes on running."""
    bench = Bench()
    bench.join(0, 2.0, prompt=1000, generate=generate)
    assert bench.run() == {0: 2.0}
    assert isnan(bench.turns[0].second_token)
    assert bench.group.traffic.rate == 0
    assert bench.engines[0].decoding == bench.group.step_bytes[0] == 0


def test_two_sequences_of_one_engine_slow_each_other() -> None:
    """Closed form: 9 common steps, then the longer alone for 10. Mutant: the step stays that of two after one has ended."""
    bench = Bench()
    bench.join(0, 0.0, prompt=1000, generate=10)
    bench.join(1, 0.0, prompt=5000, generate=20)
    both_s, alone_s = bench.step_s([1005, 5010]), bench.step_s([5010])
    assert bench.run() == {0: pytest.approx(9 * both_s), 1: pytest.approx(9 * both_s + 10 * alone_s)}


def test_engines_of_a_group_wait_for_the_fullest() -> None:
    """Closed form: the step reads the KV-cache of the fuller engine only. Mutant: the sum or the mean of both."""
    bench = Bench(EXPERTS, engines=2)
    bench.join(0, 0.0, prompt=1000, generate=10, engine=0)
    bench.join(1, 0.0, prompt=5000, generate=10, engine=1)
    step_s = bench.step_s([1005], [5005])
    assert bench.run() == {0: pytest.approx(9 * step_s), 1: pytest.approx(9 * step_s)}


@pytest.mark.parametrize(("join_at", "first_common"), [(30.25, 32), (30.99, 32), (30.01, 31), (31.0, 32)])
def test_a_sequence_joins_the_step_after_the_next(join_at: float, first_common: int) -> None:
    """Closed form: the next step is prepared when it comes, unless the step that runs has only just begun.

    Mutant: a join starts the others' step anew, or counts from the moment of coming, or takes part in a step that was prepared without it.
    """
    bench = Bench()
    bench.join(0, 0.0, prompt=2000, generate=100)
    first_s = bench.step_s([2050])
    bench.join(1, join_at * first_s, prompt=4000, generate=50)
    both_s = bench.step_s([2050, 4025])
    begin_s = first_common * first_s
    second_end_s = begin_s + 49 * both_s
    first_end_s = second_end_s + (99 - first_common - 49) * first_s
    assert bench.run() == {1: pytest.approx(second_end_s), 0: pytest.approx(first_end_s)}
    assert bench.turns[1].second_token == pytest.approx(begin_s + both_s)
    assert bench.engines[0].decoding == bench.group.step_bytes[0] == 0


def test_a_sequence_that_comes_while_a_step_is_prepared_joins_one_later() -> None:
    """Closed form: those of step 10 join the 12th, those of step 11 the 13th (steps count from 0).

    Mutant: whoever comes joins what is prepared already, or waits until nothing is.
    """
    bench = Bench()
    bench.join(0, 0.0, prompt=2000, generate=100)
    alone_s = bench.step_s([2050])
    bench.join(1, 10.5 * alone_s, prompt=1000, generate=50)
    bench.join(2, 10.7 * alone_s, prompt=1000, generate=50)
    bench.join(3, 11.5 * alone_s, prompt=1000, generate=50)
    bench.run()
    three_s = bench.step_s([2050, 1025, 1025])
    assert bench.turns[1].second_token == bench.turns[2].second_token == pytest.approx(12 * alone_s + three_s)
    assert bench.turns[3].second_token == pytest.approx(12 * alone_s + three_s + bench.step_s([2050, 1025, 1025, 1025]))


def test_sequences_that_come_all_but_together_stay_together() -> None:
    """An idle group starts at once, and those who come just after join its second step, all of them.

    Mutant: the first of them is prepared and the others come a step later each.
    """
    bench = Bench()
    step_s = bench.step_s([1010])
    for number in range(4):
        bench.join(number, number * 0.005 * step_s, prompt=1000, generate=20)
    bench.run()
    assert bench.turns[0].second_token == pytest.approx(step_s)
    four_s = bench.step_s([1010] * 4)
    assert [bench.turns[number].second_token for number in (1, 2, 3)] == [pytest.approx(step_s + four_s)] * 3


def test_a_group_that_nobody_is_left_in_starts_at_once() -> None:
    """Law 5: the last ends, and whoever came during its last step need not wait for another. Mutant: an empty step is waited for."""
    bench = Bench()
    bench.join(0, 0.0, prompt=2000, generate=11)
    alone_s = bench.step_s([2005])
    bench.join(1, 9.5 * alone_s, prompt=1000, generate=3)
    assert bench.run() == {0: pytest.approx(10 * alone_s), 1: pytest.approx(10 * alone_s + 2 * bench.step_s([1001]))}


def test_blocks_of_a_step_are_handed_on_together() -> None:
    """Section 4: a sequence's block is full at the end of a step. Mutant: a block a token late, one left out, or each by itself."""
    bench = Bench()
    full: list[tuple[float, list[tuple[int, int]]]] = []
    bench.group.loader.decoded = lambda turns: full.append(  # type: ignore[method-assign]
        (bench.env.now, [(turn.agent, blocks) for turn, blocks in turns])
    )
    bench.join(0, 0.0, prompt=100, generate=60)
    bench.join(1, 0.0, prompt=130, generate=126)
    bench.run()
    both_s, alone_s = bench.step_s([130, 193]), bench.step_s([193])
    assert [turns for _, turns in full] == [[(0, 1), (1, 2)], [(0, 1)], [(1, 1)], [(1, 1)]]
    assert [at_s for at_s, _ in full] == pytest.approx([0, 27 * both_s, 59 * both_s + 2 * alone_s, 59 * both_s + 66 * alone_s])


def test_blocks_that_storage_has_are_not_written_again() -> None:
    """Section 4: of 130 prompt tokens 64 are hit. Mutant: the first write takes every block of the prompt."""
    bench = Bench()
    full: list[int] = []
    bench.group.loader.decoded = lambda turns: full.extend(blocks for _, blocks in turns)  # type: ignore[method-assign]
    for agent, generate in enumerate((1, 10)):
        turn = Turn(agent, agent, 64, 66, generate, bench.model.kv_bytes_per_token)
        turn.de = bench.engines[0]
        bench.group.join(turn)
    bench.run()
    assert full == [1, 1]


def test_an_idle_group_starts_afresh() -> None:
    """Law 5. Mutant: the idle time counts as progress of the next sequence."""
    bench = Bench()
    bench.join(0, 0.0, prompt=1000, generate=3)
    bench.join(1, 100.0, prompt=1000, generate=3)
    step_s = bench.step_s([1001])
    assert bench.run() == {0: pytest.approx(2 * step_s), 1: pytest.approx(100 + 2 * step_s)}


def test_model_traffic_flows_exactly_while_sequences_decode() -> None:
    """Law 7: rate x busy time on each NIC. Mutant: traffic goes on while the group idles."""
    bench = Bench(EXPERTS, exchange=Exchange(0.0, 99.0, fixed_rate=40.0))
    bench.join(0, 1.0, prompt=1000, generate=11)
    bench.join(1, 50.0, prompt=1000, generate=11)
    busy_s = 2 * 10 * bench.step_s([1005])
    bench.run()
    assert bench.group.traffic.total_bytes(bench.env.now) == pytest.approx(40 * busy_s)


def test_each_decoded_token_is_exchanged_once() -> None:
    """Section 6: a lone sequence's tokens x bytes a token, whatever the step. Mutant: traffic by the step, or by the group's tokens."""
    bench = Bench(EXPERTS, engines=4, exchange=Exchange(6.0, 99.0))
    bench.join(0, 1.0, prompt=1000, generate=11)
    bench.run()
    assert bench.group.traffic.total_bytes(bench.env.now) == pytest.approx(10 * 6 / 4)


def test_model_traffic_follows_the_batch() -> None:
    """Section 6, within the tenth by which it may lag. Mutant: the rate is that of the first batch for ever."""
    bench = Bench(EXPERTS, exchange=Exchange(0.1, 99.0))
    for number in range(40):
        bench.join(number, number / 10, prompt=1000, generate=100)
    bench.run()
    assert bench.group.traffic.total_bytes(bench.env.now) == pytest.approx(40 * 99 * 0.1, rel=0.1)


def test_a_step_is_no_shorter_than_its_exchange() -> None:
    """Section 6: the network sets the pace where it is slow. Mutant: more bytes than the lane's share of the link carries."""
    bench = Bench(EXPERTS, exchange=Exchange(990.0, 99.0))
    bench.join(0, 0.0, prompt=1000, generate=11)
    assert bench.run() == {0: pytest.approx(10 * 990 / 99)}
    assert bench.group.traffic.total_bytes(bench.env.now) == pytest.approx(10 * 990)


def test_the_second_token_comes_no_later_than_the_last() -> None:
    """Law 1: a sequence whose first step is its last. Mutant: the second token is stamped by the step that ran when it came."""
    bench = Bench()
    bench.join(0, 0.0, prompt=200_000, generate=2)
    join_s = 0.99 * bench.step_s([200_001])
    bench.join(1, join_s, prompt=1000, generate=2)
    bench.run()
    turn = bench.turns[1]
    assert join_s < turn.second_token <= turn.finished
