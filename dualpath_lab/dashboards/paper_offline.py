"""Figures of the published results with all agents at once."""

from __future__ import annotations

from typing import Any

import holoviews as hv

from dualpath_lab.dashboards.marks import LOOKS, Look, Marks, Theirs, bars, dots, figure, figure_by_name, known, level, line, published
from dualpath_lab.dashboards.paper_values import SPEED_UP, counts, speedup, speedups, theirs, value
from dualpath_lab.picture.style import PREFILL
from dualpath_lab.studies.reproduce.offline_rows import READ_JCT_S
from dualpath_lab.studies.reproduce.over_time import peak_ttft_s, plateau_s
from dualpath_lab.studies.reproduce.results import Results, Spread
from dualpath_lab.studies.reproduce.runs import (
    ABLATION_AGENTS,
    AGENTS,
    APPEND_SCALES,
    FIRST_TURNS,
    LARGE,
    LARGEST,
    SCALED_SYSTEMS,
    SMALL_AGENTS,
    SMALL_PAIRS,
    SOURCES,
    jct_ratio,
    offline,
    scaled,
    small,
)

_JCT_ROWS = {(agents, system): f"{row}.{system}" for row, (agents, systems) in READ_JCT_S.items() for system in systems}
_JCT_ROWS |= {(2048, "dualpath"): "A1", (512, "oracle"): "A2", (2048, "layerwise"): "A3"}


def offline_jct(results: Results) -> hv.Overlay:
    """JCT of every system, by agents."""
    ours: Marks = []
    places: dict[tuple[int, str], float] = {}
    width = len(LOOKS) + 1
    for place, (system, look) in enumerate(LOOKS.items()):
        at = {agents: float(width * group + place) for group, agents in enumerate(AGENTS)}
        points = known({at[agents]: value(results, offline(system, agents), "jct_s") for agents in AGENTS})
        ours += bars(points, [look.colour] * len(points), system)
        places |= {(agents, system): at[agents] for agents in AGENTS}
    read = published(theirs(results, [(places[key], row) for key, row in _JCT_ROWS.items()]))
    ticks = [(width * group + (len(LOOKS) - 1) / 2, f"{agents:,} agents") for group, agents in enumerate(AGENTS)]
    edges = (-0.7, width * len(AGENTS) - 1.3)
    return figure_by_name(ours, read, "JCT (s)", ticks, xlim=edges, legend_position="right")


def offline_speedup(results: Results) -> hv.Overlay:
    """Dualpath over basic against agents for each MaxLen."""
    looks = (Look("#9CC9E4", "triangle"), Look("#4A99CA", "square"), Look(PREFILL, "circle"))
    lines = {}
    for source, look in zip(SOURCES, looks, strict=True):
        pairs = {agents: (offline("basic", agents, source), offline("dualpath", agents, source)) for agents in AGENTS}
        lines[f"MaxLen {source[-3:].upper()}"] = known({agents: speedup(results, *pair) for agents, pair in pairs.items()}), look
    return speedups(results, lines, "B5.best", AGENTS)


def ablation(results: Results) -> hv.Overlay:
    """Mean JCT reduction as mechanisms are added."""
    steps = {"layerwise": "+ layer-wise\nprefill", "roundrobin": "+ dual path,\nround robin", "dualpath": "+ scheduling\n= dualpath"}
    points = known({place: _reduction(results, system) for place, system in enumerate(steps)})
    colours = [LOOKS[system].colour for place, system in enumerate(steps) if place in points]
    marks = published(theirs(results, [(place, f"B4.{system}") for place, system in enumerate(steps)], 100.0))
    return figure_by_name(bars(points, colours), marks, "mean JCT reduction against basic (%)", list(enumerate(steps.values())))


def _reduction(results: Results, system: str) -> Spread | None:
    pairs = [(offline(system, agents), offline("basic", agents)) for agents in ABLATION_AGENTS]
    jobs = [job for pair in pairs for job in pair]
    return results.over_seeds(lambda done: 100 * (1 - sum(jct_ratio(done, *pair) for pair in pairs) / len(pairs)), *jobs)


def append_scale(results: Results) -> hv.Overlay:
    """JCT as appends grow."""
    ours: Marks = []
    for system in SCALED_SYSTEMS:
        points = known({scale: value(results, scaled(system, scale), "jct_s") for scale in APPEND_SCALES})
        ours += line(points, system, LOOKS[system])
    read = published(theirs(results, [(APPEND_SCALES[-1], f"E1.{system}") for system in ("basic", "dualpath")]))
    return figure(ours, read, "append length, scaled", "JCT (s)", _scales(), xlim=_SCALES)


def append_speedup(results: Results) -> hv.Overlay:
    """The speed-up as appends grow."""
    points = known({scale: speedup(results, scaled("basic", scale), scaled("dualpath", scale)) for scale in APPEND_SCALES})
    ours = line(points, "dualpath over basic", LOOKS["dualpath"])
    marks = published(theirs(results, [(scale, f"E1.speedup-{scale}") for scale in APPEND_SCALES]))
    return figure(ours, marks, "append length, scaled", "speed-up (JCT over JCT)", _scales(), xlim=_SCALES, ylim=SPEED_UP)


_SCALES = (APPEND_SCALES[0] - 0.2, APPEND_SCALES[-1] + 0.2)


def _scales() -> list[tuple[int, str]]:
    return [(scale, f"{scale}×") for scale in APPEND_SCALES]


def small_model(results: Results) -> hv.Overlay:
    """DS 27B: how much there was to gain, and how much is left."""
    gained = known({n: speedup(results, small(1, 1, "basic", n), small(1, 1, "dualpath", n)) for n in SMALL_AGENTS})
    left = known({n: speedup(results, small(1, 1, "dualpath", n), small(1, 1, "oracle", n)) for n in SMALL_AGENTS})
    lines = {"dualpath over basic": (gained, LOOKS["dualpath"]), "oracle over dualpath": (left, LOOKS["oracle"])}
    span = published(theirs(results, [(agents, "E2.oracle") for agents in left]), "oracle over dualpath")
    return speedups(results, lines, "E2.best", SMALL_AGENTS, span)


def small_pairs(results: Results) -> hv.Overlay:
    """DS 27B: systems that storage holds back equally."""
    points: dict[float, Spread] = {}
    colours, ticks, equal = [], [], []
    for number, (row, pair) in enumerate(SMALL_PAIRS.items()):
        left = 2.5 * number
        sides = [value(results, job, "jct_s") for job in pair.jobs]
        for x, name, spread in zip((left, left + 1), (pair.left, pair.right), sides, strict=True):
            ticks.append((x, name.replace(" ", "\n")))
            if spread:
                points[x] = spread
                colours.append(LOOKS[name.split()[0]].colour)
        entry = results.row(f"E3.{row}")
        if entry and sides[0]:
            equal.append(Theirs(left + 1, sides[0].mean, entry["kind"]))
    marks = published(equal, "equal to its left neighbour")
    return figure_by_name(bars(points, colours), marks, "JCT of 512 agents (s)", ticks)


def attention_balance(results: Results) -> hv.Overlay:
    """How much longer the slowest engine's attention takes than the mean one's."""
    points = known({place: value(results, job, "attention_max_over_mean") for place, job in enumerate(FIRST_TURNS.values())})
    colours = [LOOKS[system].colour for place, system in enumerate(FIRST_TURNS) if place in points]
    marks = published(theirs(results, [(list(FIRST_TURNS).index("dualpath"), "E4")]))
    return figure_by_name(dots(points, colours), marks, "attention time, max / mean", list(enumerate(FIRST_TURNS)), ylim=(1, None))


def scale(results: Results) -> hv.Overlay:
    """JCT on 24 times the machines with 24 times the agents; empty unless the large one was run."""
    points = known({place: value(results, job, "jct_s") for place, job in enumerate((LARGE, LARGEST))})
    ours = bars(points, [LOOKS["dualpath"].colour] * len(points)) if 1 in points else []
    marks = published(theirs(results, [(0, "C1"), (1, "C2")]))
    return figure_by_name(ours, marks, "JCT (s)", [(0, "2P4D\n2,048 agents"), (1, "48P96D\n49,152 agents")], xlim=(-1, 2))


def large_throughput(results: Results) -> hv.Overlay:
    """Prompt tokens a second of the large run over time."""
    course = _course(results, "prompt_tokens_per_s")
    if not course:
        return hv.Overlay([])
    begin_s, end_s = plateau_s(_large(results))
    marks: Marks = []
    if entry := results.row("C3.throughput"):
        marks += level(begin_s, end_s, entry["published"] * 1e-6, "published plateau")
        marks += published(theirs(results, [((begin_s + end_s) / 2, "C3.throughput")], 1e-6))
    return figure(
        [_curve([(time_s, rate * 1e-6) for time_s, rate in course])], marks, "time (s)", "prompt tokens (million/s)", _hundreds(course)
    )


def large_ttft(results: Results) -> hv.Overlay:
    """TTFT of the large run over time."""
    course = _course(results, "ttft_s")
    if not course:
        return hv.Overlay([])
    large = _large(results)
    peak_at_s = next((time_s for time_s, ttft_s in course if ttft_s == peak_ttft_s(large)), 0.0)
    marks = published(theirs(results, [(sum(plateau_s(large)) / 2, "C3.ttft"), (peak_at_s, "C3.peak")]))
    return figure([_curve(course)], marks, "time (s)", "mean TTFT (s)", _hundreds(course))


def _large(results: Results) -> dict[str, Any]:
    """The outcome of the large run, with the first seed that it was run with; empty where it was not."""
    return next((dict(done[LARGEST]) for done in results.outcomes.values() if LARGEST in done), {})


def _course(results: Results, name: str) -> list[tuple[float, float]]:
    """The middle of each window in which anything happened, s, and what did."""
    course = _large(results).get("over_time")
    if not course:
        return []
    return [((window + 0.5) * course["window_s"], found) for window, found in enumerate(course[name]) if found is not None]


def _curve(course: list[tuple[float, float]]) -> Any:
    look = LOOKS["dualpath"]
    return hv.Curve(course, label="dualpath").opts(color=look.colour, line_width=2)


def _hundreds(course: list[tuple[float, float]]) -> list[tuple[int, str]]:
    """Some six ticks at whole hundreds of seconds, or at whole seconds of a short run."""
    last_s = course[-1][0]
    step = max(round(last_s / 600) * 100, 1) if last_s >= 300 else max(round(last_s / 6), 1)
    return counts(list(range(0, int(last_s) + 1, step)))
