"""``dualpath-lab reproduce``: the published table, its report and its figures."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from dualpath_lab.cli.arguments import SEEDS, one_seed, print_csv, print_json, processes, seeds
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies import reproduce


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, with which seeds, and where the report goes."""
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help="such as B4, or B4.dualpath for a part of it; all but the slow C2 and C3 when left out"
    )
    parser.add_argument("--slow", action="store_true", help="all rows, C2 and C3 among them, which are run with the first seed only")
    one_or_more = parser.add_mutually_exclusive_group()
    one_or_more.add_argument("--seed", type=one_seed, dest="seeds", metavar="N", help="seed of the runs (default 0)")
    one_or_more.add_argument("--seeds", type=seeds, metavar="N|A,B,C", help=f"run everything with each; the table holds means; {SEEDS}")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="change a scenario key in every run, such as cluster.hardware=h800",
    )
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        help="rows of systems without compute quota also with half and with twice the tokens in a forward (first seed)",
    )
    parser.add_argument("--processes", type=processes, help="runs at a time (default: as many as there are processors)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write results.md, results.json and the figures; what ran before is kept in jobs.jsonl"
    )
    parser.add_argument("--fresh", action="store_true", help="run everything, whatever jobs.jsonl holds")
    parser.add_argument(
        "--from",
        type=Path,
        dest="stored",
        metavar="RESULTS.json",
        help="write results.md and figures anew, beside it or to --out; run nothing",
    )


def command(options: argparse.Namespace) -> None:
    """Run, or read what is stored; write the report where one is asked for; print the table."""
    results = _stored(options) if options.stored else _reproduced(options)
    folder = options.out or (options.stored.parent if options.stored else None)
    if folder:
        reproduce.write_results(_folder(folder), results)
        reproduce.write_document(folder, results, _pictures(folder, results))
    if options.json:
        print_json(results.rows)
    elif options.format == "csv":
        print_csv(results.rows)
    else:
        print(reproduce.as_markdown(results.rows))
        if results.settings:
            print(f"\nWith {reproduce.in_words(results.settings)} in every run.")


def _reproduced(options: argparse.Namespace) -> reproduce.Results:
    if options.fresh and not options.out:
        raise ScenarioError("--fresh is about the jobs that --out DIR keeps; give --out too.")
    if options.slow and options.rows:
        raise ScenarioError("--slow adds the slow rows to all the others; where rows are named, name C2 and C3 too.")
    return reproduce.reproduction(
        options.rows,
        options.seeds or [0],
        options.processes,
        options.slow,
        reproduce.read_settings(options.settings),
        options.sensitivity,
        reproduce.JobCache(_folder(options.out) / "jobs.jsonl", options.fresh) if options.out else None,
        _jobs_progress(),
        shlex.join(["dualpath-lab", *options.words]),
    )


def _stored(options: argparse.Namespace) -> reproduce.Results:
    about_runs = (options.rows, options.slow, options.settings, options.sensitivity, options.processes, options.fresh)
    if any(about_runs) or options.seeds is not None:
        raise ScenarioError(
            "--from shows what is stored and runs nothing; rows, seeds, --slow, --set, --sensitivity, --processes and --fresh don't go "
            "with it."
        )
    return reproduce.read_results(options.stored)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScenarioError(f"{path} cannot be made a folder for the report: {error.strerror}.") from None
    if not os.access(path, os.W_OK):
        raise ScenarioError(f"the folder {path} cannot be written to.")
    return path


def _pictures(folder: Path, results: reproduce.Results) -> list[reproduce.Picture]:
    from dualpath_lab.dashboards.pictures import NoPictures, write_pictures

    try:
        return write_pictures(folder, results)
    except NoPictures as error:
        print(f"Pictures are left out: {error}.", file=sys.stderr)
        return []


def _jobs_progress() -> reproduce.Progress | None:
    """A line on stderr that follows the jobs, where stderr is a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, jobs: int, left_s: float | None) -> None:
        left = "" if left_s is None else f", {left_s / 60:,.0f} min left" if left_s >= 90 else f", {left_s:,.0f} s left"
        end = "\r\033[K" if done == jobs else "\033[K"
        print(f"\rreproduce: {done} / {jobs} jobs done{left}{end}", end="", file=sys.stderr, flush=True)

    return show
