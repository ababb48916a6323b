"""``dualpath-lab fit``: the constants that the paper leaves open, from the rows marked *calibrate*."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from dualpath_lab.cli.arguments import print_json, processes, seeds
from dualpath_lab.studies.fit import VARIATION, Fit, Progress, fit_constants, provenance, write_constants


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Over which seeds, and whether the answer is written."""
    parser.add_argument("--seeds", type=seeds, default=[0, 1, 2], metavar="A,B,C", help="each row is the mean over them (default 0,1,2)")
    parser.add_argument("--processes", type=processes, help="runs at a time (default: as many as there are processors)")
    parser.add_argument("--dry-run", action="store_true", help="leave calibration.py as it is")


def command(options: argparse.Namespace) -> None:
    """Fit, say what came out, and write it where it is new."""
    found = fit_constants(options.seeds, options.processes, _progress())
    written = write_constants(found.after) if found.changed and not options.dry_run else None
    if options.json:
        print_json(asdict(found) | {"changed": found.changed, "written": str(written) if written else None})
        return
    print(_text(found))
    print(f"written to {written}" if written else "the constants would change" if found.changed else "the constants are unchanged")


def _text(found: Fit) -> str:
    lines = ["| row | published | simulated | error |", "| --- | --- | --- | --- |"]
    for row, published in found.published.items():
        lines.append(f"| {row} | {published:,.4g} | {found.simulated[row]:,.4g} | {found.simulated[row] / published - 1:+.1%} |")
    lines += ["", f"Rows move by so much with {VARIATION:.0%} more / less of a constant:", ""]
    lines += ["| constant | before | fitted | " + " | ".join(found.published) + " |", "| --- " * (3 + len(found.published)) + "|"]
    for name, (more, less) in found.moves.items():
        moved = " | ".join(f"{more[row]:+.1%} / {less[row]:+.1%}" for row in found.published)
        lines.append(f"| {name} | {found.before[name]:.3g} | {found.after[name]:.3g} | {moved} |")
    lines += ["", *(f"{name}: {said}" for name, said in provenance().items())]
    return "\n".join(lines)


def _progress() -> Progress | None:
    if not sys.stderr.isatty():
        return None
    return lambda done, asked: print(f"\rfit: {done} / {asked} runs done\033[K", end="", file=sys.stderr, flush=True)
