"""Rows about all agents at once: on DS 660B, on its 48K dataset at two sizes, and on DS 27B."""

from __future__ import annotations

from itertools import pairwise

from dualpath_lab.studies.reproduce.jobs import Outcomes
from dualpath_lab.studies.reproduce.over_time import peak_ttft_s, plateau_prompt_tokens_per_s, plateau_ttft_s
from dualpath_lab.studies.reproduce.row import HOLDS, Row, jct_row, ratio_row
from dualpath_lab.studies.reproduce.runs import (
    ABLATION_AGENTS,
    AGENTS,
    APPEND_SCALES,
    FIRST_TURNS,
    LARGEST,
    SCALED_AGENTS,
    SCALED_SYSTEMS,
    SMALL_AGENTS,
    SMALL_PAIRS,
    SOURCES,
    jct_ratio,
    offline,
    scaled,
    small,
)

EQUAL = 0.05
"""Relative difference up to which what is published to grow may fall."""

READ_JCT_S = {
    "B1": (512, {"basic": 2900, "dualpath": 2100}),
    "B2": (1024, {"basic": 5400, "layerwise": 4250, "roundrobin": 3200, "dualpath": 3000}),
    "B3": (2048, {"basic": 10_100, "roundrobin": 6500}),
}
"""Agents, and JCT by system."""

REDUCTIONS = {"layerwise": 0.1721, "roundrobin": 0.3819, "dualpath": 0.4562}


def calibration_rows() -> list[Row]:
    """A1 to A3."""
    return [
        jct_row("A1", "64K, 2,048 agents, dualpath", 5450, offline("dualpath", 2048), use="calibrate"),
        jct_row("A2", "64K, 512 agents, oracle", 2000, offline("oracle", 512), use="calibrate"),
        jct_row("A3", "64K, 2,048 agents, layerwise", 8750, offline("layerwise", 2048), use="calibrate"),
    ]


def size_rows() -> list[Row]:
    """B: systems, agents and lengths on DS 660B 2P4D."""
    read = [
        jct_row(f"{number}.{system}", f"64K, {agents:,} agents, {system}", published, offline(system, agents))
        for number, (agents, systems) in READ_JCT_S.items()
        for system, published in systems.items()
    ]
    oracle = [(offline("dualpath", AGENTS[-1]), offline("oracle", AGENTS[-1]))]
    return [
        *read,
        *(_reduction_row(system, published) for system, published in REDUCTIONS.items()),
        *_speedup_rows(),
        ratio_row("B6", f"64K, {AGENTS[-1]:,} agents: JCT of dualpath over oracle's", (1.0, 1.1), oracle, kind="read"),
    ]


def _reduction_row(system: str, published: float) -> Row:
    pairs = [(offline(system, agents), offline("basic", agents)) for agents in ABLATION_AGENTS]
    agents = " and ".join(f"{agents:,}" for agents in ABLATION_AGENTS)
    what = f"64K: JCT reduction of {system} against basic, mean of {agents} agents"
    return ratio_row(f"B4.{system}", what, published, pairs, lambda ratios: 1 - sum(ratios) / len(ratios))


def _speedup_rows() -> list[Row]:
    grid = {(n, source): (offline("basic", n, source), offline("dualpath", n, source)) for n in AGENTS for source in SOURCES}
    pairs = list(grid.values())

    def by_agents(ratios: list[float]) -> bool:
        speedup = dict(zip(grid, ratios, strict=True))
        return all(speedup[a, s] <= speedup[b, s] * (1 + EQUAL) for a, b in pairwise(AGENTS) for s in SOURCES)

    def by_length(ratios: list[float]) -> bool:
        speedup = dict(zip(grid, ratios, strict=True))
        return all(speedup[a, s] <= speedup[a, t] * (1 + EQUAL) for a in AGENTS for s, t in pairwise(SOURCES))

    return [
        ratio_row("B5.best", "JCT of basic over dualpath's, best of agents and MaxLen", 1.87, pairs),
        ratio_row("B5.agents", f"this speed-up grows with agents (falls by {EQUAL:.0%} at most)", HOLDS, pairs, by_agents),
        ratio_row("B5.maxlen", f"this speed-up grows with MaxLen (falls by {EQUAL:.0%} at most)", HOLDS, pairs, by_length),
    ]


def scale_rows() -> list[Row]:
    """C: the 48K dataset on 2P4D and on 48P96D."""
    on_large = "48K, 48P96D, 49,152 agents, dualpath"
    return [
        jct_row("C1", "48K, 2,048 agents, dualpath", 3167, offline("dualpath", 2048, "paper-48k"), kind="inferred"),
        jct_row("C2", on_large, 3201, LARGEST, kind="inferred"),
        Row(
            "C3.throughput",
            f"{on_large}: plateau of prompt tokens/s, hits included",
            6.0e7,
            "predict",
            "read",
            (LARGEST,),
            lambda done: plateau_prompt_tokens_per_s(done[LARGEST]),
        ),
        Row(
            "C3.ttft",
            f"{on_large}: plateau of TTFT, s",
            (10.0, 13.0),
            "predict",
            "read",
            (LARGEST,),
            lambda done: plateau_ttft_s(done[LARGEST]),
        ),
        Row(
            "C3.peak",
            f"{on_large}: peak of TTFT at the start, s",
            27.0,
            "predict",
            "read",
            (LARGEST,),
            lambda done: peak_ttft_s(done[LARGEST]),
        ),
    ]


def append_rows() -> list[Row]:
    """E1: longer appends."""
    longest = APPEND_SCALES[-1]
    jobs = tuple(scaled(system, scale) for system in SCALED_SYSTEMS for scale in APPEND_SCALES)

    def faster(done: Outcomes) -> bool:
        return all(
            jct_ratio(done, scaled(system, a), scaled(system, b)) > 1 for system in SCALED_SYSTEMS for a, b in pairwise(APPEND_SCALES)
        )

    return [
        *(
            ratio_row(
                f"E1.speedup-{scale}",
                f"appends x {scale}, {SCALED_AGENTS:,} agents: JCT of basic over dualpath's",
                (1.82, 1.99),
                [(scaled("basic", scale), scaled("dualpath", scale))],
            )
            for scale in APPEND_SCALES
        ),
        *(
            jct_row(f"E1.{system}", f"appends x {longest}, {SCALED_AGENTS:,} agents, {system}", published, scaled(system, longest))
            for system, published in {"basic": 3700, "dualpath": 2000}.items()
        ),
        Row("E1.faster", "basic, dualpath and oracle are all faster with longer appends", HOLDS, "predict", "read", jobs, faster),
    ]


def small_model_rows() -> list[Row]:
    """E2 and E3: DS 27B."""
    best = [(small(1, 1, "basic", agents), small(1, 1, "dualpath", agents)) for agents in SMALL_AGENTS]
    to_oracle = [(small(1, 1, "dualpath"), small(1, 1, "oracle"))]
    return [
        ratio_row("E2.best", "DS 27B 1P1D: JCT of basic over dualpath's, best of agents", 1.78, best),
        ratio_row("E2.oracle", "DS 27B 1P1D: JCT of dualpath over oracle's", (1.09, 1.85), to_oracle),
        *(
            ratio_row(f"E3.{name}", f"DS 27B, pair with equal storage: {pair.left} = {pair.right}; JCT over JCT", 1.0, [pair.jobs])
            for name, pair in SMALL_PAIRS.items()
        ),
    ]


def balance_row() -> Row:
    """E4."""
    others = {system: job for system, job in FIRST_TURNS.items() if system != "dualpath"}
    ours = FIRST_TURNS["dualpath"]
    return Row(
        "E4",
        "DS 27B 1P1D, 48K, 1,024 agents, dualpath: attention time, max / mean over the group, first 5 % of the turns",
        1.06,
        "predict",
        "printed",
        (ours,),
        lambda done: float(done[ours]["attention_max_over_mean"]),
        lambda done: {system: float(done[job]["attention_max_over_mean"]) for system, job in others.items()},
        tuple(others.values()),
    )
