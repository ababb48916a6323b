"""A run as a trace file, in the event format that Perfetto and Chrome read: every turn, every forward, and how busy the links were."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dualpath_lab.core.observer import utilization
from dualpath_lab.core.prefill import PrefillGroup
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.anatomy import STAGES, Turns, group_name
from dualpath_lab.studies.reproduce.results import whole_file

Event = dict[str, Any]
"""One of the format's objects; ``ts`` and ``dur`` are in us since the run began."""

_CLUSTER = 1
"""Number of the process that holds what belongs to no node; those of the nodes follow."""


class Slice(NamedTuple):
    """Something that lasted, in whole ns, so that what touches does not overlap."""

    start_ns: int
    end_ns: int
    name: str
    args: Mapping[str, Any]


def write_trace(path: Path, simulation: Simulation) -> None:
    """Write the trace of a run; whoever looks finds the whole of it or what was there before.

    Raises
    ------
    ScenarioError
        If the file cannot be written.
    """
    try:
        with whole_file(path) as file:
            file.writelines(trace_lines(simulation))
    except OSError as error:
        raise ScenarioError(f"The trace {str(path)!r} cannot be written: {error.strerror}.") from None


def trace_lines(simulation: Simulation) -> Iterator[bytes]:
    """The file, an event a line."""
    yield b'{"displayTimeUnit":"ms","traceEvents":['
    before = b"\n"
    for event in trace_events(simulation):
        yield before + json.dumps(event, separators=(",", ":"), allow_nan=False).encode()
        before = b",\n"
    yield b"\n]}\n"


def trace_events(simulation: Simulation) -> Iterator[Event]:
    """All events of the turns and forwards that have ended, always in the same order.

    A process stands for a node, and threads for its engines: as many for each as it has turns at a time, since the slices of a thread must
    not overlap. A read is on the side that reads. Another thread has the forwards of each prefill group, at its first engine.

    Parameters
    ----------
    simulation : Simulation
        Ended or running.
    """
    turns, cluster = Turns(simulation), simulation.cluster
    threads = count(_CLUSTER + len(cluster.nodes) + 1)
    process = {node: _CLUSTER + 1 + place for place, node in enumerate(cluster.nodes)}
    yield from _process(_CLUSTER, "cluster")
    for node, number in process.items():
        yield from _process(number, f"{node.role} node {node.name}")
    yield from _threads(_CLUSTER, "scheduler", _stages(turns, range(len(turns)), None), threads)
    groups = {group.engines[0].name: group for group in cluster.prefill_groups}
    for role, engines in (("pe", cluster.prefill_engines), ("de", cluster.decode_engines)):
        for engine in engines:
            if engine.name in groups:
                group = groups[engine.name]
                yield from _threads(process[engine.node], f"{group_name(group)} forwards", _forwards(group), threads)
            mine = np.flatnonzero(turns.columns[role] == engine.index).tolist()
            yield from _threads(process[engine.node], engine.name, _stages(turns, mine, engine.name), threads)
    yield from _turn_counters(turns)
    yield from _link_counters(simulation)


def _stages(turns: Turns, rows: Sequence[int], engine: str | None) -> Iterator[Slice]:
    """What turns do at an engine, or while they have none."""
    columns = turns.columns
    for row in rows:
        args = {"turn": row} | {name: int(columns[name][row]) for name in ("agent", "hit", "computed", "generate")}
        for name, start_s, end_s, where in turns.stages(row):
            if engine in where or (engine is None and not where):
                yield Slice(_ns(start_s), _ns(end_s), STAGES[name], args)


def _forwards(group: PrefillGroup) -> Iterator[Slice]:
    columns = {name: column.tolist() for name, column in group.log.columns().items()}
    for start_s, end_s, attention_s, tokens, requests in zip(
        *(columns[name] for name in ("start", "end", "attention_s", "tokens", "requests")), strict=True
    ):
        args = {"tokens": tokens, "requests": requests, "attention_ms": 1e3 * attention_s}
        yield Slice(_ns(start_s), _ns(end_s), "forward", args)


def _process(number: int, name: str) -> Iterator[Event]:
    yield {"ph": "M", "pid": number, "name": "process_name", "args": {"name": name}}
    yield {"ph": "M", "pid": number, "name": "process_sort_index", "args": {"sort_index": number}}


def _threads(process: int, name: str, slices: Iterable[Slice], numbers: Iterator[int]) -> Iterator[Event]:
    """Slices on as few threads as keep them apart; what took no time is left out."""
    threads: list[int] = []
    busy: list[tuple[int, int]] = []
    free: list[int] = []
    for start_ns, end_ns, what, args in sorted((each for each in slices if each.end_ns > each.start_ns), key=_order):
        while busy and busy[0][0] <= start_ns:
            heappush(free, heappop(busy)[1])
        if not free:
            number = next(numbers)
            heappush(free, number)
            threads.append(number)
            label = name if len(threads) == 1 else f"{name} ({len(threads)})"
            yield {"ph": "M", "pid": process, "tid": number, "name": "thread_name", "args": {"name": label}}
            yield {"ph": "M", "pid": process, "tid": number, "name": "thread_sort_index", "args": {"sort_index": number}}
        number = heappop(free)
        heappush(busy, (end_ns, number))
        yield {
            **{"ph": "X", "pid": process, "tid": number, "ts": start_ns / 1e3, "dur": (end_ns - start_ns) / 1e3},
            **{"name": what, "args": dict(args)},
        }


def _order(each: Slice) -> tuple[int, int, int]:
    return each.start_ns, each.end_ns, each.args.get("turn", 0)


def _turn_counters(turns: Turns) -> Iterator[Event]:
    """How many turns are in each stage at the beginning of each bin; of those that have ended."""
    bin_s = turns.simulation.bin_s
    at_s = np.arange(int(turns.simulation.now / bin_s) + 1) * bin_s
    passed = [np.searchsorted(np.sort(each), at_s, "right") for each in turns.times]
    numbers = [(begun - over).tolist() for begun, over in pairwise(passed)]
    for time_s, *inside in zip(at_s.tolist(), *numbers, strict=True):
        yield _counter(time_s, "turns", dict(zip(STAGES.values(), inside, strict=True)))


def _link_counters(simulation: Simulation) -> Iterator[Event]:
    """Mean utilisation of each kind of link in each bin that is over, in per cent."""
    curves: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for (role, kind, direction, traffic), shares in utilization(simulation).items():
        curves[f"{role} {kind.upper()} {direction} (%)"][traffic] = np.round(100 * shares, 3).tolist()
    for name, by_class in curves.items():
        for place, percents in enumerate(zip(*by_class.values(), strict=True)):
            yield _counter(place * simulation.bin_s, name, dict(zip(by_class, percents, strict=True)))


def _counter(time_s: float, name: str, values: Mapping[str, float]) -> Event:
    return {"ph": "C", "pid": _CLUSTER, "ts": _ns(time_s) / 1e3, "name": name, "args": dict(values)}


def _ns(seconds: float) -> int:
    return round(1e9 * seconds)
