"""The published results side by side with ours (reference section 11)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Literal

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.capacity import capacity
from dualpath_lab.studies.run import simulate

Use = Literal["calibrate", "predict"]
Outcomes = Mapping["Job", Any]


@dataclass(frozen=True)
class Job:
    """One run that rows are made from; equal jobs are run once.

    Parameters
    ----------
    kind : {"run", "capacity", "start"}
        A whole run's JSON; the online capacity, agents/s; attention max / mean over the first 5 % of the turns.
    changes : tuple of (key, value)
        What differs from the default scenario.
    """

    kind: Literal["run", "capacity", "start"]
    changes: tuple[tuple[str, Any], ...]

    def scenario(self, seed: int) -> Scenario:
        """The scenario of the run."""
        return Scenario(seed=seed).with_values(dict(self.changes))


@dataclass(frozen=True)
class Row:
    """A published result and the way to ours.

    Parameters
    ----------
    row, what : str
        Its number in the reference, and what it is.
    published : float, str or pair of float
        A number; a statement that must hold; or a range in which ours must lie.
    use : {"calibrate", "predict"}
        Whether a constant was fitted on it.
    jobs : tuple of Job
        The runs it needs.
    simulate : callable
        From their outcomes to our number, or to whether the statement holds.
    """

    row: str
    what: str
    published: float | str | tuple[float, float]
    use: Use
    jobs: tuple[Job, ...]
    simulate: Callable[[Outcomes], float | bool]


def reproduce(rows: Sequence[str] = (), seed: int = 0, processes: int | None = None) -> list[dict[str, Any]]:
    """Run what the rows need and set ours beside the published.

    Parameters
    ----------
    rows : sequence of str, optional
        Numbers such as ``"R3"``; all but the slow R2 when left out.
    seed : int
    processes : int, optional
        As many as there are processors when left out.

    Returns
    -------
    list of dict
        ``row``, ``what``, ``published``, ``simulated``, ``relative_error`` (to the nearer end of a range; None for statements), ``use``.

    Raises
    ------
    ScenarioError
        If a row is unknown.
    """
    table = _rows()
    known = dict.fromkeys(row.row for row in table)
    for name in rows:
        if name not in known:
            raise ScenarioError(f"row {name!r} is not known; it should be one of {', '.join(known)}.")
    chosen = [row for row in table if (row.row in rows if rows else row.row not in SLOW)]
    outcomes = _run_all({job: None for row in chosen for job in row.jobs}, seed, processes)
    return [_compared(row, outcomes) for row in chosen]


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table, and below it the median and the largest error of the predicted numbers."""
    lines = ["| row | what | published | simulated | error | use |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        error = "" if row["relative_error"] is None else f"{row['relative_error']:+.1%}"
        published, simulated = _text(row["published"]), _text(row["simulated"])
        lines.append(f"| {row['row']} | {row['what']} | {published} | {simulated} | {error} | {row['use']} |")
    errors = [abs(row["relative_error"]) for row in rows if row["use"] == "predict" and row["relative_error"] is not None]
    if errors:
        lines += ["", f"Predicted numbers: median error {median(errors):.1%}, largest {max(errors):.1%}."]
    return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "holds" if value else "fails"
    if isinstance(value, list):
        return " to ".join(_text(end) for end in value)
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


SLOW = ("R2",)
"""Rows that only run when asked for by name."""


def _run_all(jobs: Iterable[Job], seed: int, processes: int | None) -> dict[Job, Any]:
    jobs = sorted(jobs, key=_size, reverse=True)
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        return dict(zip(jobs, pool.map(_run, jobs, [seed] * len(jobs)), strict=True))


def _size(job: Job) -> float:
    return 1e6 if job.kind == "capacity" else float(dict(job.changes).get("workload.agents", 1024))


def _run(job: Job, seed: int) -> Any:
    scenario = job.scenario(seed)
    if job.kind == "capacity":
        return capacity(scenario, 0.1, 1.6)[0]
    if job.kind == "start":
        return _attention_balance_at_start(scenario)
    return simulate(scenario).to_dict()


def _attention_balance_at_start(scenario: Scenario) -> float:
    simulation = Simulation(scenario)
    while len(simulation.log) < 0.05 * simulation.workload.turns:
        simulation.advance(5.0)
    groups = simulation.cluster.prefill_groups
    return sum(group.attention_imbalance for group in groups) / sum(group.forwards for group in groups)


def _compared(row: Row, outcomes: Outcomes) -> dict[str, Any]:
    ours = row.simulate(outcomes)
    error: float | None = None
    if isinstance(row.published, tuple):
        low, high = row.published
        nearest = min(max(ours, low), high)
        error = ours / nearest - 1
    elif isinstance(row.published, float):
        error = ours / row.published - 1
    return {
        "row": row.row,
        "what": row.what,
        "published": list(row.published) if isinstance(row.published, tuple) else row.published,
        "simulated": ours,
        "relative_error": error,
        "use": row.use,
    }


def _job(kind: Literal["run", "capacity", "start"] = "run", **changes: Any) -> Job:
    return Job(kind, tuple((key.replace("__", "."), value) for key, value in changes.items()))


def _offline(system: str, agents: int, source: str = "paper-64k", **changes: Any) -> Job:
    return _job(system=system, workload__agents=agents, workload__source=source, **changes)


def _on(model: str, prefill: int, decode: int, system: str, agents: int) -> Job:
    return _offline(system, agents, model=model, cluster__prefill_nodes=prefill, cluster__decode_nodes=decode)


def _jct(outcomes: Outcomes, job: Job) -> float:
    return float(outcomes[job]["jct_s"])


def _ratio_row(row: str, what: str, published: float | str | tuple[float, float], pairs: Sequence[tuple[Job, Job]], pick: Any = max) -> Row:
    """A row about JCT over JCT: the largest, or whatever ``pick`` makes of them."""
    jobs = tuple(job for pair in pairs for job in pair)
    return Row(row, what, published, "predict", jobs, lambda done: pick([_jct(done, a) / _jct(done, b) for a, b in pairs]))


def _rows() -> list[Row]:
    return [*_jct_rows(), *_ablation_rows(), *_small_model_rows(), *_online_rows()]


AGENTS = (512, 1024, 2048)
SOURCES = ("paper-32k", "paper-48k", "paper-64k")
APPEND_SCALES = (1, 2, 4, 8)
SMALL_AGENTS = (256, 512, 1024)
EQUAL = 0.05
"""Relative difference up to which a published "equal" is taken to hold."""


def _jct_rows() -> list[Row]:
    large = _offline("dualpath", 2048)
    largest = _offline("dualpath", 49_152, cluster__prefill_nodes=48, cluster__decode_nodes=96)
    grid = {
        (agents, source): (_offline("basic", agents, source), _offline("dualpath", agents, source))
        for agents in AGENTS
        for source in SOURCES
    }
    scaled = [
        (
            _offline("basic", 1024, workload__append_scale=scale),
            _offline("dualpath", 1024, workload__append_scale=scale),
        )
        for scale in APPEND_SCALES
    ]

    def grows(ratios: list[float]) -> bool:
        speedup = dict(zip(grid, ratios, strict=True))
        by_agents = all(speedup[a, s] <= speedup[b, s] * (1 + EQUAL) for a, b in pairwise(AGENTS) for s in SOURCES)
        by_length = all(speedup[a, s] <= speedup[a, t] * (1 + EQUAL) for a in AGENTS for s, t in pairwise(SOURCES))
        return by_agents and by_length

    return [
        Row("R1", "DS 660B 2P4D, 2,048 agents, 64K: JCT, s", 3167.0, "calibrate", (large,), lambda done: _jct(done, large)),
        Row("R2", "DS 660B 48P96D, 49,152 agents, 64K: JCT, s", 3201.0, "predict", (largest,), lambda done: _jct(done, largest)),
        _ratio_row("R3", "DS 660B offline, dualpath over basic, best of agents x MaxLen", 1.87, list(grid.values())),
        _ratio_row(
            "R4",
            "DS 660B offline, dualpath's JCT over oracle's, largest of agents",
            1.0,
            [(_offline("dualpath", agents), _offline("oracle", agents)) for agents in AGENTS],
        ),
        _ratio_row("R11", "append scaled, dualpath over basic at the low end", (1.82, 1.99), scaled[:1]),
        _ratio_row(
            "R11", "append scaled: the speed-up shrinks as computation dominates", "holds", scaled, lambda x: x == sorted(x, reverse=True)
        ),
        _ratio_row("R13", f"speed-up grows with agents and MaxLen (within {EQUAL:.0%})", "holds", list(grid.values()), grows),
    ]


def _ablation_rows() -> list[Row]:
    steps = {"layerwise": 0.172, "roundrobin": 0.382, "dualpath": 0.456}
    rows = []
    for system, published in steps.items():
        pairs = [(_offline(system, agents), _offline("basic", agents)) for agents in (1024, 2048)]
        row = _ratio_row(
            "R7", f"DS 660B, 64K: mean JCT reduction of {system} against basic", published, pairs, lambda x: 1 - sum(x) / len(x)
        )
        rows.append(Row(row.row, row.what, row.published, "calibrate" if system == "layerwise" else "predict", row.jobs, row.simulate))
    return rows


def _small_model_rows() -> list[Row]:
    def on(prefill: int, decode: int, system: str, agents: int = 512) -> Job:
        return _on("ds-27b", prefill, decode, system, agents)

    equal = [
        ("basic 1P1D = basic 1P2D", on(1, 1, "basic"), on(1, 2, "basic")),
        ("dualpath 1P1D = basic 2P1D", on(1, 1, "dualpath"), on(2, 1, "basic")),
        ("dualpath 2P1D = dualpath 1P2D", on(2, 1, "dualpath"), on(1, 2, "dualpath")),
    ]
    return [
        _ratio_row(
            "R5",
            "DS 27B 1P1D offline, dualpath over basic, best of agents",
            1.78,
            [(on(1, 1, "basic", n), on(1, 1, "dualpath", n)) for n in SMALL_AGENTS],
        ),
        _ratio_row("R6", "DS 27B 1P1D: oracle over dualpath", (1.09, 1.85), [(on(1, 1, "dualpath"), on(1, 1, "oracle"))]),
        *(_ratio_row("R8", f"DS 27B, storage-bound pair: {what}; JCT over JCT", 1.0, [(a, b)]) for what, a, b in equal),
    ]


def _online_rows() -> list[Row]:
    basic, dualpath = (_job("capacity", system=system) for system in ("basic", "dualpath"))
    steady = _job(workload__agents=800, workload__arrival_rate=0.4, horizon_s=2000.0)
    early = _job("start", workload__agents=2048)
    slow, fast = (
        [_job(system=system, workload__agents=400, workload__arrival_rate=rate, horizon_s=1000.0) for rate in (0.2, 0.4)]
        for system in ("dualpath", "basic")
    )

    def breaks_down(done: Outcomes) -> bool:
        (calm, busy), (calm_basic, busy_basic) = (
            [sum(done[job]["ttft_breakdown_s"][stage] for stage in ("schedule", "read")) for job in jobs] for jobs in (slow, fast)
        )
        return bool(busy < 2 * calm + 0.1 and busy_basic > 3 * calm_basic)

    return [
        Row(
            "R9",
            "DS 660B 2P4D online: capacity of dualpath over basic",
            2.25,
            "predict",
            (basic, dualpath),
            lambda done: done[dualpath] / done[basic],
        ),
        Row(
            "R10",
            "DS 660B 2P4D online, 0.4 agents/s: TPOT, s",
            0.039,
            "calibrate",
            (steady,),
            lambda done: float(done[steady]["latency_s"]["tpot"]["mean"]),
        ),
        Row(
            "R12",
            "attention time, max / mean over the group, first 5 % of the turns",
            1.06,
            "predict",
            (early,),
            lambda done: float(done[early]),
        ),
        Row(
            "R14",
            "queueing before prefill from 0.2 to 0.4 agents/s: steady for dualpath, explodes for basic",
            "holds",
            "predict",
            (*slow, *fast),
            breaks_down,
        ),
    ]
