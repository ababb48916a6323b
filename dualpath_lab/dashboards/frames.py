"""Where a race stands at a moment: what the cards show."""

from __future__ import annotations

from dataclasses import dataclass

RECENT_BINS = 30
"""Bins over which throughput and TTFT of a running side are taken."""


@dataclass(frozen=True)
class SideFrame:
    """Where one side stands.

    Attributes
    ----------
    system : str
    turns, agents_finished, agents : int
        Turns and agents done, and agents in all.
    turns_per_s, ttft_p50_s, ttft_p99_s : float
        Of the last ``RECENT_BINS``; of the whole run once it has ended. NaN where no turn finished.
    recent_turns : int
        Turns that these rest on.
    recent_s : float
        How long ``RECENT_BINS`` are.
    bottleneck, bottleneck_utilization : str, float
        What has been busiest lately, and how busy.
    jct_s : float or None
        Time at which the last turn finished; None while it runs.
    """

    system: str
    turns: int
    agents_finished: int
    agents: int
    turns_per_s: float
    ttft_p50_s: float
    ttft_p99_s: float
    recent_turns: int
    recent_s: float
    bottleneck: str
    bottleneck_utilization: float
    jct_s: float | None

    @property
    def finished(self) -> bool:
        """Whether all its agents are done."""
        return self.jct_s is not None


@dataclass(frozen=True)
class Frame:
    """Where the race stands: its clock in s, both sides, and how many times faster B is.

    ``speedup`` is the time that A took over the time that B took for as many turns as both have finished by now; so at the end it is
    the ratio of their JCTs. None until each side has finished as many turns as there are agents.
    """

    time_s: float
    a: SideFrame
    b: SideFrame
    speedup: float | None

    @property
    def finished(self) -> bool:
        """Whether both sides have ended."""
        return self.a.finished and self.b.finished
