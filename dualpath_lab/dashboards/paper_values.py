"""What the figures of the published results take from them: ours over the seeds, and what is published with its place on the axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import holoviews as hv

from dualpath_lab.dashboards.marks import Look, Marks, Points, Theirs, figure, level, line, published
from dualpath_lab.studies.reproduce.jobs import Job, Outcomes
from dualpath_lab.studies.reproduce.results import Results, Spread
from dualpath_lab.studies.reproduce.runs import jct_ratio

SPEED_UP = (0.9, None)
"""Limits of an axis on which 1 is no gain."""


def theirs(results: Results, rows: Iterable[tuple[float, str]], scale: float = 1.0) -> list[Theirs]:
    """What is published in some rows, each at its place; rows that were not run are left out."""
    entries = [(x, results.row(row)) for x, row in rows]
    return [Theirs(x, _scaled(entry["published"], scale), entry["kind"]) for x, entry in entries if entry]


def _scaled(published: Any, scale: float) -> float | list[float]:
    return [scale * end for end in published] if isinstance(published, list) else scale * published


def value(results: Results, job: Job, *keys: str) -> Spread | None:
    """A number out of a job's outcome."""

    def look_up(done: Outcomes) -> float:
        found: Any = done[job]
        for key in keys:
            found = found[key]
        return float(found)

    return results.over_seeds(look_up, job)


def speedup(results: Results, slow: Job, fast: Job) -> Spread | None:
    """JCT over JCT."""
    return results.over_seeds(lambda done: jct_ratio(done, slow, fast), slow, fast)


def counts(numbers: Sequence[int]) -> list[tuple[int, str]]:
    """Ticks at whole numbers."""
    return [(number, f"{number:,}") for number in numbers]


def speedups(
    results: Results, lines: Mapping[str, tuple[Points, Look]], best: str, agents: Sequence[int], more: Sequence[Any] = ()
) -> hv.Overlay:
    """Speed-ups against agents, with the best published one, of the row ``best``, as a line whose diamond stands over our best."""
    ours = [mark for name, (points, look) in lines.items() for mark in line(points, name, look)]
    edges = (agents[0] * 0.92, agents[-1] * 1.09)
    marks: Marks = []
    entry = results.row(best)
    if ours and entry:
        _, where = max((spread.mean, n) for points, _ in lines.values() for n, spread in points.items())
        marks += level(*edges, entry["published"], "published best")
        marks += published(theirs(results, [(where, best)]))
    return figure(ours, [*marks, *more], "agents", "speed-up (JCT over JCT)", counts(agents), logx=True, xlim=edges, ylim=SPEED_UP)
