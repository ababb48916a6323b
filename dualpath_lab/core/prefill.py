"""Prefill: one forward at a time over all engines of a group (section 7, intra-engine)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from simpy import Environment

from dualpath_lab.core.alarm import Alarm
from dualpath_lab.core.batching import Batching, Chunk
from dualpath_lab.core.engines import EngineGroup, Exchange, PrefillEngine
from dualpath_lab.core.links import lockstep
from dualpath_lab.core.network import Network
from dualpath_lab.core.prefill_time import PrefillTime
from dualpath_lab.core.recorder import ForwardLog, Series

if TYPE_CHECKING:
    from dualpath_lab.core.loader import Loader


class PrefillGroup(EngineGroup):
    """Runs one forward at a time over all its engines.

    Attention is data-parallel, so the forward's attention takes as long as its slowest engine's; the rest is shared by all GPUs of
    the group (:class:`PrefillTime`). Layer-wise transfers run beside the computation: the forward lasts as long as the longer of the two,
    where computation counts with the ends of the pipeline, the first layer's load and the last one's store.

    Attributes
    ----------
    time : PrefillTime
        What its forwards cost.
    running : bool
        Whether a forward is under way.
    forwards, attention_imbalance : int, float
        Number of forwards, and the sum of their attention time's max / mean over the engines.
    compute : Series
        Seconds of useful computation of the mean engine over time; overhead and waiting for the slowest are not.
    log : ForwardLog
        The forwards that have ended.
    """

    __slots__ = (
        "_batching",
        "_exchanged",
        "_exchanged_at",
        "_wake",
        "_woken",
        "attention_imbalance",
        "compute",
        "engines",
        "forward_ended",
        "forwards",
        "loader",
        "log",
        "running",
        "time",
    )

    def __init__(
        self,
        env: Environment,
        network: Network,
        exchange: Exchange,
        time: PrefillTime,
        batching: Batching,
        engines: Sequence[PrefillEngine],
    ) -> None:
        super().__init__(env, network, exchange, engines)
        self.engines = engines
        for engine in engines:
            engine.group = self
        self.forward_ended: Callable[[PrefillGroup], None]
        self.loader: Loader
        self.time = time
        self._batching = batching
        self._wake = Alarm(env, self._start_forward)
        self._woken = False
        self._exchanged = Alarm(env, lambda: self._set_traffic(0.0))
        self._exchanged_at = 0.0
        self.running = False
        self.forwards = 0
        self.attention_imbalance = 0.0
        self.compute = Series()
        self.log = ForwardLog()

    def change_exchange(self, compute_bytes_per_s: float, model_share: float | None) -> None:
        """See :meth:`EngineGroup.change_exchange`; the exchange under way ends when it would have."""
        now = self._env.now
        if now >= self._exchanged_at:
            self._tokens_per_s = 0.0
        super().change_exchange(compute_bytes_per_s, model_share)
        if self.traffic.rate:
            self._exchanged.set(self._exchanged_at - now)

    def wake(self) -> None:
        """Start a forward, once everything else that happens at this moment has happened, unless one runs."""
        if not self.running and not self._woken:
            self._woken = True
            self._wake.set(0.0)

    def _start_forward(self) -> None:
        self._woken = False
        chunks: list[Chunk] = []
        attention_s = []
        for engine in self.engines:
            packed, seconds = self._batching.pack(self.loader.candidates(engine)) if engine.ready else ([], 0.0)
            for chunk in packed:
                chunk.turn.prefilled += chunk.tokens
                if chunk.is_last:
                    engine.ready.remove(chunk.turn)
            chunks += packed
            attention_s.append(seconds)
        self.running = bool(chunks)
        if not chunks:
            return
        now = self._env.now
        for chunk in chunks:
            if chunk.is_first:
                chunk.turn.prefill_started = now
        tokens = sum(chunk.tokens for chunk in chunks)
        slowest_s = max(attention_s)
        compute_s = self._compute_s(slowest_s, sum(attention_s) / len(self.engines), tokens)
        streams = self.loader.begin_forward(chunks)
        least_s = max(compute_s + streams.ends_s, streams.submit_s)

        def ended() -> None:
            self.log.add(now, self._env.now, slowest_s, tokens, len(chunks))
            self._end_forward(chunks)

        self._network.start(*lockstep(streams.load, streams.mean_bytes), ended, least_s)

    def _compute_s(self, slowest_s: float, mean_s: float, tokens: int) -> float:
        now = self._env.now
        tokens_each = tokens / len(self.engines)
        compute_s = max(self.time.forward_s(slowest_s, tokens), self._exchange.least_s(tokens_each))
        self._set_traffic(tokens_each / compute_s)
        self._exchanged_at = now + compute_s
        if self.traffic.rate:
            self._exchanged.set(compute_s)
        self.forwards += 1
        self.attention_imbalance += slowest_s / mean_s
        self.compute.add(now, now + compute_s, mean_s + self.time.linear_s(tokens))
        return compute_s

    def _end_forward(self, chunks: list[Chunk]) -> None:
        now = self._env.now
        self.loader.end_forward(chunks)
        prefilled = [chunk.turn for chunk in chunks if chunk.is_last]
        for turn in prefilled:
            turn.prefill_ended = now
            turn.pe.sequences -= 1
            turn.pe.tokens -= turn.prompt
        self.forward_ended(self)
        self._start_forward()
        for turn in prefilled:
            self.loader.prefilled(turn)
