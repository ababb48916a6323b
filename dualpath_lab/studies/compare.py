"""The same workload and seed through several systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dualpath_lab.html_table import table
from dualpath_lab.result import Result, duration
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError
from dualpath_lab.studies.intervals import Interval, interval
from dualpath_lab.studies.run import Progress, simulate

HEADER = ("system", "JCT", "times as fast", "TTFT, mean", "TTFT, p99", "TPOT, mean", "bottleneck")


FIGURES = {"jct_s": "JCT", "ttft_s": "mean TTFT", "tpot_s": "mean TPOT"}
"""What is averaged over seeds, and what it is called."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs of one scenario, keyed by system in the order asked for.

    Attributes
    ----------
    runs : dict of str to Result
        With the scenario's own seed.
    figures : dict of str to list of dict
        Of each system, :data:`FIGURES` of each seed; seeds are common to all systems, so that differences are the systems' own.
    """

    runs: dict[str, Result]
    figures: dict[str, list[dict[str, float | None]]]

    @property
    def seeds(self) -> int:
        """How many there are."""
        return len(next(iter(self.figures.values())))

    def intervals(self) -> dict[str, dict[str, Interval | None]]:
        """Mean of each figure over the seeds with its 95 % confidence interval; None where a run has none."""
        return {
            system: {figure: _interval([each[figure] for each in seeds]) for figure in FIGURES} for system, seeds in self.figures.items()
        }

    def speedup_intervals(self) -> dict[str, Interval | None]:
        """As :meth:`speedups`, each the mean of ratios of two runs with the same seed, with its 95 % confidence interval."""
        first = [each["jct_s"] for each in next(iter(self.figures.values()))]
        return {
            system: _interval([_ratio(base, each["jct_s"]) for base, each in zip(first, seeds, strict=True)])
            for system, seeds in self.figures.items()
        }

    def speedups(self) -> dict[str, float | None]:
        """How many times faster than the first system each one finishes: JCT over JCT, or None where a run did not finish."""
        jcts = {system: result.values["jct_s"] for system, result in self.runs.items()}
        first = next(iter(jcts.values()))
        return {system: _ratio(first, jct) for system, jct in jcts.items()}

    def rows(self) -> list[tuple[str, ...]]:
        """What a table of them says, as :data:`HEADER` has it."""
        speedups = self.speedups()
        return [_row(system, result.values, speedups[system]) for system, result in self.runs.items()]

    def __repr__(self) -> str:
        cells = [HEADER, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)

    def _repr_html_(self) -> str:
        """The table in a notebook's cell."""
        caption, *_ = next(iter(self.runs.values())).summary().partition(": ")[2].splitlines()
        return table(caption, HEADER, self.rows())

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``dualpath-lab compare``."""
        first = next(iter(self.runs))
        values: dict[str, Any] = {"runs": {system: result.to_dict() for system, result in self.runs.items()}}
        values["speedup_over"] = {first: self.speedups()}
        return values | {"over_seeds": self.over_seeds()} if self.seeds > 1 else values

    def over_seeds(self) -> dict[str, Any]:
        """What the JSON says of more seeds than one: ``{"mean", "low", "high"}`` of each figure and speed-up, 95 % confidence."""
        first = next(iter(self.runs))
        return {
            "seeds": self.seeds,
            "runs": {system: {name: _ends(value) for name, value in figures.items()} for system, figures in self.intervals().items()},
            "speedup_over": {first: {system: _ends(value) for system, value in self.speedup_intervals().items()}},
        }

    def seeds_text(self) -> list[str]:
        """Lines for people about more seeds than one; none about one."""
        if self.seeds == 1:
            return []
        first, speedups = next(iter(self.runs)), self.speedup_intervals()
        lines = [f"over {self.seeds} seeds, the same for all, with 95 % confidence:"]
        for system, each in self.intervals().items():
            times = ", ".join(f"{name} {_text(each[figure], ' s')}" for figure, name in FIGURES.items())
            lines.append(f"  {system}: {times}; {_text(speedups[system], 'x')} as fast as {first}")
        return lines


def compare(scenario: Scenario, systems: Sequence[str | type], progress: Progress | None = None, seeds: int = 1) -> Comparison:
    """Run a scenario for each system.

    Parameters
    ----------
    scenario : Scenario
        Its own ``system`` is ignored.
    systems : sequence of str or class
        As a scenario's ``system``; the first is the one that speed-ups are measured from.
    progress : callable, optional
        As for :func:`simulate`.
    seeds : int
        How often, each time with the next seed, from the scenario's own on.

    Raises
    ------
    ScenarioError
        If there is no system, one twice, or one that is unknown; if there are no seeds.
    """
    if seeds < 1:
        raise ScenarioError(f"seeds = {seeds} is not allowed: it should be at least 1.")
    if not systems:
        raise ScenarioError(f"systems = [] is not allowed: name at least one of {', '.join(SYSTEMS)}.")
    scenarios = [scenario.with_values({"system": system}) for system in systems]
    names = [each.system for each in scenarios]
    if len(set(names)) < len(names):
        raise ScenarioError(f"systems = {','.join(names)!r} is not allowed: each system may stand once.")
    runs = {each.system: simulate(each, progress) for each in scenarios}
    figures = {system: [_figures(run)] for system, run in runs.items()}
    for more in range(1, seeds):
        for each in scenarios:
            figures[each.system].append(_figures(simulate(each.with_values({"seed": each.seed + more}), progress)))
    return Comparison(runs, figures)


def _figures(run: Result) -> dict[str, float | None]:
    latency = run.values["latency_s"]
    return {"jct_s": run.values["jct_s"], "ttft_s": latency["ttft"]["mean"], "tpot_s": latency["tpot"]["mean"]}


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
