"""One figure for each published figure that the rows stand for (reference section 11), from the stored results alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import holoviews as hv

from dualpath_lab.dashboards.marks import (
    LOOKS,
    Look,
    Marks,
    Points,
    bars,
    dots,
    figure,
    figure_by_name,
    known,
    level,
    line,
    published,
    published_range,
)
from dualpath_lab.picture.style import DECODE, KV, PREFILL, STRUCTURE, three_digits
from dualpath_lab.scenario import Slo
from dualpath_lab.studies.reproduce.jobs import HIGHEST_RATE, LOWEST_RATE, Job, Outcomes
from dualpath_lab.studies.reproduce.results import Results, Spread
from dualpath_lab.studies.reproduce.runs import (
    ABLATION_AGENTS,
    AGENTS,
    APPEND_SCALES,
    CAPACITY,
    FIRST_TURNS,
    LARGE,
    LARGEST,
    QUEUEING,
    SMALL_AGENTS,
    SMALL_PAIRS,
    SOURCES,
    jct_ratio,
    offline,
    scaled,
    small,
)

SPEED_UP = (0.9, None)
"""Limits of an axis on which 1 is no gain."""


class Figure(NamedTuple):
    """What a figure is called, what one sees in it, and how it is drawn; an empty overlay where none of its runs was made."""

    title: str
    caption: str
    draw: Callable[[Results], hv.Overlay]


def offline_jct(results: Results) -> hv.Overlay:
    """JCT against agents for every system."""
    ours: Marks = []
    for system, look in LOOKS.items():
        ours += line(known({agents: _value(results, offline(system, agents), "jct_s") for agents in AGENTS}), system, look)
    theirs = published((AGENTS[-1], value) for value in results.published("R1"))
    return figure(ours, theirs, "agents", "JCT (s)", _counts(AGENTS), logx=True, xlim=(470, 2230))


def offline_speedup(results: Results) -> hv.Overlay:
    """Dualpath over basic against agents for each MaxLen."""
    looks = (Look("#9CC9E4", "triangle"), Look("#4A99CA", "square"), Look(PREFILL, "circle"))
    lines = {}
    for source, look in zip(SOURCES, looks, strict=True):
        pairs = {agents: (offline("basic", agents, source), offline("dualpath", agents, source)) for agents in AGENTS}
        lines[f"MaxLen {source[-3:].upper()}"] = known({agents: _speedup(results, *pair) for agents, pair in pairs.items()}), look
    return _speedups(lines, results.published("R3"), AGENTS)


def ablation(results: Results) -> hv.Overlay:
    """Mean JCT reduction as mechanisms are added."""
    steps = {"layerwise": "+ layer-wise\nprefill", "roundrobin": "+ dual path,\nround robin", "dualpath": "+ scheduling\n= dualpath"}
    points = known({place: _reduction(results, system) for place, system in enumerate(steps)})
    colours = [LOOKS[system].colour for place, system in enumerate(steps) if place in points]
    theirs = published((place, 100 * value) for place, value in enumerate(results.published("R7")))
    return figure_by_name(bars(points, colours), theirs, "mean JCT reduction against basic (%)", list(enumerate(steps.values())))


def _reduction(results: Results, system: str) -> Spread | None:
    pairs = [(offline(system, agents), offline("basic", agents)) for agents in ABLATION_AGENTS]
    jobs = [job for pair in pairs for job in pair]
    return results.over_seeds(lambda done: 100 * (1 - sum(jct_ratio(done, *pair) for pair in pairs) / len(pairs)), *jobs)


def small_model(results: Results) -> hv.Overlay:
    """DS 27B: how much there was to gain, and how much is left."""
    gained = known({n: _speedup(results, small(1, 1, "basic", n), small(1, 1, "dualpath", n)) for n in SMALL_AGENTS})
    left = known({n: _speedup(results, small(1, 1, "dualpath", n), small(1, 1, "oracle", n)) for n in SMALL_AGENTS})
    lines = {"dualpath over basic": (gained, LOOKS["dualpath"]), "oracle over dualpath": (left, LOOKS["oracle"])}
    theirs: Marks = []
    for low, high in results.published("R6"):
        for agents in left:
            theirs += published_range(agents, low, high, "published range of\noracle over dualpath")
    return _speedups(lines, results.published("R5"), SMALL_AGENTS, theirs)


def small_pairs(results: Results) -> hv.Overlay:
    """DS 27B: systems that storage holds back equally."""
    points: dict[float, Spread] = {}
    colours, ticks, equal = [], [], []
    for number, (what, pair) in enumerate(SMALL_PAIRS.items()):
        left = 2.5 * number
        sides = [_value(results, job, "jct_s") for job in pair]
        for x, name, spread in zip((left, left + 1), what.split(" = "), sides, strict=True):
            ticks.append((x, name.replace(" ", "\n")))
            if spread:
                points[x] = spread
                colours.append(LOOKS[name.split()[0]].colour)
        if sides[0] and sides[1]:
            equal.append((left + 1, sides[0].mean))
    theirs = published(equal, "published: equal to its left neighbour")
    return figure_by_name(bars(points, colours), theirs, "JCT of 512 agents (s)", ticks)


def append_scale(results: Results) -> hv.Overlay:
    """The speed-up as appends grow and computation takes over."""
    points = known({scale: _speedup(results, scaled("basic", scale), scaled("dualpath", scale)) for scale in APPEND_SCALES})
    ours = line(points, "dualpath over basic", LOOKS["dualpath"])
    theirs: Marks = []
    for entry in results.published("R11"):
        if isinstance(entry, list):
            theirs += published_range(APPEND_SCALES[0], entry[0], entry[1], "published,\nlow end")
    ticks = [(scale, f"{scale}×") for scale in APPEND_SCALES]
    return figure(ours, theirs, "append length, scaled", "speed-up (JCT over JCT)", ticks, logx=True, xlim=(0.88, 9.1), ylim=SPEED_UP)


def online_ttft(results: Results) -> hv.Overlay:
    """TTFT against arrival rate, up to where each system leaves the objective."""
    objective_s, floor_s, edges = Slo().ttft_s, 0.2, (LOWEST_RATE / 1.15, HIGHEST_RATE * 1.15)
    ours: Marks = []
    rates = known({system: _value(results, job, "rate") for system, job in CAPACITY.items()})
    for system, rate in rates.items():
        ours += _online_runs(results, system) + _capacity(rate.mean, floor_s, objective_s, LOOKS[system].colour)
    theirs = level(*edges, objective_s, f"objective, {objective_s:g} s")
    if "basic" in rates:
        for ratio in results.published("R9"):
            theirs += published([(ratio * rates["basic"].mean, objective_s)], f"published capacity:\n{three_digits(ratio)}× basic's")
    ticks = (0.1, 0.2, 0.4, 0.8, 1.6)
    limits = {"xlim": edges, "ylim": (floor_s, None), "yticks": [0.2, 0.5, 1, 2, 5, 10, 20, 50]}
    return figure(ours, theirs, "arrival rate (agents/s)", "TTFT (s)", ticks, logx=True, logy=True, **limits)


def _online_runs(results: Results, system: str) -> Marks:
    look, job = LOOKS[system], CAPACITY[system]
    tried = [run for done in results.outcomes.values() if job in done for run in done[job]["runs"] if run["ttft_s"]]
    met, left = ([(run["arrival_rate"], run["ttft_s"]) for run in tried if run["slo_met"] is wanted] for wanted in (True, False))
    return [
        hv.Curve(sorted(met), label=system).opts(color=look.colour, line_width=2),
        hv.Scatter(met, label=system).opts(color=look.colour, marker=look.marker, size=9),
        hv.Scatter(left, label=f"{system}: stopped").opts(color=look.colour, marker="x", size=10, line_width=2.5),
    ]


def _capacity(rate: float, low: float, high: float, colour: str) -> Marks:
    stroke = hv.Segments([(rate, low, rate, high)]).opts(color=colour, line_dash="dashed", line_width=1.5)
    name = hv.Labels([(rate * 1.03, low * 1.2, f"{three_digits(rate)}/s")])
    return [stroke, name.opts(text_color=colour, text_align="left", text_font_size="14px")]


STAGES = {
    "schedule": ("scheduling", STRUCTURE),
    "read": ("reading", KV),
    "prefill_queue": ("waiting for prefill", "#8FC1DF"),
    "prefill": ("prefill", PREFILL),
    "transfer": ("transfer to decode", DECODE),
}
"""Of a run's ``ttft_breakdown_s``, from the bottom of a bar to its top."""


def ttft_breakdown(results: Results) -> hv.Overlay:
    """What TTFT is made of, by arrival rate."""
    places = dict(zip(sorted(QUEUEING), (0, 1, 2.5, 3.5), strict=True))
    ours: Marks = []
    heights = dict.fromkeys(places.values(), 0.0)
    for stage, (name, colour) in STAGES.items():
        points = known({place: _value(results, QUEUEING[key], "ttft_breakdown_s", stage) for key, place in places.items()})
        ours += bars(points, [colour] * len(points), name, [heights[place] for place in points])
        heights |= {place: heights[place] + spread.mean for place, spread in points.items()}
    ticks = [(place, f"{system}\n{rate:g}") for (system, rate), place in places.items()]
    return figure_by_name(ours[::-1], [], "mean TTFT (s)", ticks, xlabel="system and arrival rate (agents/s)", legend_position="right")


def attention_balance(results: Results) -> hv.Overlay:
    """How much longer the slowest engine's attention takes than the mean one's."""
    systems = ("dualpath", "roundrobin", "layerwise", "basic")
    first = _value(results, FIRST_TURNS, "attention_max_over_mean")
    whole = [_value(results, offline(system, AGENTS[-1]), "balance", "attention_max_over_mean") for system in systems]
    points = known(dict(enumerate([first, *whole])))
    names = ["dualpath,\nfirst 5 %", *(f"{system},\nwhole run" for system in systems)]
    colours = [LOOKS[name.split(",")[0]].colour for place, name in enumerate(names) if place in points]
    theirs = published((0, value) for value in results.published("R12"))
    return figure_by_name(dots(points, colours), theirs, "attention time, max / mean", list(enumerate(names)), ylim=(1, None))


def scale(results: Results) -> hv.Overlay:
    """JCT on 24 times the machines with 24 times the agents; empty unless the large one was run."""
    points = known({place: _value(results, job, "jct_s") for place, job in enumerate((LARGE, LARGEST))})
    ours = bars(points, [LOOKS["dualpath"].colour] * len(points)) if 1 in points else []
    theirs = [mark for place, row in enumerate(("R1", "R2")) for mark in published((place, value) for value in results.published(row))]
    return figure_by_name(ours, theirs, "JCT (s)", [(0, "2P4D\n2,048 agents"), (1, "48P96D\n49,152 agents")], xlim=(-1, 2))


def _value(results: Results, job: Job, *keys: str) -> Spread | None:
    """A number out of a job's outcome."""

    def value(done: Outcomes) -> float:
        found: Any = done[job]
        for key in keys:
            found = found[key]
        return float(found)

    return results.over_seeds(value, job)


def _counts(numbers: Sequence[int]) -> list[tuple[int, str]]:
    return [(number, f"{number:,}") for number in numbers]


def _speedup(results: Results, slow: Job, fast: Job) -> Spread | None:
    return results.over_seeds(lambda done: jct_ratio(done, slow, fast), slow, fast)


def _speedups(
    lines: Mapping[str, tuple[Points, Look]], best: Sequence[float], agents: Sequence[int], more: Sequence[Any] = ()
) -> hv.Overlay:
    """Speed-ups against agents, with the best published one as a line whose diamond stands over our best."""
    ours = [mark for name, (points, look) in lines.items() for mark in line(points, name, look)]
    edges = (agents[0] * 0.92, agents[-1] * 1.09)
    theirs: Marks = []
    for value in best if ours else ():
        _, where = max((spread.mean, n) for points, _ in lines.values() for n, spread in points.items())
        theirs += level(*edges, value, "published best") + published([(where, value)], "published best")
    return figure(ours, [*theirs, *more], "agents", "speed-up (JCT over JCT)", _counts(agents), logx=True, xlim=edges, ylim=SPEED_UP)


FIGURES: dict[str, Figure] = {
    "offline_jct": Figure(
        "DS 660B 2P4D, offline: JCT",
        "Time until all agents are done, at MaxLen 64K; the published value is dualpath's with 2,048 agents.",
        offline_jct,
    ),
    "offline_speedup": Figure(
        "DS 660B 2P4D, offline: speed-up",
        "JCT of basic over that of dualpath, for each MaxLen; published is the best of all.",
        offline_speedup,
    ),
    "ablation": Figure(
        "DS 660B 2P4D: what each mechanism brings", "JCT reduction against basic at MaxLen 64K, mean of 1,024 and 2,048 agents.", ablation
    ),
    "small_model": Figure(
        "DS 27B 1P1D, offline",
        "JCT of basic over dualpath's, and of dualpath over that of an oracle that moves nothing, at MaxLen 64K.",
        small_model,
    ),
    "small_pairs": Figure(
        "DS 27B: pairs with equal storage bandwidth", "Two neighbours can read equally fast from storage, and storage decides.", small_pairs
    ),
    "append_scale": Figure(
        "DS 660B 2P4D: longer appends",
        "With longer appends computation takes over, and less is left to gain from reading faster (1,024 agents).",
        append_scale,
    ),
    "online_ttft": Figure(
        "DS 660B 2P4D, online: TTFT and capacity",
        "Every arrival rate that the search for the capacities (dashed) tried; a run stops once TTFT leaves the objective.",
        online_ttft,
    ),
    "ttft_breakdown": Figure(
        "DS 660B 2P4D, online: what TTFT is made of",
        "Means by stage; in the published break-down time before prefill grows with the rate for basic, and stays for dualpath.",
        ttft_breakdown,
    ),
    "attention_balance": Figure(
        "DS 660B 2P4D: balance of attention",
        "Attention time of the slowest engine over the mean, with 2,048 agents; only dualpath packs forwards by a compute quota.",
        attention_balance,
    ),
    "scale": Figure("DS 660B: from 48 to 1,152 GPUs", "JCT with 24 times the machines and 24 times the agents.", scale),
}
"""All figures, in the order of the report."""
