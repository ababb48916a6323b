"""The private queue of a decode group, and which of its engines takes the next turn (section 7, phase 2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from dualpath_lab.core.dispatch import Dispatch, Why
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import DecodeEngineView

Z_SLACK = 1.05
"""Published (section 7): how far over the mean an engine's tokens may go in phase 2."""


class PrivateQueue:
    """Turns that wait for an engine of one decode group, and what its engines have, kept up to date turn by turn.

    Parameters
    ----------
    engines : sequence of DecodeEngineView
    dispatch : Dispatch
    assigned : callable
        Hears of each turn that has got an engine.
    """

    __slots__ = ("_assigned", "_dispatch", "_engines", "_free_bytes", "_place", "_placed_tokens", "_sequences", "_tokens", "_waiting")

    def __init__(self, engines: Sequence[DecodeEngineView], dispatch: Dispatch, assigned: Callable[[TurnView], None]) -> None:
        self._engines = engines
        self._dispatch = dispatch
        self._assigned = assigned
        self._waiting: deque[tuple[TurnView, int, int]] = deque()
        self._place = {engine: place for place, engine in enumerate(engines)}
        self._sequences = [engine.sequences for engine in engines]
        self._tokens = [engine.tokens for engine in engines]
        self._placed_tokens = sum(self._tokens)
        self._free_bytes = sum(engine.free_hbm_bytes for engine in engines)

    def add(self, turn: TurnView) -> None:
        """Let a turn wait for :meth:`assign`."""
        self._waiting.append((turn, turn.tokens, turn.hbm_bytes))

    def ended(self, turn: TurnView, engine: DecodeEngineView) -> None:
        """The turn is over on one of the engines."""
        place, tokens = self._place[engine], turn.tokens
        self._sequences[place] -= 1
        self._tokens[place] -= tokens
        self._placed_tokens -= tokens
        self._free_bytes += turn.hbm_bytes

    def assign(self) -> None:
        """Give engines to the turns that wait, first come first, as far as there is room."""
        waiting = self._waiting
        if not waiting:
            return
        bound = self._balanced_tokens()
        while waiting:
            turn, tokens, hbm_bytes = waiting[0]
            most = int(bound) - tokens
            place = self._choose(most, hbm_bytes)
            if place is None:
                return
            waiting.popleft()
            self._dispatch.decode(turn, self._engines[place], None if self._dispatch.decisions is None else self._why(place, most))
            self._sequences[place] += 1
            self._tokens[place] += tokens
            self._placed_tokens += tokens
            self._free_bytes -= hbm_bytes
            self._assigned(turn)

    def _choose(self, most: int, hbm_bytes: int) -> int | None:
        """The engine of fewest sequences that has room and no more than ``most`` tokens; else that of fewest tokens that has room."""
        engines, sequences, loads = self._engines, self._sequences, self._tokens
        best = sequences.index(min(sequences))
        if loads[best] > most:
            balanced = [place for place, load in enumerate(loads) if load <= most]
            best = min(balanced, key=sequences.__getitem__, default=-1)
        if best >= 0 and engines[best].free_hbm_bytes >= hbm_bytes:
            return best
        roomy = [place for place, engine in enumerate(engines) if engine.free_hbm_bytes >= hbm_bytes]
        balanced = [place for place in roomy if loads[place] <= most]
        return min(balanced, key=sequences.__getitem__) if balanced else min(roomy, key=loads.__getitem__, default=None)

    def _why(self, place: int, most: int) -> Why:
        """What :meth:`_choose` compared."""
        within = self._tokens[place] <= most
        reason = (
            "fewest sequences of those with room within Z" if within else "fewest tokens of those with room, as none of them is within Z"
        )
        seen = zip(self._engines, self._sequences, self._tokens, strict=True)
        candidates = {
            engine.name: {"sequences": sequences, "tokens": tokens, "within_z": tokens <= most, "free_hbm_bytes": engine.free_hbm_bytes}
            for engine, sequences, tokens in seen
        }
        return Why(reason, candidates)

    def _balanced_tokens(self) -> float:
        """Z of phase 2: what an engine has when the longest head-run that fits the group's free HBM is spread evenly, and a little more."""
        free_bytes, total = self._free_bytes, self._placed_tokens
        for _, tokens, hbm_bytes in self._waiting:
            free_bytes -= hbm_bytes
            if free_bytes < 0:
                break
            total += tokens
        return Z_SLACK * total / len(self._engines)
