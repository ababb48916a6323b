from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    """Write ``config.json``, and ``hf_quant_config.json`` beside it where that is given; gives the path of the first."""

    def write(fields: dict[str, Any], beside: dict[str, Any] | None = None) -> str:
        (tmp_path / "config.json").write_text(json.dumps(fields))
        if beside is not None:
            (tmp_path / "hf_quant_config.json").write_text(json.dumps(beside))
        return str(tmp_path / "config.json")

    return write


@pytest.fixture(scope="session")
def shared_cases(shared_data: Path) -> Path:
    """Folder of configs from people's real work, beside that of the recorded traces."""
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"inputs from people's real work are not at {folder}")
    return folder
