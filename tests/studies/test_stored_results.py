"""The reproduction that ships with the lab, and the sentences of the documentation that quote it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dualpath_lab import calibration
from dualpath_lab.core.prefill_time import PrefillTime
from dualpath_lab.hardware import GPUS
from dualpath_lab.models import load_model
from dualpath_lab.scenario import WorkloadSpec
from dualpath_lab.studies.fit import CONSTANTS
from dualpath_lab.studies.reproduce import RowResult, as_markdown, stored_results
from dualpath_lab.studies.reproduce.jobs import PAPER_GPU
from dualpath_lab.studies.reproduce.row import READ_ERROR
from dualpath_lab.studies.reproduce.rows import all_rows
from dualpath_lab.workload import Workload, build_workload

DOCS = Path(__file__).parents[2] / "docs"
REPRODUCTION = (DOCS / "reproduction.md").read_text(encoding="utf-8")
MODEL = (DOCS / "model.md").read_text(encoding="utf-8")
FIT = json.loads((DOCS / "results" / "fit.json").read_text(encoding="utf-8"))
ROWS: dict[str, RowResult] = {row["row"]: row for row in stored_results().rows}
QUOTED = re.findall(r"^\| ([A-E]\d[\w.-]*) \| ([\d,.]+) \| ([\d,.]+) \| ([+-][\d.]+) % \|", REPRODUCTION, re.MULTILINE)
MEASURED = re.findall(r"^\| `([A-Z_]+)` \| ([\d.e-]+) (\S*)", REPRODUCTION, re.MULTILINE)


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def test_every_row_is_stored() -> None:
    assert list(ROWS) == [row.row for row in all_rows()]
    assert stored_results().seeds == [0, 1, 2]


def test_rows_that_were_fitted_come_out() -> None:
    errors = [abs(row["relative_error"]) for row in ROWS.values() if row["use"] == "calibrate"]
    assert max(errors) < READ_ERROR


def test_every_statement_of_the_paper_holds() -> None:
    assert [row["row"] for row in ROWS.values() if row["relative_error"] is None and row["simulated"] is not True] == []


def test_misses_are_quoted_as_they_are() -> None:
    """Every predicted number that misses by more than a tenth stands in the page, with its own figures."""
    for row, published, simulated, error in QUOTED:
        assert (published, simulated) == (shown(ROWS[row]["published"]), shown(ROWS[row]["simulated"])), row
        assert float(error) == pytest.approx(100 * ROWS[row]["relative_error"], abs=0.051), row
    single = {name: row for name, row in ROWS.items() if row["use"] == "predict" and isinstance(row["published"], float)}
    missed = {name for name, row in single.items() if abs(row["relative_error"]) > 0.1}
    assert missed <= {row for row, *_ in QUOTED}


def test_the_summary_is_quoted_as_it_is() -> None:
    summary = as_markdown(stored_results().rows)
    median, largest = re.findall(r"median error ([\d.]+)%, largest ([\d.]+)%", summary)[0]
    assert f"median {median} %, largest {largest} %" in MODEL


def test_constants_are_quoted_as_they_are() -> None:
    assert {name for name, *_ in MEASURED} == set(CONSTANTS)
    scales = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "of": 1.0}
    for name, value, unit in MEASURED:
        assert float(value) * scales[unit] == pytest.approx(getattr(calibration, name)), name
        assert FIT["after"][name] == getattr(calibration, name)


@pytest.fixture(scope="module")
def trajectories() -> dict[float, Workload]:
    """The 64K dataset, its appends as they are and three times as long."""
    return {scale: build_workload(WorkloadSpec(agents=500, append_scale=scale), 0)[0] for scale in (1.0, 3.0)}


def test_what_longer_appends_do_to_a_trajectory(trajectories: dict[float, Workload]) -> None:
    plain, longer = trajectories[1.0], trajectories[3.0]
    assert f"{plain.turns / longer.turns:.1f} times fewer turns" in " ".join(REPRODUCTION.split())
    assert longer.append.sum() / plain.append.sum() == pytest.approx(1.4, abs=0.05)


def test_arithmetic_of_the_page(trajectories: dict[float, Workload]) -> None:
    """What a turn's Layer Blocks, its HBM reads and its latents would take, and a trajectory's tokens at the published TPOT."""
    plain, model, gpu = trajectories[1.0], load_model("ds-660b"), GPUS[PAPER_GPU]
    context = int(plain.context.mean())
    time = PrefillTime(model, gpu, 16)
    attention_s = model.attention_flops(context, 1) / gpu.attention_flops_per_s
    assert time.attention_s(context, 1) - attention_s == pytest.approx(0.083, abs=0.0005)
    assert context * model.kv_bytes_per_token / gpu.hbm_bytes_per_s == pytest.approx(0.4e-3, abs=0.05e-3)
    latents = 61 * 2 * 512 * 128 * 256
    assert latents == pytest.approx(2.05e9, rel=0.01)
    assert context * latents / gpu.linear_flops_per_s == pytest.approx(0.056, abs=0.0005)
    generated = plain.generate.sum() / plain.trajectories
    assert generated == pytest.approx(16_300, abs=50)
    assert generated * 0.039 == pytest.approx(636, abs=1)
    assert int(np.diff(plain.first_turn).max()) == 977
