"""Decode: everything a group has, in steps common to all its engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import ceil, inf
from typing import TYPE_CHECKING

from simpy import Environment

from dualpath_lab import calibration
from dualpath_lab.core.alarm import Alarm
from dualpath_lab.core.engines import DecodeEngine, EngineGroup, Exchange
from dualpath_lab.core.network import Network
from dualpath_lab.core.turn import Turn
from dualpath_lab.hardware import Hardware
from dualpath_lab.models import Model
from dualpath_lab.workload import BLOCK_TOKENS

if TYPE_CHECKING:
    from dualpath_lab.core.loader import Loader


_TRAFFIC_STEP = 0.1
"""Model traffic follows the batch in steps of this relative size."""


class DecodeGroup(EngineGroup):
    """Decodes everything it has, in steps common to all its engines.

    A step lasts: overhead of the expert-parallel layers + the weights that its tokens meet and the fullest engine's KV-cache, read from
    HBM + the linear layers of the mean batch. At its end every sequence has one token more. Steps in which nobody joins, fills a block or
    ends are alike, so they pass as one.

    A step is prepared while the one before it runs (asynchronous scheduling, as in SGLang and vLLM): who arrives during a step joins the
    step after the next. An idle group starts at once.

    Simplification: a sequence's KV-cache counts with half its answer all along.

    Attributes
    ----------
    step_bytes : list of int
        KV-cache that each engine reads in a step.
    """

    __slots__ = (
        "_alarm",
        "_alike",
        "_due",
        "_due_steps",
        "_exchanged_for",
        "_hbm_bytes_per_s",
        "_joining",
        "_model",
        "_most_bytes",
        "_overhead_s",
        "_prepared",
        "_sequence_s",
        "_sequences",
        "_since",
        "_step",
        "_step_s",
        "engines",
        "loader",
        "step_bytes",
        "turn_ended",
    )

    def __init__(
        self, env: Environment, network: Network, exchange: Exchange, model: Model, hardware: Hardware, engines: Sequence[DecodeEngine]
    ) -> None:
        super().__init__(env, network, exchange, engines)
        self.engines = engines
        for place, engine in enumerate(engines):
            engine.group, engine.place = self, place
        self.turn_ended: Callable[[Turn], None]
        self.loader: Loader
        self._model = model
        self._hbm_bytes_per_s = hardware.hbm_bytes_per_s
        self._alarm = Alarm(env, self._end_steps)
        self._joining: list[Turn] = []
        self._prepared: list[Turn] = []
        self._sequences = 0
        self.step_bytes = [0] * len(engines)
        self._most_bytes: int | None = 0
        self._due: dict[int, list[Turn]] = {}
        self._due_steps: list[int] = []
        self._step = 0
        self._alike = 0
        self._since = 0.0
        self._step_s = inf
        self._exchanged_for = 0.0
        self._overhead_s = model.layers * hardware.layer_overhead_s if len(engines) > 1 else 0.0
        self._sequence_s = model.linear_flops(1) / (len(engines) * hardware.linear_flops_per_s)

    def join(self, turn: Turn) -> None:
        """Decode the rest of the turn's answer; its first token came with the prefill."""
        if turn.generate <= 1:
            if blocks := _full_blocks(turn, turn.tokens):
                self.loader.decoded([(turn, blocks)])
            self._end(turn)
            return
        if self._prepared and self._env.now - self._since < calibration.LATE_FOR_STEP * self._step_s:
            self._prepared.append(turn)
            return
        self._joining.append(turn)
        if len(self._joining) == 1 and not self._prepared:
            self._end_this_step()

    def _end_this_step(self) -> None:
        """Have the alarm ring at the end of the step that runs now; an idle group's is over at once."""
        if not self._sequences:
            self._alike = 0
            self._alarm.set(0.0)
            return
        elapsed_s = self._env.now - self._since
        steps = ceil(elapsed_s / self._step_s - calibration.LATE_FOR_STEP)
        if steps < self._alike:
            self._alike = steps
            self._alarm.set(max(steps * self._step_s - elapsed_s, 0.0))

    def _end_steps(self) -> None:
        self._step += self._alike
        self._since = self._since + self._alike * self._step_s if self._sequences else self._env.now
        due = self._due.pop(self._step, [])
        if due:
            heappop(self._due_steps)
        full: list[tuple[Turn, int]] = []
        ended: list[Turn] = []
        for turn in due:
            if turn.last_step > self._step:
                full.append((turn, 1))
                self._grow(turn, BLOCK_TOKENS)
            else:
                if not turn.tokens % BLOCK_TOKENS:
                    full.append((turn, 1))
                ended.append(turn)
                self._let_go(turn)
        joined, self._prepared, self._joining = self._prepared, self._joining, []
        if not self._sequences and not joined:
            joined, self._prepared = self._prepared, []
        for turn in joined:
            self._take_in(turn)
            tokens = turn.prompt + 1
            turn.last_step = self._step + turn.tokens - tokens
            if blocks := _full_blocks(turn, tokens):
                full.append((turn, blocks))
            self._grow(turn, BLOCK_TOKENS - tokens % BLOCK_TOKENS)
        self._plan()
        second_token = self._since + self._step_s
        for turn in joined:
            turn.second_token = second_token
        if full:
            self.loader.decoded(full)
        for turn in ended:
            self._end(turn)

    def _take_in(self, turn: Turn) -> None:
        """One sequence more that is read in each step."""
        turn.step_bytes = self._model.decode_read_bytes(turn.prompt + turn.generate // 2)
        self._sequences += 1
        turn.de.decoding += 1
        step_bytes = self.step_bytes[turn.de.place] = self.step_bytes[turn.de.place] + turn.step_bytes
        if self._most_bytes is not None and step_bytes > self._most_bytes:
            self._most_bytes = step_bytes

    def _let_go(self, turn: Turn) -> None:
        """One less; if its engine was the fullest, the fullest has to be looked for."""
        self._sequences -= 1
        turn.de.decoding -= 1
        step_bytes = self.step_bytes[turn.de.place]
        self.step_bytes[turn.de.place] = step_bytes - turn.step_bytes
        if step_bytes == self._most_bytes:
            self._most_bytes = None

    def _grow(self, turn: Turn, more: int) -> None:
        """Note the step at whose end the turn has so many tokens more, or has come to its end."""
        step = self._step + more
        if step > turn.last_step:
            step = turn.last_step
        due = self._due.get(step)
        if due is None:
            due = self._due[step] = []
            heappush(self._due_steps, step)
        due.append(turn)

    def _plan(self) -> None:
        if not self._sequences:
            self._step_s = inf
            self._exchanged_for = 0.0
            self._set_traffic(0.0)
            return
        tokens_each = self._sequences / len(self.engines)
        if self._most_bytes is None:
            self._most_bytes = max(self.step_bytes)
        read_bytes = self._model.weight_read_bytes(self._sequences, len(self.engines)) + self._most_bytes
        self._step_s = max(
            self._overhead_s + read_bytes / self._hbm_bytes_per_s + self._sequences * self._sequence_s,
            self._exchange.least_s(tokens_each),
        )
        tokens_per_s = tokens_each / self._step_s
        if abs(tokens_per_s - self._exchanged_for) > _TRAFFIC_STEP * self._exchanged_for:
            self._exchanged_for = tokens_per_s
            self._set_traffic(tokens_per_s)
        self._alike = 1 if self._prepared else self._due_steps[0] - self._step
        self._alarm.set(max(self._since + self._alike * self._step_s - self._env.now, 0.0))

    def _end(self, turn: Turn) -> None:
        turn.finished = now = self._env.now
        if now < turn.second_token:
            turn.second_token = now
        self.turn_ended(turn)


def _full_blocks(turn: Turn, tokens: int) -> int:
    """Blocks that so many tokens fill, without those that storage had before the turn."""
    return tokens // BLOCK_TOKENS - turn.hit // BLOCK_TOKENS
