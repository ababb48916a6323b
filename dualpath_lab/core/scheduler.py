"""Who prefills a turn, who decodes it and which side reads: the paper's policy and round robin (section 7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import lcm
from typing import TypeVar

from dualpath_lab.core.dispatch import Dispatch, Placement, Why
from dualpath_lab.core.private_queue import PrivateQueue
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView, DecodeEngineView, NodeView, PrefillEngineView
from dualpath_lab.workload import BLOCK_TOKENS

Kind = TypeVar("Kind")

ChooseSide = Callable[[TurnView, PrefillEngineView, DecodeEngineView], int]
"""How many hit tokens of a turn the prefill node reads, once its engines are known."""


class RoundRobin:
    """Engines in turn, whatever their load; with ``both_sides`` the read side alternates too.

    A turn waits for the HBM of the decode engine whose turn it is.
    """

    def __init__(self, cluster: ClusterView, dispatch: Dispatch, both_sides: bool) -> None:
        gpus = len(cluster.prefill_nodes[0].engines)
        self._prefill = _across_nodes(cluster.prefill_engines, gpus)
        self._decode = _across_nodes(cluster.decode_engines, gpus)
        self._both_sides = both_sides
        self._dispatch = dispatch
        self._submitted = 0
        self._waiting: dict[DecodeEngineView, deque[tuple[TurnView, Placement]]] = {engine: deque() for engine in self._decode}

    def submit(self, turn: TurnView) -> None:
        """Place the turn as soon as its decode engine has HBM for it."""
        number = self._submitted
        self._submitted += 1
        prefill = self._prefill[number % len(self._prefill)]
        decode = self._decode[number % len(self._decode)]
        prefill_read = 0 if self._both_sides and self._round(number) % 2 else turn.hit
        self._waiting[decode].append((turn, Placement(prefill, decode, prefill_read, "in turn")))
        self._serve(decode)

    def _round(self, number: int) -> int:
        """Rounds over the prefill engines so far, counted so that each pair of engines meets odd and even ones by turns."""
        prefill = len(self._prefill)
        lap = lcm(prefill, len(self._decode))
        rounds_a_lap = lap // prefill
        return number // prefill + (number // lap if rounds_a_lap % 2 == 0 else 0)

    def _serve(self, decode: DecodeEngineView) -> None:
        waiting = self._waiting[decode]
        while waiting and waiting[0][0].hbm_bytes <= decode.free_hbm_bytes:
            self._dispatch.place(*waiting.popleft())

    def prefill_fetch(self, group: int) -> None:
        """Nothing: nobody waits for a prefill engine."""

    def turn_ended(self, turn: TurnView) -> None:
        """Serve those who wait for the memory that is free now."""
        if turn.decode_engine is not None:
            self._serve(turn.decode_engine)

    def read_ended(self, node: NodeView) -> None:
        """Nothing: it looks at no queue."""

    def storage_changed(self) -> None:
        """Nothing: it looks at no queue."""


def read_on_prefill_side(turn: TurnView, _prefill: PrefillEngineView, _decode: DecodeEngineView) -> int:
    """All of it through the prefill node, as without a second path."""
    return turn.hit


def read_on_shorter_queue(turn: TurnView, prefill: PrefillEngineView, decode: DecodeEngineView) -> int:
    """All of it on the side whose node has the shorter read queue; the prefill side where they are equal."""
    return 0 if decode.node.read_tokens < prefill.node.read_tokens else turn.hit


def split_read(turn: TurnView, prefill: PrefillEngineView, decode: DecodeEngineView) -> int:
    """Divided, in whole blocks, so that both read queues come to the same length, as far as this one read can make them."""
    blocks = round((turn.hit + decode.node.read_tokens - prefill.node.read_tokens) / 2 / BLOCK_TOKENS)
    return min(max(blocks * BLOCK_TOKENS, 0), turn.hit)


_READ_REASONS: dict[ChooseSide, str] = {
    read_on_prefill_side: "one path",
    read_on_shorter_queue: "shorter read queue, the prefill side where they are equal",
    split_read: "divided so that both read queues come to the same length",
}


class Adaptive:
    """The paper's scheduler.

    A turn joins a global prefill queue and, through the decode group of fewest tokens (phase 1), that group's private queue. It is placed
    once both queues have given it an engine; only then is it chosen which side reads how much.

    Parameters
    ----------
    choose_side : callable
        Who reads a turn whose engines are known.
    alpha_s : float
        A read queue is long if a storage NIC needs more than this time for it.
    beta_tokens : float
        An engine with more tokens is overloaded.
    """

    def __init__(self, cluster: ClusterView, dispatch: Dispatch, choose_side: ChooseSide, alpha_s: float, beta_tokens: float) -> None:
        self._cluster = cluster
        self._dispatch = dispatch
        self._choose_side = choose_side
        self._alpha_s = alpha_s
        self.storage_changed()
        self._beta = beta_tokens
        self._prefill_groups = cluster.prefill_groups
        self._prefill_queue: deque[TurnView] = deque()
        self._hungry = dict.fromkeys(range(len(self._prefill_groups)))
        self._private = [PrivateQueue(engines, dispatch, self._read_if_assigned) for engines in cluster.decode_groups]
        self._group_tokens = [0] * len(cluster.decode_groups)
        self._prefill_tokens = [[engine.tokens for engine in engines] for engines in self._prefill_groups]

    def submit(self, turn: TurnView) -> None:
        """Queue the turn on both sides and serve whoever can take work, the prefill group first that was last offered any longest ago."""
        decode_group = self._group_tokens.index(min(self._group_tokens))
        self._group_tokens[decode_group] += turn.tokens
        private = self._private[decode_group]
        private.add(turn)
        private.assign()
        self._prefill_queue.append(turn)
        for _ in range(len(self._hungry)):
            if not self._prefill_queue:
                break
            group = next(iter(self._hungry))
            del self._hungry[group]
            self._feed(group)

    def prefill_fetch(self, group: int) -> None:
        """Take the reports of the group's engines, and give them the head of the prefill queue."""
        self._prefill_tokens[group] = [engine.tokens for engine in self._prefill_groups[group]]
        self._feed(group)

    def _feed(self, group: int) -> None:
        """Give the group's engines the head of the prefill queue until all are overloaded.

        A group that could take more is hungry until it can't. Who asks keeps its place among the hungry: a slow group's forwards seldom
        end, and it must not come before the others for that.
        """
        if self._assign_prefill(group):
            self._hungry.setdefault(group)
        else:
            self._hungry.pop(group, None)

    def turn_ended(self, turn: TurnView) -> None:
        """Give the decode group's private queue another try."""
        engine = turn.decode_engine
        if engine is None:
            return
        self._group_tokens[engine.group] -= turn.tokens
        private = self._private[engine.group]
        private.ended(turn, engine)
        private.assign()

    def read_ended(self, node: NodeView) -> None:
        """Nothing: nobody waits for a read queue."""

    def storage_changed(self) -> None:
        """From now on a read queue is long from another length on."""
        self._alpha = self._alpha_s * self._cluster.read_tokens_per_s

    def _assign_prefill(self, group: int) -> bool:
        """Whether the queue ran out before the group's engines did."""
        queue, engines, tokens = self._prefill_queue, self._prefill_groups[group], self._prefill_tokens[group]
        while queue:
            place = tokens.index(min(tokens))
            if tokens[place] > self._beta:
                return False
            if engines[place].node.read_tokens > self._alpha:
                short = [
                    other for other, engine in enumerate(engines) if tokens[other] <= self._beta and engine.node.read_tokens <= self._alpha
                ]
                place = min(short, key=tokens.__getitem__, default=place)
            turn = queue.popleft()
            why = None if self._dispatch.decisions is None else self._why_prefill(engines, tokens, place)
            tokens[place] += turn.prompt
            self._dispatch.prefill(turn, engines[place], why)
            self._read_if_assigned(turn)
        return min(tokens) <= self._beta

    def _read_if_assigned(self, turn: TurnView) -> None:
        """Choose the side once both queues have given the turn an engine."""
        prefill, decode = turn.prefill_engine, turn.decode_engine
        if prefill is not None and decode is not None:
            why = None if self._dispatch.decisions is None else self._why_read(prefill, decode)
            self._dispatch.read(turn, self._choose_side(turn, prefill, decode), why)

    def _why_prefill(self, engines: Sequence[PrefillEngineView], tokens: Sequence[int], place: int) -> Why:
        """What :meth:`_assign_prefill` compared; tokens are those that the engines last reported, and what they were given since."""
        first = tokens.index(min(tokens))
        if engines[first].node.read_tokens <= self._alpha:
            reason = "fewest tokens"
        elif engines[place].node.read_tokens <= self._alpha:
            reason = "fewest tokens of those that are not overloaded and whose node has a short read queue"
        else:
            reason = "fewest tokens, as none that is not overloaded has a short read queue"
        seen = zip(engines, tokens, strict=True)
        return Why(reason, {engine.name: {"tokens": load, "read_tokens": engine.node.read_tokens} for engine, load in seen})

    def _why_read(self, prefill: PrefillEngineView, decode: DecodeEngineView) -> Why:
        """What was compared to choose the side."""
        return Why(
            _READ_REASONS.get(self._choose_side, ""), {node.name: {"read_tokens": node.read_tokens} for node in (prefill.node, decode.node)}
        )


def _across_nodes(engines: Sequence[Kind], gpus_per_node: int) -> list[Kind]:
    """The first engine of every node, then the second of every node, and so on."""
    return [engine for gpu in range(gpus_per_node) for engine in engines[gpu::gpus_per_node]]
