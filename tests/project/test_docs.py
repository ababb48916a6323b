"""The documentation's Python runs, its links lead somewhere, and its commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dualpath_lab import Scenario
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView, DecodeEngineView, NodeView, PrefillEngineView
from dualpath_lab.scenario import Cluster
from dualpath_lab.studies.sweep import make_plan

ROOT = Path(__file__).parents[2]
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/README.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").rglob("*.md"))]
HOW_TO = [page for page in PAGES if page.name.startswith("howto_")]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = re.compile(r"(?<!-->\n)^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block without a comment above it that says why it is not run."""
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_how_to = pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    links = [(link, anchor) for link, anchor in LINK.findall(page.read_text(encoding="utf-8")) if not link.startswith("http")]
    assert [link for link, _ in links if not (page.parent / link).exists()] == []
    to_headings = [(page.parent / link if link else page, anchor) for link, anchor in links if anchor]
    assert [anchor for target, anchor in to_headings if anchor not in headings(target)] == []


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as code-hosting sites make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_how_to
def test_shell_blocks_run(page: Path, tmp_path: Path) -> None:
    """One after the other in an empty folder, with the lab on the path."""
    shell = "\n".join(RUN.findall(page.read_text(encoding="utf-8")))
    assert "dualpath-lab" in shell
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-e"], input=shell, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@each_how_to
def test_python_blocks_run(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "python")):
        (tmp_path / f"block{number}.py").write_text(block, encoding="utf-8")
        done = python(f"block{number}.py", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")


@each_page
def test_blocks_are_what_they_say(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")
    for block in blocks(page, "yaml"):
        values = yaml.safe_load(block)
        if "grid" in values or "list" in values:
            make_plan(values)
        else:
            Scenario(**values | {"workload": values.get("workload", {}) | {"source": "paper-32k"}})


def test_the_reference_is_what_the_docstrings_say() -> None:
    done = python("-c", "import make_api; assert make_api.page() == make_api.PAGE.read_text(encoding='utf-8')", folder=ROOT / "docs")
    assert done.returncode == 0, "python docs/make_api.py writes it anew"


def test_the_list_of_keys_is_what_the_schema_says() -> None:
    done = python("-c", "import make_keys; assert make_keys.page() == make_keys.PAGE.read_text(encoding='utf-8')", folder=ROOT / "docs")
    assert done.returncode == 0, "python docs/make_keys.py writes it anew"


def test_the_reference_has_all_that_a_policy_sees() -> None:
    """Mutant: methods only; what a view has from another is left out."""
    texts = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").split("\n### ")
    sections = {text.partition("(")[0]: text for text in reversed(texts)}  # of two classes with one name, the first
    for view in (ClusterView, NodeView, PrefillEngineView, DecodeEngineView, TurnView):
        seen = {name for name in dir(view) if not name.startswith("_")}
        assert {name for name in seen if f"`.{name}`" not in sections[view.__name__]} == set()
    for name in ("Scenario", "Cluster", "WorkloadSpec", "Workload", "Comparison", "Decision", "house_style", "bars", "lines"):
        assert name in sections
    assert {name for name in Cluster.model_fields if f"`.{name}`" not in sections["Cluster"]} == set()


def test_every_page_can_be_found_from_the_readme() -> None:
    """Mutant: a page that nobody links to."""
    found, look = set(), [ROOT / "README.md"]
    while look:
        page = look.pop()
        found.add(page.resolve())
        links = [page.parent / link for link, _ in LINK.findall(page.read_text(encoding="utf-8")) if link.endswith(".md")]
        look += [link for link in links if link.resolve() not in found]
    assert [page for page in PAGES if page.resolve() not in found] == []


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
