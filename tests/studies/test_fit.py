"""The fit of the lab's own constants: it sees the rows marked calibrate alone, finds what was planted, and repeats itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualpath_lab import calibration
from dualpath_lab.cli import main
from dualpath_lab.studies import fit
from dualpath_lab.studies.reproduce.jobs import Job, Outcome
from dualpath_lab.studies.reproduce.rows import all_rows

TRUE = {
    name: 1.3 * getattr(calibration, name)
    for name in ("LAYER_BLOCK_S", "REQUEST_S", "PREFILL_LAYER_S", "PREFILL_LAYER_FLOOR_S", "DECODE_LAYER_S")
} | {"STORAGE_EFFICIENCY": 0.8 * calibration.STORAGE_EFFICIENCY}

without_runs = pytest.mark.usefixtures("jobs_run")


def hardware(job: Job) -> dict[str, float]:
    """Of the file that a job names, by names of constants."""
    values = yaml.safe_load(Path(dict(job.changes)["cluster.hardware"]).read_text())
    return {name: values[key] for name, key in fit.CONSTANTS.items()}


def relative(job: Job) -> dict[str, float]:
    """The constants of a job over the planted ones, as powers multiply them below."""
    return {name: value / TRUE[name] for name, value in hardware(job).items()}


def planted(job: Job, seed: int) -> Outcome:
    """An outcome that is as published where the constants are the planted ones; seeds differ, but not their mean."""
    at = relative(job)
    noise = {0: 1.01, 1: 1.0, 2: 0.99}[seed]
    if job.kind == "online":
        return {"tpot_s": 0.039 * at["DECODE_LAYER_S"] ** 0.6 * noise}
    if job.kind == "forward":
        floor, block, layer = (at[name] for name in ("PREFILL_LAYER_FLOOR_S", "LAYER_BLOCK_S", "PREFILL_LAYER_S"))
        powers = {"5": (2.5, 0.4, 0.3), "10": (2.9, 0.6, 0.2), "20": (3.0, 0.7, 0.1)}
        more = {count: value * floor**0.8 / block**by_block / layer**by_layer for count, (value, by_block, by_layer) in powers.items()}
        return {"relative_throughput": {"1": 1.0} | more}
    published_s, power = {
        "dualpath": (5450, at["LAYER_BLOCK_S"] ** 0.5 * at["PREFILL_LAYER_S"] ** 0.3),
        "oracle": (2000, at["LAYER_BLOCK_S"] ** 0.4 * at["REQUEST_S"] ** 0.2 * at["DECODE_LAYER_S"] ** 0.1),
        "layerwise": (8750, 1 / at["STORAGE_EFFICIENCY"] ** 0.9),
    }[dict(job.changes)["system"]]
    return {"jct_s": published_s * power * noise}


@pytest.fixture
def jobs_run(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that the fit has asked for; none of them is simulated."""
    asked: list[Job] = []

    def run_all(tasks: Iterable[tuple[Job, int]], _processes: int | None, finished: Callable[[tuple[Job, int], Any], None]) -> None:
        for job, seed in tasks:
            asked.append(job)
            finished((job, seed), planted(job, seed))

    monkeypatch.setattr(fit, "run_all", run_all)
    return asked


@without_runs
def test_planted_constants_are_found() -> None:
    """Mutant: a step of the wrong sign, or a constant that reaches no run."""
    found = fit.fit_constants([0, 1, 2])
    assert found.changed
    assert found.after == pytest.approx(TRUE, rel=0.02)
    assert found.simulated == pytest.approx(found.published, rel=0.02)


@without_runs
def test_a_fit_from_its_own_answer_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = fit.fit_constants([0, 1, 2])
    for name, value in found.after.items():
        monkeypatch.setattr(calibration, name, value)
    again = fit.fit_constants([0, 1, 2])
    assert not again.changed
    assert again.after == again.before == found.after


@without_runs
def test_moves_are_those_of_the_constants() -> None:
    more, less = fit.fit_constants([0]).moves["STORAGE_EFFICIENCY"]
    assert more["A3"] == pytest.approx(1.1**-0.9 - 1)
    assert less["A3"] == pytest.approx(0.9**-0.9 - 1)
    assert more["A1"] == less["A2"] == 0


def test_no_row_but_those_marked_calibrate_is_run(jobs_run: list[Job]) -> None:
    """Law of this lab: a constant is never fitted with a prediction in view."""
    fit.fit_constants([0])
    allowed = {job.with_values({"cluster.hardware": ""}) for row in all_rows() if row.use == "calibrate" for job in row.jobs}
    assert {job.with_values({"cluster.hardware": ""}) for job in jobs_run} == allowed
    assert len(allowed) == 5


def test_constants_are_put_in_their_places(tmp_path: Path) -> None:
    """Mutant: a docstring is lost, or a constant whose name begins alike is written."""
    copy = tmp_path / "calibration.py"
    shutil.copy(Path(calibration.__file__), copy)
    before = copy.read_text()
    fit.write_constants({"PREFILL_LAYER_S": 1.25e-3, "STORAGE_EFFICIENCY": 0.5}, copy)
    changed = [(old, new) for old, new in zip(before.splitlines(), copy.read_text().splitlines(), strict=True) if old != new]
    assert [new for _, new in changed] == ["PREFILL_LAYER_S = 0.00125", "STORAGE_EFFICIENCY = 0.5"]
    with pytest.raises(ValueError, match="no constant NO_SUCH"):
        fit.write_constants({"NO_SUCH": 1.0}, copy)


def test_every_constant_names_the_rows_it_was_fitted_on() -> None:
    said = fit.provenance()
    assert set(said) == set(fit.CONSTANTS)
    assert all(text.startswith("Fitted on A") for text in said.values())


@without_runs
def test_the_command_tells_and_leaves_the_file_alone_when_dry(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(calibration.__file__).read_bytes()
    assert main(["fit", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "the constants would change" in told
    assert "| A5.20 | 3 |" in told
    assert "STORAGE_EFFICIENCY: Fitted on A3" in told
    assert main(["fit", "--dry-run", "--json", "--seeds", "0,1"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["changed"], values["written"]) == (True, None)
    assert set(values["moves"]) == set(fit.CONSTANTS)
    assert Path(calibration.__file__).read_bytes() == before
