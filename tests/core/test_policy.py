"""Policies of one's own: the same door as the built-in ones, views that nobody can write to, and errors that name the turn."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab import Placement, Policy, PolicyError, calibration, compare, simulate
from dualpath_lab.core.dispatch import Dispatch
from dualpath_lab.core.scheduler import Adaptive, RoundRobin, read_on_prefill_side, split_read
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView, EngineView, NodeView
from dualpath_lab.result import Result
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.sweep import make_plan
from dualpath_lab.workload import BLOCK_TOKENS

TIGHT = {"prefill_nodes": 2, "decode_nodes": 1, "gpus_per_node": 2, "storage_gbps": 20, "hbm_gbytes": 95.0}
"""A cluster on which turns wait for HBM."""


def scenario_of(system: str | type, agents: int = 40, **more: Any) -> Scenario:
    values = {"model": "qwen-32b", "cluster": TIGHT, "workload": {"source": "paper-32k", "agents": agents}}
    return Scenario(system=system, **values | more)


def outcome(result: Result) -> dict[str, Any]:
    """All that a run tells but which scenario it was, how long it took and in how many events; every turn included."""
    values = {key: value for key, value in result.to_dict().items() if key not in ("scenario", "wall_s")}
    return values | {name: column.tobytes() for name, column in result.columns.items()}


class LeastLoaded(Policy):
    def place(self, turn: TurnView) -> Placement | None:
        roomy = [engine for engine in self.cluster.decode_engines if engine.free_hbm_bytes >= turn.hbm_bytes]
        if not roomy:
            return None
        prefill = min(self.cluster.prefill_engines, key=lambda engine: engine.tokens)
        decode = min(roomy, key=lambda engine: engine.tokens)
        near = prefill.node.read_tokens <= decode.node.read_tokens
        return Placement(prefill, decode, turn.hit if near else 0)


class InTurn(Policy):
    """Round robin over engines in turn, each of the first GPU of all nodes, then each of the second: read on the prefill side."""

    overtaking: ClassVar[bool] = True
    waits: ClassVar[int] = 0

    def __init__(self, cluster: ClusterView, dispatch: Dispatch) -> None:
        super().__init__(cluster, dispatch)
        self.numbers: dict[TurnView, int] = {}
        self.prefill = sorted(cluster.prefill_engines, key=lambda engine: engine.name[-1])
        self.decode = sorted(cluster.decode_engines, key=lambda engine: engine.name[-1])

    def place(self, turn: TurnView) -> Placement | None:
        number = self.numbers.setdefault(turn, len(self.numbers))
        decode = self.decode[number % len(self.decode)]
        before = (self.numbers[other] for other in self.cluster.waiting[: self.cluster.waiting.index(turn)])
        if turn.hbm_bytes > decode.free_hbm_bytes or any((number - other) % len(self.decode) == 0 for other in before):
            type(self).waits += 1
            return None
        return Placement(self.prefill[number % len(self.prefill)], decode, self.read(turn, number))

    def read(self, turn: TurnView, number: int) -> int:
        return turn.hit


class InTurnOnBothSides(InTurn):
    """Four prefill and two decode engines: a lap of four turns is one round, so that every second round reads on the decode side."""

    def read(self, turn: TurnView, number: int) -> int:
        return 0 if number // len(self.prefill) % 2 else turn.hit


class PaperOnPrefillSide(Adaptive):
    def __init__(self, cluster: ClusterView, dispatch: Dispatch) -> None:
        beta_tokens = calibration.BETA_S * cluster.prefill_tokens_per_s
        super().__init__(cluster, dispatch, read_on_prefill_side, calibration.ALPHA_S, beta_tokens)


class PaperSplit(Adaptive):
    split = True

    def __init__(self, cluster: ClusterView, dispatch: Dispatch) -> None:
        super().__init__(cluster, dispatch, split_read, calibration.ALPHA_S, calibration.BETA_S * cluster.prefill_tokens_per_s)


@pytest.mark.parametrize(
    ("own", "switches", "system"),
    [
        (InTurn, {"dual_path": False, "compute_quota": False}, "layerwise"),
        (InTurn, {"dual_path": False, "compute_quota": False, "layerwise": False}, "basic"),
        (InTurnOnBothSides, {"compute_quota": False}, "roundrobin"),
        (PaperSplit, {}, "split"),
    ],
)
def test_a_policy_that_decides_as_a_system_does_is_that_system(own: type, switches: dict[str, bool], system: str) -> None:
    """Bit for bit. Mutant: a built-in scheduler acts past the door, or one's own is asked too late."""
    InTurn.waits = InTurnOnBothSides.waits = 0
    assert outcome(simulate(scenario_of(own, mechanisms=switches))) == outcome(simulate(scenario_of(system)))
    if issubclass(own, InTurn):
        assert own.waits > 0


def test_the_papers_scheduler_is_one_of_ones_own() -> None:
    """Bit for bit. Mutant: the side is taken from the mechanisms."""
    builtin = simulate(scenario_of("dualpath", mechanisms={"dual_path": False}))
    assert outcome(simulate(scenario_of(PaperOnPrefillSide))) == outcome(builtin)


def test_ten_lines_race_against_the_others() -> None:
    """Mutant: the class is lost on its way, or its runs go by another's name."""
    comparison = compare(scenario_of("dualpath", agents=6), [LeastLoaded, "dualpath"])
    own, dualpath = comparison.runs
    assert own.endswith(":LeastLoaded")
    assert dualpath == "dualpath"
    assert comparison.runs[own].values["agents_finished"] == 6
    with pytest.raises(ScenarioError, match="each system may stand once"):
        compare(scenario_of("dualpath"), [LeastLoaded, LeastLoaded])


class Looker(LeastLoaded):
    """Keeps what it sees."""

    seen: ClassVar[list[tuple[ClusterView, TurnView]]] = []

    def place(self, turn: TurnView) -> Placement | None:
        self.seen.append((self.cluster, turn))
        return super().place(turn)


@pytest.fixture
def looked() -> Iterator[tuple[Simulation, ClusterView, TurnView]]:
    simulation = Simulation(scenario_of(Looker))
    simulation.advance(30)
    cluster, turn = Looker.seen[-1]
    yield simulation, cluster, turn
    Looker.seen.clear()


def public(view: object) -> list[str]:
    return [name for name in dir(view) if not name.startswith("_")]


def test_nothing_that_a_policy_sees_can_be_set(looked: tuple[Simulation, ClusterView, TurnView]) -> None:
    """Mutant: a plain attribute, a list, a method that does something, or room for new attributes."""
    _, cluster, turn = looked
    for view in (cluster, turn, cluster.prefill_engines[0], cluster.decode_engines[0], cluster.prefill_nodes[0], cluster.decode_nodes[0]):
        assert len(public(view)) > 5
        for name in [*public(view), "anything"]:
            with pytest.raises(AttributeError):
                setattr(view, name, 0)
            with pytest.raises(AttributeError):
                delattr(view, name)
        for name in public(view):
            value = getattr(view, name)
            plain = value is None or isinstance(value, int | float | str | EngineView | NodeView | tuple)
            assert plain, f"{name} of {view!r} is {value!r}"


def test_the_view_is_the_cluster(looked: tuple[Simulation, ClusterView, TurnView]) -> None:
    """Mutant: a copy of an earlier moment, engines in another order, or another unit."""
    simulation, cluster, _ = looked
    real = simulation.cluster
    for views, engines in ((cluster.prefill_engines, real.prefill_engines), (cluster.decode_engines, real.decode_engines)):
        for view, engine in zip(views, engines, strict=True):
            assert (view.index, view.name, view.group, view.role) == (engine.index, engine.name, engine.fetch_group, engine.node.role)
            assert (view.tokens, view.sequences) == (engine.tokens, engine.sequences)
            assert (view.free_hbm_bytes, view.hbm_bytes) == (engine.hbm.free_bytes, engine.hbm.capacity_bytes)
    assert any(engine.tokens for engine in cluster.decode_engines)
    assert [engine.decoding for engine in cluster.decode_engines] == [engine.decoding for engine in real.decode_engines]
    assert [engine.ready for engine in cluster.prefill_engines] == [len(engine.ready) for engine in real.prefill_engines]
    nodes = cluster.prefill_nodes + cluster.decode_nodes
    assert [node.name for node in nodes] == [node.name for node in real.nodes]
    assert [node.read_tokens for node in nodes] == [node.reads.tokens for node in real.nodes]
    assert [node.free_buffer_bytes for node in nodes] == [node.buffer.free_bytes for node in real.nodes]
    assert [[engine.name for engine in node.engines] for node in nodes] == [[f"{node.name}.g{gpu}" for gpu in range(2)] for node in nodes]
    hardware = real.prefill_nodes[0].hardware
    assert nodes[0].storage_bytes_per_s == pytest.approx(20e9 / 8 * hardware.storage_efficiency)
    assert (nodes[0].compute_bytes_per_s, nodes[0].dram_bytes_per_s) == (400e9 / 8, 500e9)
    assert cluster.read_tokens_per_s * cluster.kv_bytes_per_token == pytest.approx(nodes[0].storage_bytes_per_s)
    assert len(cluster.waiting) == simulation.snapshot().scheduler_queue > 0
    assert cluster.now <= simulation.now
    simulation.change({"cluster.storage_gbps": 40})
    assert nodes[0].storage_bytes_per_s == pytest.approx(40e9 / 8 * hardware.storage_efficiency)


def test_turns_carry_their_numbers() -> None:
    """Mutant: the row of the workload."""
    simulation = Simulation(scenario_of(Looker, agents=3))
    simulation.run()
    numbers: dict[int, list[int]] = {}
    for _, turn in Looker.seen:
        if turn.number not in numbers.setdefault(turn.agent, []):
            numbers[turn.agent].append(turn.number)
        assert turn.prompt == turn.hit + turn.computed == turn.tokens - turn.generate
    Looker.seen.clear()
    first_turn = simulation.workload.first_turn
    assert numbers == {agent: list(range(first_turn[agent + 1] - first_turn[agent])) for agent in range(3)}


class Wrong(LeastLoaded):
    """Decides about the third turn of some agent what ``wrong`` says."""

    def place(self, turn: TurnView) -> Placement | None:
        roomy = max(engine.free_hbm_bytes for engine in self.cluster.decode_engines) >= turn.hbm_bytes
        return self.wrong(turn) if turn.number == 2 and roomy else super().place(turn)

    def wrong(self, turn: TurnView) -> Any:
        raise NotImplementedError

    def engines(self) -> tuple[Any, Any]:
        return self.cluster.prefill_engines[0], max(self.cluster.decode_engines, key=lambda engine: engine.free_hbm_bytes)


class Raises(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return 1 / (turn.number - 2)


class RaisesNothingToSay(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        raise KeyError


class SetsHits(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        turn.hit = 0  # type: ignore[misc]


class SetsTokens(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        self.cluster.prefill_engines[0].tokens = 0  # type: ignore[misc]


class Swaps(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return Placement(*reversed(self.engines()), prefill_read=turn.hit)  # type: ignore[misc]


class NamesEngines(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return Placement("p0.g0", self.engines()[1], turn.hit)  # type: ignore[arg-type]


class Unhashable(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return Placement(self.engines()[0], [self.engines()[1]], turn.hit)  # type: ignore[arg-type]


class OtherCluster(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        waiting: dict[TurnView, Any] = {}
        real = Simulation(scenario_of("basic"))
        other = ClusterView(real.cluster, real._env, waiting, 1, 1.0)
        return Placement(self.engines()[0], other.decode_engines[0], turn.hit)


class Overfills(LeastLoaded):
    def place(self, turn: TurnView) -> Placement | None:
        return Placement(self.cluster.prefill_engines[0], self.cluster.decode_engines[0], turn.hit)


class ReadsTooMuch(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return Placement(*self.engines(), turn.hit + BLOCK_TOKENS)


class ReadsHalf(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return Placement(*self.engines(), BLOCK_TOKENS)


class ReadsHalfBlock(Wrong):
    split = True

    def wrong(self, turn: TurnView) -> Any:
        return Placement(*self.engines(), BLOCK_TOKENS // 2)


class ReadsLess(Wrong):
    split = True

    def wrong(self, turn: TurnView) -> Any:
        return Placement(*self.engines(), -BLOCK_TOKENS)


class ReadsFraction(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return Placement(*self.engines(), turn.hit / 1)  # type: ignore[arg-type]


class Returns(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return 3


class Stalls(Wrong):
    def wrong(self, turn: TurnView) -> Any:
        return None


class Twice(RoundRobin):
    """Assigns each turn again."""

    def __init__(self, cluster: ClusterView, dispatch: Dispatch) -> None:
        super().__init__(cluster, dispatch, both_sides=False)

    def submit(self, turn: TurnView) -> None:
        super().submit(turn)
        super().submit(turn)


class HalfTwice(Twice):
    def submit(self, turn: TurnView) -> None:
        self._dispatch.prefill(turn, self._prefill[0])
        self._dispatch.prefill(turn, self._prefill[1])


class ReadsFirst(Twice):
    def submit(self, turn: TurnView) -> None:
        self._dispatch.read(turn, turn.hit)


class Forgets(Twice):
    def submit(self, turn: TurnView) -> None:
        pass


class RaisesLater(Twice):
    def submit(self, turn: TurnView) -> None:
        RoundRobin.submit(self, turn)

    def read_ended(self, node: NodeView) -> None:
        raise OSError("no such luck.")


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (Raises, ["turn 2 of agent", "ZeroDivisionError in wrong, line", "division by zero."]),
        (RaisesNothingToSay, ["turn 2 of agent", "raised KeyError"]),
        (SetsHits, ["turn 2 of agent", "AttributeError", "hit"]),
        (SetsTokens, ["turn 2 of agent", "AttributeError", "tokens"]),
        (Swaps, ["turn 2 of agent", "prefill = <decode engine d0.g", "one of the 4 engines of cluster.prefill_engines"]),
        (NamesEngines, ["turn 2 of agent", "prefill = 'p0.g0'", "cluster.prefill_engines"]),
        (Unhashable, ["turn 2 of agent", "decode = [<decode engine d0.g", "cluster.decode_engines"]),
        (OtherCluster, ["turn 2 of agent", "decode = <decode engine d0.g0>", "one of the 2 engines of cluster.decode_engines"]),
        (Overfills, ["turn 0 of agent", "decode = <decode engine d0.g0>", "bytes of HBM", "are free there"]),
        (ReadsTooMuch, ["turn 2 of agent", "prefill_read", "all hit tokens, or 0"]),
        (ReadsHalf, ["turn 2 of agent", "prefill_read = 64", "split = True"]),
        (ReadsHalfBlock, ["turn 2 of agent", "prefill_read = 32", "a multiple of 64 from 0 to"]),
        (ReadsLess, ["turn 2 of agent", "prefill_read = -64", "a multiple of 64 from 0 to"]),
        (ReadsFraction, ["turn 2 of agent", "prefill_read", "all hit tokens"]),
        (Returns, ["turn 2 of agent", "place returned 3", "Placement"]),
        (Stalls, ["turn 2 of agent", "was not placed", "nothing is left to happen", "turn(s) wait"]),
        (Twice, ["turn 0 of agent 0", "<turn 0 of agent 0> is not allowed", "cluster.waiting"]),
        (HalfTwice, ["turn 0 of agent 0", "prefill = <prefill engine p1.g0>", "<prefill engine p0.g0> was assigned before"]),
        (ReadsFirst, ["turn 0 of agent 0", "both engines should be assigned before"]),
        (Forgets, ["turn 0 of agent 0", "was not placed", "40 turn(s) wait"]),
        (RaisesLater, ["told that a read of node p", "OSError in read_ended", "no such luck."]),
    ],
)
@pytest.mark.parametrize("horizon_s", [None, 1e5], ids=["to the end", "to a horizon"])
def test_what_is_impossible_is_told_with_policy_and_turn(own: type, words: list[str], horizon_s: float | None) -> None:
    """One sentence of each. Mutant: a check is missing, or it blames another turn."""
    scenario = scenario_of(own, horizon_s=horizon_s)
    with pytest.raises(PolicyError) as caught:
        simulate(scenario)
    told = str(caught.value)
    for word in (f"policy {scenario.system}", " at ", *words):
        assert word in told
    assert told.endswith(".")
    assert not told.endswith("..")


def test_a_run_that_is_stepped_stalls_too() -> None:
    """Mutant: whoever looks on waits for ever."""
    with pytest.raises(PolicyError, match="was not placed"):
        simulate(scenario_of(Forgets), progress=lambda _: None)


def test_without_the_second_path_all_is_read_on_the_prefill_side() -> None:
    """Mutant: the switch is not looked at."""
    with pytest.raises(PolicyError, match=r"prefill_read = 0 is not allowed: .* since mechanisms\.dual_path is off"):
        simulate(scenario_of(InTurnOnBothSides, mechanisms={"dual_path": False}))


class NoPolicy:
    def place(self, turn: TurnView) -> None: ...


class Nowhere(Policy):
    pass


class RaisesAtOnce(LeastLoaded):
    def __init__(self, cluster: ClusterView, dispatch: Dispatch) -> None:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("system", "words"),
    [
        (NoPolicy, ["lacks submit, prefill_fetch", "a method place"]),
        (Nowhere, ["lacks place"]),
        (RaisesAtOnce, ["when it was made", "ValueError in __init__", ": no."]),
        ("no_such_module:Mine", ["no module no_such_module"]),
        ("json.no_such_module:Mine", ["no module json.no_such_module"]),
        ("json:Mine", ["no Mine in json"]),
        ("os:system", ["system is", "not a class"]),
        ("dualpath_lab.core.scheduler:Adaptive", ["TypeError", "choose_side"]),
    ],
)
def test_what_is_no_policy_is_told(system: str | type, words: list[str]) -> None:
    """Mutant: it fails later, with a traceback."""
    with pytest.raises(ScenarioError) as caught:
        Simulation(scenario_of(system))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("system", ["mine", "mine:", ":Mine", "mine.py:Mine()", "a b:C", "../mine:Mine", "mine:Mine:M", "1mine:Mine", ""])
def test_a_name_that_leads_to_no_class_is_refused(system: str) -> None:
    """Mutant: any text with a colon passes."""
    with pytest.raises(ScenarioError, match=r"system = .* is not allowed: it should be one of 'basic', .* or the package\.module:Class"):
        Scenario(system=system)


def test_a_class_goes_by_a_name_that_leads_to_it() -> None:
    """Mutant: two classes of one name are taken for each other."""

    class Local(LeastLoaded):
        pass

    assert Scenario(system=LeastLoaded) == Scenario(system=f"{__name__}:LeastLoaded")
    with pytest.raises(ScenarioError, match="the latest of its name, at the top level"):
        Scenario(system=Local)


def test_a_scheduler_in_place_of_a_scheduler_is_refused() -> None:
    """Mutant: mechanisms.adaptive is silently without effect."""
    with pytest.raises(ScenarioError, match=r"mechanisms\.adaptive = False is not allowed with system '.*:LeastLoaded'"):
        Simulation(scenario_of(LeastLoaded, mechanisms={"adaptive": False}))


def test_a_sweep_refuses_what_other_processes_cannot_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: every run of it fails, or results of a changed cell pass for the same."""
    import __main__

    monkeypatch.setattr(__main__, "Cell", LeastLoaded, raising=False)
    Simulation(scenario_of("__main__:Cell"))
    with pytest.raises(ScenarioError, match="not in a file that other processes can import; put it into one"):
        make_plan({"base": {"system": "__main__:Cell"}, "grid": {"seed": [0, 1]}})


class Dice(Policy):
    """Throws dice about everything, and waits at times while others are at work."""

    overtaking: ClassVar[bool] = True
    split = True

    def place(self, turn: TurnView) -> Placement | None:
        dice = Random(f"{turn.agent} {turn.number} {len(self.cluster.waiting)} {self.cluster.now}")
        roomy = [engine for engine in self.cluster.decode_engines if engine.free_hbm_bytes >= turn.hbm_bytes]
        busy = any(engine.sequences for engine in self.cluster.decode_engines)
        if not roomy or (busy and dice.random() < 0.5):
            return None
        read = dice.choice([0, turn.hit, dice.randint(0, turn.hit // BLOCK_TOKENS) * BLOCK_TOKENS])
        return Placement(dice.choice(self.cluster.prefill_engines), dice.choice(roomy), read)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 99),
    model=st.sampled_from(["qwen-32b", "ds-27b"]),
    nodes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    arrival_rate=st.sampled_from([None, 1.0]),
)
def test_laws_hold_whatever_a_policy_decides(seed: int, model: str, nodes: tuple[int, int], arrival_rate: float | None) -> None:
    """Laws 2, 3, 6 and 8. Mutant: the door lets HBM be promised twice, or part of a read is lost."""
    hbm_gbytes = {"qwen-32b": 95.0, "ds-27b": 40.0}[model]
    cluster = {**TIGHT, "prefill_nodes": nodes[0], "decode_nodes": nodes[1], "hbm_gbytes": hbm_gbytes}
    workload = {"source": "paper-32k", "agents": 8, "arrival_rate": arrival_rate}
    simulation = Simulation(scenario_of(Dice, model=model, cluster=cluster, workload=workload, seed=seed))
    simulation.run()
    columns, work = simulation.log.columns(), simulation.workload
    assert simulation.agents_finished == 8
    assert sorted(columns["row"].tolist()) == list(range(work.turns))
    assert (columns["hit"] + columns["computed"]).sum() == (work.context + work.append).sum()
    assert columns["generate"].sum() == work.generate.sum()
    assert (columns["submitted"] <= columns["placed"]).all()
    kv_bytes = simulation.model.kv_bytes_per_token
    carried = simulation.network.carried_bytes(simulation.now)
    for nodes_of_role, read in (
        (simulation.cluster.prefill_nodes, columns["prefill_read"]),
        (simulation.cluster.decode_nodes, columns["hit"] - columns["prefill_read"]),
    ):
        assert sum(carried[node.snic_rx.number] for node in nodes_of_role) == pytest.approx(int(read.sum()) * kv_bytes)
    for engine in simulation.cluster.decode_engines:
        assert engine.hbm.peak_bytes <= engine.hbm.capacity_bytes
        assert (engine.hbm.used_bytes, engine.sequences, engine.tokens) == (0, 0, 0)
    again = Simulation(simulation.scenario)
    again.run()
    assert {name: column.tobytes() for name, column in again.log.columns().items()} == {
        name: column.tobytes() for name, column in columns.items()
    }
