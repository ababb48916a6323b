"""``dualpath-lab reproduce --out``: files whole or not at all, nothing run twice, and the report anew from what is stored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import dualpath_lab
from dualpath_lab.cli import main
from dualpath_lab.dashboards import pictures
from dualpath_lab.studies.reproduce import Job, JobCache, Picture, read_results, reproduction, write_whole

ROOT = Path(__file__).parents[2]
ROWS = ["A1", "E2.best", "E5"]
JOBS = 8
"""That these rows need."""


@pytest.fixture(autouse=True)
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_pictures(folder: Path, results: Any) -> list[Picture]:
        assert results.rows
        (folder / "jct.png").write_bytes(b"a picture")
        return [Picture("jct.png", "A title", "A caption.")]

    monkeypatch.setattr(pictures, "write_pictures", write_pictures)


def test_out_holds_everything(runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mutant: an absolute link, a job left out, an answer that --out swallows."""
    out = tmp_path / "a" / "b"
    assert main(["reproduce", *ROWS, "--seeds", "0,1", "--out", str(out), "--json"]) == 0
    printed, errors = capsys.readouterr()
    stored = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert errors == ""
    assert stored["rows"] == json.loads(printed)
    assert (stored["version"], stored["seeds"]) == (dualpath_lab.__version__, [0, 1])
    assert stored["command"] == f"dualpath-lab reproduce A1 E2.best E5 --seeds 0,1 --out {out} --json"
    assert len(stored["jobs"]) == 2 * JOBS == sum(runs.count.values())
    results = read_results(out / "results.json")
    assert {(done.job, done.seed) for done in results.jobs} == {(job, seed) for job in runs.count for seed in (0, 1)}
    text = (out / "results.md").read_text(encoding="utf-8")
    assert f"\n```bash\n{stored['command']}\n```\n" in text
    assert f"{2 * (7 * 10 + 20)} simulated turns, with seeds 0, 1." in text
    assert "| E5 |" in text
    assert "median error" in text
    assert "\n![A title](jct.png)\n\nA caption.\n" in text
    assert sorted(path.name for path in out.iterdir()) == ["jct.png", "jobs.jsonl", "results.json", "results.md"]


def test_what_is_stored_is_the_report(runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--from runs nothing and gives the same bytes. Mutant: it runs, or numbers change on the way."""
    runs.answer = lambda job: {"jct_s": 1000 / 3 + job.work} if job.kind == "run" else {}
    assert main(["reproduce", *ROWS, "--out", str(tmp_path)]) == 0
    table = capsys.readouterr().out
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    runs.count.clear()
    (tmp_path / "results.md").unlink()
    assert main(["reproduce", "--from", str(tmp_path / "results.json")]) == 0
    assert capsys.readouterr() == (table, "")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert main(["reproduce", "--from", str(tmp_path / "results.json"), "--out", str(tmp_path / "other")]) == 0
    assert (tmp_path / "other" / "results.md").read_bytes() == before["results.md"]
    assert not runs.count


@pytest.mark.parametrize("done_before", [0, 1, 3, JOBS - 1])
def test_an_interrupted_run_goes_on_where_it_was(runs: Any, tmp_path: Path, done_before: int) -> None:
    """Each job is run once in all. Mutant: finished jobs are lost, or half of them run again."""

    def answer(job: Job) -> dict[str, Any]:
        if sum(runs.count.values()) > done_before:
            runs.count[job] -= 1
            raise KeyboardInterrupt
        return {}

    runs.answer = answer
    assert main(["reproduce", *ROWS, "--out", str(tmp_path)]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.jsonl"] * bool(done_before)
    assert sum(runs.count.values()) == done_before
    runs.answer = lambda _: {}
    assert main(["reproduce", *ROWS, "--out", str(tmp_path)]) == 0
    assert {job: count for job, count in runs.count.items() if count} == dict.fromkeys(runs.count, 1)
    assert len(runs.count) == JOBS


def test_more_seeds_and_rows_run_only_what_is_missing(runs: Any, tmp_path: Path) -> None:
    """Mutant: the cache does not know seeds apart, or jobs."""
    main(["reproduce", "A1", "--out", str(tmp_path)])
    main(["reproduce", "A1", "--seeds", "0,1", "--out", str(tmp_path)])
    assert runs.seeds == {0: 1, 1: 1}
    main(["reproduce", "A1", "E5", "--seeds", "0,1", "--out", str(tmp_path)])
    assert runs.seeds == {0: 2, 1: 2}


def test_fresh_runs_everything_and_counts_from_then_on(runs: Any, tmp_path: Path) -> None:
    """Mutant: --fresh reads the cache, or the next call finds the old lines."""
    main(["reproduce", "A1", "--out", str(tmp_path)])
    runs.answer = lambda _: {"jct_s": 2.0}
    main(["reproduce", "A1", "--out", str(tmp_path), "--fresh"])
    main(["reproduce", "A1", "--out", str(tmp_path)])
    assert sum(runs.count.values()) == 2
    assert len((tmp_path / "jobs.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert read_results(tmp_path / "results.json").rows[0]["simulated"] == 2


def test_another_version_of_the_lab_does_not_count(runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: numbers of an older simulation in a new table."""
    main(["reproduce", "A1", "--out", str(tmp_path)])
    monkeypatch.setattr(dualpath_lab, "__version__", "9.9.9")
    main(["reproduce", "A1", "--out", str(tmp_path)])
    assert sum(runs.count.values()) == 2


@pytest.mark.parametrize(("cut", "whole"), [(1, True), (2, False), (40, False)])
def test_a_line_that_was_cut_short_is_not_there(tmp_path: Path, cut: int, whole: bool) -> None:
    """The machine went down while writing. Mutant: an error, or the next line is lost with it."""
    path, jobs = tmp_path / "jobs.jsonl", [Job("run", (("workload.agents", agents),)) for agents in (1, 2, 3)]
    cache = JobCache(path)
    for job in jobs[:2]:
        cache.add((job, 0), {"turns": 1})
    path.write_bytes(path.read_bytes()[:-cut])
    cache = JobCache(path)
    assert [cache.get((job, 0)) is not None for job in jobs] == [True, whole, False]
    cache.add((jobs[2], 0), {"turns": 3})
    assert JobCache(path).get((jobs[2], 0)) == {"turns": 3}
    assert JobCache(path).get((jobs[0], 0)) == {"turns": 1}


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: the old content is gone before the new is there, or parts are left lying about."""
    path = tmp_path / "results.md"
    write_whole(path, b"old")

    def fails(*_: Any) -> None:
        assert path.read_bytes() == b"old"
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(OSError, match="no space"):
            write_whole(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("results.md", b"old")]
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.usefixtures("runs")
def test_without_a_browser_the_rest_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence. Mutant: no report, or links to pictures that are not there."""

    def write_pictures(*_: Any) -> list[Picture]:
        raise pictures.NoPictures("there is no chromium on the path")

    monkeypatch.setattr(pictures, "write_pictures", write_pictures)
    assert main(["reproduce", "A1", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err == "Pictures are left out: there is no chromium on the path.\n"
    assert "![" not in (tmp_path / "results.md").read_text(encoding="utf-8")
    assert (tmp_path / "results.json").exists()


@pytest.mark.usefixtures("runs")
def test_progress_counts_jobs_and_guesses_the_time_left(tmp_path: Path) -> None:
    """What is stored counts as done. Mutant: a count over the end, time left when all is done."""
    cache = JobCache(tmp_path / "jobs.jsonl")
    reproduction(["A1"], cache=cache)
    told: list[tuple[int, int, float | None]] = []
    reproduction(ROWS, cache=cache, progress=lambda *news: told.append(news))
    assert [done for done, _, _ in told] == list(range(1, JOBS + 1))
    assert {jobs for _, jobs, _ in told} == {JOBS}
    assert told[0][2] is None
    assert told[-1][2] == pytest.approx(0, abs=1e-9)
    assert all(left is not None and left >= -1e-9 for _, _, left in told[1:])


INTERRUPTED = """
import sys
from dualpath_lab.cli import main
from dualpath_lab.studies.reproduce import Row, rows
from dualpath_lab.studies.reproduce.jobs import job
quick = job(model="ds-27b", workload__source="paper-32k", workload__agents=1)
endless = job(workload__agents=8000)
rows.all_rows = lambda: [Row("A", "", 1.0, "predict", "printed", (quick, endless), lambda done: 1.0)]
sys.exit(main(["reproduce", "--processes", "2", "--out", sys.argv[1]]))
"""


def test_a_real_interrupt_ends_all_processes_and_keeps_what_is_done(tmp_path: Path) -> None:
    """Exit code 130 at once. Mutant: workers run on for minutes, or print tracebacks."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    lab = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    for _ in range(1200):
        if (tmp_path / "jobs.jsonl").exists():
            break
        time.sleep(0.1)
    os.killpg(lab.pid, signal.SIGINT)
    out, errors = lab.communicate(timeout=60)
    assert (lab.returncode, out, errors) == (130, b"", b"Interrupted.\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(lab.pid, 0)
    (line,) = (tmp_path / "jobs.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["job"]["changes"]["workload.agents"] == 1


BAD = [
    (["--seed", "0", "--seeds", "1"], ["--seeds", "--seed"]),
    (["--seeds", "1", "--seed", "0"], ["--seeds", "--seed"]),
    (["--seeds", "0,1,0"], ["--seeds", "'0,1,0'", "twice"]),
    (["--seeds", "0,,1"], ["--seeds", "''"]),
    (["--seeds", "0,-1"], ["--seeds", "'-1'"]),
    (["--seeds", "0,many"], ["--seeds", "'many'"]),
    (["--seed", "x"], ["--seed", "'x'"]),
    (["--processes", "0"], ["--processes", "'0'"]),
    (["--fresh"], ["--fresh", "--out"]),
    (["R99", "--out", "{tmp}/out"], ["'R99'", "E5"]),
    (["--out", "{tmp}/file"], ["file", "folder"]),
    (["--out", "{tmp}/file/below"], ["below", "folder"]),
    (["--from", "{tmp}/missing.json"], ["missing.json", "cannot be read"]),
    (["--from", "{tmp}"], ["cannot be read"]),
    (["--from", "{tmp}/file"], ["file", "results.json"]),
    (["--from", "{tmp}/list.json"], ["list.json", "results.json"]),
    (["--from", "{tmp}/jobs.json"], ["jobs.json", "jobs.0.seed"]),
    (["--from", "{tmp}/rows.json"], ["rows.json", "'R1'", "'kind'", "another version"]),
    (["A1", "--from", "{tmp}/file"], ["--from", "rows"]),
    (["--set", "cluster.hardware=h800", "--from", "{tmp}/file"], ["--from", "--set"]),
    (["--sensitivity", "--from", "{tmp}/file"], ["--from", "--sensitivity"]),
    (["--slow", "--from", "{tmp}/file"], ["--from", "--slow"]),
    (["A1", "--slow"], ["--slow", "C2"]),
    (["--set", "cluster.hardware"], ["'cluster.hardware'", "KEY=VALUE"]),
    (["--set", "cluster.hardwear=h800"], ["'cluster.hardwear'", "did you mean 'cluster.hardware'"]),
    (["--set", "cluster.prefill_nodes=0"], ["cluster.prefill_nodes = 0"]),
    (["--set", "cluster={prefill_nodes: 4}"], ["--set cluster ", "one key"]),
    (["--set", "seed=3"], ["seed=3", "--seeds"]),
    (["--sensitivity", "--set", "mechanisms.forward_tokens=64"], ["--sensitivity", "mechanisms.forward_tokens"]),
    (["--seed", "0", "--from", "{tmp}/file"], ["--from", "seeds"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=" ".join)
def test_bad_input_is_one_sentence_before_anything_runs(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    """Interface. Mutant: a traceback after an hour of runs."""
    (tmp_path / "file").write_text("not JSON", encoding="utf-8")
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    stored = {"version": "1", "command": "", "seeds": [0], "rows": [], "jobs": [{"kind": "run", "changes": {}, "outcome": {}}]}
    old = {"row": "R1", "what": "", "published": 1.0, "simulated": 1.0, "relative_error": 0.0, "use": "predict"}
    (tmp_path / "rows.json").write_text(json.dumps(stored | {"rows": [old], "jobs": []}), encoding="utf-8")
    (tmp_path / "jobs.json").write_text(json.dumps(stored), encoding="utf-8")
    assert main(["reproduce", *(argument.replace("{tmp}", str(tmp_path)) for argument in arguments)]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.endswith("\n")
    assert errors.count("\n") == 1
    for word in words:
        assert word in errors
    assert not runs.count
