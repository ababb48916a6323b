"""Two systems side by side: one workload, one seed, one clock. No Panel in here."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import chain
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core import observer
from dualpath_lab.core.observer import LATENCIES
from dualpath_lab.core.recorder import BIN_S
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.dashboards.frames import RECENT_BINS, Frame, SideFrame
from dualpath_lab.result import Result, result_of
from dualpath_lab.scenario import Scenario

Floats = NDArray[np.float64]

TICKS_PER_BIN = 10
"""Steps of the clock in ``BIN_S``; after each the time budget is looked at."""
SMOOTH_BINS = 10
"""Bins over which curves of latency, and what is busiest now, are averaged."""
NOTED = ("agents_finished",)
"""Attributes of a snapshot that the past is told from, read at the end of each bin."""

QUEUES = ("scheduler_queue", "prefill_read_tokens", "decode_read_tokens", "prefill_queue")
"""Attributes of a snapshot that become curves, read at the end of each bin."""
LINKS = {
    "prefill_snic": (("prefill", "snic", "rx", "kv"),),
    "decode_snic": (("decode", "snic", "rx", "kv"),),
    "prefill_dram": (("prefill", "dram", "both", "kv"),),
    "decode_dram": (("decode", "dram", "both", "kv"),),
    "prefill_cnic_kv": (("prefill", "cnic", "rx", "kv"), ("prefill", "cnic", "tx", "kv")),
    "prefill_cnic_model": (("prefill", "cnic", "rx", "model"), ("prefill", "cnic", "tx", "model")),
    "decode_cnic_kv": (("decode", "cnic", "rx", "kv"), ("decode", "cnic", "tx", "kv")),
    "decode_cnic_model": (("decode", "cnic", "rx", "model"), ("decode", "cnic", "tx", "model")),
}
"""Curves of utilisation, each the busier of the families it names."""
COUNTS = tuple(dict.fromkeys(LATENCIES.values()))
"""Curves that are not shown: of how many turns the latencies of a bin are means."""
CURVES = (*QUEUES, *LINKS, *LATENCIES)
"""Curves of each side: turns or tokens waiting, utilisation from 0 to 1, mean latency in s."""

BUSY = {
    "prefill SNIC": ("prefill_snic",),
    "decode SNIC": ("decode_snic",),
    "prefill CNIC": ("prefill_cnic_kv", "prefill_cnic_model"),
    "decode CNIC": ("decode_cnic_kv", "decode_cnic_model"),
    "prefill DRAM": ("prefill_dram",),
    "decode DRAM": ("decode_dram",),
    "prefill compute": ("prefill_compute",),
}
"""What can be the bottleneck, and the curves that add up to how busy it is."""


class Side:
    """One simulation and the curves read from it so far, one value a bin.

    Attributes
    ----------
    simulation : Simulation
    bins : int
        Bins read so far.
    bin_s : float
        Their width.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.simulation = Simulation(scenario)
        self.bins = 0
        self.bin_s = BIN_S
        self._values = {name: array("d") for name in (*CURVES, *NOTED, *COUNTS, "prefill_compute")}
        self._wall_s = 0.0

    def advance_to(self, time_s: float) -> None:
        """Simulate up to ``time_s`` or the end; at the end of a bin, note the queues."""
        simulation = self.simulation
        if simulation.finished:
            return
        started = perf_counter()
        simulation.advance(time_s - simulation.now)
        self._wall_s += perf_counter() - started
        if time_s % self.bin_s == 0:
            snapshot = simulation.snapshot()
            for name in (*QUEUES, *NOTED):
                self._values[name].append(getattr(snapshot, name))

    def read(self, bin_s: float) -> None:
        """Read the bins of a width that are over since the last call; all of them anew if they were narrower then."""
        if bin_s > self.bin_s:
            self._widen(bin_s)
        if int(self.simulation.now / bin_s) == self.bins:
            return
        utilization = observer.utilization(self.simulation, self.bins, bin_s)
        latency = observer.latency(self.simulation, self.bins, bin_s)
        none = np.zeros(len(latency["turns"]))
        for name, families in LINKS.items():
            self._values[name].extend(np.maximum.reduce([utilization.get(family, none) for family in families]))
        for name in (*LATENCIES, *COUNTS):
            self._values[name].extend(latency[name])
        self._values["prefill_compute"].extend(observer.prefill_compute(self.simulation, self.bins, bin_s))
        self.bins += len(none)

    def _widen(self, bin_s: float) -> None:
        """Of what was noted at the end of each bin, keep what was at the end of the wider ones."""
        times = round(bin_s / self.bin_s)
        for name, values in self._values.items():
            self._values[name] = values[times - 1 :: times] if name in (*QUEUES, *NOTED) else array("d")
        self.bins, self.bin_s = 0, bin_s

    def curve(self, name: str, first: int, last: int) -> Floats:
        """Copy of a curve's bins ``first`` up to, not including, ``last``; NaN beyond its end."""
        if name in LATENCIES:
            return self._smooth(name, first, last)
        return self._raw(name, first, last)

    def _raw(self, name: str, first: int, last: int) -> Floats:
        values = np.full(last - first, np.nan)
        have = self._values[name][first : min(last, self.bins)]
        values[: len(have)] = have
        return values

    def _smooth(self, name: str, first: int, last: int) -> Floats:
        """Mean over the turns of the ``SMOOTH_BINS`` up to and with each bin, those alone that have such a latency."""
        start = max(first - SMOOTH_BINS + 1, 0)
        mean, turns = self._raw(name, start, last), self._raw(LATENCIES[name], start, last)
        ended = np.isnan(turns)
        turns[np.isnan(mean)] = 0
        total = _trailing(np.nan_to_num(mean) * turns, SMOOTH_BINS)
        number = _trailing(turns, SMOOTH_BINS)
        smooth = _divide(total, number)
        smooth[ended] = np.nan
        return smooth[first - start :]

    def turns_by(self, time_s: float) -> int:
        """Turns that had finished by a time."""
        return int(np.searchsorted(np.asarray(self.simulation.log.times["finished"]), time_s, side="right"))

    def time_of_turn(self, number: int) -> float:
        """Time in s at which the ``number``-th turn finished."""
        return self.simulation.log.times["finished"][number - 1]

    @cached_property
    def result(self) -> Result:
        """The finished run's result, the same as of an unwatched one."""
        return result_of(self.simulation, self._wall_s)

    def frame(self, at_bin: int | None = None) -> SideFrame:
        """Where the side stands now, or stood after so many bins: told from its log and curves."""
        simulation = self.simulation
        past = at_bin is not None and at_bin * self.bin_s < simulation.now
        now = at_bin * self.bin_s if at_bin is not None and past else simulation.now
        bins = int(now / self.bin_s) if past else self.bins
        ended = simulation.finished and not past
        since_s = 0.0 if ended else max(now - RECENT_BINS * self.bin_s, 0.0)
        times = simulation.log.times
        first = int(np.searchsorted(np.asarray(times["finished"]), since_s))
        turns = self.turns_by(now)
        recent = np.array(times["first_token"][first:turns]) - np.array(times["submitted"][first:turns])
        p50, p99 = np.percentile(recent, [50, 99]) if len(recent) else (np.nan, np.nan)
        first_bin = 0 if ended else max(bins - SMOOTH_BINS, 0)
        bottleneck, utilization = self._bottleneck(first_bin, bins)
        agents_then = int(self._values["agents_finished"][bins - 1]) if past and bins else 0
        return SideFrame(
            system=simulation.scenario.system,
            turns=turns,
            agents_finished=agents_then if past else simulation.agents_finished,
            agents=simulation.workload.trajectories,
            turns_per_s=len(recent) / (now - since_s) if now > since_s else np.nan,
            ttft_p50_s=float(p50),
            ttft_p99_s=float(p99),
            recent_turns=len(recent),
            recent_s=RECENT_BINS * self.bin_s,
            bottleneck=bottleneck,
            bottleneck_utilization=utilization,
            jct_s=self.result.values["jct_s"] if ended else None,
        )

    def _bottleneck(self, first: int, last: int) -> tuple[str, float]:
        if first == last:
            return "", 0.0
        means = {name: float(self._raw(name, first, last).mean()) for name in chain.from_iterable(BUSY.values())}
        busy = {resource: sum(means[name] for name in names) for resource, names in BUSY.items()}
        return max(busy.items(), key=lambda item: item[1])


class Race:
    """Two sides on one clock.

    Parameters
    ----------
    a, b : Scenario
        Alike but for the system, so that both replay the same turns.

    Attributes
    ----------
    a, b : Side
    changes : list of (float, str)
        Time in s of each change of settings, and what it was.

    Raises
    ------
    ScenarioError
        If either can't be simulated.
    """

    def __init__(self, a: Scenario, b: Scenario) -> None:
        self.a = Side(a)
        self.b = Side(b)
        self.changes: list[tuple[float, str]] = []
        self._ticks = 0

    @property
    def time_s(self) -> float:
        """The clock; it stands still once both sides have ended."""
        return self._ticks * BIN_S / TICKS_PER_BIN

    @property
    def bin_s(self) -> float:
        """Width of a bin, the same on both sides."""
        return self.a.bin_s

    @property
    def finished(self) -> bool:
        """Whether both sides have ended."""
        return self.a.simulation.finished and self.b.simulation.finished

    @property
    def bins(self) -> int:
        """Bins that are over on the side that has come further."""
        return max(self.a.bins, self.b.bins)

    def advance(self, seconds: float, budget_s: float = np.inf) -> None:
        """Simulate both sides for ``seconds``, rounded to whole ticks, or until ``budget_s`` of wall time is spent or both have ended."""
        deadline = perf_counter() + budget_s
        for _ in range(round(min(seconds, 1e9) / BIN_S * TICKS_PER_BIN)):
            if self.finished:
                break
            self._ticks += 1
            self.a.advance_to(self.time_s)
            self.b.advance_to(self.time_s)
            if perf_counter() >= deadline:
                break
        bin_s = max(self.a.simulation.bin_s, self.b.simulation.bin_s)
        self.a.read(bin_s)
        self.b.read(bin_s)

    def change(self, values: Mapping[str, Any], words: str) -> None:
        """Go on with other settings; a side that has ended stays as it is.

        Parameters
        ----------
        values : mapping
            Scenario keys with their new values; see :meth:`Simulation.change`.
        words : str
            What changes.

        Raises
        ------
        ScenarioError
            If that is not allowed; nothing has changed then.
        """
        for side in (self.a, self.b):
            if not side.simulation.finished:
                side.simulation.change(values)
        self.changes.append((self.time_s, words))

    def rows(self, first: int, stride: int = 1, curves: Iterable[str] = CURVES) -> dict[str, Floats]:
        """Curves of both sides, ``stride`` bins to a row, from row ``first`` to the last that is over.

        Returns
        -------
        dict of float64 array, shape (rows,)
            ``t``, the middle of each row in s, and ``a_<curve>``, ``b_<curve>`` for each of ``curves``; NaN where a side has ended.
        """
        last = max(self.bins // stride, first)
        rows: dict[str, Floats] = {"t": (np.arange(first, last, dtype=np.float64) + 0.5) * stride * self.bin_s}
        for label, side in (("a", self.a), ("b", self.b)):
            for name in curves:
                rows[f"{label}_{name}"] = _mean_of_known(side.curve(name, first * stride, last * stride).reshape(-1, stride))
        return rows

    def frame(self, at_bin: int | None = None) -> Frame:
        """Where the race stands now, or stood after so many bins; nothing in it changes later."""
        a, b = self.a.frame(at_bin), self.b.frame(at_bin)
        turns = min(a.turns, b.turns)
        speedup = None
        if turns >= a.agents:
            speedup = self.a.time_of_turn(turns) / self.b.time_of_turn(turns)
        return Frame(self.time_s if at_bin is None else at_bin * self.bin_s, a, b, speedup)


def _trailing(values: Floats, width: int) -> Floats:
    """Sum of each value and the ``width - 1`` before it."""
    total = np.cumsum(values)
    total[width:] -= np.cumsum(values)[:-width]
    return total


def _mean_of_known(groups: Floats) -> Floats:
    """Mean of each row without its NaNs; NaN where there is nothing else."""
    known = ~np.isnan(groups)
    return _divide(np.where(known, groups, 0.0).sum(axis=1), known.sum(axis=1, dtype=np.float64))


def _divide(total: Floats, number: Floats) -> Floats:
    """Quotients; NaN where there is nothing to divide by."""
    quotients: Floats = np.full(len(total), np.nan)
    np.divide(total, number, out=quotients, where=number > 0)
    return quotients
