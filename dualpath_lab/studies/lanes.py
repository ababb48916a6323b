"""What a port's lanes get, with KV traffic and without it (reference section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.lane_ports import KV, MODEL, make_port, make_traffic
from dualpath_lab.core.virtual_lanes import Port, PortRecord, run_port
from dualpath_lab.lane_scenario import LaneScenario


@dataclass(frozen=True)
class LaneResult:
    """One port's run.

    Attributes
    ----------
    scenario : LaneScenario
    port : Port
    record : PortRecord
        With all traffic.
    alone : PortRecord
        The model's traffic by itself.
    wall_s : float
        Wall-clock time of both.
    """

    scenario: LaneScenario
    port: Port
    record: PortRecord
    alone: PortRecord
    wall_s: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``dualpath-lab vl``; times in s, rates in bytes/s, shares of the link over the run. What did not happen is None."""
        record, link_bytes = self.record, self.port.rate_bytes_per_s * self.record.ended_s
        sent = {source: int(record.size_bytes[record.source == source].sum()) for source in (MODEL, KV)}
        gaps = link_bytes - sent[MODEL]
        bursts, bursts_alone = (_completion_s(each, MODEL) for each in (record, self.alone))
        held = record.held_s[record.source == KV]
        return {
            "scenario": self.scenario.model_dump(),
            "simulated_s": record.ended_s,
            "packets": len(record.sent_s),
            "share": {
                "model": sent[MODEL] / link_bytes,
                "kv": sent[KV] / link_bytes,
                "idle": max(1 - sum(sent.values()) / link_bytes, 0.0),
            },
            "lanes": [
                {"lane": lane, "bytes": int(size), "share": float(size / link_bytes)}
                for lane, size in enumerate(np.bincount(record.lane, weights=record.size_bytes))
                if size
            ],
            "burst_s": {
                "with_kv": _spread(bursts),
                "alone": _spread(bursts_alone),
                "slowdown": float(bursts.mean() / bursts_alone.mean()) if len(bursts) and len(bursts_alone) else None,
            },
            "kv": {
                "goodput_bytes_per_s": sent[KV] / record.ended_s,
                "share_of_gaps": sent[KV] / gaps if gaps > 0 else None,
                "longest_wait_s": float(held.max()) if len(held) else None,
            },
            "wall_s": self.wall_s,
        }

    def summary(self) -> str:
        """A few lines for people."""
        values = self.to_dict()
        share, bursts, kv = values["share"], values["burst_s"], values["kv"]
        lines = [
            f"{self.scenario.port.preset} port, {self.scenario.port.link_gbps:g} Gb/s, {values['packets']:,} packets in "
            f"{values['simulated_s'] * 1e3:.3g} ms",
            f"  model {share['model']:.2%}, KV {share['kv']:.2%}, idle {share['idle']:.2%} of the link",
        ]
        if bursts["slowdown"] is not None:
            spread = ", ".join(f"{name} {value * 1e6:.3g} us" for name, value in bursts["with_kv"].items())
            lines.append(f"  model messages: {spread}; {bursts['slowdown']:.3g}x an otherwise empty link's")
        if kv["longest_wait_s"] is not None:
            gaps = "" if kv["share_of_gaps"] is None else f", {kv['share_of_gaps']:.1%} of what the model leaves"
            fifo = self.scenario.port.preset == "fifo"
            wait = "one lane for all" if fifo else f"longest wait of a packet {kv['longest_wait_s'] * 1e6:.3g} us"
            lines.append(f"  KV: {kv['goodput_bytes_per_s'] / 1e9:.3g} GB/s{gaps}; {wait}")
        return "\n".join(lines)


def lanes(scenario: LaneScenario) -> LaneResult:
    """Run a port twice: with all its traffic, and with the model's alone."""
    started = perf_counter()
    port, duration_s = make_port(scenario), scenario.duration_ms * 1e-3
    record, alone = (run_port(port, *make_traffic(scenario, with_kv), duration_s) for with_kv in (True, False))
    return LaneResult(scenario, port, record, alone, perf_counter() - started)


def _completion_s(record: PortRecord, source: int) -> NDArray[np.float64]:
    """From handing a message over to its last byte, for each that was sent whole."""
    mine = record.message_source == source
    seconds: NDArray[np.float64] = record.done_s[mine] - record.asked_s[mine]
    return seconds


def _spread(seconds: NDArray[np.float64]) -> dict[str, float | None]:
    if not len(seconds):
        return dict.fromkeys(("mean", "p99", "max"))
    return {"mean": float(seconds.mean()), "p99": float(np.percentile(seconds, 99)), "max": float(seconds.max())}
