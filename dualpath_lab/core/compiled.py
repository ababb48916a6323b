"""The machine code of compiled functions is kept on disk, for as long as the sources that go into it stay the same.

Numba by itself looks at the file of the function only, not at those of the functions and constants that it is compiled with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from numba import config, njit

_HERE = Path(__file__).parent
FIRST_USE = "DualPath Lab: compiling once, about 15 s."
"""What the first run says."""

_SOURCES = ("fluid.py", "fairness.py", "addresses.py", "flows.py")


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, or load what an earlier process compiled.

    ``NUMBA_CACHE_DIR`` says where it is kept; it is beside the bytecode if that is not set.
    """
    wanted = config.CACHE_DIR
    config.CACHE_DIR = str(_folder())
    try:
        return njit(function, cache=True)
    finally:
        config.CACHE_DIR = wanted


def is_cold() -> bool:
    """Whether nothing has been compiled from these sources yet."""
    return next(_folder().rglob("*.nbi"), None) is None


@cache
def announce() -> None:
    """Say on stderr, once and not from a process of a pool, that the first run takes longer, if nothing has been compiled yet."""
    if parent_process() is None and is_cold():
        print(FIRST_USE, file=sys.stderr, flush=True)


def _folder() -> Path:
    sources = sha256(b"".join((_HERE / name).read_bytes() for name in _SOURCES)).hexdigest()[:16]
    return Path(config.CACHE_DIR or _HERE / "__pycache__") / f"compiled-{sources}"
