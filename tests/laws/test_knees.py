"""The bottleneck-free range of reference section 5, found by sweeping the simulator (law 9).

Agents read long hits, append one token and are answered with one, so that reads are all the traffic there is. One resource at a time
keeps its capacity, all others but the storage NICs get more than enough, and the cluster is swept across the place where the closed form
says that the resource begins to hold storage back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from math import log
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from dualpath_lab.core.observer import utilization
from dualpath_lab.core.recorder import BIN_S
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.hardware import GPUS
from dualpath_lab.scenario import Cluster, Scenario
from dualpath_lab.theory import bottleneck_free_range

AGENTS_A_NODE, TURNS, HIT_TOKENS = 16, 64, 16_000
MOST_NODES = 12
STORAGE_GBPS = 400
WARM_UP_TURNS, WINDOW_BINS = 3, 32
FREE, BOUND = (0.7, 0.87), (1.15, 1.35)
"""Where to look on either side of a knee, as multiples of it."""

Family = tuple[str, str, str]
"""Role, kind and direction of links; a compute NIC's ``tx`` reads memory, its ``rx`` writes it."""


class Machine(NamedTuple):
    """GPUs a node (g), storage NIC over compute NIC (s), DRAM bandwidth over storage NIC (M / Bs)."""

    g: int
    s: float
    m: float

    def cluster(self, prefill_nodes: int, decode_nodes: int) -> dict[str, Any]:
        """Storage NICs are those of the paper in every machine, so that all run at one pace."""
        return {
            "prefill_nodes": prefill_nodes,
            "decode_nodes": decode_nodes,
            "gpus_per_node": self.g,
            "storage_gbps": STORAGE_GBPS,
            "compute_gbps": STORAGE_GBPS / self.s,
            "dram_gbytes_per_s": self.m * STORAGE_GBPS / 8,
            "hbm_gbytes": 1e5,
            "buffer_gbytes": 1e6,
        }


MACHINES = [Machine(8, 1, 10), Machine(4, 1.5, 6), Machine(4, 1, 5)]
"""The paper's, and two whose ranges end at the DE CNIC's reads and at the DE DRAM."""

every_machine = pytest.mark.parametrize("machine", MACHINES, ids="g{0.g}-s{0.s}-m{0.m}".format)


class Limit(NamedTuple):
    """A resource whose load depends on P/D: load over capacity for D nodes to P, and the P/D of the condition."""

    links: Family
    load: Callable[[Machine, float], float]
    knee: Callable[[Machine], float]


LOWEST = Limit(("prefill", "cnic", "rx"), lambda at, ratio: at.s / at.g * (1 + 1 / ratio), lambda at: at.s / (at.g - at.s))
HIGHEST = {
    "DE CNIC read": Limit(("decode", "cnic", "tx"), lambda at, ratio: at.s / at.g * (ratio + 2), lambda at: (at.g - 2 * at.s) / at.s),
    "DE CNIC write": Limit(
        ("decode", "cnic", "rx"), lambda at, ratio: at.s / at.g * (2 * ratio + 1), lambda at: (at.g - at.s) / (2 * at.s)
    ),
    "DE DRAM": Limit(("decode", "dram", "both"), lambda at, ratio: (3 + 2 * ratio) / at.m, lambda at: (at.m - 3) / 2),
}
PE_CNIC_READ: Family = ("prefill", "cnic", "tx")
PE_DRAM: Family = ("prefill", "dram", "both")


class Steady(NamedTuple):
    """Pooled utilisation of the storage NICs, and that of each family of links, while nothing but long hits is read."""

    storage: float
    links: dict[Family, float]


class Point(NamedTuple):
    """One cluster of a sweep: where it stands (the knee is at 1), its resource's closed-form load, and utilisations as simulated."""

    place: float
    load: float
    storage: float
    resource: float


Measure = Callable[..., Steady]


@pytest.fixture(scope="module")
def cache_alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that computes next to nothing for its 262,144 bytes of KV-cache a token."""
    path = tmp_path_factory.mktemp("models") / "cache-alone.json"
    attention = {"num_hidden_layers": 64, "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 128}
    rest = {"model_type": "qwen2", "torch_dtype": "bfloat16", "hidden_size": 1, "intermediate_size": 1, "vocab_size": 1}
    path.write_text(json.dumps(attention | rest), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def movers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """GPUs that spend nothing on a Layer Block, at storage NICs that read at their nominal bandwidth, as the closed form has it."""
    path = tmp_path_factory.mktemp("hardware") / "movers.yaml"
    path.write_text(
        yaml.safe_dump(GPUS["h200"].model_dump() | {"request_s": 0.0, "layer_block_s": 0.0, "storage_efficiency": 1.0}), encoding="utf-8"
    )
    return str(path)


@pytest.fixture(scope="module")
def measure(cache_alone: str, movers: str, equal_trace: Callable[..., str]) -> Measure:
    """Run P and D nodes of a machine, with every resource as it is or one family of links ``alone``, into the steady state."""
    source = equal_trace(AGENTS_A_NODE * MOST_NODES, TURNS, HIT_TOKENS, 1, 1)

    def run(machine: Machine, nodes: tuple[int, int], alone: Family | None = None, system: str = "dualpath") -> Steady:
        workload = {"source": source, "agents": AGENTS_A_NODE * sum(nodes)}
        traffic = {"model_share": 0}
        cluster = machine.cluster(*nodes) | {"hardware": movers}
        simulation = Simulation(Scenario(model=cache_alone, system=system, cluster=cluster, workload=workload, traffic=traffic))
        if alone:
            for link in simulation.cluster.links():
                if (link.role, link.kind, link.direction) != alone and (link.kind, link.direction) != ("snic", "rx"):
                    simulation.network.set_capacity(1000 * link.capacity, [link])
        while len(simulation.log) < WARM_UP_TURNS * simulation.workload.trajectories:
            simulation.advance(BIN_S)
        first = round(simulation.now / BIN_S)
        simulation.advance(WINDOW_BINS * BIN_S)
        assert simulation.agents_finished == 0, "the steady state was to be seen"
        links = {family[:3]: float(share.mean()) for family, share in utilization(simulation, first).items() if family[3] == "kv"}
        prefill, decode = links["prefill", "snic", "rx"], links["decode", "snic", "rx"]
        return Steady((nodes[0] * prefill + nodes[1] * decode) / sum(nodes), links)

    return run


def nodes_near(ratio: float) -> tuple[int, int]:
    """P and D, 12 at most together, with P/D as close to ``ratio`` as can be."""
    pairs = [(prefill, total - prefill) for total in range(2, MOST_NODES + 1) for prefill in range(1, total)]
    return min(pairs, key=lambda pair: abs(log(pair[0] / pair[1] / ratio)))


def sweep(measure: Measure, machine: Machine, limit: Limit, rising: bool) -> list[Point]:
    """P/D swept across the knee of one resource, towards where it binds; P/D ``rising`` to the end of the range or falling."""
    points = []
    for wanted in (*FREE, *BOUND):
        nodes = nodes_near(limit.knee(machine) * (wanted if rising else 1 / wanted))
        ratio = nodes[0] / nodes[1]
        place = ratio / limit.knee(machine) if rising else limit.knee(machine) / ratio
        seen = measure(machine, nodes, limit.links)
        points.append(Point(place, limit.load(machine, ratio), seen.storage, seen.links[limit.links]))
    return points


def check_knee(points: Iterable[Point]) -> None:
    """Storage is saturated before the knee, the resource beyond it, and the knee is within 10 % of the closed form's.

    The time a byte takes, where 1 is what storage alone needs, is level up to the knee and rises from there. The knee is where the level
    meets the line through the points beyond.
    """
    free = [point for point in points if point.place <= 0.9]
    bound = [point for point in points if point.place >= 1.1]
    assert (len(free), len(bound)) == (len(FREE), len(BOUND))
    slope, offset = np.polyfit([point.place for point in bound], [1 / point.storage for point in bound], 1)
    level = np.mean([1 / point.storage for point in free])
    for point in free:
        assert point.storage >= 0.93
        assert point.resource == pytest.approx(point.load, rel=0.05)
    for point in bound:
        assert 1 - point.storage > (1 - 1 / point.load) / 2
        assert point.resource >= 0.93
    assert (level - offset) / slope == pytest.approx(1, abs=0.1)


@every_machine
@pytest.mark.parametrize("resource", HIGHEST)
def test_most_prefill_nodes_that_the_decode_side_can_serve(measure: Measure, machine: Machine, resource: str) -> None:
    """Law 9. Mutant: the copy into the decode engine's HBM takes one direction of its NIC, or DRAM counts reads only."""
    check_knee(sweep(measure, machine, HIGHEST[resource], rising=True))


@every_machine
def test_most_decode_nodes_that_the_prefill_side_can_serve(measure: Measure, machine: Machine) -> None:
    """Law 9. Mutant: what the decode side reads reaches the prefill engine without its NIC."""
    check_knee(sweep(measure, machine, LOWEST, rising=False))


@every_machine
def test_prefill_side_keeps_up_whatever_the_ratio(measure: Measure, machine: Machine) -> None:
    """Law 9: s <= g / 2 and M >= 2 B s. Mutant: a hit read on the prefill side isn't stored, or isn't loaded, through the NIC."""
    for resource, needed in ((PE_CNIC_READ, machine.g / 2), (PE_DRAM, 2)):
        points = []
        for place in (*FREE, *BOUND):
            changed = machine._replace(s=place * needed) if resource == PE_CNIC_READ else machine._replace(m=needed / place)
            seen = measure(changed, (3, 1), resource)
            points.append(Point(place, place, seen.storage, seen.links[resource]))
        check_knee(points)


@pytest.mark.parametrize("system", ["dualpath", "split"])
@pytest.mark.parametrize("machine", [MACHINES[0], MACHINES[2]], ids="g{0.g}-s{0.s}-m{0.m}".format)
def test_storage_is_saturated_in_the_bottleneck_free_range_alone(measure: Measure, machine: Machine, system: str) -> None:
    """Law 9: every resource as it is. Mutant: a resource that the closed form doesn't know, or knows and the simulation doesn't.

    The upper end of the paper's machine is that of two resources at once; neither is then quite busy all the time.
    """
    free = bottleneck_free_range(Cluster(**machine.cluster(1, 1)))
    limits = {"PE CNIC write": LOWEST} | HIGHEST
    assert free.low == pytest.approx(LOWEST.knee(machine))
    assert free.high == pytest.approx(min(limit.knee(machine) for limit in HIGHEST.values()))
    for ratio in (free.low / 0.87, 1, free.high * 0.87):
        assert measure(machine, nodes_near(ratio), system=system).storage >= 0.93
    for ratio, names in ((free.low / 1.2, free.low_limited_by), (free.high * 1.2, free.high_limited_by)):
        seen = measure(machine, nodes_near(ratio), system=system)
        assert seen.storage < 0.97
        assert max(seen.links[limits[name].links] for name in names) >= 0.9
