"""Prefill and decode engines, one GPU each, and what the groups in which they work in step have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simpy import Environment

from dualpath_lab import calibration
from dualpath_lab.core import paths
from dualpath_lab.core.links import ModelTraffic, Route, route
from dualpath_lab.core.memory import Memory
from dualpath_lab.core.network import Network
from dualpath_lab.core.paths import Ports
from dualpath_lab.core.turn import Turn

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Node
    from dualpath_lab.core.decode import DecodeGroup
    from dualpath_lab.core.prefill import PrefillGroup


class CopyQueue:
    """Transfers that one engine submits through its compute NIC, one after the other."""

    __slots__ = ("_busy", "_network", "_then", "_turn", "_waiting", "_when_copied")

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: deque[tuple[Route, int, float, Callable[[Turn], None], Turn]] = deque()
        self._then: Callable[[Turn], None]
        self._turn: Turn
        self._busy = False
        self._when_copied = self._done

    def submit(self, route: Route, size_bytes: int, submit_s: float, then: Callable[[Turn], None], turn: Turn) -> None:
        """Carry bytes of a turn, which takes ``submit_s`` to submit, when everything submitted before has arrived; then call ``then``."""
        if self._busy:
            self._waiting.append((route, size_bytes, submit_s, then, turn))
        else:
            self._busy = True
            self._carry(route, size_bytes, submit_s, then, turn)

    def _carry(self, route: Route, size_bytes: int, submit_s: float, then: Callable[[Turn], None], turn: Turn) -> None:
        self._then, self._turn = then, turn
        self._network.start(route, size_bytes, self._when_copied, submit_s)

    def _done(self) -> None:
        then, turn = self._then, self._turn
        if self._waiting:
            self._carry(*self._waiting.popleft())
        else:
            self._busy = False
        then(turn)


class Engine:
    """One GPU with its compute NIC.

    Attributes
    ----------
    index : int
        Number of the engine among those of its role.
    name : str
        Its node's and its GPU's, such as ``p0.g3``.
    node, gpu : Node, int
        Its node, and its number there.
    fetch_group : int
        Number of the group whose leader fetches its work.
    ports : Ports
        The links of its node and its compute NIC.
    numbers : Ports
        Theirs in the network.
    copy_in : Route
        From its buffer to its HBM.
    hbm : Memory
        What it has for KV-cache.
    sequences, tokens : int
        ``seq_e`` and ``tok_e`` of the scheduler: unfinished requests and their total tokens.
    """

    __slots__ = (*("copies", "copy_in", "fetch_group", "gpu", "hbm", "index", "name", "node", "numbers", "ports", "sequences", "tokens"),)

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        self.index = index
        self.name = f"{node.name}.g{gpu}"
        self.node = node
        self.gpu = gpu
        self.fetch_group = fetch_group
        self.ports = node.ports[gpu]
        self.numbers = Ports(*(link.number for link in self.ports))
        self.copy_in = route(paths.copy_in(self.ports))
        self.hbm = Memory(f"{self.name}.hbm", kv_hbm_bytes)
        self.copies = CopyQueue(network)
        self.sequences = 0
        self.tokens = 0


class PrefillEngine(Engine):
    """A GPU that prefills; ``ready`` holds requests whose hit tokens are at hand, first come first."""

    __slots__ = ("group", "ready")

    group: PrefillGroup

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        super().__init__(index, node, gpu, kv_hbm_bytes, fetch_group, network)
        self.ready: deque[Turn] = deque()

    def enqueue(self, turn: Turn) -> None:
        """Let the next forward take the turn."""
        self.ready.append(turn)
        self.group.wake()


class DecodeEngine(Engine):
    """A GPU that decodes ``decoding`` sequences; it has a ``place`` in its group."""

    __slots__ = ("decoding", "group", "place")

    group: DecodeGroup
    place: int

    def __init__(self, index: int, node: Node, gpu: int, kv_hbm_bytes: int, fetch_group: int, network: Network) -> None:
        super().__init__(index, node, gpu, kv_hbm_bytes, fetch_group, network)
        self.decoding = 0


@dataclass(frozen=True)
class Exchange:
    """All-to-all of an expert-parallel group, as each compute NIC sees it in either direction.

    Parameters
    ----------
    bytes_per_token : float
        For each token of the NIC's engine.
    most_rate : float
        Bytes/s that the virtual lane's priority reserves to it.
    fixed_rate : float, optional
        Bytes/s while the group runs, whatever its tokens.
    """

    bytes_per_token: float
    most_rate: float
    fixed_rate: float | None = None

    def rate(self, tokens_per_s: float) -> float:
        """Bytes/s for so many tokens a second of an engine."""
        if self.fixed_rate is not None:
            return self.fixed_rate if tokens_per_s else 0.0
        return min(self.bytes_per_token * tokens_per_s, self.most_rate)

    def least_s(self, tokens: float) -> float:
        """Time that the exchange for so many tokens of an engine takes at best."""
        return self.bytes_per_token * tokens / self.most_rate if self.fixed_rate is None else 0.0


def exchange(bytes_per_token: float, compute_bytes_per_s: float, model_share: float | None) -> Exchange:
    """The exchange over compute NICs of some bandwidth, of which model traffic takes a given share if not its own."""
    fixed_rate = None if model_share is None else model_share * compute_bytes_per_s
    return Exchange(bytes_per_token, calibration.MOST_MODEL_SHARE * compute_bytes_per_s, fixed_rate)


class EngineGroup:
    """Engines that work in step, and the model traffic that they exchange while they do.

    Simplification: the traffic is spread evenly over a forward or step, where a real link sees bursts shorter than a millisecond.
    """

    __slots__ = ("_env", "_exchange", "_network", "_tokens_per_s", "traffic")

    def __init__(self, env: Environment, network: Network, exchange: Exchange, engines: Sequence[Engine]) -> None:
        self._env = env
        self._network = network
        self._exchange = exchange
        self._tokens_per_s = 0.0
        self.traffic = ModelTraffic([link for engine in engines for link in (engine.ports.cnic_tx, engine.ports.cnic_rx)])

    def change_exchange(self, compute_bytes_per_s: float, model_share: float | None) -> None:
        """Other compute NICs, or another share of them for model traffic, from now on.

        Simplification: the forward or step under way keeps its length, so that its exchange is cut where the NICs have no room for it.
        """
        self._exchange = exchange(self._exchange.bytes_per_token, compute_bytes_per_s, model_share)
        new_capacity = compute_bytes_per_s if compute_bytes_per_s != self.traffic.links[0].capacity else None
        self._network.set_model_rate(self.traffic, self._exchange.rate(self._tokens_per_s), new_capacity)

    def _set_traffic(self, tokens_per_s: float) -> None:
        self._tokens_per_s = tokens_per_s
        rate = self._exchange.rate(tokens_per_s)
        if rate != self.traffic.rate:
            self._network.set_model_rate(self.traffic, rate)
