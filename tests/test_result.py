"""What a run gives away beyond its JSON: links, links over time, decisions, and the policy that decided."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from dualpath_lab import Placement, Policy, Result, Scenario, ScenarioError, simulate
from dualpath_lab.core.dispatch import Dispatch
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView
from dualpath_lab.result import result_of

SMALL = Scenario().with_values(
    {
        "model": "ds-27b",
        "cluster.gpus_per_node": 2,
        "cluster.storage_gbps": 4,
        "cluster.decode_nodes": 2,
        "workload.source": "paper-32k",
        "workload.agents": 6,
    }
)


class Drawn(Policy):
    """Places by lot, and counts what it did."""

    def __init__(self, cluster: ClusterView, dispatch: Dispatch) -> None:
        super().__init__(cluster, dispatch)
        self.placed: Counter[str] = Counter()

    def place(self, turn: TurnView) -> Placement | None:
        roomy = [engine for engine in self.cluster.decode_engines if engine.free_hbm_bytes >= turn.hbm_bytes]
        if not roomy:
            return None
        decode = roomy[self.rng.integers(len(roomy))]
        self.placed[decode.name] += 1
        return Placement(self.cluster.prefill_engines[0], decode, turn.hit, "by lot", {engine.name: engine.tokens for engine in roomy})


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate(SMALL, decisions=True)


@pytest.fixture(scope="module")
def cut() -> Result:
    """Stopped in the middle of a bin, while everything moves, after a change of bandwidth."""
    simulation = Simulation(SMALL.with_values({"horizon_s": 20.3}))
    simulation.advance(7.4)
    simulation.change({"cluster.storage_gbps": 2.0})
    simulation.run()
    return result_of(simulation, 0.0)


def test_links_are_those_of_the_json(result: Result) -> None:
    """Mutant: a link left out, two with one label, classes mixed up."""
    links = result.links()
    assert links["link"].is_unique
    for row, link in zip(links.to_dict("records"), result.values["links"], strict=True):
        assert row["link"] == f"{link['name']}.{link['direction']}"
        assert {name: row[name] for name in link if name != "bytes_by_class"} == {n: v for n, v in link.items() if n != "bytes_by_class"}
        assert {"kv": row["bytes_kv"], "model": row["bytes_model"]} == link["bytes_by_class"]
    assert (links["bytes"] == links["bytes_kv"] + links["bytes_model"]).all()


@pytest.mark.parametrize("which", ["result", "cut"])
def test_bins_add_up_to_what_a_link_carried(which: str, request: pytest.FixtureRequest) -> None:
    """Law, also of a run that was cut. Mutant: the last bin is left out, or goes on behind the run's end; classes mixed up."""
    run: Result = request.getfixturevalue(which)
    timeline, links = run.timeline(), run.links()
    assert list(timeline["link"].values) == list(links["link"])
    for name in ("kv", "model"):
        assert timeline[name].sum("time").values == pytest.approx(links[f"bytes_{name}"], abs=1.0, rel=1e-9)
        assert (timeline[name] >= 0).all()
    width = timeline["width"].values
    assert width.sum() == pytest.approx(run.values["simulated_s"])
    assert (width > 0).all()
    assert timeline["time"].values == pytest.approx(np.cumsum(width) - width)


@pytest.mark.parametrize("which", ["result", "cut"])
def test_no_link_carries_more_than_it_can_in_a_bin(which: str, request: pytest.FixtureRequest) -> None:
    """Law; and weighed by the bins, the mean is the link's. Mutant: the bandwidth of the end holds for all bins."""
    run: Result = request.getfixturevalue(which)
    timeline, links = run.timeline(), run.links()
    shares = timeline["utilization"]
    assert float(shares.min()) >= 0
    assert float(shares.max()) == pytest.approx(1, abs=1e-6)
    if which == "result":
        mean = (shares * timeline["width"]).sum("time") / timeline["width"].sum()
        assert mean.values == pytest.approx(links["utilization"], rel=1e-6, abs=1e-9)


def test_a_timeline_carries_its_units(result: Result) -> None:
    timeline = result.timeline()
    units = {name: timeline[name].attrs.get("units") for name in ("kv", "model", "utilization", "time", "width")}
    assert units == {"kv": "bytes", "model": "bytes", "utilization": "1", "time": "s", "width": "s"}
    busiest = timeline["kv"].where(timeline["kind"] == "snic", drop=True).sum("time").idxmax("link").item()
    assert busiest == result.links().query("kind == 'snic'").set_index("link")["bytes_kv"].idxmax()


def test_every_turn_has_its_three_decisions(result: Result) -> None:
    """They are those of the log. Mutant: a decision is kept twice, or under another turn or time."""
    decisions, turns = result.decisions(), result.turns()
    assert Counter(decisions["about"]) == dict.fromkeys(("prefill", "decode", "read"), len(turns))
    assert decisions["time_s"].is_monotonic_increasing
    read = decisions[decisions["about"] == "read"].set_index(["agent", "turn"]).sort_index()
    ordered = turns.sort_values(["agent", "row"])
    assert read["time_s"].tolist() == ordered["placed"].tolist()
    assert read["prefill_read"].tolist() == ordered["prefill_read"].tolist()
    gpus = SMALL.cluster.gpus_per_node
    for about, letter, column in (("prefill", "p", "pe"), ("decode", "d", "de")):
        chosen = decisions[decisions["about"] == about].set_index(["agent", "turn"]).sort_index()["chosen"]
        assert chosen.tolist() == [f"{letter}{engine // gpus}.g{engine % gpus}" for engine in ordered[column]]


def best(decision: Any) -> bool:
    """Whether what was chosen is what the reason says of the candidates."""
    seen, reason = decision.candidates, decision.reason
    chosen = seen[decision.chosen]
    if reason == "fewest tokens":
        return chosen["tokens"] == min(each["tokens"] for each in seen.values())
    if decision.about == "read":
        (prefill, own), (_, other) = seen.items()
        return (decision.chosen == prefill) == (other["read_tokens"] >= own["read_tokens"])
    if "fewest sequences" in reason:
        return chosen["within_z"] and chosen["sequences"] == min(each["sequences"] for each in seen.values() if each["within_z"])
    if "none of" in reason:
        return not any(each["within_z"] for each in seen.values()) and chosen["tokens"] == min(each["tokens"] for each in seen.values())
    return chosen["read_tokens"] <= min(each["read_tokens"] for each in seen.values())


def test_a_reason_holds_of_the_candidates(result: Result) -> None:
    """Another way to the same choice. Mutant: candidates as they are after the choice; a reason of another branch."""
    wrong = [decision for decision in result.decisions().itertuples() if not best(decision)]
    assert wrong == []
    assert result.decisions()["reason"].nunique() >= 4


@pytest.mark.parametrize(
    ("system", "reasons"), [("basic", {"in turn"}), ("split", {"divided so that both read queues come to the same length"})]
)
def test_other_systems_say_why_too(system: str, reasons: set[str]) -> None:
    assert reasons <= set(simulate(SMALL.with_values({"system": system}), decisions=True).decisions()["reason"])


def test_a_decision_that_is_kept_changes_nothing(result: Result) -> None:
    """Law 8. Mutant: to keep them moves a turn."""
    alone = simulate(SMALL)
    assert {**alone.values, "wall_s": 0} == {**result.values, "wall_s": 0}
    with pytest.raises(ScenarioError, match=r"decisions are not kept: run simulate\(scenario, decisions=True\)"):
        alone.decisions()


def test_a_policys_state_words_and_lot_can_be_read_after_the_run() -> None:
    """Mutant: another instance, the guard around it, words that get lost, a lot that the seed does not decide."""
    runs = [simulate(SMALL.with_values({"system": Drawn, "seed": seed}), decisions=True) for seed in (0, 0, 1)]
    for run, seed in zip(runs, (0, 0, 1), strict=True):
        assert isinstance(run.policy, Drawn)
        assert run.policy.seed == seed
        assert sum(run.policy.placed.values()) == run.values["turns"]
        assert set(run.decisions()["reason"]) == {"by lot"}
        assert all(decision.chosen in decision.candidates for decision in run.decisions().itertuples() if decision.about == "decode")
    assert runs[0].policy.placed == runs[1].policy.placed != runs[2].policy.placed  # type: ignore[union-attr]  # just seen to be one
    assert simulate(SMALL).policy is None


def test_a_policy_that_draws_has_the_workload_of_any_other(result: Result) -> None:
    """Mutant: its stream is the workload's, so that the number of its draws moves trajectories."""
    own = simulate(SMALL.with_values({"system": Drawn}))
    for name in ("appended", "generated"):
        assert own.values["tokens"][name] == result.values["tokens"][name]
