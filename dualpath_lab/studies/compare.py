"""The same workloads and seeds through several systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dualpath_lab.html_table import aligned, table
from dualpath_lab.result import Result, duration
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError
from dualpath_lab.studies.figures import NUMBERS, figures_of
from dualpath_lab.studies.intervals import Interval, interval
from dualpath_lab.studies.run import Progress, seeds_of, simulate
from dualpath_lab.workload import Workload

HEADER = ("system", "JCT", "times as fast", "TTFT, mean", "TTFT, p99", "TPOT, mean", "bottleneck")

HEADLINE = {"jct_s": "JCT", "latency_s.ttft.mean": "mean TTFT", "latency_s.tpot.mean": "mean TPOT"}
"""Figures that are told to people over seeds, and what they are called."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs of one scenario, keyed by system in the order asked for.

    Attributes
    ----------
    seed_runs : dict of str to list of Result
        Of each system, a run for each seed; seeds are common to all systems, so that differences are the systems' own.
    """

    seed_runs: dict[str, list[Result]]

    @property
    def runs(self) -> dict[str, Result]:
        """Those with the first seed."""
        return {system: runs[0] for system, runs in self.seed_runs.items()}

    @property
    def seeds(self) -> list[int]:
        """The seeds, in the order of the runs."""
        return [run.values["scenario"]["seed"] for run in next(iter(self.seed_runs.values()))]

    @cached_property
    def figures(self) -> dict[str, list[dict[str, Any]]]:
        """Of each system and seed the run's figures, flat: :data:`~dualpath_lab.studies.figures.FIGURES`."""
        return {system: [figures_of(run.values) for run in runs] for system, runs in self.seed_runs.items()}

    def intervals(self) -> dict[str, dict[str, Interval | None]]:
        """Mean of every number over the seeds with its 95 % confidence interval; None where a run has none."""
        return {system: {name: _interval([each[name] for each in seeds]) for name in NUMBERS} for system, seeds in self.figures.items()}

    def speedup_intervals(self) -> dict[str, Interval | None]:
        """As :meth:`speedups`, each the mean of ratios of two runs with the same seed, with its 95 % confidence interval."""
        first = [each["jct_s"] for each in next(iter(self.figures.values()))]
        return {
            system: _interval([_ratio(base, each["jct_s"]) for base, each in zip(first, seeds, strict=True)])
            for system, seeds in self.figures.items()
        }

    def speedups(self) -> dict[str, float | None]:
        """How many times faster than the first system each one finishes with the first seed: JCT over JCT, None where one did not."""
        jcts = {system: result.values["jct_s"] for system, result in self.runs.items()}
        first = next(iter(jcts.values()))
        return {system: _ratio(first, jct) for system, jct in jcts.items()}

    def rows(self) -> list[tuple[str, ...]]:
        """What a table of them says, as :data:`HEADER` has it; of more seeds than one, means with their 95 % confidence intervals."""
        if len(self.seeds) > 1:
            return [self._row_over_seeds(system) for system in self.seed_runs]
        speedups = self.speedups()
        return [_row(system, result.values, speedups[system]) for system, result in self.runs.items()]

    def records(self) -> list[dict[str, Any]]:
        """One flat record a run: ``system``, ``seed`` and its figures."""
        return [
            {"system": system, "seed": seed} | figures
            for system, runs in self.figures.items()
            for seed, figures in zip(self.seeds, runs, strict=True)
        ]

    def __repr__(self) -> str:
        return aligned(HEADER, self.rows())

    def _repr_html_(self) -> str:
        """The table in a notebook's cell."""
        caption, *_ = next(iter(self.runs.values())).summary().partition(": ")[2].splitlines()
        return table(f"{caption}{self._over()}", HEADER, self.rows())

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``dualpath-lab compare``."""
        first = next(iter(self.runs))
        values: dict[str, Any] = {"runs": {system: result.to_dict() for system, result in self.runs.items()}}
        values["speedup_over"] = {first: self.speedups()}
        return values | {"over_seeds": self.over_seeds()} if len(self.seeds) > 1 else values

    def over_seeds(self) -> dict[str, Any]:
        """What the JSON says of more seeds than one: ``{"mean", "low", "high"}`` of each number and speed-up, 95 % confidence."""
        first = next(iter(self.runs))
        return {
            "seeds": len(self.seeds),
            "runs": {system: {name: _ends(value) for name, value in figures.items()} for system, figures in self.intervals().items()},
            "speedup_over": {first: {system: _ends(value) for system, value in self.speedup_intervals().items()}},
            "each": self.records(),
        }

    def seeds_text(self) -> list[str]:
        """Lines for people about more seeds than one; none about one."""
        if len(self.seeds) == 1:
            return []
        first, speedups = next(iter(self.runs)), self.speedup_intervals()
        lines = [f"over {len(self.seeds)} seeds ({', '.join(map(str, self.seeds))}), the same for all, with 95 % confidence:"]
        for system, each in self.intervals().items():
            times = ", ".join(f"{name} {_text(each[figure], ' s')}" for figure, name in HEADLINE.items())
            lines.append(f"  {system}: {times}; {_text(speedups[system], 'x')} as fast as {first}")
        return lines

    def _over(self) -> str:
        return f"; means over {len(self.seeds)} seeds with 95 % confidence" if len(self.seeds) > 1 else ""

    def _row_over_seeds(self, system: str) -> tuple[str, ...]:
        means, bottlenecks = self.intervals()[system], [each["bottleneck"] for each in self.figures[system]]
        jct, *others = (_text(means[name], " s") for name in ("jct_s", "latency_s.ttft.mean", "latency_s.ttft.p99", "latency_s.tpot.mean"))
        return system, jct, _text(self.speedup_intervals()[system], ""), *others, " or ".join(dict.fromkeys(bottlenecks))


def compare(
    scenario: Scenario,
    systems: Sequence[str | type],
    progress: Progress | None = None,
    seeds: int | Sequence[int] = 1,
    workload: Workload | None = None,
) -> Comparison:
    """Run a scenario for each system.

    Parameters
    ----------
    scenario : Scenario
        Its own ``system`` is ignored.
    systems : sequence of str or class
        As a scenario's ``system``; the first is the one that speed-ups are measured from.
    progress : callable, optional
        As for :func:`simulate`.
    seeds : int or sequence of int
        How many, counted from the scenario's own on; or which.
    workload : Workload, optional
        As for :func:`simulate`.

    Raises
    ------
    ScenarioError
        If there is no system, one twice, or one that is unknown; if there are no seeds, or one twice.
    """
    if not systems:
        raise ScenarioError(f"systems = [] is not allowed: name at least one of {', '.join(SYSTEMS)}.")
    seeded = [scenario.with_values({"seed": seed}) for seed in seeds_of(scenario, seeds)]
    names = [scenario.with_values({"system": system}).system for system in systems]
    if len(set(names)) < len(names):
        raise ScenarioError(f"systems = {','.join(names)!r} is not allowed: each system may stand once.")
    runs: dict[str, list[Result]] = {name: [] for name in names}
    for each in seeded:
        for name in names:
            runs[name].append(simulate(each.with_values({"system": name}), progress, workload=workload))
    return Comparison(runs)


def _ratio(first: float | None, other: float | None) -> float | None:
    return first / other if first is not None and other is not None else None


def _interval(values: Sequence[float | None]) -> Interval | None:
    known = [value for value in values if value is not None]
    return interval(known) if len(known) == len(values) else None


def _ends(value: Interval | None) -> dict[str, float | None] | None:
    return value._asdict() if value else None


def _text(value: Interval | None, unit: str) -> str:
    return value.text(unit) if value else "–"


def _row(system: str, values: dict[str, Any], speedup: float | None) -> tuple[str, ...]:
    latency = values["latency_s"]
    times = (values["jct_s"], latency["ttft"]["mean"], latency["ttft"]["p99"], latency["tpot"]["mean"])
    jct, *others = ("–" if seconds is None else duration(seconds) for seconds in times)
    return system, jct, "–" if speedup is None else f"{speedup:.3g}", *others, values["bottleneck"]
