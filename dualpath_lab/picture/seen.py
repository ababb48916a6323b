"""What the picture of a cluster has shown, for whoever goes back in time."""

from __future__ import annotations

from bisect import bisect_right

from dualpath_lab.picture.frame import ClusterFrame

MOST = 1000
"""Frames kept; beyond it every other one is let go of, so that all of the past stays in reach."""


class Seen:
    """Frames by time."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._frames: list[ClusterFrame] = []

    def add(self, time_s: float, frame: ClusterFrame) -> None:
        """Keep what is shown at a time; of what is shown at the last one or before, it takes the last one's place."""
        if self._times_s and self._times_s[-1] >= time_s:
            self._frames[-1] = frame
            return
        if len(self._times_s) == MOST:
            del self._times_s[::2], self._frames[::2]
        self._times_s.append(time_s)
        self._frames.append(frame)

    def at(self, time_s: float | None = None) -> ClusterFrame:
        """What was shown then, or the frame before, or the first; the last for None."""
        place = len(self._times_s) if time_s is None else bisect_right(self._times_s, time_s)
        return self._frames[max(place - 1, 0)]

    def clear(self) -> None:
        """Forget everything: a new race begins."""
        self._times_s.clear()
        self._frames.clear()
