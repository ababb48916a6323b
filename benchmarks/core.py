"""How fast the core is: ``python benchmarks/core.py``, or with ``--largest`` for the paper's 1,152 GPUs too, which takes long."""

from __future__ import annotations

import argparse
import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from platform import python_compiler, python_version
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from timeit import timeit
from typing import Any, NamedTuple

from simpy import Environment

from dualpath_lab.core.network import warm_up
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.dashboards.player import FRAME_S
from dualpath_lab.dashboards.race import Race
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.scenario import Scenario

OTHERS_TURNS_PER_S = 93.0
"""The fastest other simulator measured on agentic turns (NVIDIA DynoSim)."""
TRAJECTORIES, TURNS, FIRST_TOKENS, LAST_TOKENS, REUSED, ANSWER_TOKENS = 500, 30, 32_000, 49_000, 0.95, 150
FRAMES = 150
PENDING = 10
"""Events that wait at a time: 3 to 4 in the middle of the 2P4D run, 8 to 17 in those of 8P16D and 12P24D."""


class Speed(NamedTuple):
    """What one run took, on one core."""

    turns: int
    events: int
    cpu_s: float
    peak_mb: float
    kernel_share: float
    call_ns: float


def agentic_trace(path: Path) -> str:
    """Sessions whose context grows turn by turn, nearly all of it cached."""
    growth = (LAST_TOKENS - FIRST_TOKENS) // (TURNS - 1)
    prompts = [FIRST_TOKENS + growth * turn for turn in range(TURNS)]
    turns = [f"{turn},{prompt},{ANSWER_TOKENS},{int(REUSED * prompt) if turn else 0},0" for turn, prompt in enumerate(prompts)]
    rows = [f"s{session},{turn}" for session in range(TRAJECTORIES) for turn in turns]
    path.write_text("\n".join(["session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s", *rows]) + "\n")
    return str(path)


def cases(trace: str, largest: bool) -> dict[str, dict[str, Any]]:
    """Scenario keys by the name of the case; the system is dualpath, the model DS 660B."""

    def case(prefill: int, decode: int, **others: Any) -> dict[str, Any]:
        return {"cluster.prefill_nodes": prefill, "cluster.decode_nodes": decode} | others

    chosen = {
        "2P4D, 2,048 agents": case(2, 4, **{"workload.agents": 2048}),
        "8P16D, 500 x 30 turns": case(8, 16, **{"workload.source": trace, "workload.agents": TRAJECTORIES}),
        "12P24D, 12,288 agents": case(12, 24, **{"workload.agents": 12_288}),
    }
    return chosen | ({"48P96D, 49,152 agents": case(48, 96, **{"workload.agents": 49_152})} if largest else {})


def run(values: dict[str, Any]) -> Speed:
    """Simulate to the end; meant for a process of its own, whose peak memory is then the run's.

    To load the compiled arithmetic, some 0.3 s, is left out, as is to compile it where it never ran before.
    """
    warm_up()
    simulation = Simulation(Scenario().with_values(values))
    started = process_time()
    simulation.run()
    cpu_s = process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Speed(len(simulation.log), simulation.events, cpu_s, peak_mb, bare_events_s(simulation.events) / cpu_s, call_ns())


def bare_events_s(events: int) -> float:
    """Time that SimPy by itself takes for so many timeouts that each lead to another."""
    env, tried = Environment(), min(events, 200_000)

    def again(_event: Any) -> None:
        env.timeout(1.0).callbacks.append(again)

    for number in range(PENDING):
        env.timeout(number / PENDING).callbacks.append(again)
    started = process_time()
    for _ in range(tried):
        env.step()
    return (process_time() - started) * events / tried


def call_ns() -> float:
    """Mean time of a bare call: how fast this interpreter is on this machine at this moment."""

    def nothing() -> None:
        return

    return 1e3 * min(timeit(nothing, number=1_000_000, timer=process_time) for _ in range(3))


def frame_s() -> float:
    """Median time that a frame of the live page takes: both systems simulated for its share of a second at 20 times, and its rows."""
    race = Race(*LabState().scenarios())
    taken = []
    for _ in range(FRAMES):
        started = perf_counter()
        race.advance(20 * FRAME_S)
        race.rows(max(race.bins - 2, 0))
        race.frame()
        taken.append(perf_counter() - started)
    return median(taken)


def main() -> None:
    """Print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", action="store_true", help="48P96D, too")
    options = parser.parse_args()
    print(f"Python {python_version()} ({python_compiler()}); how fast it is just then is told by the time of a bare call")
    print(f"{'case':<30}{'turns':>11}{'turns/s':>9}{'events/s':>10}{'events/turn':>12}{'peak MB':>9}{'SimPy':>7}{'a call':>9}")
    with TemporaryDirectory() as folder:
        for name, values in cases(agentic_trace(Path(folder) / "agentic.csv"), options.largest).items():
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                speed = pool.submit(run, values).result()
            rate = speed.turns / speed.cpu_s
            print(
                f"{name:<30}{speed.turns:>11,}{rate:>9,.0f}{speed.events / speed.cpu_s:>10,.0f}{speed.events / speed.turns:>12.2f}"
                f"{speed.peak_mb:>9,.0f}{speed.kernel_share:>7.0%}{speed.call_ns:>6.0f} ns"
                + (f"  {rate / OTHERS_TURNS_PER_S:,.0f} times the fastest other simulator" if "500 x 30" in name else "")
            )
    print(f"a live page's frame: {1e3 * frame_s():.1f} ms of {1e3 * FRAME_S:.0f}")


if __name__ == "__main__":
    main()
