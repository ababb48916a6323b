"""``dualpath-lab advise``: would dual path pay, and how should the cluster be built."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dualpath_lab.cli.arguments import SEEDS, count, names, new_file, print_csv, print_json, print_table, processes, several, write_text
from dualpath_lab.scenario import load_scenario

if TYPE_CHECKING:
    from dualpath_lab.studies.advise import Advice

REPORTS = (".md", ".html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The question, and what the answer may cost."""
    parser.add_argument("--gpus", required=True, type=count, metavar="N", help="GPUs to divide between prefill and decode")
    parser.add_argument("--slo-ttft", type=float, metavar="S", help="slo.ttft_s, mean TTFT that capacity must keep")
    parser.add_argument("--slo-tpot", type=float, metavar="S", help="slo.tpot_s, mean TPOT that capacity must keep")
    parser.add_argument("--systems", type=names, metavar="A,B,C", help="basic and what it is compared with (default basic,dualpath,split)")
    parser.add_argument(
        "--seeds", type=several, default=3, metavar="N|A,B,C", help=f"runs behind each confidence interval; {SEEDS} (default 3)"
    )
    parser.add_argument("--no-capacity", action="store_true", help="leave out agents/s within the objective, which takes longest")
    parser.add_argument("--processes", type=processes, help="runs at a time (default: as many as there are processors)")
    parser.add_argument("--report", type=_report, metavar="FILE", help="write a report too: .md, or .html with a plot")


def command(options: argparse.Namespace) -> None:
    """Search, and say what was found."""
    from dualpath_lab.studies.advise import SYSTEMS_COMPARED, advise
    from dualpath_lab.studies.advise.report import as_markdown, as_values

    slo = {"slo.ttft_s": options.slo_ttft, "slo.tpot_s": options.slo_tpot}
    scenario = load_scenario(options.scenario, options.settings).with_values(
        {key: value for key, value in slo.items() if value is not None}
    )
    progress = _progress if sys.stderr.isatty() else None
    systems = options.systems or SYSTEMS_COMPARED
    advice = advise(scenario, options.gpus, systems, options.seeds, not options.no_capacity, options.processes, progress)
    if progress:
        print("\r\033[K", end="", file=sys.stderr)
    if options.report:
        write_text(options.report, _text(advice, options.report.suffix))
    if options.json:
        print_json(as_values(advice))
    elif options.format:
        (print_csv if options.format == "csv" else print_table)(as_values(advice)["points"])
    else:
        print(as_markdown(advice), end="")


def _report(text: str) -> Path:
    path = new_file(text)
    if path.suffix not in REPORTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a report's name: it should end in {' or '.join(REPORTS)}")
    return path


def _text(advice: Advice, suffix: str) -> str:
    from dualpath_lab.studies.advise.report import as_markdown

    if suffix == ".md":
        return as_markdown(advice)
    from dualpath_lab.dashboards.advice_report import as_html

    return as_html(advice)


def _progress(what: str, finished: int) -> None:
    print(f"\radvise: {what}, {finished} finished", end="\033[K", file=sys.stderr, flush=True)
