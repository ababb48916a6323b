"""Law 8: ten scenarios come to the same bits wherever, however often and however they run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dualpath_lab.core import observer
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.result import result_of
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.run import simulate
from dualpath_lab.studies.sweep import FIGURES, sweep

from .golden import GOLDEN, expected, told

ROOT = Path(__file__).parents[2]

each = pytest.mark.parametrize(("name", "scenario"), GOLDEN.items(), ids=GOLDEN)


def test_there_are_ten() -> None:
    assert len(GOLDEN) == 10
    assert expected().keys() == GOLDEN.keys()
    assert len({values["sha256"] for values in expected().values()}) == 10


@each
def test_a_run_and_another_run(name: str, scenario: Scenario) -> None:
    """Mutant: anything that changes a result without a word; the sum of a set; a module's state."""
    assert [told(simulate(scenario)) for _ in range(2)] == [expected()[name]] * 2


@each
def test_in_steps_and_watched(name: str, scenario: Scenario) -> None:
    """Mutant: a look or a step changes what it looks at."""
    for step_s in (0.37, 11.0):
        simulation = Simulation(scenario)
        while not simulation.finished:
            simulation.advance(step_s)
            simulation.snapshot()
            observer.utilization(simulation)
            observer.latency(simulation)
        assert told(result_of(simulation, 0.0)) == expected()[name]


def test_on_any_number_of_processes() -> None:
    """Mutant: a result depends on what its process ran before."""
    plan = {"list": [scenario.changed() for scenario in GOLDEN.values()]}
    one, two = (sweep(plan, processes=processes).table().set_index("key")[list(FIGURES)] for processes in (1, 2))
    assert one.equals(two)
    assert sorted(one["events"]) == sorted(values["events"] for values in expected().values())


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_on_any_python(version: str) -> None:
    """Mutant: an order that hashes decide."""
    python = sys.executable if sys.version.startswith(f"{version}.") else shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", "import simpy, numba, pydantic"], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no Python {version} with the lab's dependencies")
    for hash_seed in ("0", "4711"):
        done = subprocess.run(
            [python, "-m", "tests.laws.golden"], cwd=ROOT, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
