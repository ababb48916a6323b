"""What a sweep returns: a tidy table, a labelled array, and what went wrong."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.scenario import keys as scenario_keys
from dualpath_lab.studies.figures import FIGURES, at
from dualpath_lab.studies.sweep.plan import AXIS_SIGN, Plan
from dualpath_lab.studies.sweep.rows import FAILED, units_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

HEADLINE = ("jct_s", "latency_s.ttft.mean", "latency_s.tpot.mean", "bottleneck")


@dataclass(frozen=True, repr=False)
class Sweep:
    """What a sweep found, all of it unless it was interrupted.

    Attributes
    ----------
    plan : Plan
    arrow : pyarrow.Table
        One row a scenario that has run, in the plan's order.
    ran : int
        How many scenarios ran now; the others' results were there already.
    """

    plan: Plan
    arrow: pa.Table
    ran: int

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        """What was swept and the headline figures, in a notebook's cell."""
        headline = self.table()[[*self.plan.swept, "status", *HEADLINE]]
        return f"<p>{escape(self.summary())}</p>{headline.to_html(index=False, na_rep='–', float_format='{:,.4g}'.format)}"

    def table(self) -> pd.DataFrame:
        """One row a scenario, in the plan's order.

        Returns
        -------
        DataFrame
            Swept keys; ``status`` ("done" or "failed") and ``error``; the figures of a run's JSON with dotted names, in its units (s,
            bytes, tokens); and aside ``wall_s``, the only column in which two runs may differ, ``key`` and ``scenario`` (JSON).
            ``attrs["units"]`` maps columns to their units.
        """
        frame: pd.DataFrame = self.arrow.to_pandas()
        frame.attrs["units"] = units_of(self.plan.swept)
        return frame

    def to_xarray(self) -> xr.Dataset:
        """The figures of a grid with a dimension for each axis; of those that failed or did not run, NaN or None.

        An axis of one key has the key's name and values; linked keys make one axis, whose labels are their values joined by ``:``, with a
        coordinate along it for each key. ``attrs["units"]`` of a variable or coordinate is its unit, ``attrs["long_name"]`` of a key
        its meaning.

        Raises
        ------
        ScenarioError
            If the sweep is a list.
        """
        import xarray as xr

        if self.plan.shape is None:
            raise ScenarioError("A list of scenarios has no dimensions: only a grid becomes an xarray Dataset.")
        table, shape = self.table().set_index("key").reindex(list(self.plan.scenarios)), self.plan.shape
        scenarios = [scenario.model_dump() for scenario in self.plan.scenarios.values()]
        units = units_of(self.plan.swept)
        meanings = {str(key): key.meaning for key in scenario_keys()}
        dims: list[str] = []
        coordinates: dict[str, tuple[str, list[Any], dict[str, str]]] = {}
        for axis in self.plan.axes:
            dims.append(AXIS_SIGN.join(axis))
            points = list(dict.fromkeys(tuple(at(scenario, key) for key in axis) for scenario in scenarios))
            if len(axis) > 1:
                coordinates[dims[-1]] = dims[-1], [":".join(map(str, point)) for point in points], {}
            for key, values in zip(axis, zip(*points, strict=True), strict=True):
                coordinates[key] = dims[-1], list(values), _attributes(units.get(key), meanings.get(key))
        names = ("status", "error", *FIGURES, "wall_s")
        data = {name: (dims, table[name].to_numpy().reshape(shape), _attributes(units.get(name))) for name in names}
        return xr.Dataset(data, coordinates)

    def failures(self) -> list[dict[str, Any]]:
        """What went wrong, the most frequent first: cause, how often, and one scenario's whole message.

        Messages that differ only in their numbers have one cause.
        """
        errors = [row["error"] for row in self.arrow.select(["status", "error"]).to_pylist() if row["status"] == FAILED]
        causes = [re.sub(r"\d[\d.,]*(?:e[+-]?\d+)?(?<![.,])", "…", error) for error in errors]
        example = dict(zip(reversed(causes), reversed(errors), strict=True))
        return [{"cause": cause, "count": count, "example": example[cause]} for cause, count in Counter(causes).most_common()]

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``dualpath-lab sweep``: how many scenarios, done, failed and run now, and the failures by cause."""
        failures = self.failures()
        failed = sum(failure["count"] for failure in failures)
        scenarios = len(self.plan.scenarios)
        return {"scenarios": scenarios, "done": self.arrow.num_rows - failed, "failed": failed, "ran": self.ran, "failures": failures}

    def summary(self) -> str:
        """A few lines for people."""
        values = self.to_dict()
        lines = [f"{values['scenarios']} scenarios: {values['done']} done, {values['failed']} failed; {values['ran']} ran now"]
        lines += [f"  {failure['count']} x {failure['example']}" for failure in values["failures"]]
        return "\n".join(lines)


def _attributes(units: str | None, long_name: str | None = None) -> dict[str, str]:
    return {name: value for name, value in (("units", units), ("long_name", long_name)) if value}
