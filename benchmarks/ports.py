"""Packets a second that the virtual-lane arbiter sends on one core: ``python benchmarks/ports.py``."""

from __future__ import annotations

from statistics import median
from time import perf_counter

from dualpath_lab.core.lane_ports import make_port, make_traffic
from dualpath_lab.core.virtual_lanes import run_port
from dualpath_lab.lane_scenario import LaneScenario

RUNS = 5
CASES = {
    "saturated": LaneScenario(model={"pattern": "backlog"}),
    "bursts": LaneScenario(),
    "three model lanes": LaneScenario(model={"lanes": [0, 1, 3]}),
    "with credits": LaneScenario(port={"credit_kbytes": 64}, model={"pattern": "backlog"}),
}


def packets_per_s(scenario: LaneScenario) -> tuple[int, float]:
    """Packets of a run, and the median of their rates over some runs."""
    port, (messages, backlogs) = make_port(scenario), make_traffic(scenario)
    rates = []
    for _ in range(RUNS):
        started = perf_counter()
        record = run_port(port, messages, backlogs, scenario.duration_ms * 1e-3)
        rates.append(len(record.sent_s) / (perf_counter() - started))
    return len(record.sent_s), median(rates)


def main() -> None:
    """Print a line a case."""
    print(f"{'case':<20}{'packets':>10}{'packets/s':>12}")
    for name, scenario in CASES.items():
        packets, rate = packets_per_s(scenario)
        print(f"{name:<20}{packets:>10,}{rate:>12,.0f}")


if __name__ == "__main__":
    main()
