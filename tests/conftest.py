from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from dualpath_lab.core.network import warm_up

# The same examples every time, and none fails for being slow on a busy machine.
settings.register_profile("lab", derandomize=True, deadline=None)
settings.register_profile("long", deadline=None, max_examples=800, print_blob=True)
settings.load_profile("lab")


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """What the first run of all would do, and say on stderr."""
    warm_up()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the recorded traces: DUALPATH_LAB_DATA, or ``shared/data`` beside the repository."""
    folder = Path(os.environ.get("DUALPATH_LAB_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"recorded traces are not at {folder}; set DUALPATH_LAB_DATA to their folder")
    return folder


@pytest.fixture
def finished() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """What a coroutine returns, from a thread of its own: the browser tests' driver keeps an event loop running in this one."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, asyncio.wait_for(coroutine, 60)).result()

    return run
