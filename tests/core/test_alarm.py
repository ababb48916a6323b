"""The wake-up that can be moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simpy import Environment

from dualpath_lab.core.alarm import Alarm

INF = float("inf")
times = st.floats(0, 100)


@given(st.lists(st.tuples(times, st.one_of(times, st.just(INF))), min_size=1, max_size=8))
def test_it_rings_at_what_was_set_last(settings: list[tuple[float, float]]) -> None:
    """Settings made at times that rise: each that is not replaced before rings once, exactly then.

    Mutants: one put off rings at the first time, or twice; one brought forward rings late; infinity rings.
    """
    env = Environment(0.0)
    rung: list[float] = []
    alarm = Alarm(env, lambda: rung.append(env.now))
    changes = sorted(settings, key=lambda change: change[0])
    for at_s, delay_s in changes:
        env.timeout(at_s).callbacks.append(lambda _, delay_s=delay_s: alarm.set(delay_s))
    env.run()
    next_changes = [at_s for at_s, _ in changes[1:]] + [INF]
    due = [at_s + delay_s for (at_s, delay_s), following in zip(changes, next_changes, strict=True) if at_s + delay_s < following]
    assert rung == pytest.approx([time for time in due if time < INF])


def test_putting_off_costs_no_event() -> None:
    """A hundred settings, each later than the one before, take two events: the first one's and one for the rest of the time.

    Mutant: an event for every setting.
    """
    env = Environment(0.0)
    rung: list[float] = []
    alarm = Alarm(env, lambda: rung.append(env.now))
    for delay_s in range(1, 101):
        alarm.set(float(delay_s))
    events = 0
    while env.peek() < INF:
        env.step()
        events += 1
    assert (rung, events) == ([100.0], 2)
