"""What a node reads from storage and writes to it, each in a queue at its storage NIC.

A cached prefix is a number of blocks of one trajectory, never a list; the storage system itself is never short of bandwidth (section 2).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from dualpath_lab.core import paths
from dualpath_lab.core.links import Route, crossing, route

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Node
    from dualpath_lab.core.engines import DecodeEngine
    from dualpath_lab.core.links import Link
    from dualpath_lab.core.network import Network
    from dualpath_lab.core.turn import Turn


class _Read(NamedTuple):
    """The KV-cache of so many tokens, room in the buffer for it, and what comes then."""

    tokens: int
    read_bytes: int
    buffer_bytes: int
    then: Callable[[], None]


class ReadQueue:
    """The disk reading queue of a node.

    A read starts when the one before it is done and the node's buffer has room for it.

    Attributes
    ----------
    tokens : int
        Length of the queue as the scheduler sees it: hit tokens waiting or being read.
    ended : callable or None
        What hears of each read that has ended.
    """

    def __init__(self, node: Node, network: Network) -> None:
        self._node = node
        self._network = network
        self._waiting: deque[_Read] = deque()
        self._reading: _Read
        self._route: Route = route(paths.read(node.ports[0]))
        self._busy = False
        self.tokens = 0
        self.ended: Callable[[], None] | None = None

    def read(self, tokens: int, read_bytes: int, buffer_bytes: int, then: Callable[[], None]) -> None:
        """Read the KV-cache of ``tokens`` into the node's buffer, once it has room for ``buffer_bytes`` more, and call ``then``."""
        self.tokens += tokens
        self._waiting.append(_Read(tokens, read_bytes, buffer_bytes, then))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if not self._busy:
            return
        self._reading = self._waiting.popleft()
        self._node.buffer.take(self._reading.buffer_bytes, self._start)

    def _start(self) -> None:
        self._network.start(self._route, self._reading.read_bytes, self._done)

    def _done(self) -> None:
        read = self._reading
        self.tokens -= read.tokens
        self._next()
        read.then()
        if self.ended:
            self.ended()


class WriteQueue:
    """Full blocks on their way from the HBM of a node's engines to storage.

    One write at a time; blocks that become full meanwhile go out together, in lockstep, with the next.

    Parameters
    ----------
    network : Network
    block_bytes : int
        Size of a block.
    block_submit_s : float
        Time that its engine takes to submit its copies.
    """

    def __init__(self, network: Network, block_bytes: int, block_submit_s: float) -> None:
        self._network = network
        self._block_bytes = block_bytes
        self._block_submit_s = block_submit_s
        self._waiting: list[Turn] = []
        self._writing: list[Turn] = []
        self._blocks: dict[DecodeEngine, int] = defaultdict(int)
        self._route = lru_cache(_write_route)
        self._busy = False

    def write(self, full: list[tuple[Turn, int]]) -> None:
        """Write so many more blocks of each turn."""
        for turn, number in full:
            turn.writes += 1
            self._blocks[turn.de] += number
            self._waiting.append(turn)
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if not self._busy:
            return
        self._writing, self._waiting = self._waiting, []
        blocks, self._blocks = self._blocks, defaultdict(int)
        route = self._route(tuple(blocks.items()))
        self._network.start(route, self._block_bytes, self._written, max(blocks.values()) * self._block_submit_s)

    def _written(self) -> None:
        written = self._writing
        self._next()
        for turn in written:
            turn.writes -= 1
            if turn.when_stored and not turn.writes:
                turn.when_stored()


def _write_route(blocks: Iterable[tuple[DecodeEngine, int]]) -> Route:
    """Of so many blocks of each engine."""
    streams: dict[Link, float] = defaultdict(float)
    for engine, number in blocks:
        for link in engine.write_back:
            streams[link] += number
    return crossing(streams)
