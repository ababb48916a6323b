"""Input that somebody made to break the lab, or that no one would think of: what YAML can say in few words, devices, endless names."""

from __future__ import annotations

import math
from typing import Any

from dualpath_lab import Scenario
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.models import load_model
from dualpath_lab.scenario import load_scenario
from dualpath_lab.studies.sweep import make_plan

from .giving import MEASURED, command_line, config, file, link, llama, measurements, python, scenario_file, sweep_file

BOMB = "a: &l0 [x]\n" + "".join(f"b{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 10))
SMALL_BOMB = "seed:\n" + "".join(f"  {line}\n" for line in BOMB.splitlines()[:4])
LONG = "x" * 1_000_000


def _itself() -> dict[str, Any]:
    """A mapping that holds itself."""
    values: dict[str, Any] = {}
    values["cluster"] = values
    return values


HOSTILE = [
    scenario_file("seed: !!bool x\n", "'x' is not a valid bool", "line 1"),
    scenario_file("seed: !!int ''\n", "'' is not a valid int"),
    scenario_file("horizon_s: !!float ''\n", "'' is not a valid float"),
    scenario_file("seed: !!set [1]\n", "expected a mapping"),
    scenario_file("seed: !!timestamp soon\n", "'soon' is not a valid timestamp"),
    scenario_file("seed: !!python/object/apply:os.getcwd []\n", "python/object/apply:os.getcwd"),
    scenario_file("cluster: {1: 2}\n", "The key 1 of cluster"),
    scenario_file("model: ''\n", "model = ''", "at least 1 character"),
    scenario_file("cluster: &self {preset: *self}\n", "refers to itself"),
    scenario_file("<<: 3\n", "merging"),
    file("Scenario file", "s.yaml", "horizon_s: " + "9:" * 400 + "0.5", load_scenario, ("not a valid float",), "400 digits to the base 60"),
    file("Scenario file", "s.yaml", "seed: 0x" + "f" * 5000, load_scenario, ("larger than any number",), "5,000 digits to the base 16"),
    file("Scenario file", "s.yaml", "seed: " + "9" * 5000, load_scenario, ("not a valid int",), "5,000 digits"),
    file("Scenario file", "s.yaml", f"system: {LONG}", load_scenario, ("system = 'xxx",), "a system's name of a million letters"),
    file("Scenario file", "s.yaml", f"{LONG[:900]}: 3", load_scenario, ("Unknown scenario key 'xxx",), "a key of 900 letters"),
    file(
        "Scenario file",
        "s.yaml",
        BOMB,
        load_scenario,
        ("more than 1,000,000 values",),
        "nine lists of nine aliases, each of the one before",
    ),
    file("Scenario file", "s.yaml", SMALL_BOMB, load_scenario, ("seed = ",), "three such lists, as the seed"),
    file("Scenario file", "s.yaml", "".join(f"k{n}: 1\n" for n in range(30_000)), load_scenario, ("'k0'",), "30,000 unknown keys"),
    file("Scenario file", "s.yaml", "#" * 4_000_001, load_scenario, ("too large", "4,000,000"), "4 MB and a byte"),
    sweep_file("base: &self {cluster: *self}\ngrid: {seed: [1]}\n", "refers to itself"),
    sweep_file("grid: {cluster: {a: {b: {c: {d: {e: {f: {g: {h: {i: {j: [1]}}}}}}}}}}}\n", "nested too deeply"),
    command_line("sweep FOLDER/sweep.yaml --out .", "out = '.'", "folder", files={"sweep.yaml": "grid: {seed: [1]}\n"}),
    command_line("run --set seed=!!bool", "seed = '!!bool'"),
    command_line("run --set seed=&self[*self]", "seed = '&self[*self]'"),
    command_line("vl --set port.low=&l[*l]", "port.low"),
    command_line("model .", "'.'", "Is a directory"),
    command_line("model /dev/zero/config.json", "Not a directory"),
    command_line("reproduce --from /dev/zero", "'/dev/zero'", "too large"),
    command_line("calibrate /dev/zero --out FOLDER/mine.yaml", "'/dev/zero'", "too large"),
    command_line("workload /dev/zero", "'/dev/zero'", "not a file"),
    measurements(MEASURED + '"' + "9" * 200_000, "field larger than field limit"),
    config('{"num_hidden_layers": ' + "9" * 5000 + "}", "not JSON", shown="5,000 digits"),
    config("[" * 100_000, "nested too deeply", shown="100,000 brackets"),
    config('{"a": 1, "a": 2}', "'a' stands twice"),
    llama("hidden_size", [["deep"] * 9] * 9, "hidden_size = [["),
    link("", "?v=1&colour=red&colour=blue", LabState, "'colour' stands twice"),
    link("", "?v=1" + "".join(f"&k{n}=" for n in range(120)), LabState, "121 parts", "96 more"),
    link("", "?v=1&workload.agents=!!bool x", LabState, "workload.agents = '!!bool x'"),
    link("", "?v=1&workload.agents=!!int ''", LabState, "workload.agents = "),
    link("", "?v=1&cluster.storage_gbps=" + "9:" * 150 + "0.5", LabState, "cluster.storage_gbps"),
    python("Scenario(seed=2**20_000)", lambda: Scenario(seed=2**20_000), "seed = an integer of 20,001 bits"),
    python("Scenario(horizon_s=nan)", lambda: Scenario(horizon_s=math.nan), "horizon_s = nan"),
    python(
        'make_plan({"base": a mapping that holds itself, ...})', lambda: make_plan({"base": _itself(), "grid": {"seed": [1]}}), "deeply"
    ),
    python(r'load_scenario("a\0b")', lambda: load_scenario("a\0b"), "null"),
    python(r'load_model("a\nb/config.json")', lambda: load_model("a\nb/config.json"), r"a\nb"),
]
