"""What the schema says of its keys is what it does, in Python and on the command line."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from dualpath_lab import Scenario, ScenarioError
from dualpath_lab.cli import main
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.schema_keys import Key, keys_of
from dualpath_lab.settings import Settings

BOUNDS = re.compile(r"(whole number|number)(?: (from|above) ([\d.,]+))?(?: (?:up )?to ([\d.,]+))?(?:, or null)?")
EVERY = [(schema, key) for schema in (Scenario, LaneScenario) for key in keys_of(schema)]

each_key = pytest.mark.parametrize(("schema", "key"), EVERY, ids=[f"{schema.__name__}-{key}" for schema, key in EVERY])


def takes(schema: type[Settings], key: str, value: Any) -> bool:
    try:
        schema().with_values({key: value})
    except ScenarioError as error:
        return not re.match(rf"{re.escape(key)} = .* is not allowed: it should", str(error))
    return True


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_a_scenario_has_all_its_keys_once() -> None:
    keys = Scenario.keys()
    assert keys == keys_of(Scenario)
    assert len(keys) == len(set(keys)) == len(Scenario()._flat())
    assert "cluster.storage_gbps" in keys
    assert all(isinstance(key, str) for key in keys)


@each_key
def test_a_key_says_what_it_means(schema: type[Settings], key: Key) -> None:
    """A sentence, and no other key of the part has the same one. Mutant: a key without a description."""
    assert re.fullmatch(r"[A-Z].*\.", key.meaning)
    part = key.rpartition(".")[0]
    assert [other for other in keys_of(schema) if other.rpartition(".")[0] == part and other.meaning == key.meaning] == [key]


@each_key
def test_its_default_is_the_schemas(schema: type[Settings], key: Key) -> None:
    found: Any = schema().model_dump(mode="json")
    for part in key.split("."):
        found = found[part]
    assert key.default == found
    assert not key.required


@each_key
def test_what_is_allowed_is_taken_and_nothing_beside_it(schema: type[Settings], key: Key) -> None:
    """At each end of a range, and just beyond; each choice, and another; null. Mutant: a bound in words that the schema has not."""
    assert takes(schema, key, None) == key.allowed.endswith("null")
    if bounds := BOUNDS.fullmatch(key.allowed):
        _, kind, low, high = bounds.groups()
        if low:
            assert takes(schema, key, number(low)) == (kind == "from")
            assert not takes(schema, key, number(low) - 1)
        if high:
            assert takes(schema, key, number(high))
            assert not takes(schema, key, number(high) + 1)
    elif choices := re.fullmatch(r"one of ([\w, ]+?)(?:, or null)?", key.allowed):
        assert all(takes(schema, key, int(choice) if choice.isdigit() else choice) for choice in choices[1].split(", "))
        assert not takes(schema, key, "another")
    elif key.allowed.startswith("true or false"):
        assert takes(schema, key, True)
        assert not takes(schema, key, "perhaps")
    else:
        assert key in {"model", "system", "workload.source"} or key.endswith(("hardware", "lanes", "high", "low"))


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("cluster.prefill_nodes", "nodes"),
        ("cluster.gpus_per_node", "GPUs"),
        ("cluster.storage_gbps", "Gb/s"),
        ("cluster.dram_gbytes_per_s", "GB/s"),
        ("decode.hbm_gbytes", "GB"),
        ("workload.agents", "agents"),
        ("workload.arrival_rate", "agents/s"),
        ("workload.hit_rate", "of 1"),
        ("slo.ttft_s", "s"),
        ("seed", ""),
    ],
)
def test_units(key: str, unit: str) -> None:
    (found,) = [each for each in keys_of(Scenario) if each == key]
    assert found.unit == unit


def keys(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["keys", *arguments]) == 0
    return capsys.readouterr().out


def test_the_command_says_what_python_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Interface. Mutant: a key left out; a field of another name."""
    values = json.loads(keys(capsys, "--json"))
    assert values == [key.to_dict() for key in keys_of(Scenario)]
    assert {tuple(value) for value in values} == {("key", "meaning", "unit", "default", "allowed")}
    assert values[0]["default"] == "ds-660b"
    records = list(csv.DictReader(io.StringIO(keys(capsys, "--format", "csv"))))
    assert [record["key"] for record in records] == [value["key"] for value in values]
    assert [record["default"] == "null" for record in records] == [value["default"] is None for value in values]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("slo", ["slo.ttft_s", "slo.tpot_s"]),
        ("SLO.T", ["slo.ttft_s", "slo.tpot_s"]),
        ("*.hardware", ["cluster.hardware", "prefill.hardware", "decode.hardware"]),
        ("poisson", ["workload.arrival_rate"]),
    ],
)
def test_a_pattern_picks_keys(capsys: pytest.CaptureFixture[str], pattern: str, found: list[str]) -> None:
    assert [value["key"] for value in json.loads(keys(capsys, pattern, "--json"))] == found
    text = keys(capsys, pattern)
    assert all(name in text for name in found)
    assert [line.split()[0] for line in keys(capsys, pattern, "--format", "table").splitlines()] == ["key", *found]


def test_a_pattern_that_fits_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "sed"]) == 2
    assert capsys.readouterr().err == "No scenario key fits 'sed'; did you mean 'seed'?\n"
