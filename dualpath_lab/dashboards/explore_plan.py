"""What the Explore page runs and what comes of it: cells with their scenarios, measures, and where the closed forms see no bottleneck."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from math import inf, nan
from typing import Any, NamedTuple

import pandas as pd

from dualpath_lab.dashboards.explore_state import MEASURES, ExploreState, Quantity
from dualpath_lab.dashboards.state import KEYS, LabState
from dualpath_lab.picture.style import duration, ratio, three_digits
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.figures import FIGURES
from dualpath_lab.studies.sweep import key_of
from dualpath_lab.studies.sweep.rows import DONE, FAILED, Row
from dualpath_lab.theory import bottleneck_free_range, resource_loads

Rows = Mapping[str, Row]
"""What has come so far, by the scenarios' keys."""


@dataclass(frozen=True)
class Cell:
    """One pair of values, with what the live page is set to for it and the scenarios that it needs, "a" and "b" or "b" alone."""

    x: float
    y: float
    live: LabState
    scenarios: dict[str, Scenario]
    keys: dict[str, str]

    def rows(self, rows: Rows) -> dict[str, Row]:
        """What has come of it so far, by side."""
        return {side: rows[key] for side, key in self.keys.items() if key in rows}

    def failure(self, rows: Rows) -> str:
        """Why it has no value and never will; empty if nothing went wrong."""
        errors = [row["error"] for row in self.rows(rows).values() if row["status"] == FAILED]
        return errors[0].removeprefix("ScenarioError: ") if errors else ""

    def complete(self, rows: Rows) -> bool:
        """Whether everything that it needs is there."""
        mine = self.rows(rows)
        return len(mine) == len(self.keys) and all(row["status"] == DONE for row in mine.values())

    def bottleneck_free(self) -> bool:
        """Whether, by the closed forms, storage saturates before any compute NIC or DRAM."""
        return all(load.holds for load in resource_loads(self.scenarios["b"].cluster))


class Measure(NamedTuple):
    """A number of a cell, its unit, how it is written, and whether it takes A's run too."""

    title: str
    unit: str
    of: Callable[[Mapping[str, Row]], float]
    text: Callable[[float], str]
    both: bool = False

    @property
    def axis(self) -> str:
        """Title of an axis."""
        return f"{self.title} ({self.unit})"


_FIGURES = (
    Measure("Speed-up of B over A", "JCT ratio, ×", lambda rows: rows["a"]["jct_s"] / rows["b"]["jct_s"], ratio, both=True),
    Measure("JCT of B", "s", lambda rows: rows["b"]["jct_s"], duration),
    Measure("Throughput of B", "turns/s", lambda rows: turns_per_s(rows["b"]), lambda value: f"{three_digits(value)} turns/s"),
    Measure("TTFT p50 of B", "s", lambda rows: rows["b"]["latency_s.ttft.p50"], duration),
    Measure("TTFT p99 of B", "s", lambda rows: rows["b"]["latency_s.ttft.p99"], duration),
)
BY_NAME = dict(zip(MEASURES, _FIGURES, strict=True))


def turns_per_s(row: Row) -> float:
    """Turns over JCT."""
    turns: float = row["turns"] / row["jct_s"]
    return turns


@dataclass(frozen=True)
class Plan:
    """Everything that one setting of the controls asks for.

    Attributes
    ----------
    x, y : Quantity
    xs, ys : list of float
    systems : dict of str
        By side.
    measure : Measure
    cells : list of list of Cell
        ``cells[row][column]`` is at ``ys[row]`` and ``xs[column]``.
    """

    x: Quantity
    y: Quantity
    xs: list[float]
    ys: list[float]
    systems: dict[str, str]
    measure: Measure
    cells: list[list[Cell]]

    def __iter__(self) -> Iterator[Cell]:
        return chain.from_iterable(self.cells)

    def __len__(self) -> int:
        return len(self.xs) * len(self.ys)

    def scenarios(self) -> Iterator[Scenario]:
        """What is to be run, cell by cell."""
        return (scenario for cell in self for scenario in cell.scenarios.values())

    def settled(self, rows: Rows) -> int:
        """How many cells have their number, or never will."""
        return sum(cell.complete(rows) or bool(cell.failure(rows)) for cell in self)

    def value(self, cell: Cell, rows: Rows) -> float:
        """The measure of a cell; NaN where it is not known."""
        return self.measure.of(cell.rows(rows)) if cell.complete(rows) else nan

    def at(self, x: float | None, y: float | None) -> list[int]:
        """Row and column of the cell at these values; empty where there is none."""
        return [self.ys.index(y), self.xs.index(x)] if x in self.xs and y in self.ys else []

    def place(self, cell: Cell) -> str:
        """Where a cell is, in words."""
        return f"{self.x.text(cell.x)}, {self.y.text(cell.y)}"

    def table(self, rows: Rows) -> pd.DataFrame:
        """A row a cell: its place, the measure, the figures of each side that was run, and what went wrong."""
        keys = [KEYS[quantity.name] for quantity in (self.x, self.y)]
        lines = []
        for cell in self:
            line: dict[str, Any] = dict(zip(keys, (cell.x, cell.y), strict=True)) | {self.measure.axis: self.value(cell, rows)}
            for side, row in cell.rows(rows).items():
                line |= {f"{side}.{name}": row.get(name) for name in ("status", *FIGURES)}
            lines.append(line | {"bottleneck_free": cell.bottleneck_free(), "error": cell.failure(rows)})
        return pd.DataFrame(lines)


def make_plan(state: ExploreState) -> Plan:
    """Work out the cells of a setting.

    Raises
    ------
    ScenarioError
        If the axes are not allowed.
    """
    xs, ys = state.grid()
    measure = BY_NAME[state.measure]
    systems = {"a": state.system_a, "b": state.system_b}
    cells = [[_cell(state.live(x, y), x, y, measure) for x in xs] for y in ys]
    return Plan(state.quantity("x"), state.quantity("y"), xs, ys, systems, measure, cells)


def _cell(live: LabState, x: float, y: float, measure: Measure) -> Cell:
    a, b = live.scenarios()
    scenarios = {"a": a, "b": b} if measure.both else {"b": b}
    return Cell(x, y, live, scenarios, {side: key_of(scenario) for side, scenario in scenarios.items()})


def region_text(plan: Plan) -> str:
    """What the outline of the heat map means, in a sentence."""
    free = sum(cell.bottleneck_free() for cell in plan)
    what = "storage NICs saturate before any compute NIC or DRAM"
    ranges = {bottleneck_free_range(cell.scenarios["b"].cluster)[:2] for cell in plan}
    low, high = next(iter(ranges))
    where = f" (P/D from {three_digits(low)} to {three_digits(high)})" if len(ranges) == 1 and low <= high < inf else ""
    if free == 0:
        return f"No cell is free of bottlenecks by the closed form: in none would {what}{where}."
    if free == len(plan):
        return f"All cells, outlined, are free of bottlenecks by the closed form: {what}{where}."
    return f"Outlined are the {free} of {len(plan)} cells that are free of bottlenecks by the closed form: {what}{where}."
