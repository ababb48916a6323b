"""The schema of one port: what it promises, and what it refuses in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.core.lane_ports import make_port
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.settings import ScenarioError

OTHERS: dict[str, Any] = {
    "port.preset": "roce",
    "port.link_gbps": 200.5,
    "port.mtu_bytes": 1024,
    "port.high": [(0, 10)],
    "port.low": [(2, 1), (0, 255)],
    "port.high_limit": 0,
    "port.credit_kbytes": 64.0,
    "port.credit_return_us": 0.0,
    "model.pattern": "on_off",
    "model.lanes": [0, 1, 3],
    "model.load": 1.0,
    "model.period_us": 1.0,
    "model.message_bytes": 1,
    "model.outstanding": 1,
    "kv.pattern": "idle",
    "kv.lanes": [2, 14],
    "kv.load": 0.01,
    "kv.period_us": 10.0,
    "kv.message_bytes": 4096,
    "kv.outstanding": 3,
    "kv.drain_gbps": 10.0,
    "duration_ms": 0.01,
    "seed": 9,
}

BAD: dict[str, list[Any]] = {
    "port.preset": ["wrr", None, 3],
    "port.link_gbps": [0, -1, float("nan"), float("inf"), "fast"],
    "port.mtu_bytes": [5000, 0, 128, "4 KB", None],
    "port.high": [3, "0:192"],
    "port.high_limit": [-1, 256, 1.5],
    "port.credit_kbytes": [4.095, -64, float("inf")],
    "port.credit_return_us": [-1, None],
    "model.pattern": ["random", None],
    "model.lanes": [[], 0, None],
    "model.load": [0, 1.01, -0.3],
    "model.period_us": [0, 0.5],
    "model.message_bytes": [0, 0.5],
    "model.outstanding": [0, 10**6],
    "kv.drain_gbps": [0, -1],
    "duration_ms": [0, 10_001],
    "seed": [-1, 0.5],
}


def test_every_key_goes_through_every_door(tmp_path: Path) -> None:
    """One schema. Mutant: a key that one of file, ``--set`` and Python does not pass on."""
    assert set(OTHERS) == set(LaneScenario.keys())
    python = LaneScenario().with_values(OTHERS)
    path = tmp_path / "port.yaml"
    path.write_text(yaml.safe_dump(python.model_dump(mode="json")), encoding="utf-8")
    assert LaneScenario.load(path) == python
    plain = {key: [list(line) for line in value] if key in ("port.high", "port.low") else value for key, value in OTHERS.items()}
    assert LaneScenario.load(None, [f"{key}={value}" for key, value in plain.items()]) == python
    assert LaneScenario(**python.model_dump()) == python != LaneScenario()


@pytest.mark.parametrize("key", BAD)
def test_what_is_not_allowed_is_told_in_one_sentence_that_names_it(key: str) -> None:
    """Mutant: a bound off by one, or a value that is clamped."""
    for value in BAD[key]:
        with pytest.raises(ScenarioError) as error:
            LaneScenario().with_values({key: value})
        assert str(error.value).startswith(f"{key} = {value!r} is not allowed: it ")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("table", "named"), [([(15, 1)], "0.0 = 15"), ([(-1, 1)], "0.0 = -1"), ([(0, 1), (1, 256)], "1.1 = 256"), ([(0, -1)], "0.1 = -1")]
)
@pytest.mark.parametrize("key", ["port.high", "port.low"])
def test_a_bad_line_of_a_table_is_named(key: str, table: list[tuple[int, int]], named: str) -> None:
    """Section 6: lanes 0 to 14 and weights 0 to 255. Mutant: bounds of one table only, or of the first line."""
    with pytest.raises(ScenarioError, match=f"^{key}.{named} is not allowed"):
        LaneScenario().with_values({key: table})


@pytest.mark.parametrize("preset", ["paper", "strict", "equal", "roce"])
def test_only_a_fifo_port_shares_a_lane(preset: str) -> None:
    """Mutant: a lane of both sources, so that its packets cannot be told apart."""
    shared = {"model": {"lanes": [0, 1]}, "kv": {"lanes": [1, 2]}}
    with pytest.raises(ScenarioError, match="only a fifo port shares a lane"):
        LaneScenario(port={"preset": preset}, **shared)
    assert LaneScenario(port={"preset": "fifo"}, **shared).port.preset == "fifo"


@pytest.mark.parametrize(("source", "twice"), [("model", [0, 0]), ("kv", [2, 5, 2])])
def test_a_lane_stands_there_once(source: str, twice: list[int]) -> None:
    """Mutant: a lane named twice sends twice its load."""
    with pytest.raises(ScenarioError, match=rf"^{source}\.lanes = .* each lane should stand there once"):
        LaneScenario().with_values({f"{source}.lanes": twice})


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=3)),
    max_leaves=6,
)
tables = st.lists(st.lists(st.integers(-1, 256), min_size=1, max_size=3), max_size=3)
names = st.one_of(st.sampled_from([*sorted(OTHERS), "port", "model", "kv", "self", ""]), st.text(max_size=6))


def is_refused_politely(action: Any) -> None:
    """Whatever was given, it is a scenario that comes back whole and has its port or not, or one sentence."""
    sentence = None
    try:
        scenario = action()
        assert LaneScenario(**scenario.model_dump()) == scenario
        make_port(scenario)
    except ScenarioError as error:
        sentence = str(error)
    if sentence is not None:
        assert sentence
        assert "\n" not in sentence


@settings(max_examples=200)
@given(st.dictionaries(names, st.one_of(plain, tables), max_size=3))
def test_any_values_are_a_port_or_a_scenario_error(values: dict[str, Any]) -> None:
    """Bad input is a sentence, never a traceback. Mutant: one check that raises another error."""
    is_refused_politely(lambda: LaneScenario(**values))
    is_refused_politely(lambda: LaneScenario().with_values(values))


@settings(max_examples=200)
@given(names, st.one_of(st.text(max_size=12), plain.map(str), tables.map(str)))
def test_any_assignment_is_a_port_or_a_scenario_error(key: str, text: str) -> None:
    """As above, through ``--set``. Mutant: YAML's own errors come through."""
    is_refused_politely(lambda: LaneScenario.load(None, [f"{key}={text}"]))
