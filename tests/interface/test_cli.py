"""The command line: the answer alone on stdout, one sentence on stderr, the promised exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import dualpath_lab
from dualpath_lab.cli import main
from dualpath_lab.cli.arguments import SEEDS, seeds, several
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.lanes import lanes
from dualpath_lab.studies.run import seeds_of, simulate

ROOT = Path(__file__).parents[2]
SMALL = {
    "model": "ds-27b",
    "cluster": {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "storage_gbps": 20},
    "workload": {"source": "paper-32k", "agents": 3, "append_scale": 2},
}
SET = [
    "--set=model=ds-27b",
    "--set=cluster.prefill_nodes=1",
    "--set=cluster.decode_nodes=1",
    "--set=cluster.gpus_per_node=2",
    "--set=cluster.storage_gbps=20",
    "--set=workload.source=paper-32k",
    "--set=workload.agents=3",
    "--set=workload.append_scale=2",
]
RUN_KEYS = [
    "scenario",
    "jct_s",
    "simulated_s",
    "agents_finished",
    "turns",
    "tokens",
    "hit_rate",
    "latency_s",
    "ttft_breakdown_s",
    "links",
    "storage_bytes",
    "kv_bytes_per_token",
    "working_set_bytes",
    "balance",
    "slo_met",
    "bottleneck",
    "warnings",
    "events",
    "wall_s",
]


class Done:
    """What a command left: its exit code and both streams."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> Done:
        code = main(list(arguments))
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call


def without_wall(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "wall_s"}


def test_run_prints_json_alone(cli: Any) -> None:
    """Interface; the command is the Python call. Mutant: a banner on stdout, a setting that is dropped."""
    values = cli("run", *SET, "--json").json
    assert list(values) == RUN_KEYS
    assert without_wall(values) == without_wall(simulate(Scenario(**SMALL)).to_dict())


def test_run_reads_a_file(cli: Any, tmp_path: Path) -> None:
    """Interface. Mutant: the file is not read, or wins over ``--set``."""
    path = tmp_path / "scenario.yaml"
    path.write_text(json.dumps(SMALL), encoding="utf-8")
    values = cli("run", str(path), "--set", "seed=5", "--json").json
    assert Scenario(**values["scenario"]) == Scenario(**SMALL, seed=5)


def test_run_tells_people_what_happened(cli: Any) -> None:
    """Mutant: nothing, or JSON, without ``--json``."""
    done = cli("run", *SET)
    assert (done.code, done.err) == (0, "")
    assert "dualpath: ds-27b on 1P1D, paper-32k, 3 agents" in done.out
    for word in ("JCT", "TTFT", "TTST", "TPOT", "bottleneck"):
        assert word in done.out


def test_run_of_nothing_finished_is_still_told(cli: Any) -> None:
    """A horizon before the first turn is over. Mutant: a mean of nothing is NaN, or an error."""
    values = cli("run", *SET, "--set=horizon_s=0.001", "--json").json
    assert (values["jct_s"], values["turns"], values["latency_s"]["ttft"]["mean"]) == (None, 0, None)
    assert "stopped at" in cli("run", *SET, "--set=horizon_s=0.001").out


def test_run_writes_a_trace_beside_the_answer(cli: Any, tmp_path: Path) -> None:
    """The answer stays alone on stdout. Mutant: no file, a part of it under another name, or another answer than without it."""
    path = tmp_path / "trace.json"
    values = cli("run", *SET, "--perfetto", str(path), "--json").json
    assert without_wall(values) == without_wall(simulate(Scenario(**SMALL)).to_dict())
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    assert len({event["args"]["turn"] for event in events if "turn" in event.get("args", {})}) == values["turns"]
    assert list(tmp_path.iterdir()) == [path]
    assert str(path) in cli("run", *SET, "--perfetto", str(path)).out


def test_compare_keeps_the_order_and_measures_from_the_first(cli: Any) -> None:
    """Interface. Mutant: systems sorted, the ratio upside down, or the scenario's own system first."""
    systems = ["layerwise", "dualpath", "basic", "oracle"]
    values = cli("compare", *SET, "--systems", ",".join(systems), "--json").json
    assert list(values) == ["runs", "speedup_over"]
    assert list(values["runs"]) == systems
    assert list(values["speedup_over"]) == ["layerwise"]
    speedups = values["speedup_over"]["layerwise"]
    assert list(speedups) == systems
    jct = {system: result["jct_s"] for system, result in values["runs"].items()}
    assert speedups == {system: pytest.approx(jct["layerwise"] / jct[system]) for system in systems}
    for system, result in values["runs"].items():
        assert list(result) == RUN_KEYS
        assert without_wall(result) == without_wall(simulate(Scenario(**SMALL, system=system)).to_dict())


def test_compare_tells_people(cli: Any) -> None:
    """Mutant: a system is left out of the text."""
    done = cli("compare", *SET, "--systems", "basic, oracle")
    assert (done.code, done.err) == (0, "")
    assert "basic: ds-27b" in done.out
    assert "oracle: ds-27b" in done.out
    assert "speed-up over basic: basic 1x, oracle " in done.out


def test_compare_of_runs_that_were_cut_has_no_ratio(cli: Any) -> None:
    """Mutant: a ratio of nothing."""
    values = cli("compare", *SET, "--set=horizon_s=0.001", "--systems", "basic,oracle", "--json").json
    assert values["speedup_over"] == {"basic": {"basic": None, "oracle": None}}
    assert "oracle -" in cli("compare", *SET, "--set=horizon_s=0.001", "--systems", "basic,oracle").out


def test_model(cli: Any) -> None:
    """Interface. Mutant: ``--context`` and ``--append`` are swapped or not passed on."""
    values = cli("model", "qwen-32b", "--context", "16384", "--append", "429", "--json").json
    promised = {"name", "kv_bytes_per_token", "layers", "active_parameters", "flops_per_append", "kv_gb_per_pflop"}
    assert promised <= set(values)
    assert values["kv_bytes_per_token"] == 2 * 8 * 128 * 2 * 64
    assert values["kv_gb_per_pflop"] == pytest.approx(117, rel=0.05)
    text = cli("model", "qwen-32b").out
    assert "64 layers" in text
    assert "262,144 bytes" in text


def test_theory(cli: Any) -> None:
    """Interface and section 5. Mutant: settings are not passed on."""
    values = cli("theory", "--json").json
    assert (values["bottleneck_free"]["low"], values["bottleneck_free"]["high"]) == (pytest.approx(1 / 7), pytest.approx(3.5))
    assert cli("theory", "--set", "cluster.storage_gbps=800", "--json").json["bottleneck_free"]["low"] == pytest.approx(2 / 6)
    assert "2P4D" in cli("theory").out


def test_workload(cli: Any) -> None:
    """Interface. Mutant: a key renamed; pooled means."""
    values = cli("workload", "paper-32k", "--json").json
    assert {"sessions", "turns", "append", "generated", "total", "context", "hit_rate"} <= set(values)
    assert values["context"] == pytest.approx(17_183, rel=0.05)
    text = cli("workload", "paper-32k").out
    for words in ("hit_rate", "edited_turns", "over all turns", "p95"):
        assert words in text


def test_workload_of_a_table(cli: Any, tmp_path: Path) -> None:
    """Interface. Mutant: a trace's own notes get lost, or stand for a documented figure."""
    path = tmp_path / "mine.csv"
    path.write_text("session,turn,appended,generated,gap_s\na,0,100,10,\na,1,20,5,3\n", encoding="utf-8")
    values = cli("workload", str(path), "--json").json
    assert (values["sessions"], values["turns"], values["append"], values["hit_rate"]) == (1, 2, 60, pytest.approx(110 / 230))
    assert values["pooled"]["append"]["mean"] == 20
    assert "mine.csv" in cli("workload", str(path)).out


def test_vl_prints_json_alone(cli: Any, tmp_path: Path) -> None:
    """Interface; the command is the Python call. Mutant: the file is not read, or wins over ``--set``."""
    path = tmp_path / "port.yaml"
    path.write_text("port: {preset: fifo}\nduration_ms: 5\nseed: 3\n", encoding="utf-8")
    values = cli("vl", "--config", str(path), "--set", "duration_ms=1", "--json").json
    assert {"scenario", "simulated_s", "packets", "share", "lanes", "burst_s", "kv", "wall_s"} <= set(values)
    scenario = LaneScenario(port={"preset": "fifo"}, duration_ms=1, seed=3)
    assert without_wall(values) == without_wall(json.loads(json.dumps(lanes(scenario).to_dict())))


def test_vl_tells_people(cli: Any) -> None:
    """Mutant: nothing, or JSON, without ``--json``; a mean of no bursts, or a wait of no packets."""
    done = cli("vl", "--set=duration_ms=1")
    assert (done.code, done.err) == (0, "")
    for words in ("paper port, 400 Gb/s", "model 30", "KV"):
        assert words in done.out
    nothing = ["--set=duration_ms=1", "--set=model.pattern=idle", "--set=kv.pattern=idle"]
    assert cli("vl", *nothing, "--json").json["packets"] == 0
    assert "idle 100.00%" in cli("vl", *nothing).out


HEADER = "session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s\n"
FILES = {
    "broken.csv": HEADER + "a,0,100,5,0,\na,1,120,5,many,3\n",
    "mamba.json": '{"model_type": "mamba", "state_size": 16}',
    "fields.json": '{"model_type": "llama"}',
    "list.yaml": "- 1\n- 2\n",
    "broken.yaml": "cluster: {prefill_nodes: 2\n",
    "unknown.yaml": "cluster: {prefil_nodes: 2}\n",
    "zero.yaml": "cluster: {prefill_nodes: 0}\n",
}
BAD = [
    (["run", "--set", "model=ds-27c"], ["'ds-27c'", "did you mean 'ds-27b'"]),
    (["run", "--set", "cluster.prefill_nodes=0"], ["cluster.prefill_nodes = 0", "greater than or equal to 1"]),
    (["run", "--set", "workload.hit_rate=1.5"], ["workload.hit_rate = 1.5", "less than or equal to 1"]),
    (["run", "--set", "seed=lucky"], ["seed = 'lucky'", "integer"]),
    (["run", "--set", "seed=0.5"], ["seed = 0.5"]),
    (["run", "--set", "seed=2001-99-99"], ["seed"]),
    (["run", "--set", "self=1"], ["'self'"]),
    (["run", "--set", "workload.agents"], ["KEY=VALUE", "'workload.agents'"]),
    (["run", "--set", "=3"], ["KEY=VALUE", "'=3'"]),
    (["run", "--set", "sytem=basic"], ["'sytem'", "did you mean 'system'"]),
    (["run", "--set", "system=fast"], ["system = 'fast'", "'dualpath'"]),
    (["run", "--set", "workload.source=paper-65k"], ["'paper-65k'", "did you mean 'paper-64k'"]),
    (["run", "--set", "workload.source={tmp}/broken.csv"], ["broken.csv", "line 3", "hit_tokens_incl_output = 'many'"]),
    (["run", "--set", "cluster.hbm_gbytes=20"], ["cluster.hbm_gbytes = 20", "weights"]),
    (
        ["run", "--set", "cluster.buffer_gbytes=0.01", "--set", "model=ds-27b"],
        ["workload.source", "longest prompt", "cluster.buffer_gbytes"],
    ),
    (["run", "{tmp}/missing.yaml"], ["missing.yaml", "cannot be read"]),
    (["run", "{tmp}"], ["cannot be read"]),
    (["run", "{tmp}/list.yaml"], ["list.yaml", "mapping"]),
    (["run", "{tmp}/broken.yaml"], ["broken.yaml", "not YAML"]),
    (["run", "{tmp}/unknown.yaml"], ["'cluster.prefil_nodes'", "did you mean 'cluster.prefill_nodes'"]),
    (["run", "{tmp}/zero.yaml"], ["cluster.prefill_nodes = 0"]),
    (["run", "--fast"], ["--fast"]),
    (["run", "--perfetto", "{tmp}/missing/trace.json"], ["--perfetto", "trace.json", "folder"]),
    (["run", "--perfetto", "{tmp}"], ["--perfetto", "not a file"]),
    (["compare", "--systems", "basic,quick"], ["system = 'quick'", "'dualpath'"]),
    (["compare", "--systems", "basic,basic"], ["basic,basic"]),
    (["compare", "--systems", ","], ["systems"]),
    (["compare"], ["--systems"]),
    (["model", "ds-27c"], ["'ds-27c'", "did you mean 'ds-27b'"]),
    (["model", "{tmp}/missing.json"], ["missing.json", "cannot be read"]),
    (["model", "ds-27b", "--context", "-1"], ["--context", "'-1'"]),
    (["model", "{tmp}/mamba.json"], ["mamba.json", "state_size = 16", "state space"]),
    (["model", "{tmp}/fields.json"], ["fields.json", "lacks the field 'num_hidden_layers'"]),
    (["model", "ds-27b", "--kv-dtype", "int4"], ["kv_dtype = 'int4'", "fp8"]),
    (["workload", "{tmp}/fields.json"], ["fields.json", "unknown first object"]),
    (["run", "--set", "workload.source={tmp}/fields.json"], ["fields.json", "unknown first object"]),
    (["model", "ds-27b", "--append", "few"], ["--append", "'few'"]),
    (["theory", "--set", "cluster.decode_nodes=-4"], ["cluster.decode_nodes = -4"]),
    (["workload", "{tmp}/missing.csv"], ["missing.csv"]),
    (["workload", "{tmp}/broken.csv"], ["line 3"]),
    (["serve", "--port", "70000"], ["--port", "'70000'", "65,535"]),
    (["serve", "--port", "-1"], ["--port", "'-1'"]),
    (["serve", "--port", "http"], ["--port", "'http'"]),
    (["serve", "--processes", "0"], ["--processes", "'0'"]),
    (["serve", "--processes-each", "-1"], ["--processes-each", "'-1'"]),
    (["serve", "--max-waiting", "none"], ["--max-waiting", "'none'"]),
    (["serve", "--prefix", "lab/"], ["--prefix lab/", "such as /lab"]),
    (["serve", "--allow-origin", "http://lab.example.org"], ["--allow-origin http://lab.example.org", "HOST:PORT"]),
    (["vl", "--set", "port.prset=fifo"], ["'port.prset'", "did you mean 'port.preset'"]),
    (["vl", "--set", "port.low=[[2, 300]]"], ["port.low.0.1 = 300", "less than or equal to 255"]),
    (["vl", "--set", "port.low=[[15, 1]]"], ["port.low.0.0 = 15", "less than or equal to 14"]),
    (["vl", "--set", "port.mtu_bytes=5000"], ["port.mtu_bytes = 5000", "4096"]),
    (["vl", "--set", "port.preset=wrr"], ["port.preset = 'wrr'", "'roce'"]),
    (["vl", "--set", "kv.lanes=[0]"], ["model.lanes = [0]", "kv.lanes = [0]", "fifo"]),
    (["vl", "--set", "kv.lanes=[7]"], ["kv.lanes = [7]", "lane 7", "weight"]),
    (["vl", "--set", "port.low=[[2, 0]]"], ["port.low", "lane 2"]),
    (["vl", "--config", "{tmp}/broken.yaml"], ["broken.yaml", "not YAML"]),
    (["vl", "--config", "{tmp}/list.yaml"], ["list.yaml", "mapping"]),
    (["vl", "--config", "{tmp}/missing.yaml"], ["missing.yaml", "cannot be read"]),
    (["vl", "{tmp}/zero.yaml"], ["zero.yaml"]),
    (["compare", "--systems", "basic,"], ["--systems", "'basic,'", "empty name"]),
    (["compare", "--systems", ""], ["--systems", "empty name"]),
    (["compare", "--systems", "basic,,dualpath"], ["'basic,,dualpath'", "empty name"]),
    (["run", "--set", "system="], ["system = ", "'dualpath'"]),
    (["compare", "--systems", "basic", "--seeds", "0"], ["--seeds", "'0'"]),
    (["compare", "--systems", "basic", "--seeds", "1,1"], ["--seeds", "'1,1'", "twice"]),
    (["compare", "--systems", "basic", "--seeds", "1,x"], ["--seeds", "'x'", "whole number"]),
    (["reproduce", "--seeds", ","], ["--seeds", "''"]),
    (["run", "--sett", "seed=1"], ["'--sett'", "did you mean '--set'"]),
    (["run", "--perfeto=x.json"], ["'--perfeto=x.json'", "did you mean '--perfetto'"]),
    (["keys", "zzz"], ["'zzz'", "lists them all"]),
    (["launch"], ["'launch'", "run"]),
    (["copmare"], ["'copmare'", "did you mean 'compare'?"]),
    (["Run", "--set", "seed=1"], ["'Run'", "did you mean 'run'?"]),
    ([], ["COMMAND"]),
]


@pytest.mark.parametrize("json_output", [False, True])
@pytest.mark.parametrize(("arguments", "words"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_bad_input_is_one_sentence_and_exit_code_2(
    cli: Any, tmp_path: Path, arguments: list[str], words: list[str], json_output: bool
) -> None:
    """Interface. Mutant: a traceback, usage text, half an answer, another exit code."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    takes_json = arguments[:1] not in ([], ["serve"], ["launch"], ["copmare"], ["Run"])
    given = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    done = cli(*given, *(["--json"] if json_output and takes_json else []))
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("\n")
    assert done.err.count("\n") == 1
    for word in words:
        assert word in done.err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Interface: name and version. Mutant: on stderr; another than the package's."""
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr() == (f"dualpath-lab {dualpath_lab.__version__}\n", "")
    assert version("dualpath-lab") == dualpath_lab.__version__


HELP = ["serve", "run", "compare", "reproduce", "sweep", "advise", "calibrate", "model", "theory", "workload", "vl", "keys"]


@pytest.mark.parametrize("command", HELP)
def test_help_keeps_terms_as_they_are_written(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Mutant: a summary in lower case but for its first letter."""
    with pytest.raises(SystemExit):
        main(["--help"])
    summaries = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    (summary,) = re.findall(rf"^    {command}\s+(.*(?:\n {{10,}}.*)*)", summaries, re.MULTILINE)
    summary = " ".join(summary.split())
    assert f"{summary[0].upper()}{summary[1:]}." in text
    for term in ("KV", "FLOP", "TTFT", "TPOT", "P:D", "JSON", "GPU"):
        assert set(re.findall(rf"(?<![-\w.,]){term}\b", text, re.IGNORECASE)) <= {term}
    if "--seeds" in text:
        assert SEEDS in text


@pytest.mark.parametrize(("text", "found"), [("3", [7, 8, 9]), ("1", [7]), ("0,1,2", [0, 1, 2]), (" 5 , 4 ", [5, 4]), ("5,", [5])])
def test_seeds_mean_the_same_everywhere(text: str, found: list[int]) -> None:
    """How many from the scenario's own on, or which. Mutant: a number alone is a seed to one command and a count to another."""
    assert seeds_of(Scenario(seed=7), several(text)) == found
    assert seeds(text) == (found if "," in text else [seed - 7 for seed in found])


def test_compare_takes_seeds_by_name(cli: Any) -> None:
    """Mutant: only how many."""
    values = cli("compare", *SET, "--systems", "basic", "--seeds", "4,2", "--json").json
    assert [each["seed"] for each in values["over_seeds"]["each"]] == [4, 2]
    assert values["runs"]["basic"]["scenario"]["seed"] == 4


FORMATS = [
    ["run", *SET],
    ["compare", *SET, "--systems", "basic,oracle"],
    ["model", "ds-27b"],
    ["theory"],
    ["workload", "paper-32k"],
    ["keys"],
]


@pytest.mark.parametrize("arguments", FORMATS, ids=lambda arguments: arguments[0])
def test_a_table_comes_as_text_csv_or_json(cli: Any, arguments: list[str]) -> None:
    """CSV has as many cells in each row, columns stand under each other, and JSON is that of ``--json``. Mutant: one format for another."""
    by_flag, by_format = (cli(*arguments, *how).json for how in (["--json"], ["--format", "json"]))
    assert json.dumps(by_flag).count(":") == json.dumps(by_format).count(":")
    header, *rows = csv.reader(io.StringIO(cli(*arguments, "--format", "csv").out))
    assert rows
    assert {len(row) for row in rows} == {len(header)}
    lines = cli(*arguments, "--format", "table").out.splitlines()
    assert len(lines) > 1
    second = len(re.match(r"\S+(?: \S+)* +", lines[0])[0])
    assert all(line[second - 1] == " " != line[second] for line in lines)


def test_the_csv_of_a_run_has_its_numbers_to_the_last_digit(cli: Any) -> None:
    values = cli("run", *SET, "--json").json
    (record,) = csv.DictReader(io.StringIO(cli("run", *SET, "--format", "csv").out))
    assert float(record["jct_s"]) == values["jct_s"]
    assert int(record["tokens.hit"]) == values["tokens"]["hit"]
    assert record["bottleneck"] == values["bottleneck"]


def test_json_and_another_format_do_not_go_together(cli: Any) -> None:
    done = cli("theory", "--json", "--format", "csv")
    assert (done.code, done.out) == (2, "")
    assert "not allowed with" in done.err


def test_an_interrupt_is_exit_code_130(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interface. Mutant: a traceback."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dualpath_lab.cli.simulate", interrupted)
    done = cli("run", *SET, "--json")
    assert (done.code, done.out) == (130, "")
    assert done.err.count("\n") == 1


def python(*arguments: str, hash_seed: int = 0) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment)


def test_as_a_module_in_any_process() -> None:
    """Law 8 across processes, and ``python -m``. Mutant: the order of a set, or an address, decides."""
    runs = [python("-m", "dualpath_lab", "run", *SET, "--json", hash_seed=seed) for seed in (1, 2)]
    assert [(run.returncode, run.stderr) for run in runs] == [(0, "")] * 2
    one, other = (without_wall(json.loads(run.stdout)) for run in runs)
    assert one == other == without_wall(simulate(Scenario(**SMALL)).to_dict())


def test_as_a_module_bad_input_is_exit_code_2() -> None:
    """Interface. Mutant: the exit code of ``main`` gets lost."""
    done = python("-m", "dualpath_lab", "run", "--set", "seed=x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_a_run_needs_no_screen_and_no_tables() -> None:
    """The core is light. Mutant: an import of the dashboards or of pandas at the top of a module."""
    code = f"""
import sys, dualpath_lab
from dualpath_lab.cli import main
from dualpath_lab.lane_scenario import LaneScenario
assert main(["run", *{SET!r}, "--json"]) == 0
heavy = sorted({{name.partition(".")[0] for name in sys.modules}} & {{"panel", "bokeh", "holoviews", "pandas", "param"}})
sys.exit(", ".join(heavy) or 0)
"""
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cold_start_says_that_it_compiles(tmp_path: Path) -> None:
    """Once, and on stderr; then no more. Mutant: silence of 15 s; a line among the answer."""
    code = f"""
import os, sys
os.environ["NUMBA_CACHE_DIR"] = {str(tmp_path)!r}
from dualpath_lab.core import network
from dualpath_lab.core.compiled import FIRST_USE
from dualpath_lab.cli import main
network.fluid.start = network.fluid.finish_next = None  # what follows is not looked at
try:
    main(["run", *{SET!r}])
except TypeError:
    pass
"""
    done = python("-c", code)
    assert done.stderr == "DualPath Lab: compiling once, about 15 s.\n"
    assert done.stdout == ""
