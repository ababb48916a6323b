from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Folder of inputs from people's real work: DUALPATH_LAB_CASES, or ``shared/cases`` beside the repository."""
    folder = Path(os.environ.get("DUALPATH_LAB_CASES") or Path(__file__).parents[3] / "shared" / "cases")
    if not folder.is_dir():
        pytest.skip(f"the cases are not at {folder}; set DUALPATH_LAB_CASES to their folder")
    return folder
