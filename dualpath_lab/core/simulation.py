"""Puts a scenario together and runs it: agents replay their trajectories on the cluster, turn after turn."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import numpy as np

from dualpath_lab.core.alarm import Alarm, Clock, call_later
from dualpath_lab.core.arrivals import Arrivals
from dualpath_lab.core.cluster import Cluster
from dualpath_lab.core.dispatch import Dispatch
from dualpath_lab.core.live_change import changed, hit_rate_of
from dualpath_lab.core.network import Network
from dualpath_lab.core.own_policy import Guarded
from dualpath_lab.core.policy import Scheduler
from dualpath_lab.core.prefill import PrefillGroup
from dualpath_lab.core.prefill_time import PrefillTime
from dualpath_lab.core.recorder import TurnLog, wide_enough
from dualpath_lab.core.systems import make_batching, make_loader, make_scheduler, mechanisms, sides, with_policy
from dualpath_lab.core.turn import Turn, hit_tokens
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import load_model
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.workload import Workload, build_workload

LATEST_START_S = 2.0**33
"""Within these 272 years the clock, a float, is right to 2 us or better; a run that starts its turns later would round their times."""


@dataclass(frozen=True)
class Snapshot:
    """Where a run stands.

    Attributes
    ----------
    time_s : float
        Simulated time.
    agents_finished, turns : int
        Finished so far.
    scheduler_queue : int
        Turns that wait to be placed.
    prefill_read_tokens, decode_read_tokens : int
        Length of the read queues of all prefill and of all decode nodes.
    prefill_queue, decoding : int
        Turns ready to be prefilled, and sequences being decoded.
    finished : bool
        Whether every agent is done or the horizon is reached.
    """

    time_s: float
    agents_finished: int
    turns: int
    scheduler_queue: int
    prefill_read_tokens: int
    decode_read_tokens: int
    prefill_queue: int
    decoding: int
    finished: bool


class Simulation:
    """One run of one scenario.

    However it is stepped, and whoever looks on, the result is the same (law 8): looking changes nothing, and time advances from event
    to event.

    Parameters
    ----------
    scenario : Scenario
    workload : Workload, optional
        Trajectories in the place of ``workload.source``, which then names them.
    decisions : bool
        Keep what :attr:`Dispatch.decisions` says.

    Raises
    ------
    ScenarioError
        If the model, workload and cluster don't go together: weights or a turn too large for the memory; if agents arrive or pause for
        longer than ``LATEST_START_S``; or if the policy can't be made.
    """

    def __init__(self, scenario: Scenario, workload: Workload | None = None, decisions: bool = False) -> None:
        if workload is not None:
            scenario = scenario.with_values({"workload.source": f"in memory: {workload.name}"})
        self.scenario = scenario
        self.model = load_model(scenario.model, scenario.kv_dtype)
        self.workload, arrivals = build_workload(scenario.workload, scenario.seed, workload)
        self._context, self._append = self.workload.context.data, self.workload.append.data
        self._generate, self._gap_s = self.workload.generate.data, self.workload.gap_s.data
        self._first_turn = self.workload.first_turn.data
        self._check_clock(float(arrivals[-1]), float(np.add.reduceat(self.workload.gap_s, self.workload.first_turn[:-1]).max()))
        self._hit_rate = hit_rate_of(scenario)
        self._request_s = load_hardware(scenario.side("prefill").hardware).request_s
        self.log = TurnLog()
        self.now = 0.0
        self.events = 0
        self.agents_finished = 0
        self._latest: list[TurnView | None] = [None] * self.workload.trajectories
        self._env = Clock()
        self.network = Network(self._env)
        kv_bytes = self.model.kv_bytes_per_token
        prompts = self.workload.context + self.workload.append
        self._check_windows(int((prompts + self.workload.generate).max()))
        largest_prompt_bytes = int(prompts.max()) * kv_bytes
        chosen = with_policy(mechanisms(scenario), scenario)
        hardware = load_hardware(scenario.side("prefill").hardware)
        one_gpu = PrefillTime(self.model, hardware, 1)
        self.cluster = Cluster(scenario, self.model, make_batching(chosen, one_gpu.attention_s), self._env, self.network)
        self._check_memory(largest_prompt_bytes, int((prompts + self.workload.generate).max()) * kv_bytes)
        take_in_s = self.model.layers * load_hardware(scenario.side("decode").hardware).layer_block_s
        self._loader = make_loader(chosen)(self._env, self.network, self.model, self.cluster.block_submit_s, take_in_s)
        waiting: dict[TurnView, Turn] = {}
        view = ClusterView(self.cluster, self._env, waiting, kv_bytes, one_gpu.tokens_per_s(self.workload))
        self.dispatch = Dispatch(scenario.system, sides(chosen), self.cluster, view, waiting, self._place, scenario.seed, decisions)
        self.scheduler = make_scheduler(chosen, scenario, view, self.dispatch)
        for node, seen in zip(self.cluster.nodes, view.prefill_nodes + view.decode_nodes, strict=True):
            node.reads.ended = partial(self.scheduler.read_ended, seen)
        for prefill_group in self.cluster.prefill_groups:
            prefill_group.loader = self._loader
            prefill_group.forward_ended = self._forward_ended
        for decode_group in self.cluster.decode_groups:
            decode_group.loader = self._loader
            decode_group.turn_ended = self._turn_ended
        self._arrivals = Arrivals(self._env, arrivals, lambda agent: self._submit(agent, self._first_turn[agent]))

    @property
    def finished(self) -> bool:
        """Whether every agent is done or the horizon is reached."""
        return self.agents_finished == self.workload.trajectories or self.now >= self._horizon_s

    @property
    def next_s(self) -> float:
        """When the next thing happens, s; infinite where nothing is left to."""
        return float(self._env.peek())

    @property
    def bin_s(self) -> float:
        """Width of the bins of what is recorded over time: it doubles as time goes on, so that there are ``network.most_bins`` at most."""
        cluster = self.cluster
        models = (group.traffic.series for group in (*cluster.prefill_groups, *cluster.decode_groups))
        computed = (group.compute for group in cluster.prefill_groups)
        widest = max(self.network.bin_s, *(series.bin_s for series in (*models, *computed)))
        return wide_enough(self.now, widest, self.network.most_bins)

    @property
    def _horizon_s(self) -> float:
        return self.scenario.horizon_s or inf

    def advance(self, seconds: float) -> None:
        """Simulate ``seconds`` more, or up to the end if that comes first.

        Raises
        ------
        PolicyError
            If the policy raises, decides something impossible, or lets turns wait when nothing is left to happen.
        """
        env, agents = self._env, self.workload.trajectories
        peek, step = env.peek, env.step
        until = min(self.now + seconds, self._horizon_s)
        while self.agents_finished < agents:
            next_s = peek()
            if next_s == inf:
                raise self._stalled()
            if next_s > until:
                break
            step()
            self.events += 1
        self.now = env.now if self.agents_finished == agents else until

    def change(self, values: Mapping[str, Any]) -> None:
        """Go on with other settings; what they were acted up to :attr:`now`.

        Bandwidths and the share of model traffic act on everything that moves; the hit rate on turns submitted from now on; the arrival
        rate on agents still to come, whose remaining gaps shrink or stretch with it. A setting that stays as it is changes nothing.

        Parameters
        ----------
        values : mapping
            Scenario keys of :data:`live_change.CHANGEABLE` with their new values.

        Raises
        ------
        ScenarioError
            If a key or value is not allowed, or can't be changed while a run goes on.
        """
        before, after = self.scenario, changed(self.scenario, values)
        if after == before:
            return
        self._bring_clock_to_now()
        self.scenario = after
        self._hit_rate = hit_rate_of(after)
        self.cluster.change_links(before, after)
        self.scheduler.storage_changed()
        if after.workload.arrival_rate and before.workload.arrival_rate:
            self._arrivals.stretch(before.workload.arrival_rate / after.workload.arrival_rate)

    def _bring_clock_to_now(self) -> None:
        """The clock of the events stands at the last one."""
        self.advance(0.0)
        reached: list[None] = []
        call_later(self._env, max(self.now - self._env.now, 0.0), lambda: reached.append(None))
        while not reached:
            self._env.step()
            self.events += 1

    @property
    def policy(self) -> Scheduler | None:
        """The policy of the user's own that decides, with its state; None of a built-in system."""
        return self.scheduler.policy if isinstance(self.scheduler, Guarded) else None

    def run(self) -> None:
        """Simulate to the end."""
        with _collector_paused():
            self.advance(inf)

    def snapshot(self) -> Snapshot:
        """Where the run stands now."""
        cluster = self.cluster
        return Snapshot(
            time_s=self.now,
            agents_finished=self.agents_finished,
            turns=len(self.log),
            scheduler_queue=self.dispatch.waiting,
            prefill_read_tokens=sum(node.reads.tokens for node in cluster.prefill_nodes),
            decode_read_tokens=sum(node.reads.tokens for node in cluster.decode_nodes),
            prefill_queue=sum(len(engine.ready) for engine in cluster.prefill_engines),
            decoding=sum(engine.decoding for engine in cluster.decode_engines),
            finished=self.finished,
        )

    def waits(self) -> list[float]:
        """How long, s, each turn without a first token has waited for it, the longest first."""
        turns = [view._turn for view in self._latest if view]
        return sorted((self.now - turn.submitted for turn in turns if turn.first_token == 0), reverse=True)

    def _submit(self, agent: int, row: int, previous: Turn | None = None) -> None:
        context, append = self._context[row], self._append[row]
        hit = hit_tokens(context, append, self._hit_rate)
        turn = Turn(agent, row, hit, context + append - hit, self._generate[row], self.model.kv_bytes_per_token)
        turn.previous = previous
        turn.number = previous.number + 1 if previous else 0
        turn.submitted = self._env.now
        call_later(self._env, self._request_s, partial(self._schedule, turn))

    def _schedule(self, turn: Turn) -> None:
        view = self._latest[turn.agent] = self.dispatch.add(turn)
        self.scheduler.submit(view)

    def _place(self, turn: Turn) -> None:
        turn.logged = self.log.begun(turn, self._env.now)
        previous, turn.previous = turn.previous, None
        if previous:
            previous.de.node.writes.when_stored(previous, self._loader.begin, turn)
        else:
            self._loader.begin(turn)

    def _forward_ended(self, group: PrefillGroup) -> None:
        self.scheduler.prefill_fetch(group.engines[0].fetch_group)

    def _turn_ended(self, turn: Turn) -> None:
        turn.de.sequences -= 1
        turn.de.tokens -= turn.tokens
        turn.de.hbm.give_back(turn.hbm_bytes)
        self.log.add(turn)
        view = self._latest[turn.agent]
        assert view
        self.scheduler.turn_ended(view)
        self._go_on(turn)

    def _go_on(self, turn: Turn) -> None:
        """The agent submits its next turn after a pause, or is done once all its blocks are in storage."""
        row = turn.row + 1
        if row == self._first_turn[turn.agent + 1]:
            turn.de.node.writes.when_stored(turn, self._agent_done, turn)
        elif pause_s := self._gap_s[row]:
            Alarm(self._env, partial(self._submit, turn.agent, row, turn)).set(pause_s)
        else:
            self._submit(turn.agent, row, turn)

    def _stalled(self) -> Exception:
        if self.dispatch.waiting:
            return self.dispatch.stalled()
        return RuntimeError(f"at {self._env.now:.6g} s nothing is left to happen, and {self.agents_finished} agents are done")

    def _agent_done(self, _last: Turn) -> None:
        self.agents_finished += 1

    def _check_clock(self, last_arrival_s: float, longest_pauses_s: float) -> None:
        workload = self.scenario.workload
        if self._horizon_s <= LATEST_START_S:
            return
        if last_arrival_s > LATEST_START_S:
            raise ScenarioError(
                f"workload.arrival_rate = {workload.arrival_rate:g} is not allowed with {workload.agents:,} agents: the last would arrive "
                f"after {last_arrival_s:.3g} s, and a run tells times up to {LATEST_START_S:.3g} s."
            )
        if last_arrival_s + longest_pauses_s > LATEST_START_S:
            gap = "null" if workload.tool_gap_s is None else f"{workload.tool_gap_s:g}"
            raise ScenarioError(
                f"workload.tool_gap_s = {gap} is not allowed with {workload.source!r}: an agent would pause for {longest_pauses_s:.3g} s, "
                f"and a run tells times up to {LATEST_START_S:.3g} s."
            )

    def _check_windows(self, longest: int) -> None:
        """Bytes are tokens times a constant here, which they are not once a layer drops what left its window."""
        bound = self.model.linear_up_to
        if bound is not None and longest > bound:
            raise ScenarioError(
                f"model = {self.scenario.model!r} is not allowed with turns of up to {longest:,} tokens: some of its layers keep the "
                f"KV-cache of a window only, which can be simulated up to {bound:,} tokens."
            )

    def _check_memory(self, largest_prompt_bytes: int, largest_turn_bytes: int) -> None:
        cluster = self.cluster
        buffer_bytes = min(node.buffer.capacity_bytes for node in cluster.nodes)
        for what, size, room in (
            ("prompt", largest_prompt_bytes, buffer_bytes),
            ("prompt", largest_prompt_bytes, min(engine.hbm.capacity_bytes for engine in cluster.prefill_engines)),
            ("turn", largest_turn_bytes, min(engine.hbm.capacity_bytes for engine in cluster.decode_engines)),
        ):
            if size > room:
                raise ScenarioError(
                    f"workload.source = {self.scenario.workload.source!r} is not allowed with model {self.model.name}: the KV-cache of its "
                    f"longest {what} takes {size / 1e9:.3g} GB, and there is room for {room / 1e9:.3g} GB in a "
                    f"{'node' if room == buffer_bytes else 'GPU'} (cluster.buffer_gbytes, cluster.hbm_gbytes)."
                )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A run leaves no reference cycles, and looking for them takes about a tenth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
