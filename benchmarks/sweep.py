"""How much sooner 64 scenarios are done on two processes than on one: ``python benchmarks/sweep.py``.

Two processes may slow each other, as they share caches, memory and often a core; what the machine can do at best is told by two that
simulate half of the scenarios each and know nothing of each other.
"""

from __future__ import annotations

from multiprocessing import get_context
from time import perf_counter

from dualpath_lab.studies.sweep import make_plan, sweep
from dualpath_lab.studies.sweep.engines import run_here

PLAN = make_plan(
    {
        "base": {
            "model": "qwen-32b",
            "cluster": {"prefill_nodes": 1, "decode_nodes": 1},
            "workload": {"source": "paper-32k", "agents": 256},
        },
        "grid": {"system": ["basic", "dualpath"], "seed": list(range(32))},
    }
)


def half(first: int) -> None:
    """Simulate every other scenario."""
    for _ in run_here(dict(list(PLAN.scenarios.items())[first::2])):
        pass


def at_best_s() -> float:
    """Time that two processes take for the scenarios, their start included."""
    started = perf_counter()
    with get_context("spawn").Pool(2) as pool:
        pool.map(half, (0, 1), chunksize=1)
        return perf_counter() - started


def main() -> None:
    """Print the time of each, start of the processes included, and the ratio; the results must be the same bits."""
    times, tables = {}, []
    for processes in (1, 2):
        started = perf_counter()
        tables.append(sweep(PLAN, processes=processes).table().drop(columns="wall_s"))
        times[processes] = perf_counter() - started
        print(f"{len(PLAN.scenarios)} scenarios, {processes} at a time: {times[processes]:6.1f} s")
    print(f"{times[1] / times[2]:.2f}x, {'the same bits' if tables[0].equals(tables[1]) else 'THE RESULTS DIFFER'}")
    print(f"{times[1] / at_best_s():.2f}x is what two processes of this machine can do")


if __name__ == "__main__":
    main()
