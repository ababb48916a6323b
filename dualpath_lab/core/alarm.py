"""A wake-up that can be moved: the one way in which the simulation asks SimPy for time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf

from simpy import Environment
from simpy.events import Event, Timeout


class Timer(ABC):
    """Rings at the time last set.

    SimPy's events can't be withdrawn. So a timer that is put off keeps its event, and asks for the rest of the time when that comes; one
    that is brought forward leaves the old event in the queue and ignores it.
    """

    __slots__ = ("_at", "_env", "_event", "_event_at")

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._event: Event | None = None
        self._at = self._event_at = inf

    @abstractmethod
    def ring(self) -> None:
        """The time has come."""

    def set(self, delay_s: float) -> None:
        """Ring once, ``delay_s`` from now; an earlier setting is forgotten. An infinite delay never rings."""
        self._at = at = self._env.now + delay_s
        if self._event is None or at < self._event_at:
            self._wait(delay_s)

    def _wait(self, delay_s: float) -> None:
        if delay_s == inf:
            return
        self._event_at = self._at
        self._event = event = Timeout(self._env, delay_s)
        event.callbacks.append(self._due)

    def _due(self, event: Event) -> None:
        if event is not self._event:
            return
        self._event = None
        if self._at > self._env.now:
            self._wait(self._at - self._env.now)
        else:
            self.ring()


class Alarm(Timer):
    """Calls ``action`` when it rings."""

    __slots__ = ("_action",)

    def __init__(self, env: Environment, action: Callable[[], None]) -> None:
        super().__init__(env)
        self._action = action

    def ring(self) -> None:
        """Call it."""
        self._action()


def call_later(env: Environment, delay_s: float, action: Callable[[], None]) -> None:
    """Call ``action`` once, ``delay_s`` from now."""
    env.timeout(delay_s).callbacks.append(lambda _: action())
