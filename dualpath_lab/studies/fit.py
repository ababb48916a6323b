"""Fits the constants that the paper leaves open, on the rows marked *calibrate* and no other (reference section 11)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
import yaml

from dualpath_lab import calibration
from dualpath_lab.hardware import GPUS, Hardware
from dualpath_lab.studies.reproduce import write_whole
from dualpath_lab.studies.reproduce.jobs import PAPER_GPU, Outcome
from dualpath_lab.studies.reproduce.pool import Task, run_all
from dualpath_lab.studies.reproduce.row import Row
from dualpath_lab.studies.reproduce.rows import all_rows

CONSTANTS = {
    "REQUEST_S": "request_s",
    "LAYER_BLOCK_S": "layer_block_s",
    "PREFILL_LAYER_S": "prefill_layer_s",
    "PREFILL_LAYER_FLOOR_S": "prefill_layer_floor_s",
    "DECODE_LAYER_S": "layer_overhead_s",
    "STORAGE_EFFICIENCY": "storage_efficiency",
}
"""What is fitted: names in :mod:`calibration`, and the keys of :class:`Hardware` that carry them into a run."""

VARIATION = 0.1
"""By how much each constant is varied to see how far the rows move."""

SETTLED = 0.01
"""A fit is over when no constant would move by more than this."""

_MOST_STEPS = 4
_LONGEST_STEP = 0.25
_DIGITS = 3

Values = dict[str, float]
"""Of the constants, or of our numbers by row."""

Progress = Callable[[int, int], None]
"""Told of runs done and runs asked for so far."""


@dataclass(frozen=True)
class Fit:
    """What came out.

    Attributes
    ----------
    before, after : dict of str to float
        Constants, to three digits after the fit; both the same where none would move by more than ``SETTLED``.
    published, simulated : dict of str to float
        Of each row, ours with ``after`` and as a mean over the seeds.
    moves : dict of str to (dict, dict)
        For each constant, the relative change of every row with ``VARIATION`` more and less of it, at ``before`` and with the first seed.
    """

    before: Values
    after: Values
    published: Values
    simulated: Values
    moves: dict[str, tuple[Values, Values]]

    @property
    def changed(self) -> bool:
        """Whether any constant has another value."""
        return self.after != self.before


def fit_constants(seeds: Sequence[int], processes: int | None = None, progress: Progress | None = None) -> Fit:
    """Fit by Gauss and Newton: least squares of the rows' relative errors, all rows alike.

    The Jacobian is measured once, with the first seed, by varying each constant.

    Parameters
    ----------
    seeds : sequence of int
        Every row is the mean over them.
    processes : int, optional
        As many as there are processors when left out.
    progress : callable, optional
    """
    rows = [row for row in all_rows() if row.use == "calibrate"]
    published = {row.row: float(row.published) for row in rows if not isinstance(row.published, str | tuple)}
    runs = _Runs(rows, processes, progress)
    before = {name: float(getattr(calibration, name)) for name in CONSTANTS}
    varied = [{**before, name: before[name] * factor} for name in CONSTANTS for factor in (1 + VARIATION, 1 - VARIATION)]
    simulated_once, *others = runs.rows_with([before, *varied], seeds[:1])
    more, less = dict(zip(CONSTANTS, others[::2], strict=True)), dict(zip(CONSTANTS, others[1::2], strict=True))
    moves = {name: (_relative(more[name], simulated_once), _relative(less[name], simulated_once)) for name in CONSTANTS}
    width = log((1 + VARIATION) / (1 - VARIATION))
    jacobian = np.array([[log(more[name][row] / less[name][row]) / width for name in CONSTANTS] for row in published])

    (simulated,) = runs.rows_with([before], seeds)
    after = before
    for _ in range(_MOST_STEPS):
        residuals = np.array([log(simulated[row] / published[row]) for row in published])
        steps = np.clip(np.linalg.lstsq(jacobian, -residuals, rcond=None)[0], -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(steps).max() < SETTLED:
            break
        after = {name: _rounded(after[name] * float(np.exp(step))) for name, step in zip(CONSTANTS, steps, strict=True)}
        (simulated,) = runs.rows_with([after], seeds)
    return Fit(before, after, published, simulated, moves)


class _Runs:
    """The runs behind the rows, with constants of one's choice."""

    def __init__(self, rows: Sequence[Row], processes: int | None, progress: Progress | None) -> None:
        self._rows = rows
        self._processes = processes
        self._progress = progress
        self._done = self._asked = 0

    def rows_with(self, choices: Sequence[Values], seeds: Sequence[int]) -> list[Values]:
        """Our number of every row as a mean over the seeds, with each choice of constants."""
        jobs = list(dict.fromkeys(job for row in self._rows for job in row.jobs))
        with TemporaryDirectory() as folder:
            files = [_hardware_file(Path(folder) / f"{place}.yaml", values) for place, values in enumerate(choices)]
            tasks: dict[tuple[int, int], dict[Task, Task]] = {
                (place, seed): {(job, seed): (job.with_values({"cluster.hardware": file}), seed) for job in jobs}
                for place, file in enumerate(files)
                for seed in seeds
            }
            outcomes: dict[Task, Outcome] = {}
            self._asked += len(tasks) * len(jobs)

            def finished(task: Task, outcome: Outcome) -> None:
                outcomes[task] = outcome
                self._done += 1
                if self._progress:
                    self._progress(self._done, self._asked)

            run_all([task for each in tasks.values() for task in each.values()], self._processes, finished)
        by_seed = {key: {job: outcomes[task] for (job, _), task in each.items()} for key, each in tasks.items()}
        return [
            {row.row: fmean(float(row.simulate(by_seed[place, seed])) for seed in seeds) for row in self._rows}
            for place in range(len(choices))
        ]


def write_constants(values: Mapping[str, float], path: Path | None = None) -> Path:
    """Put values into ``calibration.py``, each in the place of the old one; all else stays as it is."""
    path = path or Path(calibration.__file__)
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        text, found = re.subn(rf"^{name} = .*$", f"{name} = {value:g}", text, count=1, flags=re.MULTILINE)
        if not found:
            raise ValueError(f"{path} has no constant {name}")
    write_whole(path, text.encode())
    return path


def provenance() -> dict[str, str]:
    """What ``calibration.py`` says of each fitted constant."""
    body = ast.parse(Path(calibration.__file__).read_text(encoding="utf-8")).body
    said = {}
    for statement, behind in pairwise(body):
        if isinstance(statement, ast.Assign) and isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
            (name,) = (target.id for target in statement.targets if isinstance(target, ast.Name))
            if name in CONSTANTS:
                said[name] = " ".join(str(behind.value.value).split())
    return said


def _hardware_file(path: Path, values: Values) -> str:
    hardware = GPUS[PAPER_GPU].model_dump() | {CONSTANTS[name]: value for name, value in values.items()}
    path.write_text(yaml.safe_dump(Hardware(**hardware).model_dump()), encoding="utf-8")
    return str(path)


def _relative(values: Values, to: Values) -> Values:
    return {row: values[row] / to[row] - 1 for row in to}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
