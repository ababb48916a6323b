"""The documentation's Python runs, its links lead somewhere, and its commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not link.startswith("http")]
    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_commands_exist(page: Path) -> None:
    named = {match for text in blocks(page, "bash") for match in re.findall(r"dualpath-lab (\w+)", text)}
    known = python("-m", "dualpath_lab", "--help", folder=ROOT).stdout
    assert [name for name in named if name not in known] == []


def test_the_policy_of_the_how_to_runs_in_python_and_from_the_command_line(tmp_path: Path) -> None:
    policy, race = blocks(ROOT / "docs" / "policies.md", "python")
    assert policy.count("\n") < 15
    (tmp_path / "mine.py").write_text(policy)
    (tmp_path / "race.py").write_text(f"from mine import ShortestQueue\n{race}")
    done = python("race.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine:ShortestQueue" in done.stdout
    small = ["workload.agents=8", "workload.source=paper-32k", "model=qwen-32b", "cluster.prefill_nodes=1", "cluster.decode_nodes=2"]
    settings = [part for setting in small for part in ("--set", setting)]
    done = python("-m", "dualpath_lab", "run", "--set", "system=mine:ShortestQueue", *settings, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine:ShortestQueue: qwen-32b on 1P2D")
