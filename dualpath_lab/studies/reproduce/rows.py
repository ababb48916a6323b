"""The published table (reference section 11): each row with the way from runs to our number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.reproduce.jobs import Job, Outcomes
from dualpath_lab.studies.reproduce.runs import (
    ABLATION_AGENTS,
    AGENTS,
    APPEND_SCALES,
    CAPACITY,
    FIRST_TURNS,
    LARGE,
    LARGEST,
    QUEUEING,
    QUEUEING_RATES,
    SCHEDULER,
    SMALL_AGENTS,
    SMALL_PAIRS,
    SOURCES,
    STEADY,
    jct,
    jct_ratio,
    offline,
    scaled,
    small,
)

Use = Literal["calibrate", "predict"]
Published = float | str | tuple[float, float]

SLOW = ("R2",)
"""Rows that only run when asked for by name."""

EQUAL = 0.05
"""Relative difference up to which a published "equal" is taken to hold."""


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
    detail : callable, optional
        From their outcomes to the numbers behind ours, by name.
    """

    row: str
    what: str
    published: Published
    use: Use
    jobs: tuple[Job, ...]
    simulate: Callable[[Outcomes], float | bool]
    detail: Callable[[Outcomes], dict[str, float]] | None = None


def choose(names: Sequence[str]) -> list[Row]:
    """The rows of these numbers; all but the slow ones where there is none.

    Raises
    ------
    ScenarioError
        If a row is unknown.
    """
    table = all_rows()
    known = dict.fromkeys(row.row for row in table)
    for name in names:
        if name not in known:
            raise ScenarioError(f"row {name!r} is not known; it should be one of {', '.join(known)}.")
    return [row for row in table if (row.row in names if names else row.row not in SLOW)]


def all_rows() -> list[Row]:
    """The whole table."""
    return [*_jct_rows(), *_ablation_rows(), *_small_model_rows(), *_online_rows(), _scheduler_row()]


def _ratio_row(row: str, what: str, published: Published, pairs: Sequence[tuple[Job, Job]], pick: Any = max, use: Use = "predict") -> Row:
    """A row about JCT over JCT: the largest, or whatever ``pick`` makes of them."""
    jobs = tuple(job for pair in pairs for job in pair)
    return Row(row, what, published, use, jobs, lambda done: pick([jct_ratio(done, slow, fast) for slow, fast in pairs]))


def _jct_rows() -> list[Row]:
    grid = {(n, source): (offline("basic", n, source), offline("dualpath", n, source)) for n in AGENTS for source in SOURCES}
    scales = [(scaled("basic", scale), scaled("dualpath", scale)) for scale in APPEND_SCALES]
    to_oracle = [(offline("dualpath", n), offline("oracle", n)) for n in AGENTS]

    def shrinks(ratios: list[float]) -> bool:
        return ratios == sorted(ratios, reverse=True)

    def grows(ratios: list[float]) -> bool:
        speedup = dict(zip(grid, ratios, strict=True))
        by_agents = all(speedup[a, s] <= speedup[b, s] * (1 + EQUAL) for a, b in pairwise(AGENTS) for s in SOURCES)
        by_length = all(speedup[a, s] <= speedup[a, t] * (1 + EQUAL) for a in AGENTS for s, t in pairwise(SOURCES))
        return by_agents and by_length

    return [
        Row("R1", "DS 660B 2P4D, 2,048 agents, 64K: JCT, s", 3167.0, "calibrate", (LARGE,), lambda done: jct(done, LARGE)),
        Row("R2", "DS 660B 48P96D, 49,152 agents, 64K: JCT, s", 3201.0, "predict", (LARGEST,), lambda done: jct(done, LARGEST)),
        _ratio_row("R3", "DS 660B offline, dualpath over basic, best of agents x MaxLen", 1.87, list(grid.values())),
        _ratio_row("R4", "DS 660B offline, dualpath's JCT over oracle's, largest of agents", 1.0, to_oracle),
        _ratio_row("R11", "append scaled, dualpath over basic at the low end", (1.82, 1.99), scales[:1]),
        _ratio_row("R11", "append scaled: the speed-up shrinks as computation dominates", "holds", scales, shrinks),
        _ratio_row("R13", f"speed-up grows with agents and MaxLen (within {EQUAL:.0%})", "holds", list(grid.values()), grows),
    ]


def _ablation_rows() -> list[Row]:
    steps: dict[str, tuple[float, Use]] = {
        "layerwise": (0.172, "calibrate"),
        "roundrobin": (0.382, "predict"),
        "dualpath": (0.456, "predict"),
    }
    rows = []
    for system, (published, use) in steps.items():
        pairs = [(offline(system, agents), offline("basic", agents)) for agents in ABLATION_AGENTS]
        what = f"DS 660B, 64K: mean JCT reduction of {system} against basic"
        rows.append(_ratio_row("R7", what, published, pairs, lambda ratios: 1 - sum(ratios) / len(ratios), use))
    return rows


def _small_model_rows() -> list[Row]:
    best = [(small(1, 1, "basic", agents), small(1, 1, "dualpath", agents)) for agents in SMALL_AGENTS]
    to_oracle = [(small(1, 1, "dualpath"), small(1, 1, "oracle"))]
    return [
        _ratio_row("R5", "DS 27B 1P1D offline, dualpath over basic, best of agents", 1.78, best),
        _ratio_row("R6", "DS 27B 1P1D: oracle over dualpath", (1.09, 1.85), to_oracle),
        *(_ratio_row("R8", f"DS 27B, storage-bound pair: {what}; JCT over JCT", 1.0, [pair]) for what, pair in SMALL_PAIRS.items()),
    ]


def _online_rows() -> list[Row]:
    basic, dualpath = CAPACITY["basic"], CAPACITY["dualpath"]
    calm, busy = QUEUEING_RATES

    def breaks_down(done: Outcomes) -> bool:
        queueing = {key: sum(done[job]["ttft_breakdown_s"][stage] for stage in ("schedule", "read")) for key, job in QUEUEING.items()}
        steady = queueing["dualpath", busy] < 2 * queueing["dualpath", calm] + 0.1
        return bool(steady and queueing["basic", busy] > 3 * queueing["basic", calm])

    return [
        Row(
            "R9",
            "DS 660B 2P4D online: capacity of dualpath over basic",
            2.25,
            "predict",
            (basic, dualpath),
            lambda done: float(done[dualpath]["rate"] / done[basic]["rate"]),
        ),
        Row(
            "R10",
            "DS 660B 2P4D online, 0.4 agents/s: TPOT, s",
            0.039,
            "calibrate",
            (STEADY,),
            lambda done: float(done[STEADY]["latency_s"]["tpot"]["mean"]),
        ),
        Row(
            "R12",
            "attention time, max / mean over the group, first 5 % of the turns",
            1.06,
            "predict",
            (FIRST_TURNS,),
            lambda done: float(done[FIRST_TURNS]["attention_max_over_mean"]),
        ),
        Row(
            "R14",
            "queueing before prefill from 0.2 to 0.4 agents/s: steady for dualpath, explodes for basic",
            "holds",
            "predict",
            tuple(QUEUEING.values()),
            breaks_down,
        ),
    ]


def _scheduler_row() -> Row:
    def behind(done: Outcomes) -> dict[str, float]:
        speed = done[SCHEDULER]
        return {"decisions_per_cpu_s": speed["possible_per_s"], "decisions_needed_per_s": speed["needed_per_s"]}

    what = "the scheduler is no bottleneck at 1,152 GPUs: CPU cores that scheduling takes"
    return Row("R15", what, (0.0, 10.0), "predict", (SCHEDULER,), lambda done: float(done[SCHEDULER]["cores"]), behind)
