"""Figures of the published results with agents that arrive one by one, and of single forwards."""

from __future__ import annotations

import holoviews as hv

from dualpath_lab.dashboards.marks import LOOKS, Marks, Theirs, bars, figure, figure_by_name, known, level, line, published
from dualpath_lab.dashboards.paper_values import counts, theirs, value
from dualpath_lab.picture.style import DECODE, KV, PREFILL, STRUCTURE, three_digits
from dualpath_lab.scenario import Slo
from dualpath_lab.studies.reproduce.jobs import HIGHEST_RATE, LOWEST_RATE, REQUESTS
from dualpath_lab.studies.reproduce.online_rows import BATCHES
from dualpath_lab.studies.reproduce.results import Results
from dualpath_lab.studies.reproduce.runs import CAPACITY, FORWARDS, QUEUEING, SERVED


def online_ttft(results: Results) -> hv.Overlay:
    """TTFT against arrival rate, up to where each system leaves the objective."""
    objective_s, floor_s, edges = Slo().ttft_s, 0.2, (LOWEST_RATE / 1.15, HIGHEST_RATE * 1.15)
    ours: Marks = []
    for system, job in CAPACITY.items():
        ours += _online_runs(results, system)
        if rate := value(results, job, "rate"):
            ours += _capacity(rate.mean, floor_s, objective_s, LOOKS[system].colour)
    capacities = [Theirs(entry["published"], objective_s, entry["kind"]) for system in CAPACITY if (entry := results.row(f"D3.{system}"))]
    marks = [
        *level(*edges, objective_s, f"objective, {objective_s:g} s"),
        *published(capacities, "capacities", along_x=True),
        *published(theirs(results, [(SERVED.scenario(0).workload.arrival_rate or 0.0, "D1")])),
    ]
    ticks = (0.05, 0.1, 0.2, 0.4, 0.8)
    limits = {"xlim": edges, "ylim": (floor_s, None), "yticks": [0.2, 0.5, 1, 2, 5, 10, 20, 50]}
    return figure(ours, marks, "arrival rate (agents/s)", "TTFT (s)", ticks, logx=True, logy=True, **limits)


def _online_runs(results: Results, system: str) -> Marks:
    look, search = LOOKS[system], CAPACITY[system]
    tried = [run for done in results.outcomes.values() if search in done for run in done[search]["runs"]]
    if system == "dualpath":
        tried += [done[SERVED] for done in results.outcomes.values() if SERVED in done]
    met, left = (
        [(run["arrival_rate"], run["ttft_s"]) for run in tried if run["ttft_s"] and run["slo_met"] is wanted] for wanted in (True, False)
    )
    if not met and not left:
        return []
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
        points = known({place: value(results, QUEUEING[key], "ttft_breakdown_s", stage) for key, place in places.items()})
        ours += bars(points, [colour] * len(points), name, [heights[place] for place in points])
        heights |= {place: heights[place] + spread.mean for place, spread in points.items()}
    ticks = [(place, f"{system}\n{rate:g}") for (system, rate), place in places.items()]
    return figure_by_name(ours[::-1], [], "mean TTFT (s)", ticks, xlabel="system and arrival rate (agents/s)", legend_position="right")


def batch_throughput(results: Results) -> hv.Overlay:
    """Tokens a second of a forward as requests are added to it."""
    points = known({requests: value(results, FORWARDS, "relative_throughput", str(requests)) for requests in REQUESTS})
    read = published(theirs(results, [(requests, f"A5.{requests}") for requests in BATCHES]))
    edges = (0, REQUESTS[-1] * 1.05)
    ours = line(points, "a prefill forward", LOOKS["dualpath"])
    return figure(ours, read, "requests in a forward", "tokens/s over those of one request", counts(REQUESTS), xlim=edges)
