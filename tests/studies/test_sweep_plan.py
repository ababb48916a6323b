"""Which scenarios a sweep holds: laws of the grid and the list, and what is refused before anything runs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dualpath_lab
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.sweep import key_of, make_plan
from dualpath_lab.studies.sweep.plan import MOST_SCENARIOS

AXES: dict[str, st.SearchStrategy[Any]] = {
    "system": st.sampled_from(["basic", "dualpath", "oracle"]),
    "cluster.prefill_nodes": st.integers(1, 1024),
    "cluster.storage_gbps": st.floats(1, 1e6),
    "workload.hit_rate": st.none() | st.floats(0, 1),
    "mechanisms.adaptive": st.none() | st.booleans(),
    "seed": st.integers(0, 2**32 - 1),
}
BASES: list[dict[str, Any]] = [
    {},
    {"model": "qwen-32b", "workload.agents": 7},
    {"model": "qwen-32b", "workload": {"agents": 7, "tool_gap_s": 1}, "cluster.gpus_per_node": 4},
]


@st.composite
def grids(draw: st.DrawFn) -> dict[str, list[Any]]:
    keys = draw(st.permutations(list(AXES)))[: draw(st.integers(1, 3))]
    return {key: draw(st.lists(AXES[key], min_size=1, max_size=3, unique=True)) for key in keys}


def nested(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        part, _, leaf = key.rpartition(".")
        (found.setdefault(part, {}) if part else found)[leaf] = value
    return found


@given(grids(), st.sampled_from(BASES))
def test_a_grid_is_the_product_in_order(grid: dict[str, list[Any]], base: dict[str, Any]) -> None:
    """Law: the scenarios are the base with each combination, the last key fastest. Mutant: zip, another order, base over grid."""
    plan = make_plan({"base": base, "grid": grid})
    common = Scenario(**nested({key: value for key, value in base.items() if not isinstance(value, dict)}))
    common = common.with_values({f"{part}.{key}": v for part, inner in base.items() if isinstance(inner, dict) for key, v in inner.items()})
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    assert list(plan.scenarios.values()) == [common.with_values(combination) for combination in combinations]
    assert plan.swept == tuple(grid)
    assert plan.shape == tuple(len(values) for values in grid.values())
    assert list(plan.scenarios) == [key_of(scenario) for scenario in plan.scenarios.values()]


@given(grids())
def test_a_list_of_the_product_is_the_grid(grid: dict[str, list[Any]]) -> None:
    """Metamorphic; nested is dotted. Mutant: the two forms are read by different rules."""
    points = [nested(dict(zip(grid, values, strict=True))) for values in itertools.product(*grid.values())]
    by_list, by_grid = make_plan({"list": points}), make_plan({"grid": nested(grid)})
    assert by_list.scenarios == by_grid.scenarios
    assert set(by_list.swept) == set(by_grid.swept) == set(grid)
    assert by_list.shape is None


def test_a_file_is_what_it_holds(tmp_path: Path) -> None:
    """Mutant: the file is read as a scenario."""
    values = {"base": {"model": "qwen-32b"}, "grid": {"seed": [3, 1, 2]}}
    path = tmp_path / "sweep.yaml"
    path.write_text(json.dumps(values), encoding="utf-8")
    assert make_plan(path) == make_plan(str(path)) == make_plan(values)


def test_a_key_is_the_scenario_and_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a value that is left out of the hash; results of another version count as ours."""
    scenario = Scenario()
    known = {key_of(scenario), key_of(scenario.with_values({"seed": 1})), key_of(scenario.with_values({"slo.tpot_s": 0.06}))}
    assert len(known) == 3
    assert key_of(Scenario(cluster={"storage_gbps": 400})) == key_of(scenario)
    monkeypatch.setattr(dualpath_lab, "__version__", "0.0.0")
    assert key_of(scenario) not in known


LINKED = {"cluster.prefill_nodes, cluster.decode_nodes": [[1, 2], [2, 4], [4, 2]], "seed": [0, 1]}


def test_linked_keys_move_together() -> None:
    """As the same points in a list. Mutant: their product; values in another key's place."""
    plan = make_plan({"base": {"model": "qwen-32b"}, "grid": LINKED})
    points = [
        {"cluster": {"prefill_nodes": prefill, "decode_nodes": decode}, "seed": seed}
        for prefill, decode in ((1, 2), (2, 4), (4, 2))
        for seed in (0, 1)
    ]
    assert plan.scenarios == make_plan({"base": {"model": "qwen-32b"}, "list": points}).scenarios
    assert plan.axes == (("cluster.prefill_nodes", "cluster.decode_nodes"), ("seed",))
    assert plan.swept == ("cluster.prefill_nodes", "cluster.decode_nodes", "seed")
    assert plan.shape == (3, 2)
    in_python = {("cluster.prefill_nodes", "cluster.decode_nodes"): [(1, 2), (2, 4), (4, 2)], "seed": [0, 1]}
    assert make_plan({"base": {"model": "qwen-32b"}, "grid": in_python}) == plan


BAD: list[tuple[Any, list[str]]] = [
    ({}, ["grid or list", "neither"]),
    ({"grid": {"seed": [1]}, "list": [{"seed": 1}]}, ["grid or list", "both"]),
    ({"gird": {"seed": [1]}}, ["'gird'", "did you mean 'grid'"]),
    ({"seed": 3, "grid": {"seed": [1]}}, ["'seed'", "below base"]),
    ({"base": [1], "grid": {"seed": [1]}}, ["base = [1]", "mapping"]),
    ({"base": {"sistem": "basic"}, "grid": {"seed": [1]}}, ["base", "'sistem'", "did you mean 'system'"]),
    ({"base": {"cluster": 5}, "grid": {"seed": [1]}}, ["base", "cluster = 5"]),
    (
        {"base": {"cluster": {"prefill_nodes": 1}, "cluster.prefill_nodes": 2}, "grid": {"seed": [1]}},
        ["base", "cluster.prefill_nodes", "twice"],
    ),
    ({"grid": {}}, ["grid", "empty"]),
    ({"grid": [1]}, ["grid = [1]", "mapping"]),
    ({"grid": {"seed": 3}}, ["grid", "seed = 3", "list"]),
    ({"grid": {"seed": []}}, ["grid", "seed = []", "list"]),
    ({"grid": {"seed": [1, "x"]}}, ["value 2 of seed", "seed = 'x'"]),
    ({"grid": {"cluster.prefill_nodes": [1, 0], "seed": [1]}}, ["value 2", "cluster.prefill_nodes = 0", "greater than or equal to 1"]),
    ({"grid": {"cluster.nodes": [1]}}, ["'cluster.nodes'", "did you mean"]),
    ({"grid": {"cluster": [{"prefill_nodes": 1}]}}, ["'cluster'", "'cluster.prefill_nodes'"]),
    ({"grid": {"seed": [1, 2, 1]}}, ["seed = 1", "the same scenario"]),
    ({"grid": {"cluster.storage_gbps": [400, 400.0]}}, ["cluster.storage_gbps = 400.0", "the same scenario"]),
    ({"grid": {"seed": list(range(400)), "workload.agents": list(range(1, 400))}}, ["159,600", f"{MOST_SCENARIOS:,}"]),
    ({"grid": {"model": ["ds-27b", "ds-27c"]}}, ["model = 'ds-27c'", "did you mean 'ds-27b'"]),
    ({"grid": {"workload.source": ["paper-32k", "paper-3k"]}}, ["workload.source = 'paper-3k'", "did you mean"]),
    ({"grid": {"seed, workload.agents": [[1, 2], [3]]}}, ["value 2 of seed, workload.agents", "[3]", "2 values"]),
    ({"grid": {"seed, workload.agents": [3]}}, ["value 1 of seed, workload.agents", "3", "2 values"]),
    ({"grid": {"seed, workload.agents": [[1, 2], [3, 0]]}}, ["value 2 of seed,workload.agents", "workload.agents = 0"]),
    ({"grid": {"seed, workload.agents": [[1, 2]], "seed": [1]}}, ["'seed'", "twice"]),
    ({"grid": {"seed, seed": [[1, 2]]}}, ["'seed'", "twice"]),
    ({"grid": {"seed,": [[1, 2]]}}, ["''"]),
    ({"grid": {"cluster.preset": ["dgx-h100", "dgx-h200"]}}, ["cluster.preset", "stands for several keys"]),
    ({"list": [{"cluster": {"preset": "dgx-h100"}}]}, ["cluster.preset", "stands for several keys"]),
    ({"list": {"seed": 1}}, ["list = ", "mapping"]),
    ({"list": []}, ["list = []"]),
    ({"list": [{"seed": 1}, 2]}, ["list[1] = 2", "mapping"]),
    ({"list": [{"seed": 1}, {"seed": -1}]}, ["list[1]", "seed = -1"]),
    ({"list": [{"seed": 1}, {"system": "basic"}, {"seed": 1}]}, ["list[2]", "list[0]", "the same scenario"]),
]


@pytest.mark.parametrize(("values", "words"), BAD, ids=[" ".join(words)[:60] for _, words in BAD])
def test_what_is_not_allowed_is_one_sentence_that_says_where(values: Any, words: list[str]) -> None:
    """Bad input. Mutant: a traceback, a scenario that fails hours later, a place that is not named."""
    with pytest.raises(ScenarioError) as error:
        make_plan(values)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)
