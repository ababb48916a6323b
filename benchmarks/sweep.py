"""How much sooner 64 scenarios are done on two processes than on one: ``python benchmarks/sweep.py``."""

from __future__ import annotations

from time import perf_counter

from dualpath_lab.studies.sweep import make_plan, sweep

PLAN = make_plan(
    {
        "base": {
            "model": "qwen-32b",
            "cluster": {"prefill_nodes": 1, "decode_nodes": 1},
            "workload": {"source": "paper-32k", "agents": 128},
        },
        "grid": {"system": ["basic", "dualpath"], "seed": list(range(32))},
    }
)


def main() -> None:
    """Print the time of each, start of the processes included, and the ratio; the results must be the same bits."""
    times, tables = {}, []
    for processes in (1, 2):
        started = perf_counter()
        tables.append(sweep(PLAN, processes=processes).table().drop(columns="wall_s"))
        times[processes] = perf_counter() - started
        print(f"{len(PLAN.scenarios)} scenarios, {processes} at a time: {times[processes]:6.1f} s")
    print(f"{times[1] / times[2]:.2f}x, {'the same bits' if tables[0].equals(tables[1]) else 'THE RESULTS DIFFER'}")


if __name__ == "__main__":
    main()
