"""Ctrl-C, a request to end, kill -9 and a disk that is full: nothing is half written under its name, and what had finished stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from dualpath_lab.calibration import REQUEST_S
from dualpath_lab.cli.arguments import ended_like_interrupted

ROOT = Path(__file__).parents[2]
LONG_RUN = ["run", "--set=workload.agents=20000", "--set=workload.source=paper-64k"]
SMALL = {
    "model": "ds-27b",
    "cluster": {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "storage_gbps": 20},
    "workload": {"source": "paper-32k", "agents": 3},
}
SET = ["--set=model=ds-27b", "--set=cluster.gpus_per_node=2", "--set=workload.source=paper-32k", "--set=workload.agents=3"]

ENDLESS = """
from dualpath_lab import Policy

class Endless(Policy):
    def place(self, turn):
        print(flush=True)
        while True:
            pass
"""


def start(folder: Path, *arguments: str, largest_file_kb: int | None = None) -> subprocess.Popen[str]:
    """The lab in a process of its own, in a folder; with a bound on its files, a write beyond it fails as on a full disk."""
    command = [sys.executable, "-m", "dualpath_lab", *arguments]
    if largest_file_kb is not None:
        command = ["sh", "-c", f'ulimit -f {2 * largest_file_kb}; exec "$@"', "sh", *command]  # in blocks of 512 bytes
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def until_at_work(lab: subprocess.Popen[str], cpu_s: float) -> None:
    """Wait until it and its processes have used so much of the processors: by then they have started, however busy the machine is."""
    for _ in range(1200):
        assert lab.poll() is None
        stats = [read(path).rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
        ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats if stat and stat[2] == str(lab.pid))
        if ticks >= cpu_s * os.sysconf("SC_CLK_TCK"):
            return
        time.sleep(0.1)
    raise AssertionError(f"it did not use {cpu_s} s of the processors in two minutes")


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_run_that_is_ended_leaves_no_trace_file(folder: Path, how: signal.Signals) -> None:
    """Mutant: a file is begun before the run, or a traceback is printed."""
    lab = start(folder, *LONG_RUN, "--perfetto", "trace.json")
    until_at_work(lab, cpu_s=5)
    lab.send_signal(how)
    out, err = lab.communicate(timeout=60)
    assert left(folder) == []
    if how != signal.SIGKILL:
        assert (lab.returncode, out, err) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_an_interrupt_that_comes_while_an_object_is_freed_is_not_lost(how: signal.Signals) -> None:
    """Python drops the exception there; Dask frees an object after each result. Mutant: a sweep goes on as if nobody had asked."""

    class Freed:
        def __del__(self) -> None:
            signal.raise_signal(how)

    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook

    def command() -> None:
        with ended_like_interrupted():
            Freed()
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        command()
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before


def test_an_interrupt_does_not_come_again_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants: a command that was over meanwhile is ended by its own repeat; other errors of objects that are freed are swallowed."""

    class Freed:
        def __init__(self, error: BaseException) -> None:
            self.error = error

        def __del__(self) -> None:
            raise self.error

    told: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: told.append(dropped.exc_type))
    with ended_like_interrupted():
        Freed(ValueError())
        Freed(KeyboardInterrupt())
    time.sleep(0.3)
    assert told == [ValueError]


def gone(group: int) -> bool:
    """Whether all processes of a group end soon."""
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("how", ["ctrl-c", "terminate"])
def test_advice_that_is_ended_ends_its_processes(folder: Path, how: str) -> None:
    """Mutant: runs go on for minutes, or each process prints a traceback."""
    lab = start(folder, "advise", "--gpus=64", "--processes=2", "--report=advice.md")
    until_at_work(lab, cpu_s=12)
    os.killpg(lab.pid, signal.SIGINT) if how == "ctrl-c" else lab.terminate()
    out, err = lab.communicate(timeout=60)
    assert (lab.returncode, out, err) == (130, "", "Interrupted.\n")
    assert gone(lab.pid)
    assert left(folder) == []


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["run", *SET, "--perfetto", "trace.json"], "trace.json"),
        (["advise", *SET, "--gpus=4", "--no-capacity", "--seeds=1", "--processes=1", "--report=advice.html"], "advice.html"),
    ],
)
def test_a_full_disk_is_told_and_leaves_nothing(folder: Path, arguments: list[str], file: str) -> None:
    """Mutant: a traceback, a file with its first part, a file of no bytes, the part that has no name yet."""
    lab = start(folder, *arguments, largest_file_kb=1)
    _, err = lab.communicate(timeout=120)
    assert lab.returncode == 2
    assert err.count("\n") == 1
    assert file in err
    assert "File too large" in err
    assert left(folder) == []


def test_a_full_disk_keeps_what_a_sweep_has(folder: Path) -> None:
    """And --resume goes on once there is room. Mutant: rows that were written are lost, or the journal's cut line is taken for one."""
    (folder / "sweep.yaml").write_text(json.dumps({"base": SMALL, "grid": {"seed": list(range(40))}}), encoding="utf-8")
    lab = start(folder, "sweep", "sweep.yaml", "--processes=1", largest_file_kb=40)
    _, err = lab.communicate(timeout=120)
    assert lab.returncode == 2
    assert err.startswith("results.parquet can't be written: File too large. ")
    assert err.count("\n") == 1
    again = start(folder, "sweep", "sweep.yaml", "--processes=1", "--resume", "--json")
    out, err = again.communicate(timeout=120)
    answer = json.loads(out)
    assert (again.returncode, err, answer["done"]) == (0, "", 40)
    assert 0 < answer["ran"] < 40
    assert list(pd.read_parquet(folder / "results.parquet")["seed"]) == list(range(40))
    assert left(folder) == ["results.parquet", "sweep.yaml"]


def test_a_full_disk_keeps_what_a_reproduction_has(folder: Path) -> None:
    """Mutant: a traceback; results under their name that end in the middle."""
    (folder / "out").mkdir()
    filler = json.dumps({"filler": "x" * 900}) + "\n"
    (folder / "out" / "jobs.jsonl").write_text(filler, encoding="utf-8")
    lab = start(folder, "reproduce", "E5", "--processes=1", "--out=out", largest_file_kb=1)
    _, err = lab.communicate(timeout=300)
    assert lab.returncode == 2
    assert err.count("\n") == 1
    assert "File too large" in err
    assert left(folder / "out") == ["jobs.jsonl"]
    assert (folder / "out" / "jobs.jsonl").read_text(encoding="utf-8").startswith(filler)


def test_a_reader_that_has_seen_enough_ends_it_quietly(folder: Path) -> None:
    """``... | head``. Mutant: a traceback."""
    lab = start(folder, "run", *SET, "--json")
    assert lab.stdout is not None
    lab.stdout.close()
    lab.stdout = None
    _, err = lab.communicate(timeout=60)
    assert (lab.returncode, err) == (141, "")


def test_ctrl_c_in_a_policy_that_never_answers_says_which_turn(folder: Path) -> None:
    (folder / "mine.py").write_text(ENDLESS)
    lab = start(folder, "run", *SET, "--set=system=mine:Endless")
    assert lab.stdout is not None
    lab.stdout.readline()
    lab.send_signal(signal.SIGINT)
    _, told = lab.communicate(timeout=60)
    assert (lab.returncode, told) == (130, f"policy mine:Endless, turn 0 of agent 0, at {REQUEST_S:.6g} s: it was interrupted.\n")
