"""Plant each fault of :mod:`faults` in a copy of the lab and show that the suite notices: ``python -m tests.laws.mutants``."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from .faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
SUITE = ("tests/laws", "tests/core")
OWN_OUTPUT = "tests/laws/test_golden.py"
"""Left out: it knows the lab's own results, and would notice any change, right or wrong."""
LONGEST_S = 900.0
"""What takes longer hangs, and is noticed by that."""


def caught_by(fault: Fault, folder: Path) -> str | None:
    """The first test that fails with the fault planted in the copy in ``folder``; None if all pass."""
    path = folder / "dualpath_lab" / "core" / fault.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
    try:
        return failing_test(folder)
    finally:
        path.write_text(text, encoding="utf-8")


def failing_test(folder: Path) -> str | None:
    """The first test of the suite that fails on the copy; None if all pass."""
    options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}"]
    command = [sys.executable, "-m", "pytest", *options, *(str(ROOT / tests) for tests in SUITE), f"--ignore={ROOT / OWN_OUTPUT}"]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return f"nothing ended within {LONGEST_S:.0f} s"
    if not done.returncode:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) \S*?([\w-]+\.py(?:::\S+)?)", done.stdout, flags=re.MULTILINE)
    if not failed:
        raise RuntimeError(done.stdout + done.stderr)
    return failed[1]


def main() -> None:
    """Try them all and list the survivors; exits with 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="faults whose file or description has this text")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only in f"{fault.file} {fault.what}"]
    with TemporaryDirectory() as parent, ThreadPoolExecutor(options.processes) as pool:
        folders: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.processes):
            folder = Path(parent) / str(number)
            shutil.copytree(ROOT / "dualpath_lab", folder / "dualpath_lab", ignore=shutil.ignore_patterns("__pycache__"))
            folders.put(folder)

        def tried(fault: Fault | None) -> str | None:
            folder = folders.get()
            try:
                return caught_by(fault, folder) if fault else failing_test(folder)
            finally:
                folders.put(folder)

        if failing := tried(None):
            sys.exit(f"Without any fault {failing} fails.")
        survivors = 0
        for fault, test in zip(faults, pool.map(tried, faults), strict=True):
            survivors += test is None
            print(f"{'SURVIVED' if test is None else 'caught'}  {fault.file:18} {fault.what}  [{test}]", flush=True)
    print(f"{len(faults)} faults, {len(faults) - survivors} caught, {survivors} survived")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
