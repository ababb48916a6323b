"""The runs that the rows compare and the figures draw, by what they are about."""

from __future__ import annotations

from typing import Any

from dualpath_lab.studies.reproduce.jobs import Job, Outcomes, job

AGENTS = (512, 1024, 2048)
SOURCES = ("paper-32k", "paper-48k", "paper-64k")
ABLATION_AGENTS = (1024, 2048)
APPEND_SCALES = (1, 2, 4, 8)
SMALL_AGENTS = (256, 512, 1024)
QUEUEING_RATES = (0.2, 0.4)
"""Agents/s."""


def offline(system: str, agents: int, source: str = "paper-64k", **changes: Any) -> Job:
    """All agents at once on DS 660B 2P4D, unless told otherwise."""
    return job(system=system, workload__agents=agents, workload__source=source, **changes)


def scaled(system: str, append_scale: float) -> Job:
    """Longer appends, of 1,024 agents."""
    return offline(system, 1024, workload__append_scale=append_scale)


def small(prefill: int, decode: int, system: str, agents: int = 512) -> Job:
    """All agents at once on DS 27B."""
    return offline(system, agents, model="ds-27b", cluster__prefill_nodes=prefill, cluster__decode_nodes=decode)


LARGE = offline("dualpath", 2048)
LARGEST = offline("dualpath", 49_152, cluster__prefill_nodes=48, cluster__decode_nodes=96)

SMALL_PAIRS = {
    "basic 1P1D = basic 1P2D": (small(1, 1, "basic"), small(1, 2, "basic")),
    "dualpath 1P1D = basic 2P1D": (small(1, 1, "dualpath"), small(2, 1, "basic")),
    "dualpath 2P1D = dualpath 1P2D": (small(2, 1, "dualpath"), small(1, 2, "dualpath")),
}
"""Storage-bound on either side of the sign."""

CAPACITY = {system: job("capacity", system=system) for system in ("basic", "dualpath")}
STEADY = job(workload__agents=800, workload__arrival_rate=0.4, horizon_s=2000.0)
FIRST_TURNS = job("start", workload__agents=2048)

QUEUEING = {
    (system, rate): job(system=system, workload__agents=400, workload__arrival_rate=rate, horizon_s=1000.0)
    for system in ("dualpath", "basic")
    for rate in QUEUEING_RATES
}

SCHEDULER = job("scheduler", workload__agents=16_384, cluster__prefill_nodes=48, cluster__decode_nodes=96, horizon_s=180.0)
"""1,152 GPUs: a first minute or two of first prompts, then a minute of turns as many as the cluster bears."""


def jct(outcomes: Outcomes, job: Job) -> float:
    """Time until all agents of a job are done, s."""
    return float(outcomes[job]["jct_s"])


def jct_ratio(outcomes: Outcomes, slow: Job, fast: Job) -> float:
    """How many times faster ``fast`` is done."""
    return jct(outcomes, slow) / jct(outcomes, fast)
