"""The runs that the rows compare and the figures draw, by what they are about."""

from __future__ import annotations

from typing import Any, NamedTuple

from dualpath_lab.studies.reproduce.jobs import Job, Outcomes, job

AGENTS = (512, 1024, 2048)
SOURCES = ("paper-32k", "paper-48k", "paper-64k")
ABLATION_AGENTS = (1024, 2048)
APPEND_SCALES = (1, 2, 3)
SCALED_SYSTEMS = ("basic", "dualpath", "oracle")
SCALED_AGENTS = 1024
SMALL_AGENTS = (256, 512, 1024)
QUEUEING_RATES = {"dualpath": (0.1, 0.4), "basic": (0.1, 0.3)}
"""Agents/s, a calm rate and a busy one."""


def offline(system: str, agents: int, source: str = "paper-64k", **changes: Any) -> Job:
    """All agents at once on DS 660B 2P4D, unless told otherwise."""
    return job(system=system, workload__agents=agents, workload__source=source, **changes)


def scaled(system: str, append_scale: int) -> Job:
    """Longer appends; scaled by 1 they are what they are anyway."""
    plain = offline(system, SCALED_AGENTS)
    return plain if append_scale == 1 else plain.with_values({"workload.append_scale": append_scale})


def small(prefill: int, decode: int, system: str, agents: int = 512) -> Job:
    """All agents at once on DS 27B."""
    return offline(system, agents, model="ds-27b", cluster__prefill_nodes=prefill, cluster__decode_nodes=decode)


class Pair(NamedTuple):
    """Two clusters of DS 27B that can read equally fast from storage: what they are called, and their runs."""

    left: str
    right: str
    jobs: tuple[Job, Job]


LARGE = offline("dualpath", 2048, "paper-48k")
LARGEST = job(
    "over_time",
    system="dualpath",
    workload__agents=49_152,
    workload__source="paper-48k",
    cluster__prefill_nodes=48,
    cluster__decode_nodes=96,
)

SMALL_PAIRS = {
    "basic": Pair("basic 1P1D", "basic 1P2D", (small(1, 1, "basic"), small(1, 2, "basic"))),
    "both": Pair("dualpath 1P1D", "basic 2P1D", (small(1, 1, "dualpath"), small(2, 1, "basic"))),
    "dualpath": Pair("dualpath 2P1D", "dualpath 1P2D", (small(2, 1, "dualpath"), small(1, 2, "dualpath"))),
}

CAPACITY = {system: job("capacity", system=system) for system in ("basic", "dualpath")}
SERVED = job("online", workload__arrival_rate=0.4)
CALM = job(workload__agents=500, workload__arrival_rate=0.1)
"""All trajectories once, to the end."""

QUEUEING = {
    (system, rate): job(system=system, workload__agents=800, workload__arrival_rate=rate, horizon_s=2000.0)
    for system, rates in QUEUEING_RATES.items()
    for rate in rates
}

FORWARDS = job("forward")
FIRST_TURNS = {
    system: job(
        "start",
        model="ds-27b",
        system=system,
        workload__agents=1024,
        workload__source="paper-48k",
        cluster__prefill_nodes=1,
        cluster__decode_nodes=1,
    )
    for system in ("dualpath", "roundrobin", "layerwise", "basic")
}
"""Only dualpath packs forwards by a compute quota."""

SCHEDULER = job("scheduler", workload__agents=16_384, cluster__prefill_nodes=48, cluster__decode_nodes=96, horizon_s=180.0)
"""1,152 GPUs: a first minute or two of first prompts, then a minute of turns as many as the cluster bears."""


def jct(outcomes: Outcomes, job: Job) -> float:
    """Time until all agents of a job are done, s."""
    return float(outcomes[job]["jct_s"])


def jct_ratio(outcomes: Outcomes, slow: Job, fast: Job) -> float:
    """How many times faster ``fast`` is done."""
    return jct(outcomes, slow) / jct(outcomes, fast)
