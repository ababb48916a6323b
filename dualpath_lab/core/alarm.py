"""A wake-up that can be moved: the one way in which the simulation asks SimPy for time."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from simpy import Environment
from simpy.events import NORMAL, Event


class Clock(Environment):
    """SimPy's environment at time 0; to read its time, which a turn does twenty times, takes no call."""

    __slots__ = ("_now",)

    def __init__(self) -> None:
        super().__init__(0.0)


Clock.now = Clock.__dict__["_now"]  # type: ignore[method-assign]  # the slot in place of the property that reads it


class Timer(Event):
    """Rings at the time last set.

    SimPy's events can't be withdrawn. So a timer that is put off keeps its event, and asks for the rest of the time when that comes; one
    that is brought forward asks for an earlier event too, and whichever comes sees whether it is time. All of them are the timer itself,
    which costs less than a new one each time.
    """

    ring: Callable[[], None]
    """What is done when the time has come."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self._ok = True
        self._at = inf
        self._pending = [inf]

    def set(self, delay_s: float) -> None:
        """Ring once, ``delay_s`` from now; an earlier setting is forgotten. An infinite delay never rings."""
        self.set_at(self.env.now + delay_s)

    def set_at(self, time_s: float) -> None:
        """Ring once, at a time that is not over; an earlier setting is forgotten. Infinity never rings."""
        self._at = time_s
        pending = self._pending
        if time_s < pending[-1]:
            pending.append(time_s)
            self.callbacks = _LISTENERS
            delay_s = time_s - self.env.now
            self.env.schedule(self, NORMAL, delay_s if delay_s > 0 else 0.0)

    def _due(self) -> None:
        pending = self._pending
        pending.pop()
        if pending[-1] < inf:
            self.callbacks = _LISTENERS
        if self._at > self.env.now:
            self.set_at(self._at)
        else:
            self._at = inf
            self.ring()


_LISTENERS: list[Callable[[Any], None]] = [Timer._due]
"""What SimPy calls with a timer whose event has come; it only reads the list."""


class Alarm(Timer):
    """Calls ``action`` when it rings."""

    def __init__(self, env: Environment, action: Callable[[], None]) -> None:
        super().__init__(env)
        self.ring = action


def call_later(env: Environment, delay_s: float, action: Callable[[], None]) -> None:
    """Call ``action`` once, ``delay_s`` from now."""
    env.timeout(delay_s).callbacks.append(lambda _: action())
