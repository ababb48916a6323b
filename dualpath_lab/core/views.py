"""What a policy sees of the cluster: all of it as it is now, and nothing that can be set."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Generic, TypeVar

from simpy import Environment

from dualpath_lab.core.cluster import Cluster, Node
from dualpath_lab.core.engines import DecodeEngine, Engine, PrefillEngine
from dualpath_lab.core.turn import Turn
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.scenario import Role

Kind = TypeVar("Kind", bound=Engine)


class NodeView:
    """A node, with the length of its read queue and what is free in its buffer."""

    __slots__ = ("_engines", "_node")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._engines: tuple[EngineView[PrefillEngine] | EngineView[DecodeEngine], ...] = ()

    def __repr__(self) -> str:
        return f"<node {self.name}>"

    @property
    def index(self) -> int:
        """Number of the node among those of its role."""
        return self._node.index

    @property
    def name(self) -> str:
        """Such as ``p0``."""
        return self._node.name

    @property
    def role(self) -> Role:
        """``prefill`` or ``decode``."""
        return self._node.role

    @property
    def engines(self) -> tuple[EngineView[PrefillEngine] | EngineView[DecodeEngine], ...]:
        """Its engines, GPU by GPU."""
        return self._engines

    @property
    def read_tokens(self) -> int:
        """Length of its read queue: hit tokens waiting or being read."""
        return self._node.reads.tokens

    @property
    def free_buffer_bytes(self) -> int:
        """DRAM for KV-cache that nobody holds."""
        return self._node.buffer.free_bytes

    @property
    def buffer_bytes(self) -> int:
        """DRAM for KV-cache in all."""
        return self._node.buffer.capacity_bytes

    @property
    def storage_bytes_per_s(self) -> float:
        """Bandwidth of its storage NIC, each direction."""
        return self._node.snic_rx.capacity

    @property
    def compute_bytes_per_s(self) -> float:
        """Bandwidth of each of its compute NICs, each direction."""
        return self._node.ports[0].cnic_rx.capacity

    @property
    def dram_bytes_per_s(self) -> float:
        """Bandwidth of its DRAM, both directions together."""
        return self._node.dram.capacity


class EngineView(Generic[Kind]):
    """An engine, one GPU, with its load and its free HBM."""

    __slots__ = ("_engine", "_node")

    def __init__(self, engine: Kind, node: NodeView) -> None:
        self._engine = engine
        self._node = node

    def __repr__(self) -> str:
        return f"<{self.role} engine {self.name}>"

    @property
    def index(self) -> int:
        """Number of the engine among those of its role."""
        return self._engine.index

    @property
    def name(self) -> str:
        """Its node's and its GPU's, such as ``p0.g3``."""
        return self._engine.name

    @property
    def role(self) -> Role:
        """``prefill`` or ``decode``."""
        return self._node.role

    @property
    def node(self) -> NodeView:
        """Its node."""
        return self._node

    @property
    def group(self) -> int:
        """Number of the group that gets its work together, among those of its role."""
        return self._engine.fetch_group

    @property
    def tokens(self) -> int:
        """Tokens of the turns that were assigned to it and that it has not finished: prompts, and with a decode engine answers too."""
        return self._engine.tokens

    @property
    def sequences(self) -> int:
        """The number of those turns."""
        return self._engine.sequences

    @property
    def free_hbm_bytes(self) -> int:
        """HBM for KV-cache that nobody holds."""
        return self._engine.hbm.free_bytes

    @property
    def hbm_bytes(self) -> int:
        """HBM for KV-cache in all."""
        return self._engine.hbm.capacity_bytes


class PrefillEngineView(EngineView[PrefillEngine]):
    """An engine that prefills."""

    __slots__ = ()

    @property
    def ready(self) -> int:
        """Turns whose hit tokens are at hand and that wait for a forward."""
        return len(self._engine.ready)


class DecodeEngineView(EngineView[DecodeEngine]):
    """An engine that decodes."""

    __slots__ = ()

    @property
    def decoding(self) -> int:
        """Sequences in its batch."""
        return self._engine.decoding


class ClusterView:
    """The cluster at this moment.

    Parameters
    ----------
    cluster : Cluster
    env : Environment
        For the time.
    waiting : mapping of TurnView
        Its keys are the turns that are not placed yet, in order.
    kv_bytes_per_token : int
    prefill_tokens_per_s : float
    """

    __slots__ = (
        "_decode_engines",
        "_decode_groups",
        "_decode_nodes",
        "_env",
        "_kv_bytes_per_token",
        "_prefill_engines",
        "_prefill_groups",
        "_prefill_nodes",
        "_prefill_tokens_per_s",
        "_waiting",
    )

    def __init__(
        self,
        cluster: Cluster,
        env: Environment,
        waiting: Mapping[TurnView, Turn],
        kv_bytes_per_token: int,
        prefill_tokens_per_s: float,
    ) -> None:
        nodes = {node: NodeView(node) for node in cluster.nodes}
        self._prefill_groups = tuple(
            tuple(PrefillEngineView(engine, nodes[engine.node]) for engine in group) for group in cluster.prefill_fetch_groups
        )
        self._decode_groups = tuple(
            tuple(DecodeEngineView(engine, nodes[engine.node]) for engine in group) for group in cluster.decode_fetch_groups
        )
        self._prefill_engines = tuple(chain.from_iterable(self._prefill_groups))
        self._decode_engines = tuple(chain.from_iterable(self._decode_groups))
        for node in nodes.values():
            engines = self.prefill_engines if node.role == "prefill" else self.decode_engines
            node._engines = tuple(engine for engine in engines if engine.node is node)
        self._prefill_nodes = tuple(nodes[node] for node in cluster.prefill_nodes)
        self._decode_nodes = tuple(nodes[node] for node in cluster.decode_nodes)
        self._env = env
        self._waiting = waiting
        self._kv_bytes_per_token = kv_bytes_per_token
        self._prefill_tokens_per_s = prefill_tokens_per_s

    @property
    def now(self) -> float:
        """Simulated time, in s."""
        return self._env.now

    @property
    def waiting(self) -> tuple[TurnView, ...]:
        """Turns that are not placed yet, in the order in which they were submitted."""
        return tuple(self._waiting)

    @property
    def prefill_nodes(self) -> tuple[NodeView, ...]:
        """Nodes whose engines prefill."""
        return self._prefill_nodes

    @property
    def decode_nodes(self) -> tuple[NodeView, ...]:
        """Nodes whose engines decode."""
        return self._decode_nodes

    @property
    def prefill_groups(self) -> tuple[tuple[PrefillEngineView, ...], ...]:
        """Prefill engines that get their work together."""
        return self._prefill_groups

    @property
    def decode_groups(self) -> tuple[tuple[DecodeEngineView, ...], ...]:
        """Decode engines that get their work together."""
        return self._decode_groups

    @property
    def prefill_engines(self) -> tuple[PrefillEngineView, ...]:
        """All of them, node by node."""
        return self._prefill_engines

    @property
    def decode_engines(self) -> tuple[DecodeEngineView, ...]:
        """All of them, node by node."""
        return self._decode_engines

    @property
    def kv_bytes_per_token(self) -> int:
        """KV-cache of a token."""
        return self._kv_bytes_per_token

    @property
    def read_tokens_per_s(self) -> float:
        """Hit tokens that the storage NIC of a prefill node reads in a second."""
        return self._prefill_nodes[0].storage_bytes_per_s / self._kv_bytes_per_token

    @property
    def prefill_tokens_per_s(self) -> float:
        """Prompt tokens, cached ones included, that a prefill engine gets through in a second of this workload."""
        return self._prefill_tokens_per_s
