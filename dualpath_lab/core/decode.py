"""Decode: everything a group has, in steps common to all its engines, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from simpy import Environment

from dualpath_lab import calibration
from dualpath_lab.core.alarm import Alarm
from dualpath_lab.core.engines import DecodeEngine, EngineGroup, Exchange
from dualpath_lab.core.network import Network
from dualpath_lab.core.turn import Turn
from dualpath_lab.models import Model
from dualpath_lab.workload import BLOCK_TOKENS

if TYPE_CHECKING:
    from dualpath_lab.core.loader import Loader


_TRAFFIC_STEP = 0.1
"""Model traffic follows the batch in steps of this relative size."""


class DecodeGroup(EngineGroup):
    """Decodes everything it has, in steps common to all its engines.

    A step lasts: overhead of the expert-parallel layers + weights and the fullest engine's KV-cache read from HBM + the linear layers of
    the mean batch. Between two changes of the batch the step is constant, so progress is one number, the tokens each sequence has been
    given so far, and the next *mark* is computed: the next full block of a sequence, or its end.

    Simplification: a sequence may join between two steps, its KV-cache counts with half its answer all along, and its second token is
    foreseen when it joins, from the step as it then is.
    """

    def __init__(self, env: Environment, network: Network, exchange: Exchange, model: Model, engines: Sequence[DecodeEngine]) -> None:
        super().__init__(env, network, exchange, engines)
        self.engines = engines
        for engine in engines:
            engine.group = self
        self.turn_ended: Callable[[Turn], None]
        self.loader: Loader
        self._model = model
        self._alarm = Alarm(env, self._reach_marks)
        self._order = count()
        self._marks: list[tuple[float, int, Turn, int]] = []
        self._tokens_each = 0.0
        self._step_s = inf
        self._since = 0.0
        self._exchanged_for = 0.0
        weights_s = model.weight_bytes / len(engines) / calibration.HBM_BYTES_PER_S
        overhead_s = model.layers * calibration.LAYER_OVERHEAD_S if model.expert_parallel else 0.0
        self._empty_step_s = overhead_s + weights_s
        self._sequence_s = model.linear_flops(1) / (len(engines) * calibration.LINEAR_FLOPS_PER_S)

    def join(self, turn: Turn) -> None:
        """Decode the rest of the turn's answer; its first token came with the prefill."""
        if turn.generate <= 1:
            self._reach(turn, turn.tokens)
            return
        self._advance()
        engine = turn.de
        engine.decoding += 1
        engine.step_bytes += self._step_bytes(turn)
        tokens = turn.prompt + 1
        self._push_mark(self._tokens_each, turn, tokens, min(BLOCK_TOKENS - tokens % BLOCK_TOKENS, turn.tokens - tokens))
        self._plan()
        turn.second_token = self._env.now + self._step_s
        self.loader.decoded(turn, tokens)

    def _push_mark(self, tokens_each: float, turn: Turn, tokens: int, more: int) -> None:
        heappush(self._marks, (tokens_each + more, next(self._order), turn, tokens + more))

    def _step_bytes(self, turn: Turn) -> int:
        return self._model.decode_read_bytes(turn.prompt + turn.generate // 2)

    def _advance(self) -> None:
        now = self._env.now
        self._tokens_each += (now - self._since) / self._step_s
        self._since = now

    def _plan(self) -> None:
        if not self._marks:
            self._step_s = inf
            self._exchanged_for = 0.0
            self._set_traffic(0.0)
            return
        tokens_each = len(self._marks) / len(self.engines)
        self._step_s = max(
            self._empty_step_s
            + max(engine.step_bytes for engine in self.engines) / calibration.HBM_BYTES_PER_S
            + len(self._marks) * self._sequence_s,
            self._exchange.least_s(tokens_each),
        )
        tokens_per_s = tokens_each / self._step_s
        if abs(tokens_per_s - self._exchanged_for) > _TRAFFIC_STEP * self._exchanged_for:
            self._exchanged_for = tokens_per_s
            self._set_traffic(tokens_per_s)
        self._alarm.set(max(self._marks[0][0] - self._tokens_each, 0.0) * self._step_s)

    def _reach_marks(self) -> None:
        self._advance()
        self._tokens_each = max(self._tokens_each, self._marks[0][0])
        reached = []
        while self._marks and self._marks[0][0] <= self._tokens_each:
            mark, _, turn, tokens = heappop(self._marks)
            reached.append((turn, tokens))
            if tokens < turn.tokens:
                self._push_mark(mark, turn, tokens, min(BLOCK_TOKENS, turn.tokens - tokens))
            else:
                turn.de.decoding -= 1
                turn.de.step_bytes -= self._step_bytes(turn)
        self._plan()
        for turn, tokens in reached:
            self._reach(turn, tokens)

    def _reach(self, turn: Turn, tokens: int) -> None:
        self.loader.decoded(turn, tokens)
        if tokens == turn.tokens:
            turn.finished = self._env.now
            turn.second_token = min(turn.second_token, turn.finished)
            self.turn_ended(turn)
