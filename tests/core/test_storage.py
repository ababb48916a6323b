"""Hits in whole blocks, and the two queues of a node at its storage NIC."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simpy import Environment

from dualpath_lab.core.memory import Memory
from dualpath_lab.core.network import Network
from dualpath_lab.core.paths import Ports
from dualpath_lab.core.storage import ReadQueue, WriteQueue
from dualpath_lab.core.turn import Turn, hit_tokens
from dualpath_lab.workload import BLOCK_TOKENS


@pytest.mark.parametrize(
    ("context", "append", "hit_rate", "expected"),
    [
        (0, 10, 1.0, 0),
        (63, 10, 1.0, 0),
        (64, 10, 1.0, 64),
        (64, 1, 1.0, 64),
        (64, 0, 1.0, 0),  # the last token is computed, and with it its block
        (128, 0, 1.0, 64),
        (1000, 0, 1.0, 960),
        (1000, 500, 1.0, 960),
        (1000, 500, 0.5, 448),
        (1000, 500, 0.0, 0),
    ],
)
def test_hits_are_whole_blocks_and_leave_a_token_to_compute(context: int, append: int, hit_rate: float, expected: int) -> None:
    """Law 3. Mutant: blocks are rounded up or to the nearest, appended tokens are hit, or an empty append computes nothing."""
    assert hit_tokens(context, append, hit_rate) == expected


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.integers(0, 10**5), st.floats(0, 1))
def test_hit_is_the_longest_run_of_blocks_that_qualifies(context: int, append: int, hit_rate: float) -> None:
    """Law 3. Mutant: one block fewer than there could be."""
    if context + append == 0:
        return
    hit = hit_tokens(context, append, hit_rate)
    assert hit % BLOCK_TOKENS == 0
    assert 0 <= hit <= context * hit_rate
    assert hit < context + append
    assert hit + BLOCK_TOKENS > context * hit_rate - 1 or hit + BLOCK_TOKENS >= context + append


class Reader:
    """A node of 10 bytes/s and 1 byte a token; ``done`` is when each read was over."""

    def __init__(self, buffer_bytes: int) -> None:
        self.env = Environment(0.0)
        self.network = Network(self.env)
        self.snic_rx = self.network.link("p0.snic", "snic", "prefill", "rx", 10.0)
        self.dram = self.network.link("p0.dram", "dram", "prefill", "both", 1000.0)
        self.buffer = Memory("p0.buffer", buffer_bytes)
        ports = Ports(self.snic_rx, self.snic_rx, self.dram, self.dram, self.dram)
        node = SimpleNamespace(ports=[ports], buffer=self.buffer)
        self.queue = ReadQueue(node, self.network, 1)  # type: ignore[arg-type]
        self.done: dict[int, float] = {}

    def read(self, number: int, blocks: int, buffer_bytes: int | None = None) -> None:
        tokens = blocks * BLOCK_TOKENS
        room = tokens if buffer_bytes is None else buffer_bytes
        self.queue.read(tokens, room, lambda turn: self.done.update({turn.agent: self.env.now}), Turn(number, 0, tokens, 1, 1, 1))


def test_reads_are_first_come_first_served_at_full_speed() -> None:
    """Law 5: a short read does not overtake, nor do two share. Mutant: reads run at once, or in the order of their length."""
    reader = Reader(buffer_bytes=10**6)
    for number, blocks in enumerate((20, 5, 10)):
        reader.read(number, blocks)
    assert reader.queue.tokens == 35 * 64
    reader.env.run()
    assert reader.done == {0: pytest.approx(128), 1: pytest.approx(160), 2: pytest.approx(224)}
    assert reader.queue.tokens == 0
    assert reader.network.carried_bytes(reader.env.now).tolist() == [35 * 64, 35 * 64]


def test_queue_counts_the_read_that_is_under_way() -> None:
    """Section 7: tokens waiting or being read. Mutant: a started read is forgotten."""
    reader = Reader(buffer_bytes=10**6)
    reader.read(0, 20)
    reader.read(1, 5)
    reader.env.run(until=100)
    assert reader.queue.tokens == 25 * 64
    reader.env.run(until=130)
    assert reader.queue.tokens == 5 * 64


def test_a_read_waits_for_the_buffer() -> None:
    """Law 6, exact: 1,280 bytes until 128 s; the next 640 start when room is made at 200 s. Mutant: the buffer is taken at the end."""
    reader = Reader(buffer_bytes=1500)
    reader.read(0, 20)
    reader.read(1, 10)
    reader.env.timeout(200).callbacks.append(lambda _: reader.buffer.give_back(1280))
    reader.env.run()
    assert reader.done == {0: pytest.approx(128), 1: pytest.approx(264)}
    assert reader.buffer.peak_bytes == 1280


def test_a_read_whose_room_was_taken_before_waits_for_nobody_who_wants_room() -> None:
    """Law 5, exact: 10 blocks from 0 s on, while another waits for the buffer. Mutant: who asks for nothing stands in line too."""
    reader = Reader(buffer_bytes=1000)
    reader.buffer.take(900, lambda: None)
    reader.buffer.take(900, lambda: None)
    reader.read(0, 10, buffer_bytes=0)
    reader.env.run()
    assert reader.done == {0: pytest.approx(64)}
    assert reader.buffer.used_bytes == 900


class Writer:
    """A node of 10 bytes/s to storage and two engines of 8 bytes/s each; a block has 40 bytes and takes a second to submit."""

    def __init__(self) -> None:
        self.env = Environment(0.0)
        self.network = Network(self.env)
        self.snic_tx = self.network.link("d0.snic", "snic", "decode", "tx", 10.0)
        dram = self.network.link("d0.dram", "dram", "decode", "both", 1e6)
        ports = [
            Ports(self.snic_tx, self.snic_tx, dram, *(self.network.link("d0.cnic", "cnic", "decode", way, 8.0) for way in ("tx", "rx")))
            for _ in range(2)
        ]
        self.engines = [SimpleNamespace(gpu=gpu) for gpu in range(2)]
        self.queue = WriteQueue(self.network, ports, 40, 1.0)
        self.flows_most = 0
        self.stored: dict[int, float] = {}

    def write_at(self, at_s: float, *blocks: tuple[int, int]) -> None:
        """At a time, so many blocks of each engine, each for a turn of its own."""

        def write() -> None:
            for turn, number in full:
                self.queue.add(turn, number)
                self.wait(turn)
            self.queue.write()

        full = []
        for engine, number in blocks:
            turn = Turn(len(self.stored), 0, 0, 1, 1, 1)
            turn.de = self.engines[engine]  # type: ignore[assignment]
            self.stored[turn.agent] = float("nan")
            full.append((turn, number))
        self.env.timeout(at_s).callbacks.append(lambda _: write())

    def wait(self, turn: Turn) -> None:
        self.queue.when_stored(turn, lambda stored: self.stored.update({stored.agent: self.env.now}), turn)

    def run(self) -> None:
        while self.env.peek() < float("inf"):
            self.env.step()
            self.flows_most = max(self.flows_most, len(self.network.moving()))


def test_blocks_that_fill_during_a_write_go_out_together_with_the_next() -> None:
    """Law 5, exact: one engine's block at its 8 bytes/s, 5 s; then both engines' at the storage NIC's 10 bytes/s, 12 s.

    Mutants: every write starts at once; each waits for its own turn; the second batch is forgotten.
    """
    writer = Writer()
    writer.write_at(0, (0, 1))
    writer.write_at(1, (0, 2))
    writer.write_at(2, (1, 1))
    writer.run()
    assert writer.stored == {0: pytest.approx(5), 1: pytest.approx(17), 2: pytest.approx(17)}
    assert writer.flows_most == 1
    assert writer.network.carried_bytes(writer.env.now)[writer.snic_tx.number] == 4 * 40


def test_a_write_takes_as_long_as_its_engines_submissions() -> None:
    """Section 4: ten blocks of one engine on links without limit take 10 s to submit, five each of two take 5 s.

    Mutant: all blocks by one engine.
    """
    for blocks, expected_s in (((0, 10),), 10.0), (((0, 5), (1, 5)), 5.0):
        writer = Writer()
        writer.network.set_capacity(1e9, writer.network.links)
        writer.write_at(0, *blocks)
        writer.run()
        assert list(writer.stored.values()) == [pytest.approx(expected_s)] * len(blocks)


def test_who_has_nothing_to_write_waits_for_nothing() -> None:
    """Law 5: while blocks of another are written. Mutant: whoever asks waits for the write under way."""
    writer = Writer()
    writer.write_at(0, (0, 1))
    turn = Turn(7, 0, 0, 1, 1, 1)
    writer.env.timeout(1).callbacks.append(lambda _: writer.wait(turn))
    writer.run()
    assert writer.stored == {7: pytest.approx(1), 0: pytest.approx(5)}


def test_those_who_wait_for_a_write_go_on_in_the_order_of_its_turns() -> None:
    """Law 8, ties: however they came to wait. Mutants: in the order in which they began to; in the opposite one."""
    writer = Writer()
    turns = [Turn(agent, 0, 0, 1, 1, 1) for agent in range(3)]
    for turn in turns:
        turn.de = writer.engines[0]  # type: ignore[assignment]
        writer.queue.add(turn, 1)
    for agent in (1, 2, 0):
        writer.wait(turns[agent])
    writer.queue.write()
    writer.run()
    assert list(writer.stored) == [0, 1, 2]


def test_a_turn_with_several_writes_waits_for_the_last() -> None:
    """Law 1, exact: a block at 8 bytes/s until 5 s, two more at once until 15 s. Mutant: the first write counts as all."""
    writer = Writer()
    turn = Turn(0, 0, 0, 1, 1, 1)
    turn.de = writer.engines[0]  # type: ignore[assignment]
    writer.queue.add(turn, 1)
    writer.queue.write()
    writer.queue.add(turn, 2)
    writer.queue.write()
    writer.wait(turn)
    writer.run()
    assert writer.stored == {0: pytest.approx(15)}
