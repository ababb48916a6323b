"""Rows about agents that arrive one by one, about single forwards, and about the scheduler."""

from __future__ import annotations

from dualpath_lab.result import STAGES
from dualpath_lab.studies.forward_throughput import CACHED_TOKENS, NEW_TOKENS
from dualpath_lab.studies.reproduce.jobs import LOWEST_RATE, Job, Outcomes
from dualpath_lab.studies.reproduce.row import HOLDS, Row, value_row
from dualpath_lab.studies.reproduce.runs import CALM, CAPACITY, FORWARDS, QUEUEING, QUEUEING_RATES, SCHEDULER, SERVED

BATCHES = {5: 2.5, 10: 2.9, 20: 3.0}
"""Requests, and tokens a second over those with one."""

CAPACITIES = {"basic": 0.2, "dualpath": 0.45}
"""Agents/s."""

STAYS, LITTLE_S, EXPLODES = 2, 0.1, 3
"""A part of TTFT stays if it is less than so many times what it was and a little more; it explodes beyond so many times."""


def calibration_rows() -> list[Row]:
    """A4 and A5."""
    served = value_row("A4", "online, 64K, 0.4 agents/s, dualpath: TPOT, s", 0.039, SERVED, "tpot_s", use="calibrate")
    return [served, *(_batch_row(requests, published) for requests, published in BATCHES.items())]


def _batch_row(requests: int, published: float) -> Row:
    what = (
        f"a prefill forward with {requests} requests, each {CACHED_TOKENS:,} tokens cached and {NEW_TOKENS} new: tokens/s over those of one"
    )
    return value_row(f"A5.{requests}", what, published, FORWARDS, "relative_throughput", str(requests), use="calibrate", kind="read")


def rows() -> list[Row]:
    """D."""
    basic, dualpath = CAPACITY["basic"], CAPACITY["dualpath"]
    capacities = [
        value_row(f"D3.{system}", f"online, 64K: agents/s within the objective, {system}", published, CAPACITY[system], "rate", kind="read")
        for system, published in CAPACITIES.items()
    ]
    return [
        value_row("D1", "online, 64K, 0.4 agents/s, dualpath: mean TTFT, s", 1.739, SERVED, "ttft_s"),
        value_row("D2", "online, 64K, 0.4 agents/s, dualpath: mean TTST, s", 0.228, SERVED, "ttst_s"),
        *capacities,
        Row(
            "D3.ratio",
            "online, 64K: agents/s within the objective, dualpath over basic",
            2.25,
            "predict",
            "printed",
            (basic, dualpath),
            lambda done: _rate(done, dualpath) / _rate(done, basic),
        ),
        value_row(
            "D4",
            "online, 64K, 0.1 agents/s, dualpath: mean time of a trajectory, s",
            575,
            CALM,
            "latency_s",
            "trajectory",
            "mean",
            kind="read",
        ),
        _parts_row(),
    ]


def _rate(done: Outcomes, job: Job) -> float:
    """A capacity; one below all that was tried counts as the lowest rate."""
    return float(done[job]["rate"] or LOWEST_RATE)


def _parts_row() -> Row:
    ends = {system: f"{calm:g} to {busy:g}" for system, (calm, busy) in QUEUEING_RATES.items()}

    def breaks_down(done: Outcomes) -> bool:
        parts = {key: done[job]["ttft_breakdown_s"] for key, job in QUEUEING.items()}
        calm, busy = (parts["dualpath", rate] for rate in QUEUEING_RATES["dualpath"])
        stays = all(busy[stage] < STAYS * calm[stage] + LITTLE_S for stage in STAGES)
        before, after = (parts["basic", rate]["schedule"] + parts["basic", rate]["read"] for rate in QUEUEING_RATES["basic"])
        return bool(stays and after > EXPLODES * before)

    return Row(
        "D5",
        f"parts of TTFT: dualpath's stay from {ends['dualpath']} agents/s (less than {STAYS} times and {LITTLE_S:g} s more); basic's "
        f"scheduling and reading explode from {ends['basic']} (more than {EXPLODES} times)",
        HOLDS,
        "predict",
        "read",
        tuple(QUEUEING.values()),
        breaks_down,
    )


def scheduler_row() -> Row:
    """E5."""

    def behind(done: Outcomes) -> dict[str, float]:
        speed = done[SCHEDULER]
        return {"decisions_per_cpu_s": speed["possible_per_s"], "decisions_needed_per_s": speed["needed_per_s"]}

    what = "the scheduler is no bottleneck at 1,152 GPUs: CPU cores that scheduling takes"
    return Row("E5", what, (0.0, 10.0), "predict", "printed", (SCHEDULER,), lambda done: float(done[SCHEDULER]["cores"]), behind)
