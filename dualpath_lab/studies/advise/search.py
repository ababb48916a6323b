"""Which P:D finishes a workload first on a given number of GPUs, system by system."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.sweep.rows import DONE, Row

Answer = TypeVar("Answer")
Steps = Generator[list[Scenario], list[Row], Answer]
"""A study that asks for runs, several at a time, and gets their rows: who drives it decides where they run."""

FEW_RATIOS = 9
"""As many P:D are tried at once; where there are no more, all of them."""


@dataclass(frozen=True)
class Point:
    """A system at one P:D.

    Attributes
    ----------
    jct_s : float
        Until the last agent is done.
    turns_per_s_per_gpu : float
    ttft_s, ttft_p99_s, tpot_s : float
        Mean and 99th percentile of TTFT, mean TPOT.
    bottleneck : str
        What was busiest.
    pareto : bool
        Whether no other point has both more throughput per GPU and a shorter mean TTFT.
    """

    system: str
    prefill_nodes: int
    decode_nodes: int
    jct_s: float
    turns_per_s_per_gpu: float
    ttft_s: float
    ttft_p99_s: float
    tpot_s: float
    bottleneck: str
    pareto: bool = False


@dataclass(frozen=True)
class Found:
    """Every point tried, and why others could not be: a sentence each."""

    points: list[Point]
    refused: list[str]

    def best(self, system: str) -> Point:
        """The first to finish."""
        return min((point for point in self.points if point.system == system), key=lambda point: point.jct_s)


def nodes_of(scenario: Scenario, gpus: int) -> int:
    """How many nodes so many GPUs make.

    Raises
    ------
    ScenarioError
        If they make no whole number of nodes, or not at least a prefill and a decode one.
    """
    each = scenario.cluster.gpus_per_node
    if gpus % each or gpus < 2 * each:
        raise ScenarioError(
            f"gpus = {gpus} is not allowed: with cluster.gpus_per_node = {each} it should be a multiple of {each}, at least {2 * each}."
        )
    return gpus // each


def search(scenario: Scenario, nodes: int, systems: Sequence[str]) -> Steps[Found]:
    """Try P:D ratios until the best of each system has been tried with both its neighbours.

    Parameters
    ----------
    scenario : Scenario
        Its own P, D and system are replaced.
    nodes : int
        Prefill and decode together.
    systems : sequence of str

    Raises
    ------
    ScenarioError
        If a system runs at no P:D at all.
    """
    tried: dict[tuple[str, int], Point | None] = {}
    refused: list[str] = []
    wanted = [(system, prefill) for system in systems for prefill in _first_ratios(nodes)]
    while wanted:
        asked = [_at(scenario, system, prefill, nodes) for system, prefill in wanted]
        rows = yield asked
        for (system, prefill), each, row in zip(wanted, asked, rows, strict=True):
            tried[system, prefill] = point_of(each, row)
            if row["status"] != DONE:
                refused.append(f"{system} at {prefill}P{nodes - prefill}D: {row['error']}")
        wanted = [(system, prefill) for system in systems for prefill in _next_ratios(tried, system, nodes)]
    points = [point for point in tried.values() if point]
    for system in systems:
        if not any(point.system == system for point in points):
            raise ScenarioError(f"{system} runs at no P:D of {nodes} nodes. {refused[0]}")
    return Found(_with_pareto(points), refused)


def point_of(scenario: Scenario, row: Row) -> Point | None:
    """What a run came to; None if it failed."""
    if row["status"] != DONE:
        return None
    cluster = scenario.cluster
    gpus = (cluster.prefill_nodes + cluster.decode_nodes) * cluster.gpus_per_node
    figures: dict[str, Any] = {
        "jct_s": row["jct_s"],
        "turns_per_s_per_gpu": row["turns"] / row["jct_s"] / gpus,
        "ttft_s": row["latency_s.ttft.mean"],
        "ttft_p99_s": row["latency_s.ttft.p99"],
        "tpot_s": row["latency_s.tpot.mean"] or 0.0,
        "bottleneck": row["bottleneck"],
    }
    return Point(scenario.system, cluster.prefill_nodes, cluster.decode_nodes, **figures)


def _at(scenario: Scenario, system: str, prefill: int, nodes: int) -> Scenario:
    return scenario.with_values({"system": system, "cluster.prefill_nodes": prefill, "cluster.decode_nodes": nodes - prefill})


def _first_ratios(nodes: int) -> list[int]:
    """Numbers of prefill nodes to begin with: all, or some with P/D evenly spaced on a logarithmic scale."""
    if nodes - 1 <= FEW_RATIOS:
        return list(range(1, nodes))
    ratios = [(nodes - 1) ** (2 * step / (FEW_RATIOS - 1) - 1) for step in range(FEW_RATIOS)]
    return sorted({min(max(round(nodes * ratio / (1 + ratio)), 1), nodes - 1) for ratio in ratios})


def _next_ratios(tried: dict[tuple[str, int], Point | None], system: str, nodes: int) -> list[int]:
    """What lies half-way between the best so far and its neighbours on either side; nothing once they are next to each other."""
    points = {prefill: point for (name, prefill), point in tried.items() if name == system}
    runs = {prefill: point.jct_s for prefill, point in points.items() if point}
    if not runs:
        return [prefill for prefill in range(1, nodes) if prefill not in points][:FEW_RATIOS]
    best = min(runs, key=runs.__getitem__)
    below = max((prefill for prefill in points if prefill < best), default=0)
    above = min((prefill for prefill in points if prefill > best), default=nodes)
    halves = ((below + best) // 2, (best + above + 1) // 2)
    return [prefill for prefill in dict.fromkeys(halves) if prefill not in points and 0 < prefill < nodes]


def _with_pareto(points: list[Point]) -> list[Point]:
    def beats(other: Point, point: Point) -> bool:
        no_worse = other.turns_per_s_per_gpu >= point.turns_per_s_per_gpu and other.ttft_s <= point.ttft_s
        return no_worse and (other.turns_per_s_per_gpu > point.turns_per_s_per_gpu or other.ttft_s < point.ttft_s)

    return [replace(point, pareto=not any(beats(other, point) for other in points)) for point in points]


def placed_at(scenario: Scenario, point: Point) -> Scenario:
    """A scenario with the system and the nodes of a point."""
    return scenario.with_values(
        {"system": point.system, "cluster.prefill_nodes": point.prefill_nodes, "cluster.decode_nodes": point.decode_nodes}
    )
