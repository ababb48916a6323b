"""``dualpath-lab calibrate``: a hardware file from a user's own measurements."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import yaml

from dualpath_lab.cli.arguments import new_file, print_json, write_text
from dualpath_lab.scenario import load_scenario


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What was measured, and where the answer goes."""
    parser.add_argument("measurements", type=Path, metavar="CSV", help="columns prompt, cached, batch, ttft_s, tpot_s")
    parser.add_argument("--out", type=new_file, default=Path("hardware.yaml"), metavar="FILE", help="hardware file (default hardware.yaml)")
    parser.add_argument("--name", help="of the hardware (default: the file's)")


def command(options: argparse.Namespace) -> None:
    """Fit, write the file, and say how well it fits."""
    from dualpath_lab.studies.calibrate import fit, read_measurements

    scenario = load_scenario(options.scenario, options.settings)
    found = fit(scenario, read_measurements(options.measurements), options.name or options.out.stem)
    write_text(options.out, yaml.safe_dump(found.hardware.model_dump(), sort_keys=False))
    if options.json:
        print_json(asdict(found) | {"hardware": found.hardware.model_dump(), "out": str(options.out)})
        return
    print(f"{found.hardware.name}: fitted to {found.measurements} times, mean error {found.mean_error:.1%}, largest {found.max_error:.1%}")
    for key, error in found.fitted.items():
        print(f"  {key:<20} {getattr(found.hardware, key):.4g}, give or take {error:.1%}")
    for note in found.notes:
        print(f"  {note}")
    print(f"  written to {options.out}; use it with --set cluster.hardware={options.out}")
