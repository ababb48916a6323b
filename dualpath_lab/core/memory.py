"""Memory that is granted in the order of asking: HBM of a GPU, buffers in a node's DRAM."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Memory:
    """A budget of bytes that is never exceeded (law 6).

    How many wait is kept in a number, as it is nearly always none and the queues need not be looked at then.

    Parameters
    ----------
    name : str
        For messages, such as ``"d0.buffer"``.
    capacity_bytes : int
        Its size.
    """

    __slots__ = ("_asked", "_urgent", "_waiting", "capacity_bytes", "name", "peak_bytes", "used_bytes")

    def __init__(self, name: str, capacity_bytes: int) -> None:
        self.name = name
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.peak_bytes = 0
        self._asked = 0
        self._urgent: deque[tuple[int, Callable[[], None]]] = deque()
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()

    @property
    def free_bytes(self) -> int:
        """Bytes that nobody holds."""
        return self.capacity_bytes - self.used_bytes

    def take(self, size_bytes: int, then: Callable[[], None], urgent: bool = False) -> None:
        """Call ``then`` as soon as ``size_bytes`` are granted: now, or after everyone who asked before.

        Urgent requests are served before the others; who wants nothing waits for nobody.

        Raises
        ------
        MemoryError
            If the budget could never hold that much.
        """
        if size_bytes > self.capacity_bytes:
            raise MemoryError(f"{self.name} of {self.capacity_bytes / 1e9:.3g} GB can't ever hold {size_bytes / 1e9:.3g} GB")
        if not size_bytes:
            then()
            return
        is_later = self._asked and (self._urgent or not urgent)
        if is_later or self.used_bytes + size_bytes > self.capacity_bytes:
            self._asked += 1
            (self._urgent if urgent else self._waiting).append((size_bytes, then))
        else:
            self.hold(size_bytes)
            then()

    def hold(self, size_bytes: int) -> None:
        """Take bytes that are free and that nobody who asked before waits for."""
        self.used_bytes = used_bytes = self.used_bytes + size_bytes
        if used_bytes > self.peak_bytes:
            self.peak_bytes = used_bytes

    def give_back(self, size_bytes: int) -> None:
        """Return bytes taken before and serve those who wait."""
        self.used_bytes -= size_bytes
        while self._asked:
            queue = self._urgent or self._waiting
            size_bytes, then = queue[0]
            if size_bytes > self.free_bytes:
                return
            queue.popleft()
            self._asked -= 1
            self.hold(size_bytes)
            then()
