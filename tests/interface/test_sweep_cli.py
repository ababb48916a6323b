"""``dualpath-lab sweep``: streams, exit codes, signals, and what is left for ``--resume``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dualpath_lab.cli import main

ROOT = Path(__file__).parents[2]
BASE = {
    "model": "ds-27b",
    "cluster": {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2},
    "workload": {"source": "paper-32k", "agents": 2},
}
QUICK = {"base": BASE | {"horizon_s": 5}, "grid": {"seed": [0, 1, 2]}}
LONG = {"base": BASE | {"workload": {"source": "paper-32k", "agents": 8}}, "grid": {"seed": list(range(400))}}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, values in {"quick": QUICK, "long": LONG, "none": {}, "bad": {"grid": {"seed": [0, -1]}}}.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("grid: [", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dualpath_lab", "sweep", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def wait_for_rows(folder: Path, sweep: subprocess.Popen[str]) -> None:
    """Until some results are in the journal beside the Parquet file."""
    journal, until = folder / "results.parquet.part.jsonl", time.monotonic() + 60
    while not (journal.exists() and (folder / "results.parquet").exists() and journal.read_bytes().count(b"\n") >= 2):
        assert sweep.poll() is None, sweep.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.usefixtures("folder")
def test_the_answer_and_resume(capsys: pytest.CaptureFixture[str]) -> None:
    """Interface. Mutant: another default file, words around the JSON, everything runs again."""
    assert main(["sweep", "quick.yaml", "--processes", "1"]) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[0], err) == ("3 scenarios: 3 done, 0 failed; 3 ran now", "")
    assert "results.parquet" in out
    assert list(pd.read_parquet("results.parquet")["seed"]) == [0, 1, 2]
    assert main(["sweep", "quick.yaml", "--resume", "--json"]) == 0
    out, err = capsys.readouterr()
    expected = {"scenarios": 3, "done": 3, "failed": 0, "ran": 0, "failures": [], "out": "results.parquet"}
    assert (json.loads(out), err) == (expected, "")
    assert main(["sweep", "quick.yaml"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.usefixtures("folder")
def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Done of all, and the time left; nothing stays. Mutant: a bar in a log file, one that counts resumed scenarios into its rate."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["sweep", "quick.yaml", "--processes", "1"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("3 scenarios: 3 done")
    assert re.search(r"sweep: +0%\|.*\| 0/3 \[00:00<\?", err)
    assert err.endswith("\r")
    assert "\n" not in err


BAD = [
    (["missing.yaml"], ["missing.yaml", "cannot be read"]),
    (["broken.yaml"], ["broken.yaml", "not YAML"]),
    (["none.yaml"], ["grid or list"]),
    (["bad.yaml"], ["value 2 of seed", "seed = -1"]),
    ([], ["SWEEP.yaml"]),
    (["quick.yaml", "--processes", "0"], ["--processes", "'0'"]),
    (["quick.yaml", "--scheduler", "here"], ["'here'", "tcp://HOST:PORT"]),
    (["quick.yaml", "--scheduler", "tcp://127.0.0.1:9", "--processes", "2"], ["--scheduler", "not allowed"]),
    (["quick.yaml", "--scheduler", "tcp://127.0.0.1:9"], ["tcp://127.0.0.1:9", "No Dask scheduler"]),
    (["quick.yaml", "--out", "nowhere/r.parquet"], ["nowhere/r.parquet", "cannot be written"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=" ".join)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    """Interface; a dead scheduler within seconds. Mutant: a traceback, an empty results file in the way of the next try."""
    before, began = set(folder.iterdir()), time.monotonic()
    assert main(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert all(word in err for word in words)
    assert set(folder.iterdir()) == before
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("end", ["ctrl-c", "terminate"])
def test_an_interrupt_is_130_and_keeps_what_is_done(folder: Path, end: str) -> None:
    """Ctrl-C reaches all processes, a request to end only the first. Mutant: tracebacks, another code, finished results lost."""
    sweep = start("long.yaml", "--processes", "2")
    wait_for_rows(folder, sweep)
    os.killpg(sweep.pid, signal.SIGINT) if end == "ctrl-c" else sweep.terminate()
    out, err = sweep.communicate(timeout=60)
    assert (sweep.returncode, out) == (130, "")
    kept = pd.read_parquet("results.parquet")
    assert err == f"Interrupted: {len(kept)} of 400 scenarios are done and kept in results.parquet; --resume runs the others.\n"
    assert 3 <= len(kept) < 400
    assert kept["key"].is_unique
    assert not Path("results.parquet.part.jsonl").exists()


def test_killed_midway_nothing_finished_is_lost(folder: Path) -> None:
    """Kill -9: file and journal hold all, and ``--resume`` runs the others. Mutant: rows only in memory, a file without its footer."""
    sweep = start("long.yaml", "--processes", "1")
    wait_for_rows(folder, sweep)
    sweep.kill()
    sweep.communicate()
    in_file = set(pd.read_parquet("results.parquet")["key"])
    lines = Path("results.parquet.part.jsonl").read_bytes().split(b"\n")[:-1]
    finished = in_file | {json.loads(line)["key"] for line in lines}
    few: dict[str, Any] = LONG | {"grid": {"seed": list(range(len(finished) + 2))}}
    Path("few.yaml").write_text(json.dumps(few), encoding="utf-8")
    resumed = start("few.yaml", "--processes", "1", "--resume", "--json")
    out, err = resumed.communicate(timeout=60)
    assert (resumed.returncode, err, json.loads(out)["ran"]) == (0, "", 2)
    table = pd.read_parquet("results.parquet")
    assert list(table["seed"]) == list(range(len(finished) + 2))
    assert finished < set(table["key"])


def test_the_lab_itself_is_light() -> None:
    """Mutant: Dask, pandas or Panel is imported where only a simulation is asked for."""
    code = """
import sys
import dualpath_lab
from dualpath_lab.cli import main
assert main(["run", "--set=model=ds-27b", "--set=workload.agents=1", "--set=horizon_s=1"]) == 0
heavy = {"panel", "bokeh", "holoviews", "param", "pandas", "dask", "distributed", "pyarrow", "xarray", "tqdm"}
sys.exit(", ".join(sorted(heavy & {name.partition(".")[0] for name in sys.modules})) or 0)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
