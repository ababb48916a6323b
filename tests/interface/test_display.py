"""How things show themselves: in a notebook's cell as sound HTML that says what the JSON says, in a console as text."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dualpath_lab import Comparison, Result, Scenario, compare, simulate
from dualpath_lab.hardware import Hardware, load_hardware
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.scenario import keys
from dualpath_lab.schema_keys import unit_of

SMALL = Scenario().with_values(
    {
        "model": "qwen-32b",
        "cluster.prefill_nodes": 1,
        "cluster.decode_nodes": 1,
        "workload.source": "paper-32k",
        "workload.agents": 6,
    }
)


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate(SMALL)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(SMALL, ["basic", "dualpath"])


def cells(html: str, table: int = 0) -> list[list[str]]:
    """The rows of a table in HTML, which has to be well-formed."""
    found = ElementTree.fromstring(f"<div>{html}</div>").iter("table")
    return [[cell.text or "" for cell in row] for row in list(found)[table].iter("tr")]


def test_a_run_whose_answers_are_one_token_has_neither_ttst_nor_tpot(tmp_path: Path) -> None:
    """Mutant: NaN in the JSON, or TTFT told as TTST."""
    trace = tmp_path / "one.csv"
    header = "session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s"
    trace.write_text("\n".join([header, *(f"a,{turn},{5000 + 100 * turn},1,0,0" for turn in range(3))]), encoding="utf-8")
    result = simulate(SMALL.with_values({"workload.source": str(trace), "workload.agents": 1}))
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))["latency_s"]
    assert set(told["ttst"].values()) == set(told["tpot"].values()) == {None}
    assert told["ttft"]["mean"] > 0
    assert "TTFT" in result.summary()
    assert "TTST" not in result.summary()
    assert ["TTST", "–", "–", "–", "–"] in cells(result._repr_html_())
    assert result.turns()[["second_token", "ttst", "tpot"]].isna().all(axis=None)


def test_a_scenario_shows_what_was_set_and_then_every_key_with_its_unit() -> None:
    html = SMALL._repr_html_()
    _, *rows = cells(html)
    assert {key: value for key, value, _ in rows} == {key: str(value) for key, value in SMALL.changed().items()}
    _, *every = cells(html, 1)
    assert [key for key, _, _ in every] == keys()
    units = {key: unit for key, _, unit in every}
    assert units["cluster.storage_gbps"] == "Gb/s"
    assert units["slo.ttft_s"] == "s"
    assert units["workload.arrival_rate"] == "agents/s"
    assert units["system"] == units["workload.append_scale"] == ""


def test_every_key_that_is_a_quantity_has_a_unit() -> None:
    bare = {key for key in [*keys(), *LaneScenario.keys()] if not unit_of(key)}
    assert not {key for key in bare if any(part in key for part in ("gb", "_s", "share", "rate")) and not key.endswith("_scale")}


def test_the_text_of_hardware_is_the_python_that_makes_it() -> None:
    hardware = load_hardware("h20")
    assert eval(repr(hardware), {"Hardware": Hardware}) == hardware


@pytest.mark.parametrize("scenario", [Scenario(), SMALL, LaneScenario()])
def test_the_text_of_a_scenario_is_the_python_that_makes_it(scenario: Scenario) -> None:
    made = eval(repr(scenario), {"Scenario": Scenario, "LaneScenario": LaneScenario})
    assert made == scenario
    assert str(scenario) == repr(scenario)


def test_names_from_outside_are_escaped() -> None:
    html = SMALL.with_values({"model": "<script>alert(1)</script>"})._repr_html_()
    assert "<script>" not in html
    assert ["model", "<script>alert(1)</script>", ""] in cells(html)


def test_a_result_shows_its_latencies(result: Result) -> None:
    html = result._repr_html_()
    header, *rows = cells(html)
    assert header == ["latency", "mean", "p50", "p90", "p99"]
    shown = {name: values for name, *values in rows}
    for name, spread in result.values["latency_s"].items():
        values = shown["agent, start to end" if name == "trajectory" else name.upper()]
        for text, value in zip(values, spread.values(), strict=True):
            number, unit = text.split()
            assert float(number) * {"s": 1, "ms": 1e-3}[unit] == pytest.approx(value, rel=6e-3)
    assert result.values["bottleneck"] in html
    assert repr(result) == result.summary()


def test_a_run_without_turns_shows_dashes() -> None:
    (_, *rows) = cells(simulate(SMALL.with_values({"horizon_s": 1e-3}))._repr_html_())
    assert {value for _, *values in rows for value in values} == {"–"}


def test_a_comparison_shows_a_row_a_system(comparison: Comparison) -> None:
    header, *rows = cells(comparison._repr_html_())
    assert [row[0] for row in rows] == ["basic", "dualpath"]
    faster = comparison.speedups()["dualpath"]
    assert float(rows[1][header.index("times as fast")]) == pytest.approx(faster, rel=6e-3)
    lines = repr(comparison).splitlines()
    assert [line.split()[0] for line in lines] == ["system", "basic", "dualpath"]
    assert rows[1][1] in lines[2]
