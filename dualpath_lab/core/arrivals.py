"""When agents start: each at its time, which can still move while it lies ahead."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from simpy import Environment

from dualpath_lab.core.alarm import Alarm


class Arrivals:
    """Starts every agent once.

    Parameters
    ----------
    env : Environment
        At time 0.
    times_s : float64 array, shape (agents,)
        Start of each agent, ascending.
    start : callable
        Called with the number of an agent when its time has come.
    """

    def __init__(self, env: Environment, times_s: NDArray[np.float64], start: Callable[[int], None]) -> None:
        self._env = env
        self._times_s = times_s.tolist()
        self._alarms = [Alarm(env, partial(start, agent)) for agent in range(len(times_s))]
        for alarm, time_s in zip(self._alarms, self._times_s, strict=True):
            alarm.set(time_s)

    def stretch(self, factor: float) -> None:
        """Multiply the time that is left to each start still to come.

        Of a Poisson process this makes one of another rate: what is left of an exponential gap is exponential.
        """
        if factor == 1:
            return
        now = self._env.now
        for agent, time_s in enumerate(self._times_s):
            if time_s > now:
                left_s = (time_s - now) * factor
                self._times_s[agent] = now + left_s
                self._alarms[agent].set(left_s)
