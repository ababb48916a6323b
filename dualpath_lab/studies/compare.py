"""The same workload and seed through several systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dualpath_lab.result import Result
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError
from dualpath_lab.studies.run import Progress, simulate


@dataclass(frozen=True)
class Comparison:
    """Runs of one scenario, keyed by system in the order asked for."""

    runs: dict[str, Result]

    def speedups(self) -> dict[str, float | None]:
        """How many times faster than the first system each one finishes: JCT over JCT, or None where a run did not finish."""
        jcts = {system: result.values["jct_s"] for system, result in self.runs.items()}
        first = next(iter(jcts.values()))
        return {system: first / jct if first is not None and jct is not None else None for system, jct in jcts.items()}

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
