"""Comparing systems: one workload for all, how sure the difference is, and what a short run can't say."""

from __future__ import annotations

import csv
import io
import json
from statistics import fmean, stdev

import pytest

from dualpath_lab import Scenario, ScenarioError, simulate
from dualpath_lab.cli import main
from dualpath_lab.studies.compare import HEADER, Comparison, compare
from dualpath_lab.studies.figures import NUMBERS, at

SMALL = {
    "model": "ds-27b",
    "cluster.gpus_per_node": 2,
    "cluster.storage_gbps": 4.0,
    "workload.source": "paper-32k",
    "workload.agents": 8,
}
SEEDS = 5


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(Scenario().with_values(SMALL | {"seed": 3}), ["basic", "dualpath"], seeds=SEEDS)


def test_every_system_meets_the_same_workloads(comparison: Comparison) -> None:
    """Common random numbers. Mutant: a system draws its own; the first seed is run again; seeds are counted from 0."""
    for system, seeds in comparison.figures.items():
        for more, figures in enumerate(seeds):
            alone = simulate(Scenario().with_values(SMALL | {"seed": 3 + more, "system": system})).values
            assert figures["jct_s"] == alone["jct_s"]
            assert figures["latency_s.ttft.mean"] == alone["latency_s"]["ttft"]["mean"]
            assert comparison.seed_runs[system][more].values["links"] == alone["links"]
    assert comparison.runs["basic"] is comparison.seed_runs["basic"][0]
    assert comparison.seeds == [3, 4, 5, 6, 7]
    assert len({figures["jct_s"] for figures in comparison.figures["basic"]}) == SEEDS


def test_common_seeds_make_the_difference_surer(comparison: Comparison) -> None:
    """Ratios of pairs spread less than the JCTs themselves do. Mutant: the ratio of means, or of shuffled seeds."""
    basic, dualpath = ([each["jct_s"] for each in comparison.figures[system]] for system in ("basic", "dualpath"))
    pairs = [first / other for first, other in zip(basic, dualpath, strict=True)]
    speedup = comparison.speedup_intervals()["dualpath"]
    assert speedup is not None
    assert speedup.mean == pytest.approx(fmean(pairs))
    assert speedup.low is not None
    assert speedup.high is not None
    assert speedup.low < speedup.mean < speedup.high
    assert stdev(pairs) / fmean(pairs) < stdev(basic) / fmean(basic)
    assert comparison.speedup_intervals()["basic"] == (1, 1, 1)


def test_every_number_has_an_interval(comparison: Comparison) -> None:
    """Of each number of the JSON but those of links. Mutant: only the headline; the first seed's value for the mean."""
    numbers = comparison.intervals()["dualpath"]
    assert set(numbers) == set(NUMBERS)
    assert {"hit_rate", "tokens.hit", "latency_s.tpot.p99", "ttft_breakdown_s.read", "balance.snic_max_over_mean", "events"} <= set(numbers)
    for name, found in numbers.items():
        each = [at(run.values, name) for run in comparison.seed_runs["dualpath"]]
        assert found is not None
        assert found.mean == pytest.approx(fmean(each))
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.mean <= found.high
        assert (found.low < found.high) == (len(set(each)) > 1)


def test_the_table_shows_intervals(comparison: Comparison) -> None:
    """Mutant: the first seed's numbers, as if they were all."""
    row = dict(zip(HEADER, comparison.rows()[1], strict=True))
    found = comparison.intervals()["dualpath"]["latency_s.ttft.p99"]
    assert found is not None
    assert row["TTFT, p99"] == found.text(" s")
    assert "(" in row["times as fast"]
    assert f"means over {SEEDS} seeds" in comparison._repr_html_()


def test_seeds_may_be_named() -> None:
    """Mutant: counted from the scenario's own all the same."""
    named = compare(Scenario().with_values(SMALL | {"seed": 9}), ["basic"], seeds=[5, 3])
    assert named.seeds == [5, 3]
    assert named.runs["basic"].values["jct_s"] == simulate(Scenario().with_values(SMALL | {"seed": 5, "system": "basic"})).values["jct_s"]
    for wrong in ([], [1, 1]):
        with pytest.raises(ScenarioError, match=r"seeds = \[.*\] is not allowed"):
            compare(Scenario(), ["basic"], seeds=wrong)


def test_json_and_words_of_more_seeds(capsys: pytest.CaptureFixture[str], comparison: Comparison) -> None:
    settings = [f"--set={key}={value}" for key, value in (SMALL | {"seed": 3}).items()]
    assert main(["compare", "--systems=basic,dualpath", f"--seeds={SEEDS}", "--json", *settings]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["over_seeds"] == json.loads(json.dumps(comparison.over_seeds()))
    assert main(["compare", "--systems=basic,dualpath", "--seeds=2", *settings]) == 0
    assert "over 2 seeds (3, 4), the same for all, with 95 % confidence:" in capsys.readouterr().out
    assert main(["compare", "--systems=basic,dualpath", "--seeds=4,9", "--format=csv", *settings]) == 0
    records = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(record["system"], record["seed"]) for record in records] == [
        ("basic", "4"),
        ("basic", "9"),
        ("dualpath", "4"),
        ("dualpath", "9"),
    ]
    assert float(records[2]["jct_s"]) == comparison.figures["dualpath"][1]["jct_s"]
    assert values["over_seeds"]["each"] == comparison.records()
    assert main(["compare", "--systems=basic,dualpath", "--json", *settings]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"runs", "speedup_over"}


def test_a_run_that_does_not_end_has_no_interval() -> None:
    """Mutant: the mean of those that ended stands for all."""
    cut = compare(Scenario().with_values(SMALL | {"horizon_s": 3.0}), ["basic", "dualpath"], seeds=2)
    assert cut.intervals()["basic"]["jct_s"] is None
    assert cut.speedup_intervals() == {"basic": None, "dualpath": None}
    assert any("–" in line for line in cut.seeds_text())


def test_no_seeds_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"seeds = 0 is not allowed: it should be at least 1"):
        compare(Scenario(), ["basic"], seeds=0)


@pytest.mark.parametrize(("agents", "weak"), [(8, "p99 of"), (2, "p99 of"), (60, "")])
def test_a_run_says_which_percentiles_rest_on_too_little(agents: int, weak: str) -> None:
    """Mutant: no word about it; a word where there are enough; turns counted for agents."""
    result = simulate(Scenario().with_values(SMALL | {"workload.agents": agents, "system": "oracle"}))
    turns, (*about_turns, about_agents) = result.values["turns"], result.values["warnings"]
    assert (turns < 1000) == bool(about_turns) == bool(weak)
    for warning in about_turns:
        assert f"{turns:,} turns" in warning
        assert warning.startswith(weak)
        assert "1,000 make p99 steady" in warning
    assert f"of {agents} agents" in about_agents
    assert about_agents.startswith("p50, p90, p99" if agents < 20 else "p90, p99")
    assert all(f"note: {warning}" in result.summary() for warning in about_turns)


def test_a_run_without_turns_warns_of_nothing() -> None:
    assert simulate(Scenario().with_values(SMALL | {"horizon_s": 1e-3})).values["warnings"] == []
