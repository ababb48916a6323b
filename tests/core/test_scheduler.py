"""Who prefills, who decodes, which side reads: on small real clusters whose engines' loads are set by hand."""

from __future__ import annotations

from collections import Counter

import pytest
from simpy import Environment

from dualpath_lab.core.batching import TokenBudget
from dualpath_lab.core.cluster import Cluster
from dualpath_lab.core.dispatch import Dispatch
from dualpath_lab.core.network import Network
from dualpath_lab.core.scheduler import Adaptive, ChooseSide, RoundRobin, read_on_shorter_queue
from dualpath_lab.core.turn import Turn
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView
from dualpath_lab.models import load_model
from dualpath_lab.scenario import Scenario

ALPHA, BETA = 1000, 5000


class Bench:
    """A cluster of engines without work and the turns that its scheduler placed, in order."""

    def __init__(self, prefill_nodes: int, decode_nodes: int, gpus: int, model: str = "qwen-32b") -> None:
        loaded = load_model(model)
        scenario = Scenario(
            model=model, cluster={"prefill_nodes": prefill_nodes, "decode_nodes": decode_nodes, "gpus_per_node": gpus, "hbm_gbytes": 2000}
        )
        env = Environment(0.0)
        self.cluster = Cluster(scenario, loaded, TokenBudget(lambda *_: 0.0, 2048), env, Network(env))
        self.prefill, self.decode = self.cluster.prefill_engines, self.cluster.decode_engines
        self.kv_bytes = loaded.kv_bytes_per_token
        self.placed: list[Turn] = []
        self.turns = 0
        waiting: dict[TurnView, Turn] = {}
        self.view = ClusterView(self.cluster, env, waiting, self.kv_bytes, prefill_tokens_per_s=1.0)
        self.dispatch = Dispatch("bench", "either", self.cluster, self.view, waiting, self.placed.append)

    def adaptive(self, choose_side: ChooseSide = read_on_shorter_queue) -> Adaptive:
        return Adaptive(self.view, self.dispatch, choose_side, ALPHA / self.view.read_tokens_per_s, BETA)

    def round_robin(self, both_sides: bool) -> RoundRobin:
        return RoundRobin(self.view, self.dispatch, both_sides)

    def turn(self, prompt: int = 100, generate: int = 1, hit: int = 0) -> TurnView:
        self.turns += 1
        return self.dispatch.add(Turn(self.turns, self.turns, hit, prompt - hit, generate, self.kv_bytes))

    def leave_hbm(self, engine: int, tokens: int) -> None:
        """Take all of a decode engine's HBM but what ``tokens`` need."""
        hbm = self.decode[engine].hbm
        hbm.take(hbm.free_bytes - tokens * self.kv_bytes, lambda: None)

    def free_hbm(self, scheduler: Adaptive, *tokens: int) -> None:
        """End a turn that held so much of each decode engine's HBM, as if it had been on all of them."""
        ended = TurnView(Turn(0, 0, 0, 0, 0, self.kv_bytes))
        ended._turn.hbm_bytes = sum(tokens) * self.kv_bytes
        self.end(scheduler, ended, *tokens)

    def end(self, scheduler: Adaptive | RoundRobin, ended: TurnView, *tokens: int) -> None:
        """End a turn that held so much of each decode engine's HBM, in the group of the first."""
        ended._decode_engine = self.view.decode_engines[0]
        for engine, freed in zip(self.decode, tokens, strict=False):
            engine.hbm.give_back(freed * self.kv_bytes)
        scheduler.turn_ended(ended)


def test_prefill_goes_to_the_engine_of_fewest_tokens_and_counts_it() -> None:
    """Section 7. Mutant: fewest sequences, the first engine, or loads not updated after an assignment."""
    bench = Bench(1, 1, 3)
    for engine, tokens, sequences in zip(bench.prefill, (500, 300, 350), (0, 9, 1), strict=True):
        engine.tokens, engine.sequences = tokens, sequences
    scheduler = bench.adaptive()
    for _ in range(3):
        scheduler.submit(bench.turn(prompt=100))
    assert [turn.pe.index for turn in bench.placed] == [1, 2, 1]
    assert [engine.tokens for engine in bench.prefill] == [500, 500, 450]
    assert [engine.sequences for engine in bench.prefill] == [0, 11, 2]


def test_overloaded_engines_get_nothing_until_a_fetch_finds_them_relieved() -> None:
    """Section 7: more than beta is too much, beta itself is not. Mutant: the head goes to the least of the overloaded."""
    bench = Bench(1, 1, 2)
    bench.prefill[0].tokens, bench.prefill[1].tokens = BETA + 1, BETA
    scheduler = bench.adaptive()
    for _ in range(3):
        scheduler.submit(bench.turn(prompt=10))
    assert [turn.pe.index for turn in bench.placed] == [1]
    assert bench.dispatch.waiting == 2
    bench.prefill[0].tokens = 0
    scheduler.prefill_fetch(0)
    assert [turn.pe.index for turn in bench.placed] == [1, 0, 0]
    assert [turn.agent for turn in bench.placed] == [1, 2, 3]
    assert bench.dispatch.waiting == 0


def test_a_long_read_queue_is_second_choice() -> None:
    """Section 7: more than alpha is long, alpha itself is not. Mutant: tokens decide alone, or a long queue excludes."""
    bench = Bench(2, 1, 1, "ds-27b")
    near, far = bench.prefill
    near.tokens, far.tokens = 10, 4000
    near.node.reads.tokens, far.node.reads.tokens = ALPHA + 1, ALPHA
    scheduler = bench.adaptive()
    scheduler.submit(bench.turn())
    assert bench.placed[0].pe is far
    far.node.reads.tokens = ALPHA + 1
    scheduler.submit(bench.turn())
    assert bench.placed[1].pe is near


def test_a_long_read_queue_beats_an_overload() -> None:
    """Section 7: class 3 still gets work when class 2 is empty. Mutant: the fetch ends with class 2."""
    bench = Bench(2, 1, 1, "ds-27b")
    near, far = bench.prefill
    near.tokens, far.tokens = BETA + 1, 4000
    far.node.reads.tokens = ALPHA + 1
    scheduler = bench.adaptive()
    scheduler.submit(bench.turn())
    assert bench.placed[0].pe is far


def test_prefill_queue_is_global_and_first_come_first_served() -> None:
    """Law 8. Mutant: whichever group fetches next takes the tail, or a short request overtakes."""
    bench = Bench(2, 1, 1)
    for engine in bench.prefill:
        engine.tokens = BETA + 1
    scheduler = bench.adaptive()
    for prompt in (900, 5, 70):
        scheduler.submit(bench.turn(prompt))
    assert not bench.placed
    bench.prefill[1].tokens = BETA - 1
    scheduler.prefill_fetch(1)
    assert [(turn.agent, turn.pe.index) for turn in bench.placed] == [(1, 1)]
    bench.prefill[0].tokens = 0
    scheduler.prefill_fetch(0)
    assert [(turn.agent, turn.pe.index) for turn in bench.placed] == [(1, 1), (2, 0), (3, 0)]


@pytest.mark.parametrize(("prefill_queue", "decode_queue", "side"), [(200, 100, "decode"), (100, 200, "prefill"), (100, 100, "prefill")])
def test_reads_on_the_side_with_the_shorter_queue(prefill_queue: int, decode_queue: int, side: str) -> None:
    """Section 7. Mutant: always one side, or the longer queue."""
    bench = Bench(1, 1, 1)
    bench.prefill[0].node.reads.tokens, bench.decode[0].node.reads.tokens = prefill_queue, decode_queue
    bench.adaptive().submit(bench.turn(hit=64))
    assert [(turn.prefill_read, turn.decode_read) for turn in bench.placed] == [(64, 0) if side == "prefill" else (0, 64)]


def test_decode_phase_1_chooses_the_group_of_fewest_tokens() -> None:
    """Section 7: prompts and answers count, until the turn is over. Mutant: groups in turn, or turns ended still count."""
    bench = Bench(1, 3, 1)
    scheduler = bench.adaptive()
    turns = []
    for prompt, generate in ((100, 50), (100, 1), (200, 1), (10, 1), (60, 1)):
        turns.append(bench.turn(prompt, generate))
        scheduler.submit(turns[-1])
    assert [turn.de.index for turn in bench.placed] == [0, 1, 2, 1, 1]
    over = bench.placed[2]
    over.de.tokens -= over.tokens
    scheduler.turn_ended(turns[2])
    scheduler.submit(bench.turn(20))
    assert bench.placed[-1].de.index == 2


def test_decode_phase_2_prefers_few_sequences_among_the_balanced() -> None:
    """Section 7: Z = 1.05 (10 + 2220) / 4 = 585. Mutant: fewest sequences of all, or fewest tokens of all."""
    bench = Bench(1, 1, 4)
    for engine, tokens, sequences in zip(bench.decode, (100, 120, 1000, 1000), (3, 1, 0, 0), strict=True):
        engine.tokens, engine.sequences = tokens, sequences
    bench.adaptive().submit(bench.turn(9, 1))
    assert bench.placed[0].de.index == 1
    assert (bench.decode[1].tokens, bench.decode[1].sequences) == (130, 2)


def test_decode_phase_2_counts_nobody_who_has_ended() -> None:
    """Section 7: Z = 1.05 (200 + 10) / 2 = 110, so both are balanced. Mutant: a sequence that has ended counts on."""
    bench = Bench(1, 1, 2)
    for engine, sequences in zip(bench.decode, (3, 2), strict=True):
        engine.tokens, engine.sequences = 100, sequences
    scheduler = bench.adaptive()
    for _ in range(3):
        turn = bench.turn(9, 1)
        scheduler.submit(turn)
        over = bench.placed[-1]
        over.de.sequences -= 1
        over.de.tokens -= over.tokens
        scheduler.turn_ended(turn)
    assert [turn.de.index for turn in bench.placed] == [1, 1, 1]


def test_decode_phase_2_takes_the_least_tokens_where_none_is_balanced() -> None:
    """Section 7: Z = 1.05 (100 + 610) / 2 = 373, and both would have more. Mutant: fewest sequences there too, or nobody."""
    bench = Bench(1, 1, 2)
    for engine, tokens, sequences in zip(bench.decode, (310, 300), (1, 3), strict=True):
        engine.tokens, engine.sequences = tokens, sequences
    bench.adaptive().submit(bench.turn(99, 1))
    assert bench.placed[0].de.index == 1


@pytest.mark.parametrize(
    ("free_tokens", "chosen"),
    [
        (400, 0),  # both fit: Z = 1.05 (400 + 250) / 2 = 341, the first engine is balanced and has fewer sequences
        (399, 1),  # the second does not: Z = 1.05 (100 + 250) / 2 = 184, none is balanced
    ],
)
def test_z_counts_the_longest_head_run_that_fits(free_tokens: int, chosen: int) -> None:
    """Section 7. Mutant: Z of the head alone, or of the whole queue, whatever the HBM."""
    bench = Bench(1, 1, 2)
    for engine, tokens, sequences in zip(bench.decode, (150, 100), (0, 1), strict=True):
        engine.tokens, engine.sequences = tokens, sequences
    bench.leave_hbm(0, 0)
    bench.leave_hbm(1, 0)
    scheduler = bench.adaptive()
    scheduler.submit(bench.turn(99, 1))
    scheduler.submit(bench.turn(299, 1))
    assert not bench.placed
    bench.free_hbm(scheduler, 200, free_tokens - 200)
    assert bench.placed[0].de.index == chosen


def test_decode_phase_2_respects_free_hbm() -> None:
    """Law 6: only an engine that has the room, however loaded it is. Mutant: the best engine, and wait for it."""
    bench = Bench(1, 1, 3)
    for engine, tokens in zip(bench.decode, (1, 2, 3), strict=True):
        engine.tokens = tokens
    bench.leave_hbm(0, 99)
    bench.leave_hbm(1, 0)
    bench.leave_hbm(2, 100)
    bench.adaptive().submit(bench.turn(99, 1))
    assert [turn.de.index for turn in bench.placed] == [2]
    assert bench.decode[2].hbm.free_bytes == 0


def test_the_head_waits_for_hbm_and_nobody_in_its_group_overtakes() -> None:
    """Section 7: if no engine has the HBM, stop. Mutant: the small turn behind is placed first."""
    bench = Bench(1, 1, 2)
    bench.leave_hbm(0, 50)
    bench.leave_hbm(1, 50)
    scheduler = bench.adaptive()
    scheduler.submit(bench.turn(99, 1))
    scheduler.submit(bench.turn(9, 1))
    assert not bench.placed
    assert bench.dispatch.waiting == 2
    bench.free_hbm(scheduler, 0, 50)
    assert [(turn.agent, turn.de.index) for turn in bench.placed] == [(1, 1), (2, 0)]
    assert bench.dispatch.waiting == 0


SHAPES = [(p, d, g) for p in (1, 2, 3, 4) for d in (1, 2, 3, 4) for g in (1, 2, 8)]


@pytest.mark.parametrize("both_sides", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "{}P{}D g{}".format(*shape))
def test_round_robin_spreads_evenly_over_engines(shape: tuple[int, int, int], both_sides: bool) -> None:
    """Section 10. Mutant: one engine too few in the round, or loads decide."""
    bench = Bench(*shape)
    scheduler = bench.round_robin(both_sides)
    prefill, decode = len(bench.prefill), len(bench.decode)
    for _ in range(prefill * decode * 2):
        scheduler.submit(bench.turn(65, hit=64))
    assert set(Counter(turn.pe.index for turn in bench.placed).values()) == {2 * decode}
    assert set(Counter(turn.de.index for turn in bench.placed).values()) == {2 * prefill}
    first_round = [turn.pe.node.index for turn in bench.placed[: shape[0]]]
    assert sorted(first_round) == list(range(shape[0]))
    assert {turn.prefill_read for turn in bench.placed} == ({0, 64} if both_sides else {64})


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "{}P{}D g{}".format(*shape))
def test_round_robin_over_both_sides_reads_evenly_on_every_node(shape: tuple[int, int, int]) -> None:
    """Section 10: half of all turns on each side, spread over all its nodes. Mutant: a node whose turns always read elsewhere.

    The alternation may repeat with the period of both rounds; over many, no node is to read a quarter more than its share.
    """
    bench = Bench(*shape)
    scheduler = bench.round_robin(both_sides=True)
    turns = 16 * len(bench.prefill) * len(bench.decode)
    for _ in range(turns):
        scheduler.submit(bench.turn(65, hit=64))
    reads: Counter[str] = Counter()
    for turn in bench.placed:
        assert {turn.prefill_read, turn.decode_read} == {0, 64}
        reads[turn.pe.node.name if turn.prefill_read else turn.de.node.name] += 1
    for nodes in (bench.cluster.prefill_nodes, bench.cluster.decode_nodes):
        for node in nodes:
            assert reads[node.name] == pytest.approx(turns / 2 / len(nodes), rel=0.25)


def test_round_robin_waits_for_its_engine() -> None:
    """Law 6. Mutant: the turn goes to another engine, or is placed without room."""
    bench = Bench(1, 1, 2)
    bench.leave_hbm(0, 0)
    scheduler = bench.round_robin(both_sides=False)
    for _ in range(2):
        scheduler.submit(bench.turn(99, 1))
    assert [turn.agent for turn in bench.placed] == [2]
    assert bench.dispatch.waiting == 1
    bench.end(scheduler, TurnView(Turn(0, 0, 0, 99, 1, bench.kv_bytes)), 100)
    assert [turn.agent for turn in bench.placed] == [2, 1]
    assert bench.dispatch.waiting == 0
