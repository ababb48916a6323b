"""The fluid network: exact small cases, and random ones against a brutally simple reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simpy import Environment

from dualpath_lab.core.links import Link, ModelTraffic, lockstep
from dualpath_lab.core.network import Network
from dualpath_lab.core.recorder import BIN_S


class Bench:
    """A clock, a network and the time at which each named flow was done."""

    def __init__(self) -> None:
        self.env = Environment(0.0)
        self.network = Network(self.env)
        self.done_at: dict[str, float] = {}

    def link(self, capacity: float, name: str = "link") -> Link:
        return self.network.link(name, "cnic", "prefill", "tx", capacity)

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        self.env.timeout(time_s).callbacks.append(lambda _: action())

    def flow(
        self, name: str, load: dict[Link, int], start_s: float = 0.0, at_least_s: float = 0.0, stream_bytes: float | None = None
    ) -> None:
        def done() -> None:
            assert name not in self.done_at
            self.done_at[name] = self.env.now

        self.at(
            start_s,
            lambda: self.network.start(*lockstep({link.number: size for link, size in load.items()}, stream_bytes), done, at_least_s),
        )

    def model_rate(self, time_s: float, traffic: ModelTraffic, rate: float) -> None:
        self.at(time_s, lambda: self.network.set_model_rate(traffic, rate))

    def carried(self, *links: Link) -> list[float]:
        carried = self.network.carried_bytes(self.env.now)
        return [float(carried[link.number]) for link in links]

    def run(self) -> dict[str, float]:
        self.env.run()
        return self.done_at


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_flow_takes_bytes_over_bandwidth(bench: Bench) -> None:
    """Law 9. Mutant: a flow starts at a fraction of a free link."""
    bench.flow("a", {bench.link(40.0): 200}, start_s=3)
    assert bench.run() == {"a": pytest.approx(8)}


def test_a_flow_over_several_links_takes_as_long_as_the_slowest(bench: Bench) -> None:
    """Law 9. Mutant: the time is that of the largest load or of the first link."""
    bench.flow("a", {bench.link(100.0): 300, bench.link(10.0): 50, bench.link(50.0): 200})
    assert bench.run() == {"a": pytest.approx(5)}


def test_two_flows_share_equally_and_the_longer_speeds_up_alone(bench: Bench) -> None:
    """Law 5: 100 and 300 bytes at 10 B/s each until 10 s, then 20 B/s. Mutant: rates stay when a flow ends."""
    link = bench.link(20.0)
    bench.flow("short", {link: 100})
    bench.flow("long", {link: 300})
    assert bench.run() == {"short": pytest.approx(10), "long": pytest.approx(20)}


def test_a_late_flow_slows_the_early_one(bench: Bench) -> None:
    """Law 4: 200 bytes at 20 B/s for 5 s, the other 100 at 10 B/s. Mutant: a newcomer gets room that is not there."""
    link = bench.link(20.0)
    bench.flow("early", {link: 200})
    bench.flow("late", {link: 300}, start_s=5)
    assert bench.run() == {"early": pytest.approx(15), "late": pytest.approx(25)}


def test_a_flow_with_a_top_speed_leaves_the_rest(bench: Bench) -> None:
    """Law 5: 2 B/s for the first, so 8 B/s for the other. Mutant: equal shares for all, whatever they can use."""
    link = bench.link(10.0)
    bench.flow("slow", {link: 20}, at_least_s=10)
    bench.flow("fast", {link: 80})
    assert bench.run() == {"slow": pytest.approx(10), "fast": pytest.approx(10)}


@pytest.mark.parametrize("fast_first", [True, False])
def test_a_top_speed_above_the_fair_share_claims_no_more_than_it(bench: Bench, fast_first: bool) -> None:
    """Law 5, whoever comes first. Mutant: a flow that comes later lives on what is left, or the earlier is pushed out."""
    link = bench.link(10.0)
    flows = [("capped", {link: 40}, 5.0), ("free", {link: 40}, 0.0)]
    for name, load, at_least_s in flows[:: -1 if fast_first else 1]:
        bench.flow(name, load, at_least_s=at_least_s)
    assert bench.run() == {"capped": pytest.approx(8), "free": pytest.approx(8)}


def test_no_load_takes_the_least_time_alone(bench: Bench) -> None:
    """Law 1. Mutant: an empty transfer, or one of zeros, is done at once or never."""
    bench.flow("nothing", {}, start_s=1, at_least_s=4)
    bench.flow("zeros", {bench.link(1.0): 0}, start_s=2)
    assert bench.run() == {"zeros": pytest.approx(2), "nothing": pytest.approx(5)}


def test_max_min_over_two_links(bench: Bench) -> None:
    """Law 5: one flow over both of 10 and 4 B/s, one on each; rates 2, 8 and 2. Mutant: the first link's half (5) for the long flow."""
    wide, narrow = bench.link(10.0), bench.link(4.0)
    bench.flow("both", {wide: 20, narrow: 20})
    bench.flow("wide", {wide: 80})
    bench.flow("narrow", {narrow: 20})
    assert bench.run() == {"both": pytest.approx(10), "wide": pytest.approx(10), "narrow": pytest.approx(10)}


def test_max_min_over_a_chain(bench: Bench) -> None:
    """Law 5: links of 12, 10, 9 B/s in a chain, all crossed by one flow, with 1, 2, 3 flows beside it.

    The last link's level, 9 / 4, is the lowest: the long flow and the three have 2.25; the first link leaves 9.75 and the second
    7.75 / 2. Mutant: levels are not raised by what the long flow leaves behind.
    """
    links = [bench.link(12.0), bench.link(10.0), bench.link(9.0)]
    bench.flow("long", dict.fromkeys(links, 225))
    rates = {"long": 2.25}
    for number, (link, rate) in enumerate(zip(links, (9.75, 3.875, 2.25), strict=True), start=1):
        for one in range(number):
            rates[f"{number}{one}"] = rate
            bench.flow(f"{number}{one}", {link: round(100 * rate * 1000)})
    bench.env.run(until=50)
    found = sorted(flow.rate for flow in bench.network.moving())
    assert found == pytest.approx(sorted(rates.values()))


def test_lockstep_flow_with_unequal_bytes(bench: Bench) -> None:
    """Law 2: 100 bytes on one link while 400 cross the other; both end together. Mutant: a link carries the largest load, not its own."""
    small, large = bench.link(50.0), bench.link(40.0)
    bench.flow("a", {small: 100, large: 400})
    assert bench.run() == {"a": pytest.approx(10)}
    assert bench.carried(small, large) == [pytest.approx(100), pytest.approx(400)]


def test_lockstep_flow_leaves_what_its_lesser_link_does_not_need(bench: Bench) -> None:
    """Law 5: held to 40 B/s on one link it takes 10 B/s of the other's 50. Mutant: equal bytes assumed on every link."""
    small, large = bench.link(50.0), bench.link(40.0)
    bench.flow("lockstep", {small: 100, large: 400})
    bench.flow("other", {small: 400})
    assert bench.run() == {"lockstep": pytest.approx(10), "other": pytest.approx(10)}


def test_streams_weigh_as_many_flows(bench: Bench) -> None:
    """Law 5: a flow of three streams of 30 bytes beside one of 30 gets three quarters. Mutant: one share for each flow."""
    link = bench.link(12.0)
    bench.flow("three", {link: 90}, stream_bytes=30.0)
    bench.flow("one", {link: 30})
    assert bench.run() == {"three": pytest.approx(10), "one": pytest.approx(10)}


def test_top_speed_holds_for_the_whole_flow_of_streams(bench: Bench) -> None:
    """Law 9. Mutant: the top speed is that of a stream, so the flow takes a multiple of ``at_least_s`` or a fraction."""
    bench.flow("three", {bench.link(1000.0): 90}, at_least_s=9, stream_bytes=30.0)
    assert bench.run() == {"three": pytest.approx(9)}


def test_model_traffic_comes_off_the_top_and_both_are_booked(bench: Bench) -> None:
    """Law 7: 4 of 10 B/s are the model's for the first 10 s. Mutant: model traffic shares fairly, or is not booked."""
    link = bench.link(10.0)
    traffic = ModelTraffic([link])
    bench.model_rate(0, traffic, 4.0)
    bench.flow("kv", {link: 160})
    bench.model_rate(10, traffic, 0.0)
    assert bench.run() == {"kv": pytest.approx(20)}
    assert traffic.total_bytes(20.0) == pytest.approx(40)
    assert bench.carried(link) == [pytest.approx(160)]


def test_rates_change_when_model_traffic_starts_and_stops_mid_flow(bench: Bench) -> None:
    """Law 7: 5 s at 10, 10 s at 1, the rest at 10 B/s. Mutant: the new rate holds from the flow's start, or never comes."""
    link = bench.link(10.0)
    traffic = ModelTraffic([link])
    bench.flow("kv", {link: 100})
    bench.model_rate(5, traffic, 9.0)
    bench.model_rate(15, traffic, 0.0)
    assert bench.run() == {"kv": pytest.approx(19)}
    assert bench.network.carried(0, 19)[link.number].tolist() == pytest.approx([10] * 5 + [1] * 10 + [10] * 4)


def test_kv_never_starves(bench: Bench) -> None:
    """Law 7: with 99 % taken for good, KV flows still share the last hundredth. Mutant: no rate at all under contention."""
    link = bench.link(1000.0)
    traffic = ModelTraffic([link])
    bench.model_rate(0, traffic, 990.0)
    bench.flow("early", {link: 10}, start_s=1)
    bench.flow("late", {link: 10}, start_s=1)
    assert bench.run() == {"early": pytest.approx(3), "late": pytest.approx(3)}


def test_model_traffic_leaves_a_slow_flow_alone_and_others_take_the_slack(bench: Bench) -> None:
    """Laws 5 and 7: a flow held up elsewhere keeps its rate, and a link that model traffic frees goes to who wants it.

    Links of 10 (with model traffic) and 2 B/s. Mutant: every flow is cut in proportion, or nobody is told of freed bandwidth.
    """
    link, narrow = bench.link(10.0), bench.link(2.0)
    traffic = ModelTraffic([link])
    bench.flow("held", {link: 40, narrow: 40})
    bench.flow("free", {link: 8 * 5 + 3 * 5 + 8 * 10})
    bench.model_rate(5, traffic, 5.0)
    bench.model_rate(10, traffic, 0.0)
    assert bench.run() == {"held": pytest.approx(20), "free": pytest.approx(20)}


def test_a_flow_on_links_of_two_groups_sees_both(bench: Bench) -> None:
    """Law 7: the model traffic of either end holds the flow. Mutant: only the first link's is looked at."""
    one, other = bench.link(10.0), bench.link(10.0)
    first, second = ModelTraffic([one]), ModelTraffic([other])
    bench.model_rate(0, first, 2.0)
    bench.model_rate(0, second, 6.0)
    bench.flow("kv", {one: 80, other: 80})
    bench.model_rate(10, second, 0.0)
    assert bench.run() == {"kv": pytest.approx(15)}


@pytest.mark.parametrize("order", ["FGHKQ", "FGKQH", "QKHGF"])
def test_a_change_that_arrives_by_two_ways_is_shared_by_all_it_reaches(bench: Bench, order: str) -> None:
    """Law 5: when Q ends, K rises, so H falls, and what H leaves belongs to F and G alike: (30 - 17.5 / 2) / 2 each.

    F, at first as fast as G, is held by its own link. Mutant: only flows that the change has reached before share what is left.
    """
    own, wide, middle, last = bench.link(17.5), bench.link(30.0), bench.link(17.5), bench.link(15.0)
    crossed = {"F": [wide, own], "G": [wide], "H": [middle, wide], "K": [middle, last], "Q": [own, last]}
    for name in order:
        bench.flow(name, dict.fromkeys(crossed[name], 75 if name == "Q" else 1000))
    bench.env.run(until=5)
    assert sorted(flow.rate for flow in bench.network.moving()) == pytest.approx([7.5, 7.5, 10, 10, 10])
    bench.env.run(until=11)
    assert sorted(flow.rate for flow in bench.network.moving()) == pytest.approx([8.75, 8.75, 10.625, 10.625])


@dataclass(frozen=True)
class Transfer:
    """A flow as drawn: its bytes on links given by number."""

    start_s: float
    load: tuple[tuple[int, int], ...]
    at_least_s: float
    streams: int

    @property
    def stream_bytes(self) -> float:
        return max(size for _, size in self.load) / self.streams


@dataclass(frozen=True)
class Case:
    """Link capacities, flows, and (time, share) at which link 0's model traffic changes."""

    capacities: tuple[float, ...]
    transfers: tuple[Transfer, ...]
    model_changes: tuple[tuple[float, float], ...]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Half of the cases are like a cluster: few capacities, the same bytes on every link of a flow, so that many levels are equal."""
    capacity = draw(st.sampled_from([st.integers(1, 100).map(float), st.sampled_from([15.0, 17.5, 30.0])]))
    capacities = draw(st.lists(capacity, min_size=1, max_size=5))
    times = st.one_of(st.integers(0, 20).map(float), st.floats(0, 20))
    links, sizes = st.integers(0, len(capacities) - 1), st.integers(1, 1000)
    alike = st.tuples(st.lists(links, min_size=1, max_size=3, unique=True), sizes).map(lambda drawn: dict.fromkeys(*drawn))
    loads = draw(st.sampled_from([st.dictionaries(links, sizes, min_size=1, max_size=3), alike]))
    transfers = st.builds(
        Transfer,
        start_s=times,
        load=loads.map(lambda load: tuple(load.items())),
        at_least_s=st.one_of(st.just(0.0), st.floats(0.1, 50)),
        streams=st.integers(1, 4),
    )
    changes = st.lists(st.tuples(times, st.sampled_from([0.0, 0.3, 0.99])), max_size=4, unique_by=lambda change: change[0])
    return Case(tuple(capacities), tuple(draw(st.lists(transfers, min_size=1, max_size=9))), tuple(sorted(draw(changes))))


def filled(rooms: list[float], running: dict[int, Transfer]) -> dict[int, float]:
    """Reference: raise the rate of all streams together until a link is full or a top speed is reached; those stop; go on."""
    rates = dict.fromkeys(running, 0.0)
    rising = set(running)
    room = list(rooms)
    while rising:
        weight = [0.0] * len(room)
        for number in rising:
            for link, size in running[number].load:
                weight[link] += size / running[number].stream_bytes
        top = {n: running[n].stream_bytes / running[n].at_least_s if running[n].at_least_s else inf for n in rising}
        link_steps = {link: room[link] / weight[link] for link in range(len(room)) if weight[link]}
        step = min([*link_steps.values(), *(top[n] - rates[n] for n in rising)])
        for number in rising:
            rates[number] += step
        full = {link for link, link_step in link_steps.items() if link_step <= step * (1 + 1e-12)}
        room = [0.0 if link in full else free - step * weight[link] for link, free in enumerate(room)]
        rising -= {n for n in rising if rates[n] >= top[n] * (1 - 1e-12) or full & {link for link, _ in running[n].load}}
    return rates


def completions(case: Case) -> list[float]:
    """Reference: go from event to event; work out every rate anew at each."""
    now, share = 0.0, 0.0
    starts = sorted(range(len(case.transfers)), key=lambda n: case.transfers[n].start_s)
    changes = list(case.model_changes)
    left: dict[int, float] = {}
    done = [0.0] * len(case.transfers)
    while starts or left:
        running = {number: case.transfers[number] for number in left}
        rooms = [case.capacities[0] * (1 - share), *case.capacities[1:]]
        rates = filled(rooms, running)
        ends = {number: now + left[number] / rates[number] for number in left}
        events = [*ends.values(), *(case.transfers[n].start_s for n in starts[:1]), *(time for time, _ in changes[:1])]
        later = max(min(events), now)
        for number in list(left):
            left[number] -= rates[number] * (later - now)
            if ends[number] <= later * (1 + 1e-12):
                done[number] = later
                del left[number]
        now = later
        while starts and case.transfers[starts[0]].start_s <= now:
            number = starts.pop(0)
            left[number] = case.transfers[number].stream_bytes
        while changes and changes[0][0] <= now:
            share = changes.pop(0)[1]
    return done


def set_up(case: Case) -> tuple[Bench, list[Link], ModelTraffic]:
    bench = Bench()
    links = [bench.link(capacity, f"link{number}") for number, capacity in enumerate(case.capacities)]
    traffic = ModelTraffic([links[0]])
    for number, transfer in enumerate(case.transfers):
        load = {links[link]: size for link, size in transfer.load}
        bench.flow(str(number), load, transfer.start_s, transfer.at_least_s, transfer.stream_bytes)
    for time, share in case.model_changes:
        bench.model_rate(time, traffic, share * links[0].capacity)
    return bench, links, traffic


@settings(max_examples=300)
@given(cases())
def test_completions_are_those_of_progressive_filling(case: Case) -> None:
    """Laws 5 and 7. Mutant: rates are worked out anew for fewer flows than a change reaches, or a lazy shortcut is unfair."""
    bench, _, _ = set_up(case)
    done_at = bench.run()
    assert [done_at[str(number)] for number in range(len(case.transfers))] == pytest.approx(completions(case), rel=1e-6, abs=1e-9)


@settings(max_examples=150)
@given(cases())
def test_bytes_are_conserved_and_no_bin_is_overfull(case: Case) -> None:
    """Laws 2 and 4. Mutant: bytes moved before a change of rate are lost or booked twice; model traffic does not count."""
    bench, links, traffic = set_up(case)
    bench.run()
    assert not bench.network.moving()
    traffic_bins = traffic.series.bins
    for number, link in enumerate(links):
        expected = sum(size for transfer in case.transfers for other, size in transfer.load if other == number)
        carried = bench.network.carried(0, int(bench.env.now / BIN_S) + 1)[number].tolist()
        assert bench.carried(link) == [pytest.approx(expected, rel=1e-9)]
        assert sum(carried) == pytest.approx(expected, rel=1e-9)
        assert bench.network.used(link) == 0
        for second, amount in enumerate(carried):
            model = traffic_bins[second] if number == 0 and second < len(traffic_bins) else 0.0
            assert amount + model <= link.capacity * BIN_S * (1 + 1e-9)


@settings(max_examples=150)
@given(cases(), st.lists(st.floats(0, 40), min_size=1, max_size=6))
def test_every_flow_is_at_its_top_speed_or_on_a_full_link(case: Case, looks: list[float]) -> None:
    """Laws 4 and 5, at any moment. Mutant: bandwidth that a finished flow, or the model, leaves is not handed on."""
    bench, links, _ = set_up(case)
    for time in sorted(looks):
        if time > bench.env.now:
            bench.env.run(until=time)
        network, moving = bench.network, bench.network.moving()
        for link in links:
            used = sum(flow.rate * flow.route.get(link, 0.0) for flow in moving)
            assert network.used(link) == pytest.approx(used, rel=1e-9, abs=1e-9)
            assert used <= network.kv_capacity(link) + 1e-9 * link.capacity
        for flow in moving:
            full = [link for link in flow.route if network.used(link) >= network.kv_capacity(link) - 1e-9 * link.capacity]
            fastest = [link for link in full if flow.rate >= max(other.rate for other in moving if link in other.route) * (1 - 1e-9)]
            assert flow.rate == pytest.approx(flow.top_rate, rel=1e-9) or fastest
