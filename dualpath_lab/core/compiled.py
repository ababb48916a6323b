"""The machine code of compiled functions is kept on disk, for as long as the sources that go into it stay the same.

Numba by itself looks at the file of the function only, not at those of the functions and constants that it is compiled with.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import config, njit

_HERE = Path(__file__).parent
_SOURCES = ("fluid.py", "fairness.py", "addresses.py", "flows.py")


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, or load what an earlier process compiled.

    ``NUMBA_CACHE_DIR`` says where it is kept; it is beside the bytecode if that is not set.
    """
    wanted = config.CACHE_DIR
    sources = sha256(b"".join((_HERE / name).read_bytes() for name in _SOURCES)).hexdigest()[:16]
    config.CACHE_DIR = str(Path(wanted or _HERE / "__pycache__") / f"compiled-{sources}")
    try:
        return njit(function, cache=True)
    finally:
        config.CACHE_DIR = wanted
