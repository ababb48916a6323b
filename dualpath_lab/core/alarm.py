"""A wake-up that can be moved: the one way in which the simulation asks SimPy for time."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from simpy import Environment
from simpy.events import Event


class Alarm:
    """Calls ``action`` at the time last set.

    SimPy's events can't be withdrawn, so a moved alarm leaves the old event in the queue and ignores it when it comes.
    """

    __slots__ = ("_env", "_event", "action")

    def __init__(self, env: Environment, action: Callable[[], None]) -> None:
        self._env = env
        self._event: Event | None = None
        self.action = action

    def set(self, delay_s: float) -> None:
        """Ring once, ``delay_s`` from now; an earlier setting is forgotten. An infinite delay never rings."""
        if delay_s == inf:
            self._event = None
            return
        self._event = event = self._env.timeout(delay_s)
        event.callbacks.append(self._ring)

    def cancel(self) -> None:
        """Forget the setting."""
        self._event = None

    def _ring(self, event: Event) -> None:
        if event is self._event:
            self._event = None
            self.action()


def call_later(env: Environment, delay_s: float, action: Callable[[], None]) -> None:
    """Call ``action`` once, ``delay_s`` from now."""
    env.timeout(delay_s).callbacks.append(lambda _: action())
