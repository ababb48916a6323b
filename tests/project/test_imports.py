"""The house rules that tools can check: layers, lint, format and types."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def check(*arguments: str) -> None:
    """Run Python with the arguments in the project's root; its output is the failure's message."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_keep_the_layers() -> None:
    check("-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))")


def test_ruff_check() -> None:
    check("-m", "ruff", "check", ".")


def test_ruff_format() -> None:
    check("-m", "ruff", "format", "--check", ".")


def test_types() -> None:
    check("-m", "mypy")


THEIRS = """
from dualpath_lab import Policy, Scenario, Workload, compare, simulate
from dualpath_lab.lane_scenario import LaneScenario

def use(own: type[Policy], frame: object) -> None:
    scenario = Scenario(system=own, cluster={"prefill_nodes": 2, "decode_nodes": 4}, seed=1)
    simulate(scenario, workload=Workload.from_frame(frame))
    LaneScenario(port={"preset": "fifo"}, duration_ms=5)
    compare(scenario, ["basic", own], seeds=[0, 1]).no_such_method()
"""


def test_others_see_the_types(tmp_path: Path) -> None:
    """PEP 561, without pydantic's plugin. Mutant: no ``py.typed``, so that all is ``Any``; documented calls that are refused."""
    (tmp_path / "theirs.py").write_text(THEIRS)
    done = subprocess.run([sys.executable, "-m", "mypy", "theirs.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert [line.partition(": ")[2] for line in done.stdout.splitlines()[:-1]] == [
        'error: "Comparison" has no attribute "no_such_method"  [attr-defined]'
    ]
