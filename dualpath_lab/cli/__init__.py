"""The command line: ``dualpath-lab``. Exit codes: 0 done, 2 bad input or nowhere to write (a sentence on stderr), 130 interrupted."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import dualpath_lab
from dualpath_lab import models, theory, workload
from dualpath_lab.cli import advising, calibrating, fitting, key_list, reproduction, sweeping
from dualpath_lab.cli.arguments import (
    SEEDS,
    Parser,
    add_output,
    count,
    ended_like_interrupted,
    names,
    nearest,
    new_file,
    port,
    print_csv,
    print_json,
    print_table,
    processes,
    several,
    tokens,
)
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.scenario import Scenario, ScenarioError, load_scenario
from dualpath_lab.studies.compare import Comparison, compare
from dualpath_lab.studies.figures import figures_of, unit_of_figure
from dualpath_lab.studies.lanes import lanes
from dualpath_lab.studies.perfetto import write_trace
from dualpath_lab.studies.run import Progress, simulate

BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        options = _options(sys.argv[1:] if arguments is None else arguments)
        with ended_like_interrupted():
            options.command(options)
            sys.stdout.flush()
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # whoever read the answer has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        print(ScenarioError(f"{error.filename or 'A file'} can't be written: {error.strerror}."), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt as interrupt:
        told = str(interrupt) or "Interrupted."
        print(f"\n{told}" if sys.stderr.isatty() else told, file=sys.stderr)
        return INTERRUPTED
    return 0


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="dualpath-lab", description="Simulate the paths that KV-cache takes through an LLM serving cluster.")
    parser.add_argument("--version", action="version", version=f"dualpath-lab {dualpath_lab.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_commands(commands)
    named = next((word for word in words if not word.startswith("-")), None)
    if named is not None and named not in commands.choices:
        allowed = f": it should be one of {', '.join(commands.choices)}"
        parser.error(f"{named!r} is not a command{nearest(named, commands.choices) or allowed}")
    options = parser.parse_args(words)
    options.words = words
    options.format = "json" if getattr(options, "json", False) else getattr(options, "format", None)
    options.json = options.format == "json"
    return options


def _add_commands(commands: Any) -> None:

    serve = _command(commands, "serve", _serve, "start the web app", output=None)
    serve.add_argument("--port", type=port, default=5006, help="port to listen on (default 5006; 0 takes any free one)")
    serve.add_argument("--address", default="localhost", help="address to listen on (default localhost)")
    serve.add_argument("--allow-origin", action="append", default=[], metavar="HOST[:PORT]", help="a name that visitors reach it by, too")
    serve.add_argument("--max-sessions", type=count, default=100, metavar="N", help="pages open at a time (default 100)")
    serve.add_argument("--processes", type=processes, metavar="N", help="heavy runs at a time (default 2, or 1 on one processor)")
    serve.add_argument("--processes-each", type=processes, metavar="N", help="heavy runs of one visitor at a time (default all but one)")
    serve.add_argument("--max-waiting", type=count, default=2000, metavar="N", help="heavy runs that may wait (default 2000)")
    serve.add_argument("--max-run-s", type=count, default=600, metavar="S", help="seconds that a heavy run may take (default 600)")
    serve.add_argument("--prefix", default="", metavar="/PATH", help="what every path begins with, behind a proxy")
    serve.add_argument("--no-show", action="store_true", help="do not open a browser")

    run = _command(commands, "run", _run, "simulate one scenario", "table")
    _add_scenario(run)
    run.add_argument("--perfetto", type=new_file, metavar="FILE", help="write every turn and forward as a trace for Perfetto")
    comparison = _command(commands, "compare", _compare, "run one workload through several systems", "table")
    _add_scenario(comparison)
    comparison.add_argument("--systems", required=True, type=names, metavar="A,B,C", help="the first is what speed-ups are measured from")
    comparison.add_argument(
        "--seeds", type=several, default=1, metavar="N|A,B,C", help=f"run with each and tell the spread; {SEEDS} (default 1)"
    )

    published = _command(commands, "reproduce", reproduction.command, "set the published results beside ours (minutes)", "table")
    reproduction.add_arguments(published)

    constants = _command(commands, "fit", fitting.command, "fit the lab's own constants to the published rows marked calibrate (minutes)")
    fitting.add_arguments(constants)

    many = _command(commands, "sweep", sweeping.command, "run many scenarios in parallel")
    sweeping.add_arguments(many)

    advice = _command(commands, "advise", advising.command, "would dual path pay, at which P:D, and what limits it (minutes)", "table")
    _add_scenario(advice)
    advising.add_arguments(advice)

    fitted = _command(commands, "calibrate", calibrating.command, "fit your hardware to your own measurements of TTFT and TPOT")
    calibrating.add_arguments(fitted)
    _add_scenario(fitted)

    model = _command(commands, "model", _model, "KV-cache and FLOPs of a model", "table")
    model.add_argument("model", metavar="MODEL", help="preset or path of a config.json")
    model.add_argument("--context", type=tokens, default=32_768, metavar="N", help="cached tokens (default 32768)")
    model.add_argument("--kv-dtype", metavar="TYPE", help="storage type of the KV-cache: fp8, bf16 or fp16 (default: the model's own)")
    model.add_argument("--append", type=tokens, default=429, metavar="N", help="tokens to prefill (default 429)")

    closed_form = _command(commands, "theory", _theory, "bottleneck-free range and resource loads", "table")
    _add_settings(closed_form)
    statistics = _command(commands, "workload", _workload, "statistics of a workload", "table")
    statistics.add_argument("source", metavar="TRACE_OR_NAME", help="trace file or paper-32k, paper-48k, paper-64k")

    arbitration = _command(commands, "vl", _vl, "arbitrate one port packet by packet")
    arbitration.add_argument("--config", metavar="FILE", help="YAML file; the defaults when left out")
    _add_settings(arbitration, example="port.preset=fifo")

    listed = _command(commands, "keys", key_list.command, "list the scenario keys: meaning, unit, default, what is allowed", "table")
    key_list.add_arguments(listed)


def _command(
    commands: Any,
    name: str,
    command: Callable[[argparse.Namespace], None],
    summary: str,
    output: Literal["json", "table"] | None = "json",
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(command=command, parser=parser)
    if output:
        add_output(parser, output == "table")
    return parser


def _add_scenario(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO", help="YAML file; the defaults when left out")
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser, example: str = "workload.agents=200") -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help=f"change a scenario key, such as {example}",
    )


def _scenario(options: argparse.Namespace) -> Scenario:
    return load_scenario(options.scenario, options.settings)


def _progress(label: str) -> Progress | None:
    """A line on stderr that follows the run, where stderr is a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(simulation: Simulation) -> None:
        done = len(simulation.log) / simulation.workload.turns
        end = "\r\033[K" if simulation.finished else ""
        print(f"\r{label}: {done:4.0%} of the turns, {simulation.now:,.0f} s simulated{end}", end="", file=sys.stderr, flush=True)

    return show


def _run(options: argparse.Namespace) -> None:
    scenario = _scenario(options)
    write = partial(write_trace, options.perfetto) if options.perfetto else None
    result = simulate(scenario, _progress(scenario.system), write)
    figures = figures_of(result.to_dict())
    if options.json:
        print_json(result.to_dict())
    elif options.format == "csv":
        print_csv([{"system": scenario.system, "seed": scenario.seed} | figures])
    elif options.format == "table":
        print_table([{"figure": name, "value": value, "unit": unit_of_figure(name)} for name, value in figures.items()])
    else:
        print(result.summary())
        if write:
            print(f"  the trace is in {options.perfetto}; open it in ui.perfetto.dev or chrome://tracing")


def _compare(options: argparse.Namespace) -> None:
    comparison = compare(_scenario(options), options.systems, _progress("compare"), options.seeds)
    if options.json:
        print_json(comparison.to_dict())
    elif options.format == "csv":
        print_csv(comparison.records())
    elif options.format == "table":
        print(comparison)
    else:
        print(_comparison_text(comparison))


def _comparison_text(comparison: Comparison) -> str:
    lines = [result.summary() for result in comparison.runs.values()]
    first = next(iter(comparison.runs))
    ratios = (f"{system} {'-' if ratio is None else f'{ratio:.3g}x'}" for system, ratio in comparison.speedups().items())
    return "\n".join([*lines, f"speed-up over {first}: {', '.join(ratios)}", *comparison.seeds_text()])


def _model(options: argparse.Namespace) -> None:
    values = theory.model_summary(models.load_model(options.model, options.kv_dtype), options.context, options.append)
    if options.format:
        _print_values(options.format, values)
        return
    print(
        f"{values['name']}: {values['layers']} layers, {values['active_parameters'] / 1e9:.3g} B active parameters\n"
        f"  KV-cache {values['kv_bytes_per_token']:,.0f} bytes a token in {values['kv_dtype']}{_window_text(values)}\n"
        f"  {options.append} tokens after {options.context:,} cached ones: {values['flops_per_append'] / 1e12:.3g} TFLOP, "
        f"{values['kv_gb_per_pflop']:.3g} GB of KV-cache to load per PFLOP"
    )
    for note in values["notes"]:
        print(f"  note: {note}")


def _window_text(values: dict[str, Any]) -> str:
    if not values["windows"]:
        return ""
    windows = " and ".join(f"{window['tokens']:,}" for window in values["windows"])
    return f" of this context; {values['kv_bytes_per_new_token']:,} as long as it fits the windows of {windows} tokens"


def _theory(options: argparse.Namespace) -> None:
    scenario = load_scenario(None, options.settings)
    if scenario.side("prefill") != scenario.side("decode"):
        raise ScenarioError("theory with keys of prefill or decode is not allowed: the closed forms hold for nodes that are alike.")
    cluster = scenario.side("prefill")
    values = theory.theory_summary(cluster)
    if options.json:
        print_json(values)
    elif options.format:
        (print_csv if options.format == "csv" else print_table)(values["resources"])
    else:
        print(theory.theory_text(cluster))


def _workload(options: argparse.Namespace) -> None:
    values = workload.statistics(workload.load(options.source))
    if options.format:
        _print_values(options.format, values)
        return
    pooled, notes = values.pop("pooled"), values.pop("notes")
    width = max(map(len, values))
    for name, value in values.items():
        print(f"{name:<{width}}  {_statistic(value)}")
    print("over all turns, append and gap_s from the second on:")
    for name, value in pooled.items():
        print(f"  {name:<{width - 2}}  {_statistic(value)}")
    for note in notes:
        print(f"note: {note}")


def _statistic(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:,.6g}" for name, number in value.items())
    return "-" if value is None else f"{value:,.3f}" if isinstance(value, float) else str(value)


def _print_values(how: str, values: dict[str, Any]) -> None:
    """A mapping as JSON, or as names and values, those of inner mappings dotted."""
    if how == "json":
        print_json(values)
    else:
        records = [{"figure": name, "value": value} for name, value in _flat(values)]
        (print_csv if how == "csv" else print_table)(records)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _vl(options: argparse.Namespace) -> None:
    result = lanes(LaneScenario.load(options.config, options.settings))
    if options.json:
        print_json(result.to_dict())
    else:
        print(result.summary())


def _serve(options: argparse.Namespace) -> None:
    from dualpath_lab.dashboards.serve import serve

    serve(
        options.port,
        options.address,
        not options.no_show,
        options.allow_origin,
        options.max_sessions,
        options.processes,
        options.processes_each,
        options.max_waiting,
        options.max_run_s,
        options.prefix,
    )
