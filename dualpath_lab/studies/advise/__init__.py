"""Would dual path pay, and how should the cluster be built: P:D, systems, capacity, the bottleneck and what more of something buys."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from dualpath_lab.core.compiled import announce
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError
from dualpath_lab.studies.advise.changes import Change, try_changes
from dualpath_lab.studies.advise.online import capacity_of, online_questions, with_capacities
from dualpath_lab.studies.advise.report import as_markdown
from dualpath_lab.studies.advise.search import Found, Point, Steps, nodes_of, placed_at, point_of, search
from dualpath_lab.studies.advise.verdict import Verdict, limited_by, verdict
from dualpath_lab.studies.intervals import Interval, interval
from dualpath_lab.studies.reproduce.pool import processes_that_end
from dualpath_lab.studies.run import seeds_of
from dualpath_lab.studies.sweep.plan import key_of
from dualpath_lab.studies.sweep.rows import DONE, Row, run_row

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SINGLE", "Advice", "Choice", "Point", "Progress", "advise", "advise_steps"]

SINGLE = "basic"
"""What dual path is measured against."""

SYSTEMS_COMPARED = (SINGLE, "dualpath", "split")
SEEDS = 3

Progress = Callable[[str, int], None]
"""Told what is being done, and how many runs are finished."""


@dataclass(frozen=True)
class Choice:
    """A system at its best P:D, over all seeds.

    Attributes
    ----------
    point : Point
        Of the first seed.
    jcts_s : list of float
        By seed.
    speedup : Interval
        JCT of :data:`SINGLE` at its own best P:D over this one's, seed by seed.
    limited_by : str
        See :func:`verdict.limited_by`.
    changes : list of Change
        What more of something would buy.
    agents_per_s : Interval or None
        The highest rate of arrivals within the objective, each seed's to within 5 %; None where it was not asked for.
    """

    point: Point
    jcts_s: list[float]
    speedup: Interval
    limited_by: str
    changes: list[Change]
    agents_per_s: Interval | None = None

    @property
    def jct_s(self) -> Interval:
        """Until the last agent is done, over the seeds."""
        return interval(self.jcts_s)


@dataclass(frozen=True)
class Advice:
    """The answer.

    Attributes
    ----------
    scenario : Scenario
        What was asked about; its P, D and system are replaced by those tried.
    gpus : int
    seeds : int
    choices : dict of str to Choice
        By system, the first to finish first.
    oracle_jct_s : float
        Without any transfer, at the P:D of the best.
    found : Found
        Every point tried with the first seed.
    verdict : Verdict
    """

    scenario: Scenario
    gpus: int
    seeds: int
    choices: dict[str, Choice]
    oracle_jct_s: float
    found: Found
    verdict: Verdict

    @property
    def best(self) -> Choice:
        """The system that serves most agents within the objective, or that finishes first where that was not asked for."""
        choices = list(self.choices.values())
        return max(choices, key=lambda choice: choice.agents_per_s.mean if choice.agents_per_s else -choice.jct_s.mean)

    def _repr_markdown_(self) -> str:
        """The report in a notebook's cell."""
        return as_markdown(self)


def advise_steps(
    scenario: Scenario, gpus: int, systems: Sequence[str] = SYSTEMS_COMPARED, seeds: int | Sequence[int] = SEEDS
) -> Steps[Advice]:
    """As :func:`advise` without capacity, for whoever runs the scenarios it asks for; see :data:`search.Steps`."""
    first, *others = seeds_of(scenario, seeds)
    scenario = scenario.with_values({"seed": first})
    if SINGLE not in systems or len(systems) < 2 or len(set(systems)) < len(systems) or not set(systems) <= set(SYSTEMS):
        raise ScenarioError(
            f"systems = {','.join(systems)!r} is not allowed: it should name {SINGLE} and at least one more of {', '.join(SYSTEMS)}, "
            "each once."
        )
    offline = scenario.with_values({"workload.arrival_rate": None, "horizon_s": None})
    found = yield from search(offline, nodes_of(scenario, gpus), systems)
    best = {system: found.best(system) for system in systems}
    placed = {system: placed_at(offline, point) for system, point in best.items()}
    jcts: dict[str, list[float]] = {system: [point.jct_s] for system, point in best.items()}
    for system, values in jcts.items():
        asked = [placed[system].with_values({"seed": other}) for other in others]
        rows = yield asked
        values += [point.jct_s for each, row in zip(asked, rows, strict=True) if (point := point_of(each, row))]
    changes = {}
    for system, point in best.items():
        changes[system] = yield from try_changes(placed[system], point.jct_s)
    choices = {
        system: Choice(
            best[system],
            jcts[system],
            interval([single / own for single, own in zip(jcts[SINGLE], jcts[system], strict=False)]),
            limited_by(changes[system]),
            changes[system],
        )
        for system in sorted(systems, key=lambda system: sum(jcts[system]) / len(jcts[system]))
    }
    dual = next(system for system in choices if system != SINGLE)
    rows = yield [placed[dual].with_values({"system": "oracle"})]
    oracle_jct_s = rows[0]["jct_s"] if rows[0]["status"] == DONE else best[dual].jct_s
    said = verdict(
        SINGLE, dual, choices[dual].speedup, choices[SINGLE].limited_by, choices[dual].limited_by, best[dual].jct_s / oracle_jct_s
    )
    return Advice(scenario, gpus, 1 + len(others), choices, oracle_jct_s, found, said)


def advise(
    scenario: Scenario,
    gpus: int,
    systems: Sequence[str] = SYSTEMS_COMPARED,
    seeds: int | Sequence[int] = SEEDS,
    with_capacity: bool = True,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Advice:
    """Search the P:D of each system on a number of GPUs, and say what limits it.

    Parameters
    ----------
    scenario : Scenario
        Model, hardware, workload and objective. P:D are compared by the time in which all its agents are done when they start at once;
        its arrival rate and horizon do not matter.
    gpus : int
        All of them are used.
    systems : sequence of str
        ``basic`` and what it is compared with.
    seeds : int or sequence of int
        Runs of each system at its best P:D, for the confidence intervals: how many, counted from the scenario's own seed on, or which
        seeds; the first finds the P:D.
    with_capacity : bool
        Find, too, how many agents a second each system serves within the objective; takes long.
    processes : int, optional
        Of this machine; as many as there are processors when left out.
    progress : callable, optional

    Raises
    ------
    ScenarioError
        If the GPUs make no cluster, or a system can't run on them at all.
    """
    steps = advise_steps(scenario, gpus, systems, seeds)
    finished = 0

    def note(what: str) -> None:
        nonlocal finished
        finished += 1
        if progress:
            progress(what, finished)

    with ExitStack() as stack:
        many = processes or os.cpu_count() or 1
        run_all = map if many == 1 else stack.enter_context(processes_that_end(many, get_context("spawn"))).map
        advice = _drive(steps, partial(_rows, run_all, note))
        if not with_capacity:
            return advice
        rates = []
        for rate in run_all(capacity_of, online_questions(advice)):
            rates.append(rate)
            note("capacity")
    return with_capacities(advice, rates)


def _drive(steps: Steps[Advice], run: Callable[[list[Scenario]], list[Row]]) -> Advice:
    try:
        asked = next(steps)
        while True:
            asked = steps.send(run(asked))
    except StopIteration as ended:
        answer: Advice = ended.value
        return answer


def _rows(run_all: Callable[..., Iterator[Row]], note: Callable[[str], None], asked: list[Scenario]) -> list[Row]:
    announce()
    rows = []
    for row in run_all(run_row, asked, [key_of(scenario) for scenario in asked]):
        rows.append(row)
        note("runs")
    return rows
