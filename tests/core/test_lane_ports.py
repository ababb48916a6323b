"""What the paper's port and the others give to the model and to KV traffic: closed forms (reference section 6)."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dualpath_lab.core.lane_ports import KV, MODEL, make_port, make_traffic
from dualpath_lab.core.virtual_lanes import Backlog, Entry, Port, PortRecord, run_port
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.settings import ScenarioError
from dualpath_lab.studies.lanes import LaneResult, lanes

LINK = 50e9
PACKET_S = 4096 / LINK
SATURATED = {"pattern": "backlog"}


def run(duration_ms: float = 5.0, **parts: Any) -> LaneResult:
    return lanes(LaneScenario(duration_ms=duration_ms, **parts))


def share(result: LaneResult) -> dict[str, float]:
    shares: dict[str, float] = result.to_dict()["share"]
    return shares


def slowdown(result: LaneResult) -> float:
    slower: float = result.to_dict()["burst_s"]["slowdown"]
    return slower


def bursts_s(result: LaneResult) -> NDArray[np.float64]:
    """What each burst takes, without the first, which comes with the first KV messages."""
    mine = result.record.message_source == MODEL
    seconds: NDArray[np.float64] = (result.record.done_s - result.record.asked_s)[mine][1:]
    return seconds


@pytest.mark.parametrize("model_lanes", [[0], [1], [0, 3], [0, 1, 3]])
def test_a_contended_link_is_the_models_but_for_kvs_turns_in_the_low_table(model_lanes: list[int]) -> None:
    """Section 6: "about 99 %". After 240 packets the low table sends one; of those, each model lane has 3 (192 x 64 bytes) and KV has 1.

    A KV packet waits for as many chances as the model's lanes take, and is sent in the next. Mutant: every chance is KV's, or none.
    """
    result = run(10, model={"pattern": "backlog", "lanes": model_lanes})
    chances = 3 * len(model_lanes) + 1
    assert share(result)["model"] >= 0.985
    assert share(result)["kv"] == pytest.approx(1 / (chances * 241), abs=PACKET_S / 10e-3)
    assert share(result)["kv"] > 0
    waits = result.record.held_s[result.record.source == KV]
    assert waits.max() == pytest.approx((chances * 241 - 1) * PACKET_S, rel=1e-6)


def test_an_idle_link_is_kvs() -> None:
    """Section 6: KV traffic fills whatever is idle. Mutant: the low table only has chances that the high one gives."""
    assert share(run(model={"pattern": "idle"}))["kv"] >= 0.99


@pytest.mark.parametrize("model_lanes", [[0], [0, 1, 3]])
def test_bursts_hardly_notice_kv_and_kv_fills_the_rest(model_lanes: list[int]) -> None:
    """Section 6: model at 30 % in bursts. Mutant: a burst waits for a turn of the low table, or KV for the next burst."""
    result = run(model={"load": 0.3, "lanes": model_lanes})
    assert 1 <= slowdown(result) <= 1.05
    assert share(result)["kv"] == pytest.approx(0.7, rel=0.03)


@settings(max_examples=40)
@given(st.tuples(st.integers(1, 255), st.integers(1, 255)), st.sampled_from([256, 1024, 4096]), st.integers(300, 20_000), st.booleans())
def test_two_backlogged_lanes_of_a_table_share_as_their_weights(weights: tuple[int, int], mtu: int, message: int, in_high: bool) -> None:
    """Section 6: each turn is its weight and less than a packet over. Mutant: weights in packets, or a turn that ends a packet early."""
    table = [Entry(lane, weight) for lane, weight in enumerate(weights)]
    port = Port(1.0, mtu, table if in_high else [], [] if in_high else table, 255)
    record = run_port(port, [], [Backlog(0, 0, message, 2), Backlog(1, 1, message, 2)], 4 * 64 * sum(weights) + 8 * mtu)
    packets = zip(record.lane.tolist(), record.size_bytes.tolist(), strict=True)
    *turns, _ = [(lane, sum(size for _, size in turn)) for lane, turn in groupby(packets, key=lambda packet: packet[0])]
    assert len(turns) >= 4
    for lane, sent in turns:
        assert weights[lane] * 64 <= sent < weights[lane] * 64 + mtu


def test_first_in_first_out_a_burst_waits_for_all_kv_before_it() -> None:
    """Section 6, what lanes are for: K bytes wait, then the burst B: (K + B) / B times as long. Mutant: the burst overtakes."""
    result = run(10, port={"preset": "fifo"}, model={"load": 0.05, "period_us": 1000})
    burst, outstanding = 0.05 * LINK * 1e-3, 512 * 45_056
    assert len(bursts_s(result)) == 9
    assert bursts_s(result) == pytest.approx((outstanding + burst) / LINK, rel=0.05)
    assert slowdown(result) > 5


def test_strict_priority_gives_kv_exactly_the_gaps() -> None:
    """No KV packet begins while a burst waits, and none of the rest is lost. Mutant: a limit on the high table."""
    result = run(port={"preset": "strict"})
    record = result.record
    begun = record.sent_s[record.source == KV]
    mine = record.message_source == MODEL
    for asked_s, done_s in zip(record.asked_s[mine], record.done_s[mine], strict=True):
        assert not ((begun >= asked_s) & (begun < done_s)).any()
    assert result.to_dict()["kv"]["share_of_gaps"] == pytest.approx(1, abs=1e-9)
    assert share(run(1, port={"preset": "strict"}, model=SATURATED))["kv"] == 0


@pytest.mark.parametrize(("preset", "kv", "turn_packets"), [("equal", 1 / 2, None), ("roce", 1 / 100, 99)])
@pytest.mark.parametrize("mtu", [256, 4096])
def test_weights_alone_share_a_saturated_link(preset: str, kv: float, turn_packets: int | None, mtu: int) -> None:
    """Half each; 99 packets to 1. KV waits for the model's turn, 192 x 64 bytes or 99 packets. Mutant: RoCE's weights for one MTU only."""
    result = run(1 if mtu == 256 else 5, port={"preset": preset, "mtu_bytes": mtu}, model=SATURATED)
    assert share(result)["kv"] == pytest.approx(kv, rel=0.02)
    assert share(result)["model"] == pytest.approx(1 - kv, rel=0.02)
    turn_bytes = turn_packets * mtu if turn_packets else 192 * 64
    assert result.record.held_s[result.record.source == KV].max() == pytest.approx(turn_bytes / LINK)


def test_credits_are_a_window() -> None:
    """Two packets of credits go round once in the time of a packet and of a return. Mutant: credits return when a packet begins."""
    result = run(1, port={"credit_kbytes": 8.192, "credit_return_us": 1}, model={"pattern": "idle"})
    assert share(result)["kv"] == pytest.approx(2 * PACKET_S / (PACKET_S + 1e-6), rel=0.01)


@pytest.mark.parametrize(("preset", "most"), [("paper", 1.001), ("roce", 1.02)])
def test_a_stalled_kv_receiver_leaves_the_model_alone_on_its_own_lane(preset: str, most: float) -> None:
    """Lanes are lossless each by itself. Mutant: the credits, or the pause, are the port's."""
    result = run(10, port={"preset": preset, "credit_kbytes": 64}, kv={"drain_gbps": 10})
    assert 1 <= slowdown(result) <= most
    assert 0.01 < share(result)["kv"] <= 10 / 400 + 64e3 / (LINK * 10e-3)


def test_a_stalled_kv_receiver_blocks_whoever_shares_its_lane() -> None:
    """Head-of-line blocking: a burst waits while 32 KV messages, but for a buffer, are drained at 10 Gb/s. Mutant: its packets pass."""
    result = run(10, port={"preset": "fifo", "credit_kbytes": 64}, kv={"drain_gbps": 10, "outstanding": 32})
    assert bursts_s(result).min() >= (32 * 45_056 - 64e3) / (10e9 / 8)
    assert slowdown(result) > 10


def offered(scenario: LaneScenario, source: int, duration_s: float) -> float:
    messages, _ = make_traffic(scenario)
    return sum(message.size_bytes for message in messages if message.source == source) / (LINK * duration_s)


@pytest.mark.parametrize("pattern", ["bursts", "steady", "on_off"])
@pytest.mark.parametrize("load", [0.1, 0.7])
def test_patterns_offer_their_load(pattern: str, load: float) -> None:
    """The schema's promise, over several lanes together. Mutant: each lane has the whole load."""
    traffic = {"pattern": pattern, "load": load}
    scenario = LaneScenario(duration_ms=100, model={**traffic, "lanes": [0, 1, 3]}, kv={**traffic, "lanes": [2, 5], "period_us": 100})
    tolerance = 0.1 if pattern == "on_off" else 0.02
    assert offered(scenario, MODEL, 0.1) == pytest.approx(load, rel=tolerance)
    assert offered(scenario, KV, 0.1) == pytest.approx(load, rel=tolerance)


def test_the_models_traffic_is_the_same_without_kv_and_its_own() -> None:
    """A slowdown compares like with like. Mutant: KV traffic draws the same numbers, or draws first from the model's."""
    same = {"pattern": "on_off", "load": 0.5, "period_us": 500, "message_bytes": 65_536}
    scenario = LaneScenario(model=same, kv=same)
    messages, _ = make_traffic(scenario)
    alone, _ = make_traffic(scenario, with_kv=False)
    assert [message for message in messages if message.source == MODEL] == alone
    assert [message.time_s for message in messages if message.source == KV] != [message.time_s for message in alone]


def test_equal_scenarios_give_equal_records() -> None:
    """Law 8: and the seed matters. Mutant: a generator without the seed."""
    random = {"model": {"pattern": "on_off"}, "kv": {"pattern": "on_off"}}
    one, same, other = (run(seed=seed, **random).record for seed in (3, 3, 4))
    assert all(np.array_equal(getattr(one, name), getattr(same, name)) for name in PortRecord.__annotations__)
    assert not np.array_equal(one.sent_s, other.sent_s)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kv": {"lanes": [2, 7]}}, ["kv.lanes = [2, 7]", "lane 7"]),
        ({"model": {"lanes": [4]}, "kv": {"lanes": [2]}}, ["model.lanes = [4]", "lane 4"]),
        ({"port": {"low": [(0, 192), (2, 0)]}}, ["kv.lanes = [2]", "port.low", "lane 2"]),
        ({"port": {"preset": "strict", "high": []}}, ["model.lanes = [0]", "port.high", "lane 0"]),
        ({"port": {"preset": "fifo", "low": [(2, 1)]}}, ["fifo port", "lane 0"]),
    ],
)
def test_a_lane_that_no_table_serves_is_refused(values: dict[str, Any], words: list[str]) -> None:
    """Bad input is a sentence. Mutant: the lane's traffic waits for ever."""
    with pytest.raises(ScenarioError) as error:
        make_port(LaneScenario(**values))
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


def test_a_lane_without_traffic_needs_no_turn() -> None:
    """Mutant: an idle source's lanes are looked at too."""
    assert make_port(LaneScenario(model={"pattern": "idle"}, port={"high": [], "low": [(2, 1)]})).low == [Entry(2, 1)]
