"""Bars follow the work, change nothing of it, and are gone at its end."""

import pytest

from dualpath_lab import Scenario, compare, simulate
from dualpath_lab.progress import run_bar, sweep_bar
from dualpath_lab.studies.sweep import sweep

SMALL = Scenario().with_values(
    {
        "model": "ds-27b",
        "cluster.prefill_nodes": 1,
        "cluster.decode_nodes": 1,
        "cluster.gpus_per_node": 2,
        "workload.source": "paper-32k",
        "workload.agents": 4,
        "seed": 1,
    }
)


def test_a_bar_names_each_run_and_its_turns(capsys: pytest.CaptureFixture[str]) -> None:
    with run_bar() as progress:
        watched = compare(SMALL, ["basic", "dualpath"], progress)
    shown = capsys.readouterr().err
    for system, run in watched.runs.items():
        turns = run.values["turns"]
        assert f"{system}:" in shown
        assert f"/{turns} " in shown
        assert run.values | {"wall_s": 0} == simulate(SMALL.with_values({"system": system})).values | {"wall_s": 0}
    assert shown.endswith("\r")


def test_a_bar_counts_a_sweeps_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    base = SMALL.changed()
    with sweep_bar() as progress:
        sweep({"base": base, "grid": {"seed": [0, 1, 2]}}, processes=1, progress=progress)
    shown = capsys.readouterr().err
    assert "sweep:" in shown
    assert "/3 " in shown
