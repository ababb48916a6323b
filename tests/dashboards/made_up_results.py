"""Results of a reproduction that nobody ran, of the published size."""

from __future__ import annotations

from typing import Any

from dualpath_lab.studies.reproduce.jobs import Job
from dualpath_lab.studies.reproduce.report import compared
from dualpath_lab.studies.reproduce.results import JobResult, Results
from dualpath_lab.studies.reproduce.rows import all_rows, choose

ALL = list(dict.fromkeys(row.number for row in all_rows()))
SLOWER = {"basic": 2.0, "layerwise": 1.7, "roundrobin": 1.2, "dualpath": 1.0, "oracle": 0.93}
STAGES_S = {"schedule": 0.01, "read": 0.1, "prefill_queue": 0.2, "prefill": 0.35, "transfer": 0.03}
CAPACITY = {"basic": 0.21, "dualpath": 0.43}
PEAK_WINDOW = 3


def outcome(job: Job, seed: int) -> dict[str, Any]:
    """Made up; a per cent more with each seed."""
    scenario = job.scenario(seed)
    more, agents = 1 + seed / 100, scenario.workload.agents
    if job.kind == "capacity":
        border = CAPACITY[scenario.system] * more
        tried = {0.05: 0.4, 0.16: 0.45, border: 0.6 / more, 1.04 * border: 4.3, 1.0: 9.0}
        runs = [{"arrival_rate": rate, "ttft_s": ttft, "tpot_s": 0.03, "slo_met": ttft < 4} for rate, ttft in tried.items()]
        return {"rate": border, "runs": runs, "turns": 90_000}
    if job.kind == "online":
        latencies = {"ttft_s": 1.65 * more, "ttst_s": 0.21 * more, "tpot_s": 0.039 * more}
        return {"arrival_rate": scenario.workload.arrival_rate, "slo_met": True, "turns": 60_000} | latencies
    if job.kind == "start":
        balance = {"dualpath": 1.09, "roundrobin": 1.2, "layerwise": 1.24, "basic": 1.28}[scenario.system]
        return {"attention_max_over_mean": balance * more, "turns": 8000}
    if job.kind == "forward":
        return {"relative_throughput": {"1": 1.0, "5": 2.45, "10": 2.85, "20": 3.1}, "turns": 36}
    if job.kind == "scheduler":
        return {"cores": 0.14 * more, "possible_per_s": 21_000.0, "needed_per_s": 2950.0, "turns": 200_000}
    return _run(job, seed) | ({"over_time": _course(more)} if job.kind == "over_time" else {}) | {"turns": 157 * agents}


def _run(job: Job, seed: int) -> dict[str, Any]:
    scenario = job.scenario(seed)
    more, agents, cluster = 1 + seed / 100, scenario.workload.agents, scenario.cluster
    longer = int(scenario.workload.source[6:8]) / 64
    slower = 1 + (SLOWER[scenario.system] - 1) * (agents / 2048 * longer) ** 0.2
    nodes = cluster.prefill_nodes + cluster.decode_nodes
    if scenario.model == "ds-27b":
        nodes = 2 * (nodes - 1 if scenario.system == "dualpath" else cluster.prefill_nodes)
    busy = 10 if scenario.system == "basic" and (scenario.workload.arrival_rate or 0) > 0.2 else 1
    return {
        "jct_s": 6 / nodes * agents * 2.6 * longer * slower / scenario.workload.append_scale**0.4 * more,
        "latency_s": {"trajectory": {"mean": 560.0 * more}},
        "ttft_breakdown_s": STAGES_S | {"read": busy * STAGES_S["read"]},
    }


def _course(more: float) -> dict[str, Any]:
    """Of 22 windows: a peak at the start, a plateau, and nothing in the last."""
    ttft_s: list[float | None] = [15.0 + window for window in range(PEAK_WINDOW)]
    ttft_s += [26.0 * more] + [11.5 * more] * 13 + [2.0] * 4 + [None]
    return {"window_s": 150.0, "ttft_s": ttft_s, "prompt_tokens_per_s": [3e7] * 4 + [5.8e7 * more] * 13 + [1e7] * 4 + [0.0]}


def made_up(rows: list[str], seeds: list[int]) -> Results:
    chosen = choose(rows)
    jobs = [
        JobResult(kind=job.kind, changes=dict(job.changes), seed=seed, outcome=outcome(job, seed))
        for seed in seeds
        for job in dict.fromkeys(job for row in chosen for job in row.needs)
    ]
    results = Results(version="1", command="dualpath-lab reproduce", seeds=seeds, rows=[], jobs=jobs)
    rows_made = [compared(row, results.outcomes) for row in chosen]
    return Results.model_validate_json(results.model_copy(update={"rows": rows_made}).model_dump_json())
