"""The same workload and seed through several systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dualpath_lab.html_table import table
from dualpath_lab.result import Result, duration
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError
from dualpath_lab.studies.run import Progress, simulate

HEADER = ("system", "JCT", "times as fast", "TTFT, mean", "TTFT, p99", "TPOT, mean", "bottleneck")


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs of one scenario, keyed by system in the order asked for."""

    runs: dict[str, Result]

    def speedups(self) -> dict[str, float | None]:
        """How many times faster than the first system each one finishes: JCT over JCT, or None where a run did not finish."""
        jcts = {system: result.values["jct_s"] for system, result in self.runs.items()}
        first = next(iter(jcts.values()))
        return {system: first / jct if first is not None and jct is not None else None for system, jct in jcts.items()}

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
        return {"runs": {system: result.to_dict() for system, result in self.runs.items()}, "speedup_over": {first: self.speedups()}}


def compare(scenario: Scenario, systems: Sequence[str | type], progress: Progress | None = None) -> Comparison:
    """Run a scenario once for each system.

    Parameters
    ----------
    scenario : Scenario
        Its own ``system`` is ignored.
    systems : sequence of str or class
        As a scenario's ``system``; the first is the one that speed-ups are measured from.
    progress : callable, optional
        As for :func:`simulate`.

    Raises
    ------
    ScenarioError
        If there is no system, one twice, or one that is unknown.
    """
    if not systems:
        raise ScenarioError(f"systems = [] is not allowed: name at least one of {', '.join(SYSTEMS)}.")
    scenarios = [scenario.with_values({"system": system}) for system in systems]
    names = [each.system for each in scenarios]
    if len(set(names)) < len(names):
        raise ScenarioError(f"systems = {','.join(names)!r} is not allowed: each system may stand once.")
    return Comparison({each.system: simulate(each, progress) for each in scenarios})


def _row(system: str, values: dict[str, Any], speedup: float | None) -> tuple[str, ...]:
    latency = values["latency_s"]
    times = (values["jct_s"], latency["ttft"]["mean"], latency["ttft"]["p99"], latency["tpot"]["mean"])
    jct, *others = ("–" if seconds is None else duration(seconds) for seconds in times)
    return system, jct, "–" if speedup is None else f"{speedup:.3g}", *others, values["bottleneck"]
