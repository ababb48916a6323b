"""``dualpath-lab sweep``: many scenarios in parallel, into one Parquet file."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from dualpath_lab.cli.arguments import print_json, processes
from dualpath_lab.progress import sweep_bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, where, and into which file."""
    parser.add_argument("sweep", type=Path, metavar="SWEEP.yaml", help="base: keys in common; grid: values of keys, or list: scenarios")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="run on this Dask cluster (default: the processors of this machine)")
    where.add_argument("--processes", type=processes, help="scenarios at a time on this machine (default: as many as it has processors)")
    parser.add_argument("--out", type=Path, default=Path("results.parquet"), metavar="FILE", help="default results.parquet")
    parser.add_argument("--resume", action="store_true", help="run only what FILE lacks, and what failed")


def command(options: argparse.Namespace) -> None:
    """Run what is missing, and tell how it went."""
    from dualpath_lab.studies.sweep import sweep

    bar = sweep_bar() if sys.stderr.isatty() else nullcontext()
    with bar as progress:
        swept = sweep(options.sweep, options.processes, options.scheduler, options.out, options.resume, progress)
    if options.json:
        print_json(swept.to_dict() | {"out": str(options.out)})
    else:
        print(f"{swept.summary()}\n  results are in {options.out}")
