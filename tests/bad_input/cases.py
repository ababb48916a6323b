"""Every kind of bad input that the lab can get, by the way it comes in, and what has to be in its answer."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from dualpath_lab import Placement, Policy, Scenario, Workload, compare, simulate
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.dashboards.advisor_state import AdvisorState
from dualpath_lab.dashboards.anatomy_state import AnatomyState
from dualpath_lab.dashboards.explore_state import ExploreState
from dualpath_lab.dashboards.lane_state import LaneState
from dualpath_lab.dashboards.paper import PaperState
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.dashboards.uploads import MOST_BYTES
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import load_model
from dualpath_lab.scenario import load_scenario
from dualpath_lab.studies.sweep import sweep

from .giving import (
    H200,
    MEASURED,
    PLAIN,
    SMALL,
    Case,
    command_line,
    config,
    file,
    hardware,
    link,
    llama,
    measurements,
    policy,
    python,
    scenario_file,
    sweep_file,
    trace,
    upload,
)
from .hostile import HOSTILE

NEGATIVE = {"session": ["a", "a"], "turn": [0, 1], "appended": [5, -5], "generated": [1, 1]}


class Raises(Policy):
    def place(self, turn: TurnView) -> Placement | None:
        raise KeyError("lost")


class Leaves(Policy):
    def place(self, turn: TurnView) -> Placement | None:
        raise SystemExit(0)


class Waits(Policy):
    def place(self, turn: TurnView) -> Placement | None:
        return None


class TooMuch(Policy):
    def place(self, turn: TurnView) -> Placement | None:
        return Placement(self.cluster.prefill_engines[0], self.cluster.decode_engines[0], turn.hit + 64)


class WrongEngine(Policy):
    def place(self, turn: TurnView) -> Placement | None:
        return Placement(self.cluster.decode_engines[0], self.cluster.decode_engines[0], 0)  # type: ignore[arg-type]  # the mistake


class NoPlacement(Policy):
    def place(self, turn: TurnView) -> Placement | None:
        return "p0"  # type: ignore[return-value]  # the mistake


def every() -> Iterator[Case]:
    """All cases, way by way."""
    yield from COMMANDS
    yield from FILES
    yield from REST
    yield from HOSTILE


COMMANDS = [
    command_line("", "COMMAND"),
    command_line("launch", "'launch'"),
    command_line("run --fast", "--fast"),
    command_line("run missing.yaml", "missing.yaml"),
    command_line("run FOLDER", "cannot be read"),
    command_line("run /dev/zero", "/dev/zero", "too large"),
    command_line("run --set workload.agents", "'workload.agents'", "KEY=VALUE"),
    command_line("run --set =3", "'=3'"),
    command_line("run --set workload.arrival_rate=1e-18 --set workload.agents=8", "workload.arrival_rate", "1e-18", "8 agents"),
    command_line(
        "run --set workload.source=FOLDER/t.csv --set workload.tool_gap_s=null --set workload.agents=1",
        *("workload.tool_gap_s", "null", "1e+10 s"),
        files={"t.csv": PLAIN + "a,0,100,10,\n" + "".join(f"a,{turn},100,10,1000000000\n" for turn in range(1, 11))},
    ),
    command_line("run --set sytem=basic", "'sytem'", "did you mean 'system'"),
    command_line("run --set model=ds-27c", "'ds-27c'", "did you mean 'ds-27b'"),
    command_line("run --set system=fast", "system = 'fast'", "'dualpath'"),
    command_line("run --set system=nowhere_to_be_found:Policy", "nowhere_to_be_found:Policy"),
    command_line("run --set system=dualpath_lab.scenario:SYSTEMS", "SYSTEMS"),
    command_line("run --set cluster.prefill_nodes=0", "cluster.prefill_nodes = 0"),
    command_line("run --set cluster.storage_gbps=.nan", "cluster.storage_gbps = nan"),
    command_line("run --set cluster.storage_gbps=.inf", "cluster.storage_gbps = inf"),
    command_line("run --set workload.hit_rate=1.5", "workload.hit_rate = 1.5"),
    command_line("run --set seed=-1", "seed = -1"),
    command_line("run --set seed=lucky", "seed = 'lucky'"),
    command_line("run --set horizon_s=0", "horizon_s = 0"),
    command_line("run --set cluster.hbm_gbytes=20", "cluster.hbm_gbytes = 20"),
    command_line("run --set workload.source=paper-65k", "'paper-65k'", "did you mean 'paper-64k'"),
    command_line("run --set mechanisms.layerwise=false", "mechanisms.layerwise"),
    command_line("run --perfetto missing/trace.json", "missing/trace.json"),
    command_line("compare", "--systems"),
    command_line("compare --systems ,", "systems"),
    command_line("compare --systems basic,basic", "basic,basic"),
    command_line("compare --systems basic --seeds 0", "--seeds", "'0'"),
    command_line("compare --systems basic,", "'basic,'", "empty name"),
    command_line("compare --systems basic --seeds 1,1", "--seeds", "'1,1'"),
    command_line("copmare --systems basic,dualpath", "'copmare'", "did you mean 'compare'"),
    command_line("run --jsn", "'--jsn'", "did you mean '--json'"),
    command_line("theory --format xml", "--format", "'xml'"),
    command_line("keys sed", "'sed'", "did you mean 'seed'"),
    command_line("reproduce R99", "R99"),
    command_line("reproduce B2.oracle", "B2.oracle", "B2.basic"),
    command_line("reproduce A1 --slow", "--slow"),
    command_line("reproduce --set seed=1", "seed=1", "--seeds"),
    command_line("reproduce --sensitivity --set mechanisms.forward_tokens=64", "mechanisms.forward_tokens"),
    command_line("advise --gpus 0", "--gpus", "'0'"),
    command_line("advise --gpus 1", "gpus"),
    command_line("advise --gpus 48 --slo-ttft -1", "slo"),
    command_line("sweep missing.yaml", "missing.yaml"),
    command_line("model ds-27c", "'ds-27c'", "did you mean 'ds-27b'"),
    command_line("model ds-27b --context -1", "--context", "'-1'"),
    command_line("model ds-27b --kv-dtype int4", "kv_dtype = 'int4'"),
    command_line("workload missing.csv", "missing.csv"),
    command_line("theory --set cluster.decode_nodes=-4", "cluster.decode_nodes = -4"),
    command_line("vl --set port.mtu_bytes=5000", "port.mtu_bytes = 5000"),
    command_line("vl --set port.low=[[2,300]]", "port.low.0.1 = 300"),
    command_line("serve --port 70000", "--port", "'70000'"),
    command_line("serve --max-sessions 0", "--max-sessions", "'0'"),
    command_line("serve --allow-origin http://x/", "--allow-origin", "http://x/"),
    command_line("calibrate missing.csv --out mine.yaml", "missing.csv"),
]

FILES = [
    scenario_file("- 1\n- 2\n", "mapping"),
    scenario_file("cluster: {prefill_nodes: 2\n", "not YAML"),
    scenario_file("cluster: {prefil_nodes: 2}\n", "'cluster.prefil_nodes'", "did you mean 'cluster.prefill_nodes'"),
    scenario_file("seed: 1\nseed: 2\n", "'seed' stands twice"),
    scenario_file("cluster: fast\n", "cluster", "'fast'"),
    scenario_file("seed: true\n", "seed = True"),
    scenario_file("seed: 2001-99-99\n", "scenario.yaml", "2001-99-99"),
    scenario_file("workload: {agents: 1e400}\n", "workload.agents"),
    scenario_file("prefill: {storage_gbps: -1}\n", "prefill.storage_gbps = -1"),
    file("Scenario file", "scenario.yaml", b"\xff\xfe\x00seed", load_scenario, ("not YAML",), "bytes that are no text"),
    file("Scenario file", "scenario.yaml", "[" * 20_000, load_scenario, ("not YAML",), "20,000 brackets"),
    sweep_file("base: {seed: 1}\n", "grid or list"),
    sweep_file("grid: {}\n", "grid"),
    sweep_file("grid: {seed: []}\n", "seed"),
    sweep_file("grid: {seed: 3}\n", "seed"),
    sweep_file("grid: {seed: [0, -1]}\n", "seed = -1"),
    sweep_file("grid: {sed: [0, 1]}\n", "'sed'", "did you mean 'seed'"),
    sweep_file("list: [3]\n", "list"),
    sweep_file("list: []\n", "list"),
    sweep_file("grid: {seed: [1]}\nlist: [{seed: 1}]\n", "grid"),
    sweep_file("grid: {'seed, system': [[0, basic], [1]]}\n", "value 2 of seed, system", "2 values"),
    sweep_file("grid: {cluster.preset: [dgx-h100]}\n", "cluster.preset", "several keys"),
    sweep_file("colour: red\n", "colour"),
    trace("", "empty"),
    trace("colour,shape\n1,2\n", "unknown header 'colour,shape'"),
    trace("0,0,0,,0,0\n600,0,0,,0,0\n", "no line of column names", "ServeGen"),
    trace("session,turn,input_tokens,output_tokens,hit_tokens_incl_output\na,0,100,5,0\n", "gap_before_s"),
    trace("TIMESTAMP,ContextTokens\n0,5\n", "lacks the column GeneratedTokens"),
    trace("timestamp,input_tokens,output_tokens\n0,5,1\n9e10,5,1\n", "ten years", "timestamp_ms"),
    trace("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-12,5,1\n17,5,1\n", "line 3", "TIMESTAMP = '17'"),
    trace('[{"id": "a", "messages": [{"role": "assistant", "content": "hello"}]}]', "without token counts", name="trace.json"),
    trace('{"conversations": [{"from": "human", "value": "hi"}]}', "ShareGPT", name="trace.json"),
    trace("timestamp,input_length,output_length\n".encode("utf-16"), "UTF-16", shown="text in UTF-16"),
    trace(b"(\xb5/\xfd and no more", "trace.csv.zst", name="trace.csv.zst", shown="a zst file that is cut"),
    trace(PLAIN + "a,0,-1,5,0\n", "line 2", "appended = '-1'"),
    trace(PLAIN + "a,0,nan,5,0\n", "line 2", "appended = 'nan'"),
    trace(PLAIN + "a,0,1,5,inf\n", "line 2", "gap_s = 'inf'"),
    trace(PLAIN + "a,0,1,5,0\na,2,1,5,0\n", "line 3", "turn = '2'"),
    trace(PLAIN.strip() + ",colour\na,0,1,5,0,red\n", "unknown column 'colour'"),
    trace(PLAIN + "a,0,1\n", "line 2"),
    trace(PLAIN + "a,0,1,5," + "9" * 2_000_000, "line 2", shown="a line of 2 MB"),
    trace(b"\x00" * 10, "unknown header", shown="10 zero bytes"),
    trace(gzip.compress(PLAIN.encode())[:20], "trace.csv", name="trace.csv.gz", shown="a gz file that is cut"),
    trace('{"requests": 3}', "requests = 3", name="trace.json"),
    trace('{"hash_ids": [1, 2], "input_length": 5, "output_length": 1}', "hash_ids = a list of 2", name="trace.jsonl"),
    trace("[" * 100_000, "not JSON", name="trace.json", shown="100,000 brackets"),
    trace("PAR1 and no more PAR1", "trace.parquet", name="trace.parquet"),
    config("{", "JSON"),
    config([], "config.json"),
    config({"model_type": "mamba", "state_size": 16}, "state_size = 16"),
    config({"model_type": "llama"}, "'num_hidden_layers'"),
    llama("num_hidden_layers", -2, "num_hidden_layers = -2"),
    llama("num_key_value_heads", 3, "num_key_value_heads"),
    llama("hidden_size", "big", "hidden_size = 'big'"),
    llama("torch_dtype", "int3", "int3"),
    llama("kv_cache_dtype", "int4", "kv_cache_dtype = 'int4'", "--kv-dtype"),
    llama("layer_types", ["linear_attention"] * 2, "layer_types"),
    llama("text_config", {"model_type": "bert", "num_hidden_layers": 2}, "text_config.model_type = 'bert'"),
    hardware({}, "name"),
    hardware(H200 | {"attention_tflops": 0}, "attention_tflops = 0"),
    hardware(H200 | {"storage_efficiency": 1.5}, "storage_efficiency = 1.5"),
    hardware(H200 | {"colour": "red"}, "colour"),
    measurements("", "measurements.csv"),
    measurements("a,b\n1,2\n", "measurements.csv"),
    measurements(MEASURED, "measurements.csv"),
    measurements(MEASURED + "1000,0,1,-0.5,\n", "ttft_s"),
    measurements(MEASURED + "1000,2000,1,0.5,\n", "cached"),
    measurements(MEASURED + "8000,0,1,400,\n16000,0,1,900,\n32000,0,1,2100,\n8000,0,8,3000,\n", "as times in ms would", "ttft_s"),
    measurements(MEASURED + "8000,0,1,.04,\n16000,0,1,.09,\n32000,0,1,.21,\n8000,0,8,.3,\n", "data sheet of h200"),
]

REST = [
    link("", "?v=1&cluster.prefill_nodes=99999", LabState, "cluster.prefill_nodes", "99999"),
    link("", "?v=1&cluster.prefill_nodes=two", LabState, "cluster.prefill_nodes", "two"),
    link("", "?v=1&cluster.storage_gbps=nan", LabState, "cluster.storage_gbps", "nan"),
    link("", "?v=99&seed=1", LabState, "99"),
    link("", "?v=1&sed=1", LabState, "'sed'"),
    link("", "?v=1&workload.source=/etc/passwd", LabState, "workload.source", "/etc/passwd"),
    link("", "?v=1&system_b=os:system", LabState, "system_b", "os:system"),
    link("explore", "?v=1&x.values=999", ExploreState, "x.values"),
    link("explore", "?v=1&measure=beauty", ExploreState, "measure", "beauty"),
    link("anatomy", "?v=1&pick=nicest", AnatomyState, "pick", "nicest"),
    link("lanes", "?v=1&port.preset=wrr", LaneState, "port.preset", "wrr"),
    link("paper", "?v=1&row=R99", PaperState, "row", "R99"),
    link("advisor", "?v=1&gpus=0", AdvisorState, "gpus"),
    upload("a file of 20 MB and a byte", "large.csv", b"x" * (MOST_BYTES + 1), "large.csv", "20 MB"),
    upload("a file named ../.bashrc", "../.bashrc", b"x", "'../.bashrc'"),
    upload("a trace that is none", "notes.txt", b"dear diary", "notes.txt"),
    upload("a config that is none", "config.json", b"{}", "config.json"),
    upload("a trace of 40,000 turns", "long.csv", (PLAIN + "".join(f"a,{n},1,1,0\n" for n in range(40_000))).encode(), "40,000 turns"),
    upload("a bomb: 1 GB in 1 MB", "bomb.csv.gz", gzip.compress(b"0" * 1_000_000_000, 9), "bomb.csv.gz"),
    policy("place raises KeyError", Raises, "Raises", "turn 0 of agent", "KeyError"),
    policy("place returns None for ever", Waits, "Waits", "turn 0 of agent", "not placed"),
    policy("place reads more than the hits", TooMuch, "prefill_read"),
    policy("place has a decode engine prefill", WrongEngine, "prefill = "),
    policy("place returns a text", NoPlacement, "'p0'"),
    policy("place ends the process", Leaves, "Leaves", "SystemExit"),
    policy("a class without place", int, "int"),
    python("Scenario(seed=-1)", lambda: Scenario(seed=-1), "seed = -1"),
    python("Scenario(sed=1)", lambda: Scenario(sed=1), "'sed'", "did you mean 'seed'"),
    python('Scenario(cluster={"prefill_nodes": None})', lambda: Scenario(cluster={"prefill_nodes": None}), "cluster.prefill_nodes = None"),
    python('Scenario().with_values({"cluster": 3})', lambda: Scenario().with_values({"cluster": 3}), "cluster"),
    python('Scenario().with_values({"cluster.x.y": 3})', lambda: Scenario().with_values({"cluster.x.y": 3}), "'cluster.x'"),
    python("compare(Scenario(), [])", lambda: compare(Scenario(), []), "systems = []"),
    python('compare(Scenario(), ["basic"], seeds=0)', lambda: compare(Scenario(), ["basic"], seeds=0), "seeds = 0"),
    python('sweep({"grid": {}})', lambda: sweep({"grid": {}}), "grid"),
    python('sweep({"grid": {"seed": [1]}}, processes=0)', lambda: sweep({"grid": {"seed": [1]}}, processes=0), "processes = 0"),
    python('sweep({"grid": {"seed": [1]}}, resume=True)', lambda: sweep({"grid": {"seed": [1]}}, resume=True), "resume = True"),
    python('compare(Scenario(), ["basic"], seeds=[1, 1])', lambda: compare(Scenario(), ["basic"], seeds=[1, 1]), "seeds = [1, 1]"),
    python(
        'Workload.from_frame({"session": ["a"]})', lambda: Workload.from_frame({"session": ["a"]}), "session, turn, appended, generated"
    ),
    python("Workload.from_frame of a turn of -5 tokens", lambda: Workload.from_frame(NEGATIVE), "row 2", "appended = -5"),
    python("Result.decisions() of a run that kept none", lambda: simulate(SMALL).decisions(), "decisions=True"),
    python('load_model("ds-27c")', lambda: load_model("ds-27c"), "'ds-27c'", "did you mean 'ds-27b'"),
    python('load_hardware("h201")', lambda: load_hardware("h201"), "h201"),
]
