"""A reproduction with other settings in every run, and with other numbers of tokens in a forward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dualpath_lab.calibration import FIFO_FORWARD_TOKENS
from dualpath_lab.cli import main
from dualpath_lab.dashboards import pictures
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.reproduce import Job, Picture, as_markdown, read_results, reproduction
from dualpath_lab.studies.reproduce.jobs import BUDGETS, FORWARD_TOKENS, has_budget, job, run_job

HALF, TWICE = (str(tokens) for tokens in BUDGETS)


@pytest.fixture(autouse=True)
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_pictures(*_: Any) -> list[Picture]:
        return []

    monkeypatch.setattr(pictures, "write_pictures", write_pictures)


def spec(job: Job) -> dict[str, Any]:
    return dict(job.changes)


def test_settings_stand_on_top_of_every_job_and_are_recorded(runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mutants: a job's own change wins; some kinds of jobs are left alone; nobody can tell afterwards."""
    settings = ["--set", "cluster.hardware=h800", "--set", "workload.source=paper-32k"]
    assert main(["reproduce", "A1", "A4", "A5", "D3", "E4", *settings, "--out", str(tmp_path)]) == 0
    assert {job.kind for job in runs.count} == {"run", "online", "forward", "capacity", "start"}
    for done in runs.count:
        assert (done.scenario(0).cluster.hardware, done.scenario(0).workload.source) == ("h800", "paper-32k")
    sentence = "with cluster.hardware = h800, workload.source = paper-32k in every run."
    assert sentence in capsys.readouterr().out.lower()
    assert f", and {sentence}" in (tmp_path / "results.md").read_text(encoding="utf-8")
    results = read_results(tmp_path / "results.json")
    assert results.settings == {"cluster.hardware": "h800", "workload.source": "paper-32k"}
    assert len(results.rows) == 9


def test_what_was_run_with_other_settings_is_run_again(runs: Any, tmp_path: Path) -> None:
    """The key of jobs.jsonl. Mutant: one GPU's numbers in the other's table."""
    for settings, more in (([], 1), (["--set", "cluster.hardware=h200"], 1), (["--set", "cluster.hardware=h200"], 0), ([], 0)):
        before = sum(runs.count.values())
        assert main(["reproduce", "A1", *settings, "--out", str(tmp_path)]) == 0
        assert sum(runs.count.values()) - before == more


def test_jobs_that_settings_make_equal_are_run_once(runs: Any) -> None:
    """Mutant: three runs of the same agents, or an outcome that only one of them gets."""
    results = reproduction(["B1.basic", "B2.basic", "B3.basic"], settings={"workload.agents": 8})
    assert sum(runs.count.values()) == 1
    assert [row["simulated"] for row in results.rows] == [1.0] * 3


def test_a_preset_is_a_setting_too(runs: Any) -> None:
    """As in ``run --set``. Mutant: it is refused, or does not reach the jobs."""
    reproduction(["A1"], settings={"cluster.preset": "h800"})
    (done,) = runs.count
    assert done.scenario(0) == Scenario().with_values({**spec(job(system="dualpath", workload__agents=2048)), "cluster.preset": "h800"})


def test_sensitivity_is_of_systems_without_quota_and_the_first_seed(runs: Any) -> None:
    """Closed form: JCT that follows the tokens. Mutants: dualpath is varied too; other seeds; the default in both places."""
    runs.answer = lambda job: {"jct_s": 1000.0 + spec(job).get(FORWARD_TOKENS, FIFO_FORWARD_TOKENS)}
    results = reproduction(["B1", "B2.layerwise", "B4.roundrobin", "B5.best", "E4"], seeds=[3, 4], sensitivity=True)
    by_row = {row["row"]: row.get("sensitivity") for row in results.rows}
    assert by_row["B1.basic"] == by_row["B2.layerwise"] == {HALF: 2024.0, TWICE: 5096.0}
    assert by_row["B1.dualpath"] is by_row["E4"] is None
    assert by_row["B4.roundrobin"] == {HALF: 0.0, TWICE: 0.0}
    assert by_row["B5.best"] == pytest.approx({HALF: 2024 / 3048, TWICE: 5096 / 3048})
    varied = [done for done in results.jobs if FORWARD_TOKENS in done.changes]
    assert {done.seed for done in varied} == {3}
    assert {done.kind for done in varied} == {"run"}
    assert {done.changes["system"] for done in varied} == {"basic", "layerwise", "roundrobin"}
    assert results.rows[0]["simulated"] == 3048
    assert all(len(row["seeds"]) == 2 for row in results.rows)


def test_without_the_flag_there_is_none(runs: Any) -> None:
    """Mutant: three times the runs for everybody."""
    results = reproduction(["B1"])
    assert not any("sensitivity" in row for row in results.rows)
    assert not any(FORWARD_TOKENS in spec(job) for job in runs.count)
    assert "tokens of a forward" not in as_markdown(results.rows)


@pytest.mark.usefixtures("runs")
def test_sensitivity_stands_in_the_report(tmp_path: Path) -> None:
    """Mutant: a column that some rows lack; statements in numbers."""
    assert main(["reproduce", "B1", "B5.agents", "--sensitivity", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert "| by tokens of a forward |" in table[0]
    assert len({line.count("|") for line in table}) == 1
    assert f"| {int(HALF):,}: 1; {int(TWICE):,}: 1 |" in table[2]
    assert f"{int(HALF):,}: holds; {int(TWICE):,}: holds" in table[4]
    assert "half and with twice as many, with seed 0" in text
    stored = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert main(["reproduce", "--from", str(tmp_path / "results.json")]) == 0
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == stored
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == text


def test_budgets_are_half_and_twice_what_is_assumed() -> None:
    assert (2 * BUDGETS[0], BUDGETS[1] / 2) == (FIFO_FORWARD_TOKENS, FIFO_FORWARD_TOKENS)


def test_who_has_a_budget_lacks_the_quota() -> None:
    """Section 10. Mutant: the other way round; a setting does not count."""
    by_system = {system: has_budget(job(system=system)) for system in ("basic", "layerwise", "roundrobin", "dualpath", "oracle")}
    assert by_system == {"basic": True, "layerwise": True, "roundrobin": True, "dualpath": False, "oracle": False}
    assert not has_budget(job(system="basic", mechanisms__compute_quota=True))


def test_a_budget_is_kept_in_a_run() -> None:
    """Real runs: with a smaller budget they take longer. Mutant: the key has no effect on the forwards."""
    small = {"model": "ds-27b", "workload.source": "paper-32k", "workload.agents": 8, "cluster.prefill_nodes": 1, "cluster.decode_nodes": 1}
    basic = job(system="basic").with_values(small | {"cluster.gpus_per_node": 1})
    jct_s = {tokens: run_job(basic.with_values({FORWARD_TOKENS: tokens}), 0)["jct_s"] for tokens in (64, FIFO_FORWARD_TOKENS)}
    assert jct_s[64] > 1.05 * jct_s[FIFO_FORWARD_TOKENS] == 1.05 * run_job(basic, 0)["jct_s"]
