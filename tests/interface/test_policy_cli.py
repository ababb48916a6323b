"""Policies by name on the command line: what is wrong with one is a sentence and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dualpath_lab.calibration import REQUEST_S

POLICIES = """
from dualpath_lab import Placement, Policy

class Raises(Policy):
    def place(self, turn):
        raise ValueError("no idea")

class Stalls(Policy):
    def place(self, turn):
        return None

class Swaps(Policy):
    def place(self, turn):
        return Placement(self.cluster.decode_engines[0], self.cluster.prefill_engines[0], 0)

class Nothing:
    pass

number = 3
"""
SMALL = ["--set", "workload.agents=8", "--set", "workload.source=paper-32k", "--set", "model=qwen-32b", "--set", "cluster.prefill_nodes=1"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(POLICIES)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    return tmp_path


def lab(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dualpath_lab", *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("nowhere:Mine", "there is no module nowhere"),
        ("mine:Mine", "there is no Mine in mine"),
        ("mine:number", "number is int, and not a class"),
        ("mine:Nothing", "the class lacks"),
        ("broken:Mine", "the import of broken raised ZeroDivisionError"),
        ("mine.Mine", "or the package.module:Class of a policy of your own"),
        ("mine:Raises", f"policy mine:Raises, turn 0 of agent 0, at {REQUEST_S:.6g} s: it raised ValueError in place, line 6: no idea."),
        ("mine:Stalls", f"policy mine:Stalls, turn 0 of agent 0, at {REQUEST_S:.6g} s: it was not placed"),
        ("mine:Swaps", "it should be one of the 8 engines of cluster.prefill_engines"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(folder: Path, system: str, said: str) -> None:
    for command in (["run", "--set", f"system={system}"], ["compare", "--systems", f"basic,{system}"]):
        done = lab(folder, *command, *SMALL)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_sweep_names_the_place_of_a_policy_that_is_not_there(folder: Path) -> None:
    (folder / "plan.yaml").write_text("base: {model: qwen-32b}\ngrid: {system: [basic, 'mine:Mine']}\n")
    done = lab(folder, "sweep", "plan.yaml", "--out", "rows.parquet")
    assert done.returncode == 2
    assert "there is no Mine in mine" in done.stderr
    assert not (folder / "rows.parquet").exists()
