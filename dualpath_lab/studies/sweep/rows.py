"""What a sweep keeps of a run: one flat row, and the types and units of its columns."""

from __future__ import annotations

import json
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

import dualpath_lab
from dualpath_lab.scenario import Scenario
from dualpath_lab.scenario import keys as scenario_keys
from dualpath_lab.studies.figures import FIGURES, at, figures_of, unit_of_figure, unit_of_key
from dualpath_lab.studies.run import Progress, simulate
from dualpath_lab.studies.sweep.plan import as_json, key_of

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
"""A column's name to its value; None where a failed run has nothing to say."""

DONE, FAILED = "done", "failed"

_FRAME: dict[str, type] = {"status": str, "error": str}
_ASIDE: dict[str, type] = {"wall_s": float, "key": str, "scenario": str}


def run_row(scenario: Scenario, key: str, progress: Progress | None = None) -> Row:
    """Run a scenario; a failure is a row too, with its cause.

    Parameters
    ----------
    scenario : Scenario
    key : str
        What the result will be known by; a process with another version of the lab or of a policy would make another, and runs nothing.
    progress : callable, optional
        As for :func:`simulate`.
    """
    row: Row = {"key": key, "scenario": as_json(scenario)}
    try:
        if key_of(scenario) != key:
            raise RuntimeError(
                f"the process that was to run it has version {dualpath_lab.__version__} of the lab, or another {scenario.system}"
            )
        values = simulate(scenario, progress).to_dict()
    except Exception as error:  # whatever it is, the other scenarios go on
        return row | failed(f"{type(error).__name__}: {error}")
    return row | {"status": DONE} | figures_of(values) | {"wall_s": values["wall_s"]}


def failed(cause: str) -> Row:
    """The part of a row that says why there is no result."""
    return {"status": FAILED, "error": " ".join(cause.split())}


def as_arrow(rows: list[Row], swept: tuple[str, ...]) -> pa.Table:
    """Rows as a table: swept keys, status and error, figures, and what is set aside: wall-clock time, key and scenario.

    A column with a unit has it in its metadata, as ``units``.
    """
    import pyarrow as pa

    arrow = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    types = {key: _scenario_type(key) for key in swept} | _FRAME | FIGURES | _ASIDE
    with_swept = []
    for row in rows:
        scenario = json.loads(row["scenario"])
        with_swept.append(row | {key: at(scenario, key) for key in swept})
    units = units_of(swept)
    fields = [pa.field(name, arrow[kind], metadata={"units": units[name]} if name in units else None) for name, kind in types.items()]
    return pa.Table.from_pylist(with_swept, schema=pa.schema(fields))


def units_of(swept: tuple[str, ...]) -> dict[str, str]:
    """Units of the columns that have one."""
    units = {str(key): unit_of_key(key) for key in scenario_keys() if key in swept}
    units |= {name: unit_of_figure(name) for name in (*FIGURES, "wall_s")}
    return {name: unit for name, unit in units.items() if unit}


def _scenario_type(key: str) -> type:
    *parents, leaf = key.split(".")
    model: Any = Scenario
    for parent in parents:
        model = model.model_fields[parent].annotation
    annotation = model.model_fields[leaf].annotation
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    return kinds[0] if len(kinds) == 1 and kinds[0] in (int, float, bool) else str
