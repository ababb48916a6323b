"""Prefill and decode engines, one GPU each, and what the groups in which they work in step have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from simpy import Environment

from dualpath_lab.core.memory import Memory
from dualpath_lab.core.network import Link, ModelTraffic, Network
from dualpath_lab.core.turn import Turn

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Node
    from dualpath_lab.core.decode import DecodeGroup
    from dualpath_lab.core.prefill import PrefillGroup


class CopyQueue:
    """Transfers that one engine submits through its compute NIC, one after the other."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: deque[tuple[dict[Link, int], Callable[[], None]]] = deque()
        self._busy = False

    def submit(self, load: dict[Link, int], then: Callable[[], None]) -> None:
        """Carry ``load`` when everything submitted before has arrived, then call ``then``."""
        self._waiting.append((load, then))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            load, then = self._waiting.popleft()

            def done() -> None:
                self._next()
                then()

            self._network.start(load, done)


class Engine:
    """One GPU with its compute NIC.

    Attributes
    ----------
    index : int
        Number of the engine among those of its role.
    fetch_group : int
        Number of the group whose leader fetches its work.
    hbm : Memory
        What it has for KV-cache.
    sequences, tokens : int
        ``seq_e`` and ``tok_e`` of the scheduler: unfinished requests and their total tokens.
    """

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        self.index = index
        self.node = node
        self.fetch_group = fetch_group
        self.cnic_tx, self.cnic_rx = node.cnics[gpu]
        self.hbm = Memory(f"{node.name}.g{gpu}.hbm", kv_hbm_bytes)
        self.copies = CopyQueue(network)
        self.sequences = 0
        self.tokens = 0


class PrefillEngine(Engine):
    """A GPU that prefills; ``ready`` holds requests whose hit tokens are at hand, first come first."""

    group: PrefillGroup

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        super().__init__(index, node, gpu, kv_hbm_bytes, fetch_group, network)
        self.ready: deque[Turn] = deque()

    def enqueue(self, turn: Turn) -> None:
        """Let the next forward take the turn."""
        self.ready.append(turn)
        self.group.wake()


class DecodeEngine(Engine):
    """A GPU that decodes; ``decoding`` sequences read ``step_bytes`` of KV-cache in each step."""

    group: DecodeGroup

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        super().__init__(index, node, gpu, kv_hbm_bytes, fetch_group, network)
        self.decoding = 0
        self.step_bytes = 0


class EngineGroup:
    """Engines that work in step, and the model traffic that they exchange while they run."""

    def __init__(self, env: Environment, network: Network, traffic_rate: float, engines: Sequence[Engine]) -> None:
        self._env = env
        self._network = network
        self._traffic_rate = traffic_rate
        self._links = [link for engine in engines for link in (engine.cnic_tx, engine.cnic_rx)]
        self.traffic = ModelTraffic()
        for link in self._links:
            link.model = self.traffic
        self.running = False

    def _set_running(self, running: bool) -> None:
        if running != self.running:
            self.running = running
            if self._traffic_rate:
                self._network.set_model_rate(self.traffic, self._traffic_rate if running else 0.0, self._links)
