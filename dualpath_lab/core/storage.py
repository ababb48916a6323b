"""What a node reads from storage and writes to it, each in a queue at its storage NIC.

A cached prefix is a number of blocks of one trajectory, never a list; the storage system itself is never short of bandwidth (section 2).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dualpath_lab.core import paths
from dualpath_lab.core.links import Route, over, route

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Node
    from dualpath_lab.core.engines import DecodeEngine
    from dualpath_lab.core.links import Link
    from dualpath_lab.core.network import Network
    from dualpath_lab.core.paths import Ports
    from dualpath_lab.core.turn import Turn


class BlockLinks(NamedTuple):
    """Links that a block crosses on its way from HBM to storage, by number.

    Attributes
    ----------
    own : tuple of int
        Either direction of its engine's compute NIC; it crosses each once.
    common : dict of int to int
        Of the node, and how often it crosses each.
    """

    own: tuple[int, int]
    common: dict[int, int]


def block_links(engine: Ports[Link]) -> BlockLinks:
    """Of an engine's blocks; see :func:`paths.write_back`."""
    crossed = Counter(link.number for link in paths.write_back(engine))
    own = (engine.cnic_tx.number, engine.cnic_rx.number)
    return BlockLinks(own, {number: times for number, times in crossed.items() if number not in own})


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
        self._waiting: deque[tuple[int, int, int, Callable[[], None]]] = deque()
        self._reading: tuple[int, int, Callable[[], None]]
        self._route: Route = route(paths.read(node.ports[0]))
        self._busy = False
        self.tokens = 0
        self.ended: Callable[[], None] | None = None

    def read(self, tokens: int, read_bytes: int, buffer_bytes: int, then: Callable[[], None]) -> None:
        """Read the KV-cache of ``tokens`` into the node's buffer, once it has room for ``buffer_bytes`` more, and call ``then``."""
        self.tokens += tokens
        if self._busy:
            self._waiting.append((tokens, read_bytes, buffer_bytes, then))
        else:
            self._busy = True
            self._take_room(tokens, read_bytes, buffer_bytes, then)

    def _take_room(self, tokens: int, read_bytes: int, buffer_bytes: int, then: Callable[[], None]) -> None:
        self._reading = tokens, read_bytes, then
        self._node.buffer.take(buffer_bytes, self._start)

    def _start(self) -> None:
        _, read_bytes, _ = self._reading
        self._network.start(self._route, read_bytes, self._done)

    def _done(self) -> None:
        tokens, _, then = self._reading
        self.tokens -= tokens
        if self._waiting:
            self._take_room(*self._waiting.popleft())
        else:
            self._busy = False
        then()
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
        self._busy = False

    def add(self, turn: Turn, blocks: int) -> None:
        """Let so many more blocks of a turn wait for :meth:`write`."""
        turn.writes += 1
        self._blocks[turn.de] += blocks
        self._waiting.append(turn)

    def write(self) -> None:
        """Write what waits, unless a write is under way."""
        if not self._busy:
            self._busy = True
            self._start()

    def _start(self) -> None:
        self._writing, self._waiting = self._waiting, []
        blocks, self._blocks = self._blocks, defaultdict(int)
        self._network.start(_write_route(blocks), self._block_bytes, self._written, max(blocks.values()) * self._block_submit_s)

    def _written(self) -> None:
        written = self._writing
        if self._waiting:
            self._start()
        else:
            self._busy = False
        for turn in written:
            turn.writes -= 1
            if turn.when_stored and not turn.writes:
                turn.when_stored()


def _write_route(blocks: Mapping[DecodeEngine, int]) -> Route:
    """Of so many blocks of each engine; all are of one node."""
    links: list[int] = []
    shares: list[float] = []
    for engine, number in blocks.items():
        links += engine.write_back.own
        shares += (number, number)
    total, common = sum(blocks.values()), next(iter(blocks)).write_back.common
    return over([*links, *common], [*shares, *(total * times for times in common.values())])
