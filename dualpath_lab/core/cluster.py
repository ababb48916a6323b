"""The machines of a run: nodes with their NICs, DRAM and engines, and the groups in which the engines work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

from simpy import Environment

from dualpath_lab import calibration
from dualpath_lab.core.batching import Batching
from dualpath_lab.core.decode import DecodeGroup
from dualpath_lab.core.engines import DecodeEngine, Exchange, PrefillEngine, exchange
from dualpath_lab.core.links import Link
from dualpath_lab.core.memory import Memory
from dualpath_lab.core.network import Network
from dualpath_lab.core.paths import Ports
from dualpath_lab.core.prefill import PrefillGroup
from dualpath_lab.core.prefill_time import PrefillTime
from dualpath_lab.core.storage import ReadQueue, WriteQueue
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import Model
from dualpath_lab.scenario import Role, Scenario, ScenarioError
from dualpath_lab.units import gbytes_to_bytes
from dualpath_lab.workload import BLOCK_TOKENS

EngineKind = TypeVar("EngineKind", PrefillEngine, DecodeEngine)


class Node:
    """A node: one storage NIC, DRAM with a buffer for KV-cache, and engines, all prefill or all decode."""

    __slots__ = ("buffer", "cnics", "dram", "hardware", "index", "name", "ports", "reads", "role", "snic_rx", "snic_tx", "writes")

    def __init__(self, index: int, role: Role, scenario: Scenario, model: Model, network: Network, block_submit_s: float) -> None:
        self.index = index
        self.role = role
        self.name = f"{role[0]}{index}"
        spec = scenario.side(role)
        self.hardware = load_hardware(spec.hardware)
        storage_bytes_per_s = spec.storage_bytes_per_s * self.hardware.storage_efficiency
        self.snic_rx = network.link(f"{self.name}.snic", "snic", role, "rx", storage_bytes_per_s)
        self.snic_tx = network.link(f"{self.name}.snic", "snic", role, "tx", storage_bytes_per_s)
        self.dram = network.link(f"{self.name}.dram", "dram", role, "both", spec.dram_bytes_per_s)
        compute_bytes_per_s = spec.compute_bytes_per_s
        self.cnics = [
            (
                network.link(f"{self.name}.g{gpu}.cnic", "cnic", role, "tx", compute_bytes_per_s),
                network.link(f"{self.name}.g{gpu}.cnic", "cnic", role, "rx", compute_bytes_per_s),
            )
            for gpu in range(spec.gpus_per_node)
        ]
        buffer_bytes = model.buffer_bytes_per_node if spec.buffer_gbytes is None else int(gbytes_to_bytes(spec.buffer_gbytes))
        self.buffer = Memory(f"{self.name}.buffer", buffer_bytes)
        self.ports = [Ports(self.snic_rx, self.snic_tx, self.dram, *cnic) for cnic in self.cnics]
        self.reads = ReadQueue(self, network, model.kv_bytes_per_token)
        self.writes = WriteQueue(network, self.ports, BLOCK_TOKENS * model.kv_bytes_per_token, block_submit_s)

    def links(self) -> Iterator[Link]:
        """Every link of the node."""
        return chain((self.snic_rx, self.snic_tx, self.dram), *self.cnics)


class Cluster:
    """All nodes, engines and groups of a scenario.

    Engines of a *step* group run in step: all GPUs of an expert-parallel group, or each GPU by itself. Engines of a *fetch* group get
    their work together, through their leader: an expert-parallel group again, or else a node's engines.

    Parameters
    ----------
    scenario : Scenario
    model : Model
    batching : Batching
        How prefill engines fill a forward.
    env, network
        Clock and links' owner.

    Attributes
    ----------
    block_submit_s : float
        Time to submit the copies of a block, one for each layer.

    Raises
    ------
    ScenarioError
        If the model's weights leave no HBM to KV-cache.
    """

    def __init__(self, scenario: Scenario, model: Model, batching: Batching, env: Environment, network: Network) -> None:
        self._network = network
        self.block_submit_s = calibration.COPY_SUBMIT_S[scenario.cluster.copy_method] * model.layers

        def nodes_of(role: Role, number: int) -> list[Node]:
            return [Node(index, role, scenario, model, network, self.block_submit_s) for index in range(number)]

        self.prefill_nodes = nodes_of("prefill", scenario.cluster.prefill_nodes)
        self.decode_nodes = nodes_of("decode", scenario.cluster.decode_nodes)
        self.prefill_fetch_groups: list[tuple[PrefillEngine, ...]] = []
        self.decode_fetch_groups: list[tuple[DecodeEngine, ...]] = []
        self.prefill_groups: list[PrefillGroup] = []
        self.decode_groups: list[DecodeGroup] = []

        def exchange_over(nodes: Sequence[Node]) -> Exchange:
            compute_bytes_per_s = scenario.side(nodes[0].role).compute_bytes_per_s
            return exchange(model.exchange_bytes(len(nodes)), compute_bytes_per_s, scenario.traffic.model_share)

        for nodes in _spans(self.prefill_nodes, model):
            room = _kv_hbm_bytes(scenario, model, nodes)
            first = len(self.prefill_engines)
            prefill = tuple(
                PrefillEngine(first + place, node, gpu, room, len(self.prefill_fetch_groups), network)
                for place, (node, gpu) in enumerate(_gpus(nodes))
            )
            self.prefill_fetch_groups.append(prefill)
            for prefill_members in _in_step(prefill, model):
                time = PrefillTime(model, nodes[0].hardware, len(prefill_members))
                group = PrefillGroup(env, network, exchange_over(nodes), time, batching, prefill_members)
                self.prefill_groups.append(group)

        for nodes in _spans(self.decode_nodes, model):
            room = _kv_hbm_bytes(scenario, model, nodes)
            first = len(self.decode_engines)
            decode = tuple(
                DecodeEngine(first + place, node, gpu, room, len(self.decode_fetch_groups), network)
                for place, (node, gpu) in enumerate(_gpus(nodes))
            )
            self.decode_fetch_groups.append(decode)
            for decode_members in _in_step(decode, model):
                self.decode_groups.append(DecodeGroup(env, network, exchange_over(nodes), model, nodes[0].hardware, decode_members))

    def change_links(self, before: Scenario, after: Scenario) -> None:
        """The bandwidths and the share of model traffic of another scenario from now on; whatever is the same is left alone."""
        for nodes in (self.prefill_nodes, self.decode_nodes):
            old, new = before.side(nodes[0].role), after.side(nodes[0].role)
            if new.storage_gbps != old.storage_gbps:
                snics = [link for node in nodes for link in (node.snic_rx, node.snic_tx)]
                self._network.set_capacity(new.storage_bytes_per_s * nodes[0].hardware.storage_efficiency, snics)
            if (new.compute_gbps, after.traffic) != (old.compute_gbps, before.traffic):
                for group in self.prefill_groups if nodes is self.prefill_nodes else self.decode_groups:
                    group.change_exchange(new.compute_bytes_per_s, after.traffic.model_share)

    @property
    def nodes(self) -> list[Node]:
        """Prefill nodes, then decode nodes."""
        return self.prefill_nodes + self.decode_nodes

    @property
    def prefill_engines(self) -> list[PrefillEngine]:
        """All of them, node by node."""
        return list(chain.from_iterable(self.prefill_fetch_groups))

    @property
    def decode_engines(self) -> list[DecodeEngine]:
        """All of them, node by node."""
        return list(chain.from_iterable(self.decode_fetch_groups))

    def links(self) -> Iterator[Link]:
        """Every link, node by node."""
        return chain.from_iterable(node.links() for node in self.nodes)


def _spans(nodes: list[Node], model: Model) -> list[list[Node]]:
    """Nodes cut into fetch groups; the last may be smaller."""
    size = calibration.EXPERT_PARALLEL_NODES[nodes[0].role] if model.expert_parallel else 1
    return [nodes[start : start + size] for start in range(0, len(nodes), size)]


def _gpus(nodes: Sequence[Node]) -> Iterator[tuple[Node, int]]:
    return ((node, gpu) for node in nodes for gpu in range(len(node.cnics)))


def _in_step(engines: Sequence[EngineKind], model: Model) -> list[Sequence[EngineKind]]:
    return [engines] if model.expert_parallel else [(engine,) for engine in engines]


def _kv_hbm_bytes(scenario: Scenario, model: Model, nodes: Sequence[Node]) -> int:
    """HBM of a GPU that is left to KV-cache by the weights and the reserve."""
    node = nodes[0]
    gpus = len(nodes) * len(node.cnics) if model.expert_parallel else 1
    given_gbytes = scenario.side(node.role).hbm_gbytes
    hbm_bytes = int(gbytes_to_bytes(given_gbytes or node.hardware.hbm_gbytes))
    usable_bytes = hbm_bytes * (1 - calibration.HBM_RESERVE)
    weight_bytes = model.weight_bytes_per_gpu(gpus)
    if weight_bytes < usable_bytes:
        return int(usable_bytes - weight_bytes)
    hbm = f"cluster.hbm_gbytes = {given_gbytes:g}" if given_gbytes else f"cluster.hardware = {node.hardware.name!r}"
    spread = f"on each of {gpus} GPUs of an expert-parallel group" if gpus > 1 else "on one GPU, as there is no tensor parallelism"
    raise ScenarioError(
        f"model = {scenario.model!r} is not allowed with {hbm}: its weights take {weight_bytes / 1e9:.3g} GB {spread}, and of "
        f"{hbm_bytes / 1e9:.3g} GB they and KV-cache may have {usable_bytes / 1e9:.3g} GB on a {node.role} GPU."
    )
