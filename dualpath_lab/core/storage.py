"""Reading the KV-cache of hit tokens: one queue a node, first come, first served at its storage NIC.

A cached prefix is a number of blocks of one trajectory, never a list; the storage system itself is never short of bandwidth (section 2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from dualpath_lab.core import paths
from dualpath_lab.core.links import Route, route

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Node
    from dualpath_lab.core.network import Network


class ReadQueue:
    """The disk reading queue of a node.

    A read starts when the one before it is done and the node's buffer has room for it.

    Attributes
    ----------
    tokens : int
        Length of the queue as the scheduler sees it: hit tokens waiting or being read.
    """

    def __init__(self, node: Node, network: Network) -> None:
        self._node = node
        self._network = network
        self._waiting: deque[tuple[int, int, int, Callable[[], None]]] = deque()
        self._route: Route = route(paths.read(node.ports[0]))
        self._busy = False
        self.tokens = 0

    def read(self, tokens: int, read_bytes: int, buffer_bytes: int, then: Callable[[], None]) -> None:
        """Read the KV-cache of ``tokens`` into the node's buffer, once it has room for ``buffer_bytes`` more, and call ``then``."""
        self.tokens += tokens
        self._waiting.append((tokens, read_bytes, buffer_bytes, then))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if not self._busy:
            return
        tokens, read_bytes, buffer_bytes, then = self._waiting.popleft()

        def done() -> None:
            self.tokens -= tokens
            self._next()
            then()

        self._node.buffer.take(buffer_bytes, lambda: self._network.start(self._route, read_bytes, done))
