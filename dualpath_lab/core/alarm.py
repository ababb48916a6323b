"""A wake-up that can be moved: the one way in which the simulation asks SimPy for time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf

from simpy import Environment
from simpy.events import Event, Timeout


class Timer(ABC):
    """Rings at the time last set.

    SimPy's events can't be withdrawn, so a moved timer leaves the old event in the queue and ignores it when it comes.
    """

    __slots__ = ("_env", "_event")

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._event: Event | None = None

    @abstractmethod
    def ring(self) -> None:
        """The time has come."""

    def set(self, delay_s: float) -> None:
        """Ring once, ``delay_s`` from now; an earlier setting is forgotten. An infinite delay never rings."""
        if delay_s == inf:
            self._event = None
            return
        self._event = event = Timeout(self._env, delay_s)
        event.callbacks.append(self._due)

    def cancel(self) -> None:
        """Forget the setting."""
        self._event = None

    def _due(self, event: Event) -> None:
        if event is self._event:
            self._event = None
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
