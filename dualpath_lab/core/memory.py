"""Memory that is granted first come, first served: HBM of a GPU, buffers in a node's DRAM."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Memory:
    """A budget of bytes that is never exceeded (law 6).

    Parameters
    ----------
    name : str
        For messages, such as ``"d0.buffer"``.
    capacity_bytes : int
        Its size.
    """

    __slots__ = ("_waiting", "capacity_bytes", "name", "peak_bytes", "used_bytes")

    def __init__(self, name: str, capacity_bytes: int) -> None:
        self.name = name
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.peak_bytes = 0
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()

    @property
    def free_bytes(self) -> int:
        """Bytes that nobody holds."""
        return self.capacity_bytes - self.used_bytes

    def take(self, size_bytes: int, then: Callable[[], None]) -> None:
        """Call ``then`` as soon as ``size_bytes`` are granted: now, or after everyone who asked before.

        Raises
        ------
        MemoryError
            If the budget could never hold that much.
        """
        if size_bytes > self.capacity_bytes:
            raise MemoryError(f"{self.name} of {self.capacity_bytes / 1e9:.3g} GB can't ever hold {size_bytes / 1e9:.3g} GB")
        if self._waiting or size_bytes > self.free_bytes:
            self._waiting.append((size_bytes, then))
        else:
            self._grant(size_bytes)
            then()

    def give_back(self, size_bytes: int) -> None:
        """Return bytes taken before and serve those who wait."""
        self.used_bytes -= size_bytes
        while self._waiting and self._waiting[0][0] <= self.free_bytes:
            waited_bytes, then = self._waiting.popleft()
            self._grant(waited_bytes)
            then()

    def _grant(self, size_bytes: int) -> None:
        self.used_bytes += size_bytes
        if self.used_bytes > self.peak_bytes:
            self.peak_bytes = self.used_bytes
