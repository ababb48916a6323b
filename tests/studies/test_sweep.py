"""Sweeps: the same bits wherever they run, what is kept, what is run again, and what goes wrong."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies import sweep as package
from dualpath_lab.studies.figures import unit_of_figure
from dualpath_lab.studies.run import Progress, simulate
from dualpath_lab.studies.sweep import FIGURES, Sweep, SweepInterrupted, make_plan, rows, store, sweep

BASE = {
    "model": "ds-27b",
    "cluster": {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "storage_gbps": 20},
    "workload": {"source": "paper-32k", "agents": 2},
    "horizon_s": 20,
}
GRID = {"base": BASE, "grid": {"system": ["dualpath", "basic"], "seed": [2, 0, 1]}}


def bits(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table but for the wall clock; ``==`` on its text tells apart any two floats."""
    return json.loads(json.dumps(table.drop(columns="wall_s").astype(object).where(table.notna(), None).to_dict("records"), default=repr))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def serial() -> Sweep:
    return sweep(GRID, processes=1)


@pytest.fixture(name="runs")
def _runs(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Counts the simulations by seed; of odd seeds they fail."""
    count: Counter[int] = Counter()

    def counted(scenario: Scenario, progress: Progress | None = None) -> Any:
        count[scenario.seed] += 1
        if scenario.seed % 2:
            raise MemoryError(f"seed {scenario.seed} is odd")
        return simulate(scenario, progress)

    monkeypatch.setattr(rows, "simulate", counted)
    return count


def test_a_row_is_the_run(serial: Sweep) -> None:
    """Rows hold every figure of a run's JSON but its links. Mutant: a figure of another scenario, rounded, or left out."""
    table = serial.table()
    assert list(zip(table["system"], table["seed"], strict=True)) == [(s, n) for s in ("dualpath", "basic") for n in (2, 0, 1)]
    for (_, row), (key, scenario) in zip(table.iterrows(), serial.plan.scenarios.items(), strict=True):
        values = simulate(scenario).to_dict()
        flat = pd.json_normalize(
            {name: value for name, value in values.items() if name not in ("scenario", "links", "warnings", "wall_s")}
        ).iloc[0]
        assert set(flat.index) == set(FIGURES)
        assert all(row[name] == value or (pd.isna(row[name]) and value is None) for name, value in flat.items())
        assert (row["key"], row["status"], Scenario(**json.loads(row["scenario"]))) == (key, "done", scenario)


def test_processes_give_the_bits_of_one(serial: Sweep, tmp_path: Path) -> None:
    """Law 8; nothing of the order of finishing is seen. Mutant: rows in the order in which they came, floats through text."""
    out, told = tmp_path / "two.parquet", []
    two = sweep(GRID, processes=2, out=out, progress=lambda *counts: told.append(counts))
    assert bits(two.table()) == bits(serial.table()) == bits(pd.read_parquet(out))
    assert told == [(done, 0, 6) for done in range(7)]
    assert names(tmp_path) == ["two.parquet"]


def test_a_grid_is_an_array_with_named_axes(serial: Sweep) -> None:
    """Mutant: axes swapped, or values under another's coordinate."""
    array = serial.to_xarray()
    assert dict(array.sizes) == {"system": 2, "seed": 3}
    for _, row in serial.table().iterrows():
        there = array.sel(system=row["system"], seed=row["seed"])
        assert float(there["latency_s.ttft.mean"]) == row["latency_s.ttft.mean"]
        assert str(there["bottleneck"].item()) == row["bottleneck"]
    cube = {"grid": {"system": ["dualpath", "basic"], "seed": [2, 0, 1], "horizon_s": [3, 1, 2, 4]}, "base": BASE}
    assert np.array_equal(sweep(cube, processes=1).to_xarray().sel(horizon_s=2)["simulated_s"], np.full((2, 3), 2.0))
    single = {"base": BASE, "list": [{"seed": 1}]}
    with pytest.raises(ScenarioError, match="grid"):
        sweep(single, processes=1).to_xarray()


def test_an_axis_may_hold_null() -> None:
    """A key whose default is null. Mutant: null becomes a number, or the axis is sorted."""
    array = sweep({"base": BASE, "grid": {"workload.hit_rate": [0.5, None, 0]}}, processes=1).to_xarray()
    assert [None if value is None or np.isnan(value) else value for value in array["workload.hit_rate"].values] == [0.5, None, 0]


@pytest.mark.parametrize("there", [0, 2, 4])
def test_resume_runs_what_is_missing(runs: Counter[int], tmp_path: Path, there: int) -> None:
    """Mutant: everything runs again, or a scenario never does; rows of another plan get lost."""
    out, seeds = tmp_path / "r.parquet", [0, 2, 4, 6]
    if there:
        sweep({"base": BASE, "grid": {"seed": [8, *seeds[:there]]}}, processes=1, out=out)
    runs.clear()
    resumed = sweep({"base": BASE, "grid": {"seed": seeds[::-1]}}, processes=1, out=out, resume=True)
    assert runs == Counter(seeds[there:])
    assert resumed.ran == len(seeds) - there
    assert list(resumed.table()["seed"]) == seeds[::-1]
    assert list(pd.read_parquet(out)["seed"]) == seeds[::-1] + [8] * (there > 0)
    assert bits(resumed.table()) == bits(sweep({"base": BASE, "grid": {"seed": seeds[::-1]}}, processes=1).table())


def test_failures_stop_nothing_and_are_told_by_cause(runs: Counter[int], tmp_path: Path) -> None:
    """Mutant: one failure ends the sweep, numbers make causes of their own, a failure counts as done when resumed."""
    out, plan = tmp_path / "f.parquet", {"base": BASE, "grid": {"seed": [0, 1, 2, 3, 5]}}
    swept = sweep(plan, processes=1, out=out)
    assert list(swept.table()["status"]) == ["done", "failed", "done", "failed", "failed"]
    assert swept.failures() == [{"cause": "MemoryError: seed … is odd", "count": 3, "example": "MemoryError: seed 1 is odd"}]
    assert swept.to_dict() | {"failures": 0} == {"scenarios": 5, "done": 2, "failed": 3, "ran": 5, "failures": 0}
    assert "3 x MemoryError: seed 1 is odd" in swept.summary()
    assert np.isnan(swept.to_xarray()["simulated_s"].values).tolist() == [False, True, False, True, True]
    runs.clear()
    assert sweep(plan, processes=1, out=out, resume=True).to_dict()["failed"] == 3
    assert runs == Counter([1, 3, 5])


def test_real_failures_are_told() -> None:
    """A model that does not fit, through Dask. Mutant: the cause gets lost between processes."""
    swept = sweep({"base": BASE, "grid": {"cluster.hbm_gbytes": [1, 141, 2]}}, processes=2)
    assert list(swept.table()["status"]) == ["failed", "done", "failed"]
    (failure,) = swept.failures()
    assert failure["count"] == 2
    assert failure["example"].startswith("ScenarioError: model = 'ds-27b' is not allowed with cluster.hbm_gbytes = 1: its weights take")


def test_a_file_is_never_overwritten_silently(tmp_path: Path) -> None:
    """Mutant: hours of results are gone."""
    for name in ("a.parquet", "b.parquet.part.jsonl"):
        (tmp_path / name).write_bytes(b"precious")
    for name in ("a.parquet", "b.parquet"):
        with pytest.raises(ScenarioError, match="--resume"):
            sweep(GRID, processes=1, out=tmp_path / name)
    with pytest.raises(ScenarioError, match="not a Parquet file of a sweep"):
        sweep(GRID, processes=1, out=tmp_path / "a.parquet", resume=True)
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(ScenarioError, match="not a Parquet file of a sweep"):
        sweep(GRID, processes=1, out=tmp_path / "c.parquet", resume=True)
    assert (tmp_path / "a.parquet").read_bytes() == b"precious"
    assert names(tmp_path) == ["a.parquet", "b.parquet.part.jsonl", "c.parquet"]


def test_one_sweep_at_a_time_writes_a_file(tmp_path: Path) -> None:
    """Mutant: two sweeps mix their journals."""
    out = tmp_path / "o.parquet"
    with store.StoredResults(make_plan(GRID), out, resume=False), pytest.raises(ScenarioError, match="running"):
        sweep(GRID, processes=1, out=out, resume=True)


def test_linked_keys_are_one_dimension() -> None:
    """With a label and each key's values along it. Mutant: a dimension a key; a run in another's place."""
    grid = {"cluster.prefill_nodes, cluster.decode_nodes": [[1, 2], [2, 1]], "system": ["basic", "dualpath"]}
    swept = sweep({"base": BASE, "grid": grid}, processes=1)
    array = swept.to_xarray()
    (pair, system) = array["jct_s"].dims
    assert (pair, system) == ("cluster.prefill_nodes,cluster.decode_nodes", "system")
    assert array[pair].values.tolist() == ["1:2", "2:1"]
    assert array["cluster.prefill_nodes"].dims == array["cluster.decode_nodes"].dims == (pair,)
    table = swept.table()
    for prefill, decode, name, found in table[["cluster.prefill_nodes", "cluster.decode_nodes", "system", "events"]].to_numpy():
        assert array["events"].sel({pair: f"{prefill}:{decode}", "system": name}) == found
    assert array["events"].where(array["cluster.prefill_nodes"] == 2, drop=True).sizes[pair] == 1


def test_units_go_with_the_numbers(tmp_path: Path) -> None:
    """In xarray, pandas and the file. Mutant: none, or those of another column."""
    out = tmp_path / "u.parquet"
    swept = sweep({"base": BASE, "grid": {"cluster.storage_gbps": [100, 200], "seed": [0]}}, processes=1, out=out)
    units = {
        "cluster.storage_gbps": "Gb/s",
        "jct_s": "s",
        "latency_s.ttft.p99": "s",
        "tokens.hit": "tokens",
        "storage_bytes.read": "bytes",
        "kv_bytes_per_token": "bytes/token",
        "hit_rate": "1",
        "wall_s": "s",
    }
    array, table, stored = swept.to_xarray(), swept.table(), parquet.read_schema(out)
    for name, unit in units.items():
        assert array[name].attrs["units"] == table.attrs["units"][name] == stored.field(name).metadata[b"units"].decode() == unit
    assert array["cluster.storage_gbps"].attrs["long_name"].startswith("Bandwidth")
    for name in ("bottleneck", "status", "seed"):
        assert "units" not in array[name].attrs
        assert not stored.field(name).metadata
    bare = {name for name, kind in FIGURES.items() if kind in (int, float) and not unit_of_figure(name)}
    assert bare == set()


@pytest.mark.parametrize("tail", [b'{"key": "torn', b"\xff\xfe\n", b"[1]\n", b"{}\n"])
def test_a_torn_journal_keeps_all_but_its_last_line(runs: Counter[int], tmp_path: Path, tail: bytes) -> None:
    """What kill -9 leaves. Mutant: a torn line spoils the journal, or is glued to the next row."""
    out, journal = tmp_path / "t.parquet", tmp_path / "t.parquet.part.jsonl"
    plan = {"base": BASE, "grid": {"seed": [0, 2, 4, 6]}}
    written = sweep(plan, processes=1).arrow.to_pylist()[:2]
    journal.write_bytes("".join(json.dumps(row) + "\n" for row in written).encode() + tail)
    runs.clear()
    resumed = sweep(plan, processes=1, out=out, resume=True)
    assert runs == Counter([4, 6])
    assert bits(resumed.table()) == bits(pd.read_parquet(out)) == bits(sweep(plan, processes=1).table())
    assert not journal.exists()


@pytest.mark.usefixtures("runs")
def test_the_file_is_whole_while_the_sweep_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At all times the file can be read, and it and the journal hold each row once. Mutant: rows only at the end; half a file."""
    monkeypatch.setattr(store, "FOLD_S", 0.05)
    out, journal, seen = tmp_path / "w.parquet", tmp_path / "w.parquet.part.jsonl", []

    def look(done: int, *_: int) -> None:
        in_file = set(pd.read_parquet(out)["key"]) if out.exists() else set()
        in_journal = {json.loads(line)["key"] for line in journal.read_text().splitlines()}
        assert len(in_file | in_journal) == len(in_file) + len(in_journal) == done
        seen.append(len(in_file))

    sweep({"base": BASE, "grid": {"seed": list(range(0, 24, 2))}}, processes=1, out=out, progress=look)
    assert seen[1] == 1
    assert len(set(seen)) > 2


def test_an_interrupt_keeps_what_is_done(tmp_path: Path) -> None:
    """Mutant: what had finished is lost, or nobody is told."""
    out = tmp_path / "i.parquet"

    def stop(done: int, *_: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"2 of 6 .*--resume"):
        sweep(GRID, processes=1, out=out, progress=stop)
    assert list(pd.read_parquet(out)["seed"]) == [2, 0]
    assert names(tmp_path) == ["i.parquet"]


def test_an_interrupt_leaves_what_is_done_without_a_file_too(serial: Sweep) -> None:
    """Mutant: what had finished is lost, or an array has it in another scenario's place."""

    def stop(done: int, *_: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(SweepInterrupted, match=r"2 of 6") as stopped:
        sweep(GRID, processes=1, progress=stop)
    partial = stopped.value.sweep
    assert partial.to_dict() == {"scenarios": 6, "done": 2, "failed": 0, "ran": 2, "failures": []}
    some, every = partial.to_xarray()["simulated_s"], serial.to_xarray()["simulated_s"]
    assert int(some.notnull().sum()) == 2
    assert some.equals(every.where(some.notnull()))


def test_it_shows_itself_in_a_cell_and_in_a_console(serial: Sweep) -> None:
    assert repr(serial) == serial.summary()
    (shown,) = ElementTree.fromstring(f"<div>{serial._repr_html_()}</div>").iter("table")
    header, *rows = [[cell.text for cell in row] for row in shown.iter("tr")]
    assert header[:3] == [*serial.plan.swept, "status"]
    assert [tuple(row[:2]) for row in rows] == [(system, str(seed)) for system, seed in serial.table()[["system", "seed"]].to_numpy()]


def test_another_version_of_the_lab_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with other code. Mutant: its results count as ours."""
    monkeypatch.setattr(rows, "key_of", lambda _: "another")
    (failure,) = sweep({"base": BASE, "grid": {"seed": [0, 1]}}, processes=1).failures()
    assert (failure["count"], "version" in failure["cause"]) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"processes": 0}, "processes = 0"),
        ({"processes": 2, "scheduler": "tcp://127.0.0.1:1"}, "processes = 2"),
        ({"resume": True}, "resume"),
        ({"scheduler": "cluster"}, "tcp://HOST:PORT"),
        ({"out": "nowhere/r.parquet"}, "cannot be written"),
    ],
    ids=str,
)
def test_arguments_that_do_not_go_together_are_refused(arguments: dict[str, Any], words: str) -> None:
    """Bad input. Mutant: one of the two is ignored."""
    with pytest.raises(ScenarioError, match=words) as error:
        sweep(GRID, **arguments)
    assert "\n" not in str(error.value)


def test_one_process_needs_no_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    """The serial reference. Mutant: a cluster for one process."""
    for name in ("dask", "distributed"):
        monkeypatch.setitem(sys.modules, name, None)
    assert package.sweep({"base": BASE, "grid": {"seed": [0]}}, processes=1).to_dict()["done"] == 1
