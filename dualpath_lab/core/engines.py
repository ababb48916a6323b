"""Prefill and decode engines (one GPU each) and the groups in which they work in step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from simpy import Environment

from dualpath_lab import calibration
from dualpath_lab.core.alarm import Alarm
from dualpath_lab.core.batching import Batching, Chunk
from dualpath_lab.core.memory import Memory
from dualpath_lab.core.network import Link, ModelTraffic, Network
from dualpath_lab.core.recorder import Series
from dualpath_lab.core.turn import Turn
from dualpath_lab.models import Model

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Node
    from dualpath_lab.core.loader import Loader


class CopyQueue:
    """Transfers that one engine submits through its compute NIC, one after the other."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: deque[tuple[dict[Link, int], Callable[[], None]]] = deque()
        self._busy = False

    def submit(self, load: dict[Link, int], then: Callable[[], None]) -> None:
        """Carry ``load`` when everything submitted before has arrived, then call ``then``."""
        self._waiting.append((load, then))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            load, then = self._waiting.popleft()

            def done() -> None:
                self._next()
                then()

            self._network.start(load, done)


class Engine:
    """One GPU with its compute NIC.

    Attributes
    ----------
    index : int
        Number of the engine among those of its role.
    fetch_group : int
        Number of the group whose leader fetches its work.
    hbm : Memory
        What it has for KV-cache.
    sequences, tokens : int
        ``seq_e`` and ``tok_e`` of the scheduler: unfinished requests and their total tokens.
    """

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        self.index = index
        self.node = node
        self.fetch_group = fetch_group
        self.cnic_tx, self.cnic_rx = node.cnics[gpu]
        self.hbm = Memory(f"{node.name}.g{gpu}.hbm", kv_hbm_bytes)
        self.copies = CopyQueue(network)
        self.sequences = 0
        self.tokens = 0


class PrefillEngine(Engine):
    """A GPU that prefills; ``ready`` holds requests whose hit tokens are at hand, first come first."""

    group: PrefillGroup

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        super().__init__(index, node, gpu, kv_hbm_bytes, fetch_group, network)
        self.ready: deque[Turn] = deque()

    def enqueue(self, turn: Turn) -> None:
        """Let the next forward take the turn."""
        self.ready.append(turn)
        self.group.wake()


class DecodeEngine(Engine):
    """A GPU that decodes; ``decoding`` sequences read ``step_bytes`` of KV-cache in each step."""

    group: DecodeGroup

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        super().__init__(index, node, gpu, kv_hbm_bytes, fetch_group, network)
        self.decoding = 0
        self.step_bytes = 0


class _Group:
    """Engines that work in step, and the model traffic that they exchange while they run."""

    def __init__(self, env: Environment, network: Network, traffic_rate: float, engines: Sequence[Engine]) -> None:
        self._env = env
        self._network = network
        self._traffic_rate = traffic_rate
        self._links = [link for engine in engines for link in (engine.cnic_tx, engine.cnic_rx)]
        self.traffic = ModelTraffic()
        for link in self._links:
            link.model = self.traffic
        self.running = False

    def _set_running(self, running: bool) -> None:
        if running != self.running:
            self.running = running
            if self._traffic_rate:
                self._network.set_model_rate(self.traffic, self._traffic_rate if running else 0.0, self._links)


class PrefillGroup(_Group):
    """Runs one forward at a time over all its engines.

    Attention is data-parallel, so the forward's attention takes as long as its slowest engine's; the rest is shared by all GPUs of
    the group. Layer-wise transfers run beside the computation: the forward lasts as long as the longer of the two.

    Simplification: the first layer's load and the last layer's store are not counted outside the overlap, and a chunked request's
    earlier chunks stay in HBM.

    Attributes
    ----------
    forwards, attention_imbalance : int, float
        Number of forwards, and the sum of their attention time's max / mean over the engines.
    compute : Series
        Seconds of useful computation of the mean engine over time; overhead and waiting for the slowest are not.
    """

    def __init__(
        self,
        env: Environment,
        network: Network,
        traffic_rate: float,
        model: Model,
        batching: Batching,
        engines: Sequence[PrefillEngine],
    ) -> None:
        super().__init__(env, network, traffic_rate, engines)
        self.engines = engines
        for engine in engines:
            engine.group = self
        self.forward_ended: Callable[[PrefillGroup], None]
        self.loader: Loader
        self._model = model
        self._batching = batching
        self._overhead_s = model.layers * calibration.PREFILL_LAYER_OVERHEAD_S if model.expert_parallel else 0.0
        self._wake = Alarm(env, self._start_forward)
        self._woken = False
        self.forwards = 0
        self.attention_imbalance = 0.0
        self.compute = Series()

    def wake(self) -> None:
        """Start a forward, once everything else that happens at this moment has happened, unless one runs."""
        if not self.running and not self._woken:
            self._woken = True
            self._wake.set(0.0)

    def _start_forward(self) -> None:
        self._woken = False
        chunks: list[Chunk] = []
        attention_flops = []
        for engine in self.engines:
            packed, flops = self._batching.pack(filter(self.loader.admit, engine.ready))
            for chunk in packed:
                chunk.turn.prefilled += chunk.tokens
                if chunk.is_last:
                    engine.ready.remove(chunk.turn)
            chunks += packed
            attention_flops.append(flops)
        self._set_running(bool(chunks))
        if not chunks:
            return
        now = self._env.now
        for chunk in chunks:
            if chunk.is_first:
                chunk.turn.prefill_started = now
        compute_s = self._compute_s(attention_flops, sum(chunk.tokens for chunk in chunks))
        load, stream_bytes = self.loader.forward_load(chunks)
        self._network.start(load, lambda: self._end_forward(chunks), compute_s, stream_bytes)

    def _compute_s(self, attention_flops: list[float], tokens: int) -> float:
        now, engines = self._env.now, len(self.engines)
        slowest_s = max(attention_flops) / calibration.ATTENTION_FLOPS_PER_S
        mean_s = sum(attention_flops) / engines / calibration.ATTENTION_FLOPS_PER_S
        linear_s = self._model.linear_flops(tokens) / (engines * calibration.LINEAR_FLOPS_PER_S)
        compute_s = self._overhead_s + slowest_s + linear_s
        self.forwards += 1
        self.attention_imbalance += slowest_s / mean_s
        self.compute.add(now, now + compute_s, mean_s + linear_s)
        return compute_s

    def _end_forward(self, chunks: list[Chunk]) -> None:
        now = self._env.now
        for chunk in chunks:
            turn = chunk.turn
            if chunk.is_first:
                self.loader.loaded(turn)
            if chunk.is_last:
                turn.prefill_ended = now
                turn.pe.sequences -= 1
                turn.pe.tokens -= turn.prompt
                self.loader.prefilled(turn)
        self.forward_ended(self)
        self._start_forward()


class DecodeGroup(_Group):
    """Decodes everything it has, in steps common to all its engines.

    A step lasts: overhead of the expert-parallel layers + weights and the fullest engine's KV-cache read from HBM + the linear layers of
    the mean batch. Between two changes of the batch the step is constant, so progress is one number, the tokens each sequence has been
    given so far, and the next completion is computed.

    Simplification: a sequence may join between two steps, its KV-cache counts with half its answer all along, and its second token is
    foreseen when it joins, from the step as it then is.
    """

    def __init__(self, env: Environment, network: Network, traffic_rate: float, model: Model, engines: Sequence[DecodeEngine]) -> None:
        super().__init__(env, network, traffic_rate, engines)
        self.engines = engines
        for engine in engines:
            engine.group = self
        self.turn_ended: Callable[[Turn], None]
        self._model = model
        self._alarm = Alarm(env, self._end_turns)
        self._order = count()
        self._ends: list[tuple[float, int, Turn]] = []
        self._tokens_each = 0.0
        self._step_s = inf
        self._since = 0.0
        weights_s = model.weight_bytes / len(engines) / calibration.HBM_BYTES_PER_S
        overhead_s = model.layers * calibration.DECODE_LAYER_OVERHEAD_S if model.expert_parallel else 0.0
        self._empty_step_s = overhead_s + weights_s
        self._sequence_s = model.linear_flops(1) / (len(engines) * calibration.LINEAR_FLOPS_PER_S)

    def join(self, turn: Turn) -> None:
        """Decode the rest of the turn's answer; its first token came with the prefill."""
        if turn.generate <= 1:
            turn.finished = self._env.now
            self.turn_ended(turn)
            return
        self._advance()
        engine = turn.de
        engine.decoding += 1
        engine.step_bytes += self._step_bytes(turn)
        heappush(self._ends, (self._tokens_each + turn.generate - 1, next(self._order), turn))
        self._set_running(True)
        self._plan()
        turn.second_token = self._env.now + self._step_s

    def _step_bytes(self, turn: Turn) -> int:
        return self._model.decode_read_bytes(turn.prompt + turn.generate // 2)

    def _advance(self) -> None:
        now = self._env.now
        self._tokens_each += (now - self._since) / self._step_s
        self._since = now

    def _plan(self) -> None:
        if not self._ends:
            self._step_s = inf
            return
        self._step_s = (
            self._empty_step_s
            + max(engine.step_bytes for engine in self.engines) / calibration.HBM_BYTES_PER_S
            + len(self._ends) * self._sequence_s
        )
        self._alarm.set(max(self._ends[0][0] - self._tokens_each, 0.0) * self._step_s)

    def _end_turns(self) -> None:
        self._advance()
        self._tokens_each = max(self._tokens_each, self._ends[0][0])
        ended = []
        while self._ends and self._ends[0][0] <= self._tokens_each:
            turn = heappop(self._ends)[2]
            turn.de.decoding -= 1
            turn.de.step_bytes -= self._step_bytes(turn)
            ended.append(turn)
        self._plan()
        self._set_running(bool(self._ends))
        for turn in ended:
            turn.finished = self._env.now
            turn.second_token = min(turn.second_token, turn.finished)
            self.turn_ended(turn)
