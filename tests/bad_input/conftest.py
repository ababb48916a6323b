from __future__ import annotations

from collections import Counter

import pytest

_inputs: Counter[str] = Counter()


def tried() -> None:
    """Count an input."""
    _inputs["tried"] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _inputs:
        terminalreporter.write_line(f"bad input: {_inputs['tried']:,} inputs were tried")
