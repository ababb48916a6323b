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
