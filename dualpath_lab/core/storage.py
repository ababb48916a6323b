"""What a node reads from storage and writes to it, each in a queue at its storage NIC.

A cached prefix is a number of blocks of one trajectory, never a list; the storage system itself is never short of bandwidth (section 2).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from dualpath_lab.core import paths
from dualpath_lab.core.links import Route, over, route

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Node
    from dualpath_lab.core.links import Link
    from dualpath_lab.core.network import Network
    from dualpath_lab.core.paths import Ports
    from dualpath_lab.core.turn import Turn


class ReadQueue:
    """The disk reading queue of a node.

    A read starts when the one before it is done and the node's buffer has room for it.

    Parameters
    ----------
    node : Node
    network : Network
    kv_bytes_per_token : int

    Attributes
    ----------
    tokens : int
        Length of the queue as the scheduler sees it: hit tokens waiting or being read.
    ended : callable or None
        What hears of each read that has ended.
    """

    __slots__ = (
        "_busy",
        "_kv_bytes",
        "_network",
        "_node",
        "_route",
        "_then",
        "_turn",
        "_turn_tokens",
        "_waiting",
        "_when_read",
        "_when_room",
        "ended",
        "tokens",
    )

    def __init__(self, node: Node, network: Network, kv_bytes_per_token: int) -> None:
        self._node = node
        self._network = network
        self._kv_bytes = kv_bytes_per_token
        self._waiting: deque[tuple[int, int, Callable[[Turn], None], Turn]] = deque()
        self._turn_tokens: int
        self._then: Callable[[Turn], None]
        self._turn: Turn
        self._route: Route = route(paths.read(node.ports[0]))
        self._busy = False
        self._when_room, self._when_read = self._start, self._done
        self.tokens = 0
        self.ended: Callable[[], None] | None = None

    def read(self, tokens: int, buffer_bytes: int, then: Callable[[Turn], None], turn: Turn) -> None:
        """Read so many tokens of a turn into the node's buffer, once it has room for ``buffer_bytes`` more, and call ``then`` with it."""
        self.tokens += tokens
        if self._busy:
            self._waiting.append((tokens, buffer_bytes, then, turn))
        else:
            self._busy = True
            self._take_room(tokens, buffer_bytes, then, turn)

    def _take_room(self, tokens: int, buffer_bytes: int, then: Callable[[Turn], None], turn: Turn) -> None:
        self._turn_tokens, self._then, self._turn = tokens, then, turn
        self._node.buffer.take(buffer_bytes, self._when_room)

    def _start(self) -> None:
        self._network.start(self._route, self._turn_tokens * self._kv_bytes, self._when_read)

    def _done(self) -> None:
        then, turn = self._then, self._turn
        self.tokens -= self._turn_tokens
        if self._waiting:
            self._take_room(*self._waiting.popleft())
        else:
            self._busy = False
        then(turn)
        if self.ended:
            self.ended()


class WriteQueue:
    """Full blocks on their way from the HBM of a node's engines to storage.

    One write at a time; blocks that become full meanwhile go out together, in lockstep, with the next. What is added is numbered from 1:
    the queue keeps the last number that was added, that is under way and that is in storage.

    Parameters
    ----------
    network : Network
    ports : sequence of Ports
        The links of each engine.
    block_bytes : int
        Size of a block.
    block_submit_s : float
        Time that its engine takes to submit its copies.
    """

    __slots__ = (
        "_added",
        "_block_bytes",
        "_block_submit_s",
        "_blocks",
        "_busy",
        "_common",
        "_leaving",
        "_network",
        "_own",
        "_stored",
        "_waiting",
        "_when_written",
    )

    def __init__(self, network: Network, ports: Sequence[Ports[Link]], block_bytes: int, block_submit_s: float) -> None:
        self._network = network
        self._own = [(engine.cnic_tx.number, engine.cnic_rx.number) for engine in ports]
        crossed = Counter(link.number for link in paths.write_back(ports[0]))
        self._common = {number: times for number, times in crossed.items() if number not in self._own[0]}
        self._block_bytes = block_bytes
        self._block_submit_s = block_submit_s
        self._blocks: dict[int, int] = defaultdict(int)
        self._added = self._leaving = self._stored = 0
        self._waiting: list[tuple[int, Callable[[Turn], None], Turn]] = []
        self._busy = False
        self._when_written = self._written

    def add(self, turn: Turn, blocks: int) -> None:
        """Let so many more blocks of a turn wait for :meth:`write`."""
        turn.written = self._added = self._added + 1
        self._blocks[turn.de.gpu] += blocks

    def write(self) -> None:
        """Write what waits, unless a write is under way."""
        if not self._busy:
            self._busy = True
            self._start()

    def when_stored(self, turn: Turn, then: Callable[[Turn], None], waiting: Turn) -> None:
        """Call ``then`` with ``waiting`` as soon as all blocks of a turn that were added are in storage."""
        if turn.written <= self._stored:
            then(waiting)
        else:
            heappush(self._waiting, (turn.written, then, waiting))

    def _start(self) -> None:
        blocks, self._blocks = self._blocks, defaultdict(int)
        self._leaving = self._added
        submit_s = max(blocks.values()) * self._block_submit_s
        self._network.start(self._route(blocks), self._block_bytes, self._when_written, submit_s)

    def _written(self) -> None:
        self._stored = self._leaving
        if self._blocks:
            self._start()
        else:
            self._busy = False
        waiting = self._waiting
        while waiting and waiting[0][0] <= self._stored:
            _, then, turn = heappop(waiting)
            then(turn)

    def _route(self, blocks: Mapping[int, int]) -> Route:
        """Of so many blocks of each engine: across either direction of its own NIC, then all of them across what the node has in common."""
        links: list[int] = []
        shares: list[int] = []
        for gpu, number in blocks.items():
            links += self._own[gpu]
            shares += (number, number)
        total = sum(blocks.values())
        return over([*links, *self._common], [*shares, *[total * times for times in self._common.values()]])
