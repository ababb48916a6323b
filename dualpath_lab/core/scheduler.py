"""Who prefills a turn, who decodes it and which side reads: the paper's policy and round robin (section 7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import lcm
from operator import attrgetter
from typing import Protocol, TypeVar

from dualpath_lab.core.cluster import Cluster
from dualpath_lab.core.engines import DecodeEngine
from dualpath_lab.core.turn import Turn
from dualpath_lab.workload import BLOCK_TOKENS

Kind = TypeVar("Kind")

Place = Callable[[Turn], None]
"""Called once for each turn, when ``pe``, ``de`` and ``prefill_read`` are set and the decode engine's HBM is taken."""

ChooseSide = Callable[[Turn], None]

Z_SLACK = 1.05
"""Published (section 7): how far over the mean an engine's tokens may go in phase 2."""


class Scheduler(Protocol):
    """Decides for each turn; told of every event that can let a waiting turn through."""

    waiting: int
    """Turns submitted and not yet placed."""

    def submit(self, turn: Turn) -> None:
        """Take a new turn; place it now or later."""

    def prefill_fetch(self, group: int) -> None:
        """The leader of a prefill group asks for work: a forward has ended."""

    def turn_ended(self, turn: Turn) -> None:
        """The turn is over, and its decode engine's HBM is free; its group's leader asks for work."""

    def storage_changed(self, alpha_tokens: float) -> None:
        """Storage has become faster or slower: a read queue is long from another length on."""


class RoundRobin:
    """Engines in turn, whatever their load; with ``both_sides`` the read side alternates too.

    A turn waits for the HBM of the decode engine whose turn it is.
    """

    def __init__(self, cluster: Cluster, place: Place, both_sides: bool) -> None:
        gpus = len(cluster.nodes[0].cnics)
        self._prefill = _across_nodes(cluster.prefill_engines, gpus)
        self._decode = _across_nodes(cluster.decode_engines, gpus)
        self._both_sides = both_sides
        self._place = place
        self._submitted = 0
        self.waiting = 0

    def submit(self, turn: Turn) -> None:
        """Place the turn as soon as its decode engine has HBM for it."""
        number = self._submitted
        self._submitted += 1
        self.waiting += 1
        turn.pe = self._prefill[number % len(self._prefill)]
        turn.de = self._decode[number % len(self._decode)]
        if self._both_sides and self._round(number) % 2:
            turn.prefill_read = 0

        def granted() -> None:
            self.waiting -= 1
            turn.pe.sequences += 1
            turn.pe.tokens += turn.prompt
            turn.de.sequences += 1
            turn.de.tokens += turn.tokens
            self._place(turn)

        turn.de.hbm.take(turn.hbm_bytes, granted)

    def _round(self, number: int) -> int:
        """Rounds over the prefill engines so far, counted so that each pair of engines meets odd and even ones by turns."""
        prefill = len(self._prefill)
        lap = lcm(prefill, len(self._decode))
        rounds_a_lap = lap // prefill
        return number // prefill + (number // lap if rounds_a_lap % 2 == 0 else 0)

    def prefill_fetch(self, group: int) -> None:
        """Nothing: nobody waits for a prefill engine."""

    def turn_ended(self, turn: Turn) -> None:
        """Nothing: the engine's memory serves those who wait."""

    def storage_changed(self, alpha_tokens: float) -> None:
        """Nothing: it looks at no queue."""


def read_on_prefill_side(turn: Turn) -> None:
    """All of it through the prefill node, as without a second path."""
    turn.prefill_read = turn.hit


def read_on_shorter_queue(turn: Turn) -> None:
    """All of it on the side whose node has the shorter read queue; the prefill side where they are equal."""
    turn.prefill_read = 0 if turn.de.node.reads.tokens < turn.pe.node.reads.tokens else turn.hit


def split_read(turn: Turn) -> None:
    """Divided, in whole blocks, so that both read queues come to the same length, as far as this one read can make them."""
    prefill_queue, decode_queue = turn.pe.node.reads.tokens, turn.de.node.reads.tokens
    blocks = round((turn.hit + decode_queue - prefill_queue) / 2 / BLOCK_TOKENS)
    turn.prefill_read = min(max(blocks * BLOCK_TOKENS, 0), turn.hit)


class Adaptive:
    """The paper's scheduler.

    A turn joins a global prefill queue and, through the decode group of fewest tokens (phase 1), that group's private queue. It is placed
    once both queues have given it an engine; only then is it chosen which side reads how much.

    Parameters
    ----------
    choose_side : callable
        Sets ``prefill_read`` of a turn whose engines are known.
    alpha_tokens : float
        A longer read queue is long.
    beta_tokens : float
        An engine with more tokens is overloaded.
    """

    def __init__(self, cluster: Cluster, place: Place, choose_side: ChooseSide, alpha_tokens: float, beta_tokens: float) -> None:
        self._cluster = cluster
        self._place = place
        self._choose_side = choose_side
        self._alpha = alpha_tokens
        self._beta = beta_tokens
        self._prefill_queue: deque[Turn] = deque()
        self._hungry = dict.fromkeys(range(len(cluster.prefill_fetch_groups)))
        self._private: list[deque[Turn]] = [deque() for _ in cluster.decode_fetch_groups]
        self._group_tokens = [0] * len(cluster.decode_fetch_groups)
        self._placed_tokens = [sum(engine.tokens for engine in engines) for engines in cluster.decode_fetch_groups]
        self._free_bytes = [sum(engine.hbm.free_bytes for engine in engines) for engines in cluster.decode_fetch_groups]
        self._half_placed: set[Turn] = set()
        self.waiting = 0

    def submit(self, turn: Turn) -> None:
        """Queue the turn on both sides and serve whoever can take work, the prefill group first that was last offered any longest ago."""
        self.waiting += 1
        decode_group = self._group_tokens.index(min(self._group_tokens))
        self._group_tokens[decode_group] += turn.tokens
        self._private[decode_group].append(turn)
        self._assign_decode(decode_group)
        self._prefill_queue.append(turn)
        for group in list(self._hungry):
            if not self._prefill_queue:
                break
            del self._hungry[group]
            self.prefill_fetch(group)

    def prefill_fetch(self, group: int) -> None:
        """Give the group's engines the head of the prefill queue until all are overloaded.

        A group that could take more is hungry until it can't. Who asks keeps its place among the hungry: a slow group's forwards seldom
        end, and it must not come before the others for that.
        """
        if self._assign_prefill(group):
            self._hungry.setdefault(group)
        else:
            self._hungry.pop(group, None)

    def turn_ended(self, turn: Turn) -> None:
        """Give the decode group's private queue another try."""
        group = turn.de.fetch_group
        self._group_tokens[group] -= turn.tokens
        self._placed_tokens[group] -= turn.tokens
        self._free_bytes[group] += turn.hbm_bytes
        self._assign_decode(group)

    def storage_changed(self, alpha_tokens: float) -> None:
        """Turns placed from now on see it."""
        self._alpha = alpha_tokens

    def _assign_prefill(self, group: int) -> bool:
        """Whether the queue ran out before the group's engines did."""
        queue, engines = self._prefill_queue, self._cluster.prefill_fetch_groups[group]
        while True:
            engine = min(engines, key=_tokens)
            if engine.tokens > self._beta or not queue:
                return engine.tokens <= self._beta
            if engine.node.reads.tokens > self._alpha:
                short = [other for other in engines if other.tokens <= self._beta and other.node.reads.tokens <= self._alpha]
                engine = min(short, key=_tokens, default=engine)
            turn = queue.popleft()
            turn.pe = engine
            engine.sequences += 1
            engine.tokens += turn.prompt
            self._half_done(turn)

    def _assign_decode(self, group: int) -> None:
        queue, engines = self._private[group], self._cluster.decode_fetch_groups[group]
        if not queue:
            return
        bound = self._balanced_tokens(group)
        while queue:
            turn = queue[0]
            engine = _choose(engines, turn, bound)
            if engine is None:
                return
            queue.popleft()
            turn.de = engine
            engine.hbm.hold(turn.hbm_bytes)
            engine.sequences += 1
            engine.tokens += turn.tokens
            self._placed_tokens[group] += turn.tokens
            self._free_bytes[group] -= turn.hbm_bytes
            self._half_done(turn)

    def _balanced_tokens(self, group: int) -> float:
        """Z of phase 2: what an engine has when the longest head-run that fits the group's free HBM is spread evenly, and a little more."""
        free_bytes, tokens = self._free_bytes[group], self._placed_tokens[group]
        for turn in self._private[group]:
            free_bytes -= turn.hbm_bytes
            if free_bytes < 0:
                break
            tokens += turn.tokens
        return Z_SLACK * tokens / len(self._cluster.decode_fetch_groups[group])

    def _half_done(self, turn: Turn) -> None:
        if turn not in self._half_placed:
            self._half_placed.add(turn)
            return
        self._half_placed.remove(turn)
        self.waiting -= 1
        self._choose_side(turn)
        self._place(turn)


def _choose(engines: Sequence[DecodeEngine], turn: Turn, bound: float) -> DecodeEngine | None:
    """The engine of fewest sequences that has room and stays within the bound; else that of fewest tokens that has room."""
    fewest = min(engines, key=_sequences)
    if fewest.hbm.free_bytes >= turn.hbm_bytes and fewest.tokens + turn.tokens <= bound:
        return fewest
    roomy = [engine for engine in engines if engine.hbm.free_bytes >= turn.hbm_bytes]
    balanced = [engine for engine in roomy if engine.tokens + turn.tokens <= bound]
    return min(balanced, key=_sequences) if balanced else min(roomy, key=_tokens, default=None)


_tokens = attrgetter("tokens")
_sequences = attrgetter("sequences")


def _across_nodes(engines: Sequence[Kind], gpus_per_node: int) -> list[Kind]:
    """The first engine of every node, then the second of every node, and so on."""
    return [engine for gpu in range(gpus_per_node) for engine in engines[gpu::gpus_per_node]]
