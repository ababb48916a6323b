from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, and none fails for being slow on a busy machine.
settings.register_profile("lab", derandomize=True, deadline=None)
settings.register_profile("long", deadline=None, max_examples=800, print_blob=True)
settings.load_profile("lab")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the recorded traces: DUALPATH_LAB_DATA, or ``shared/data`` beside the repository."""
    folder = Path(os.environ.get("DUALPATH_LAB_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"recorded traces are not at {folder}; set DUALPATH_LAB_DATA to their folder")
    return folder
