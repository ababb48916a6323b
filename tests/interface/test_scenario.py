"""One schema for YAML, ``--set`` and Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError, keys, load_scenario

DEFAULTS: dict[str, Any] = {
    "model": "ds-660b",
    "kv_dtype": None,
    "system": "dualpath",
    "cluster.prefill_nodes": 2,
    "cluster.decode_nodes": 4,
    "cluster.gpus_per_node": 8,
    "cluster.storage_gbps": 400,
    "cluster.compute_gbps": 400,
    "cluster.dram_gbytes_per_s": 500,
    "cluster.copy_method": "rdma",
    "workload.source": "paper-64k",
    "workload.agents": 1024,
    "workload.arrival_rate": None,
    "workload.hit_rate": None,
    "workload.append_scale": 1,
    "workload.generate_scale": 1,
    "workload.tool_gap_s": 0,
    "mechanisms.layerwise": None,
    "mechanisms.dual_path": None,
    "mechanisms.adaptive": None,
    "mechanisms.compute_quota": None,
    "mechanisms.forward_tokens": None,
    "traffic.model_share": None,
    "slo.ttft_s": 4,
    "slo.tpot_s": 0.05,
    "horizon_s": None,
    "seed": 0,
}
"""The interface's table."""

OTHERS: dict[str, Any] = {
    "model": "ds-27b",
    "kv_dtype": "bf16",
    "system": "basic",
    "cluster.prefill_nodes": 3,
    "cluster.decode_nodes": 1,
    "cluster.gpus_per_node": 4,
    "cluster.storage_gbps": 100.5,
    "cluster.compute_gbps": 200.0,
    "cluster.dram_gbytes_per_s": 250.0,
    "cluster.copy_method": "copy_engine",
    "workload.source": "paper-32k",
    "workload.agents": 7,
    "workload.arrival_rate": 0.25,
    "workload.hit_rate": 0.5,
    "workload.append_scale": 2.0,
    "workload.generate_scale": 0.5,
    "workload.tool_gap_s": 1.5,
    "mechanisms.layerwise": True,
    "mechanisms.dual_path": False,
    "mechanisms.adaptive": True,
    "mechanisms.compute_quota": False,
    "mechanisms.forward_tokens": 1024,
    "traffic.model_share": 0.1,
    "slo.ttft_s": 2.0,
    "slo.tpot_s": 0.1,
    "horizon_s": 60.0,
    "seed": 9,
}


def nested(values: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, leaf = key.split(".")
        inner = tree
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[leaf] = value
    return tree


def value_at(scenario: Scenario, key: str) -> Any:
    found: Any = scenario
    for name in key.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("key", DEFAULTS)
def test_every_promised_key_has_its_default(key: str) -> None:
    """Interface. Mutant: a default changed, a key renamed."""
    assert value_at(Scenario(), key) == DEFAULTS[key]
    assert key in keys()


def test_promised_systems_are_known() -> None:
    """Interface, section 10. Mutant: a system renamed."""
    assert {"basic", "layerwise", "roundrobin", "dualpath", "split", "oracle"} <= set(SYSTEMS)


def test_file_assignments_and_python_give_equal_scenarios(tmp_path: Path) -> None:
    """One schema. Mutant: a key that one of the three doors does not pass on."""
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(nested(OTHERS)), encoding="utf-8")
    python = Scenario(**nested(OTHERS))
    assert load_scenario(path) == python
    assert load_scenario(str(path)) == python
    assert load_scenario(None, [f"{key}={value}" for key, value in OTHERS.items()]) == python
    assert Scenario().with_values(OTHERS) == python
    assert all(value_at(python, key) == value for key, value in OTHERS.items())
    assert python != Scenario()


def test_assignments_win_over_the_file_and_later_ones_over_earlier(tmp_path: Path) -> None:
    """Interface. Mutant: the file wins, or a part that is set loses the file's other keys."""
    path = tmp_path / "scenario.yaml"
    path.write_text("cluster: {prefill_nodes: 5, decode_nodes: 6}\nseed: 1\n", encoding="utf-8")
    scenario = load_scenario(path, ["cluster.prefill_nodes=7", "seed=2", "seed=3", "horizon_s=null"])
    assert (scenario.cluster.prefill_nodes, scenario.cluster.decode_nodes, scenario.seed) == (7, 6, 3)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    """Mutant: an error for what says nothing."""
    path = tmp_path / "scenario.yaml"
    path.write_text("# nothing\n", encoding="utf-8")
    assert load_scenario(path) == Scenario() == load_scenario()


@pytest.mark.parametrize("key", DEFAULTS)
def test_round_trip_through_plain_values(key: str) -> None:
    """Mutant: a value that is not written, or comes back as another."""
    scenario = Scenario().with_values({key: OTHERS[key]})
    assert Scenario(**scenario.model_dump()) == scenario
    assert Scenario(**yaml.safe_load(yaml.safe_dump(scenario.model_dump()))) == scenario
    assert scenario != Scenario()


def test_a_scenario_cannot_be_changed() -> None:
    """Law 8: equal scenarios give equal results. Mutant: a shared default that one run changes for the next."""
    scenario = Scenario()
    with pytest.raises(ValueError, match="frozen"):
        scenario.seed = 1
    with pytest.raises(ValueError, match="frozen"):
        scenario.cluster.prefill_nodes = 1
    scenario.with_values({"cluster.prefill_nodes": 9})
    assert Scenario().cluster.prefill_nodes == scenario.cluster.prefill_nodes == 2


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("cluster.prefill_nodes", [0, -1, 1.5, "two", None, True]),
        ("cluster.decode_nodes", [0, 10**9]),
        ("cluster.gpus_per_node", [0, "8 GPUs"]),
        ("cluster.storage_gbps", [0, -400, float("nan"), float("inf"), "fast"]),
        ("cluster.compute_gbps", [0, -1]),
        ("cluster.dram_gbytes_per_s", [0, -1]),
        ("workload.source", ["", 3, None]),
        ("workload.agents", [0, -5, 0.5]),
        ("workload.arrival_rate", [0, -1]),
        ("workload.hit_rate", [1.5, -0.1, "all", False]),
        ("workload.append_scale", [0, -1]),
        ("workload.generate_scale", [0, -1]),
        ("workload.tool_gap_s", [-1, float("inf")]),
        ("mechanisms.layerwise", [2, "perhaps"]),
        ("mechanisms.dual_path", ["both", 0.5]),
        ("mechanisms.adaptive", [[], -1]),
        ("mechanisms.compute_quota", ["0.3 s"]),
        ("mechanisms.forward_tokens", [0, -1, 0.5, True, "many"]),
        ("traffic.model_share", [-0.1, 1.0]),
        ("slo.ttft_s", [0, -1]),
        ("slo.tpot_s", [0]),
        ("system", ["fast", None, 3]),
        ("kv_dtype", ["int4", 8]),
        ("horizon_s", [0, -1]),
        ("seed", [-1, 0.5, "x", True]),
        ("cluster.copy_method", ["memcpy", None, 1]),
        ("cluster.hbm_gbytes", [0, True]),
        ("model", ["", None, 3]),
    ],
)
def test_what_is_not_allowed_is_told_in_one_sentence_that_names_it(key: str, values: list[Any]) -> None:
    """Mutant: a bound off by one, or a value that is clamped."""
    for value in values:
        with pytest.raises(ScenarioError) as error:
            Scenario().with_values({key: value})
        sentence = str(error.value)
        assert sentence.startswith(f"{key} = {value!r} is not allowed: it ")
        assert "\n" not in sentence


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Mutant: the first of the two is forgotten without a word."""
    path = tmp_path / "twice.yaml"
    path.write_text("cluster:\n  prefill_nodes: 2\n  prefill_nodes: 3\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="'prefill_nodes' stands twice"):
        load_scenario(path)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("sed", "seed"),
        ("sytem", "system"),
        ("cluster.prefil_nodes", "cluster.prefill_nodes"),
        ("workload.agent", "workload.agents"),
        ("workload.hitrate", "workload.hit_rate"),
    ],
)
def test_a_misspelt_key_is_met_with_the_right_one(key: str, meant: str) -> None:
    """Mutant: unknown keys are let through."""
    with pytest.raises(ScenarioError, match=f"Unknown scenario key '{key}'; did you mean '{meant}'"):
        load_scenario(None, [f"{key}=1"])


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=3)),
    max_leaves=4,
)
names = st.one_of(
    st.sampled_from(sorted(DEFAULTS)),
    st.sampled_from(["cluster", "workload", "mechanisms", "traffic", "slo", "self", ""]),
    st.text(max_size=6),
)


def is_refused_politely(action: Any) -> None:
    """Whatever was given, it is a scenario that comes back whole, or one sentence."""
    sentence = None
    try:
        scenario = action()
    except ScenarioError as error:
        sentence = str(error)
    if sentence is None:
        assert Scenario(**scenario.model_dump()) == scenario
    else:
        assert sentence
        assert "\n" not in sentence


@settings(max_examples=200)
@given(st.dictionaries(names, plain, max_size=3))
def test_any_values_are_a_scenario_or_a_scenario_error(values: dict[str, Any]) -> None:
    """Bad input is a sentence, never a traceback. Mutant: one check that raises another error."""
    is_refused_politely(lambda: Scenario(**values))
    is_refused_politely(lambda: Scenario().with_values(values))


@settings(max_examples=200)
@given(names, st.one_of(st.text(max_size=12), plain.map(str)))
def test_any_assignment_is_a_scenario_or_a_scenario_error(key: str, text: str) -> None:
    """As above, through ``--set``. Mutant: YAML's own errors come through."""
    is_refused_politely(lambda: load_scenario(None, [f"{key}={text}"]))
    is_refused_politely(lambda: load_scenario(None, [text]))


@pytest.mark.parametrize(
    "text",
    ["2001-99-99", "0b_", "0x_", "9" * 5000, "[" * 3000, "!!int x", "!!timestamp x", "*a", "&a [*a]", "\x00", "!!python/name:os.system"],
    ids=lambda text: text[:10],
)
def test_texts_that_yaml_itself_stumbles_over(tmp_path: Path, text: str) -> None:
    """Bad input is a sentence. Mutant: only the library's declared error is caught; some of these raise others inside it."""
    is_refused_politely(lambda: load_scenario(None, [f"seed={text}"]))
    path = tmp_path / "scenario.yaml"
    path.write_text(f"seed: {text}\n", encoding="utf-8")
    is_refused_politely(lambda: load_scenario(path))


def test_a_key_named_like_a_parameter_of_python_is_unknown(tmp_path: Path) -> None:
    """Mutant: it reaches the constructor as its own argument."""
    path = tmp_path / "scenario.yaml"
    path.write_text("self: 1\n", encoding="utf-8")
    for action in (lambda: load_scenario(path), lambda: load_scenario(None, ["self=1"])):
        with pytest.raises(ScenarioError, match="Unknown scenario key 'self'"):
            action()
