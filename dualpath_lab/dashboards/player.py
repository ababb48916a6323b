"""Runs a race against the wall clock and tells the views."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from weakref import WeakSet

from dualpath_lab.core.recorder import BIN_S
from dualpath_lab.dashboards.race import TICKS_PER_BIN, Race

FRAME_S = 1 / 20
"""Time between two frames."""
BUDGET_S = 0.028
"""Wall time of a frame that simulating may take, all pages of the process that are looked at together."""
LEAST_BUDGET_S = 0.001
"""Of a page, however many are looked at: with 0.003, fifty of them left the server too little time to show what it had simulated."""
LONGEST_GAP_S = 0.25
"""A page that was held up for longer than this does not catch up."""
PACE_S = 2.0
"""Wall time over which the speed reached is measured."""

_playing: WeakSet[Player] = WeakSet()


def playing() -> int:
    """Races under way in this process."""
    return len(_playing)


class Player:
    """Play and pause, at a speed, within a time budget.

    Attributes
    ----------
    race : Race or None
    playing : bool
    """

    def __init__(self) -> None:
        self.race: Race | None = None
        self._last = 0.0
        self._owed_s = 0.0
        self._pace: deque[tuple[float, float]] = deque()

    @property
    def playing(self) -> bool:
        """Whether time goes on."""
        return self in _playing

    def play(self) -> None:
        """Let time go on."""
        self._last = perf_counter()
        self._owed_s = 0.0
        self._pace.clear()
        _playing.add(self)

    def pause(self) -> None:
        """Let time stand still."""
        _playing.discard(self)

    def step(self, speed: float) -> bool:
        """Advance the race by what has passed on the wall clock times ``speed``, or as far as the budget goes.

        Returns
        -------
        bool
            Whether there is something new to show.
        """
        race = self.race
        if race is None or not self.playing or race.finished:
            return False
        now = perf_counter()
        self._owed_s += speed * min(now - self._last, LONGEST_GAP_S)
        self._last = now
        before = race.time_s
        busy = sum(now - player._last < LONGEST_GAP_S for player in _playing)
        race.advance(self._owed_s, max(BUDGET_S / busy, LEAST_BUDGET_S))
        self._owed_s = min(self._owed_s - (race.time_s - before), BIN_S / TICKS_PER_BIN)
        self._pace.append((now, race.time_s))
        while now - self._pace[0][0] > PACE_S:
            self._pace.popleft()
        return race.time_s > before

    def step_on(self) -> None:
        """Advance the race to the next whole bin, whatever the wall clock says, and let time stand still there."""
        self.pause()
        if self.race is not None:
            self.race.advance(self.race.bin_s - self.race.time_s % self.race.bin_s)

    @property
    def speed_reached(self) -> float | None:
        """Simulated s a s over the last ``PACE_S``; None until that much has passed or so."""
        if len(self._pace) < 2 or self._pace[-1][0] - self._pace[0][0] < PACE_S / 2:
            return None
        (first_wall, first), (last_wall, last) = self._pace[0], self._pace[-1]
        return (last - first) / (last_wall - first_wall)
