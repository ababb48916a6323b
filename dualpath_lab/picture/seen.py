"""What the picture of a cluster has shown, for whoever goes back in time."""

from __future__ import annotations

from bisect import bisect_right

from dualpath_lab.picture.frame import ClusterFrame

MOST = 1000
"""Frames kept; beyond it every other one is let go of, so that all of the past stays in reach."""


class Seen:
    """Frames by bin."""

    def __init__(self) -> None:
        self._bins: list[int] = []
        self._frames: list[ClusterFrame] = []

    def add(self, at_bin: int, frame: ClusterFrame) -> None:
        """Keep what is shown at a bin no earlier than the last."""
        if self._bins and self._bins[-1] == at_bin:
            self._frames[-1] = frame
            return
        if len(self._bins) == MOST:
            del self._bins[::2], self._frames[::2]
        self._bins.append(at_bin)
        self._frames.append(frame)

    def at(self, at_bin: int | None = None) -> ClusterFrame:
        """What was shown then, or the frame before, or the first; the last for None."""
        place = len(self._bins) if at_bin is None else bisect_right(self._bins, at_bin)
        return self._frames[max(place - 1, 0)]

    def clear(self) -> None:
        """Forget everything: a new race begins."""
        self._bins.clear()
        self._frames.clear()
