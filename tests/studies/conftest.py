"""A reproduction without simulations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dualpath_lab.studies.reproduce import Job, pool

Runner = Callable[[Job, int], Any]


class _Later:
    """A future that runs when it is asked for its result."""

    def __init__(self, run: Runner, job: Job, seed: int) -> None:
        self.result = lambda: run(job, seed)


class _Here:
    """Runs jobs in this process, one after the other, in place of a pool of others."""

    def __init__(self, processes: int, context: object, initializer: Callable[[], None]) -> None:
        assert processes > 0

    def __enter__(self) -> _Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, run: Runner, job: Job, seed: int) -> _Later:
        return _Later(run, job, seed)

    def shutdown(self, wait: bool, cancel_futures: bool) -> None:
        assert (wait, cancel_futures) == (False, True)


class Runs:
    """Stands in for the runner: ``answer`` makes up each outcome, ``count`` and ``seeds`` remember what was asked for."""

    def __init__(self) -> None:
        self.count: Counter[Job] = Counter()
        self.seeds: Counter[int] = Counter()
        self.answer: Callable[[Job], dict[str, Any]] = lambda _: {}

    def __call__(self, job: Job, seed: int) -> Any:
        self.count[job] += 1
        self.seeds[seed] += 1
        return _outcome(job) | self.answer(job)


def _outcome(job: Job) -> dict[str, Any]:
    """As much of an outcome as the rows look at."""
    return {
        "run": {
            "jct_s": 1.0,
            "latency_s": {"trajectory": {"mean": 500.0}},
            "ttft_breakdown_s": {"schedule": 0.0, "read": 0.0, "prefill_queue": 0.1, "prefill": 0.2, "transfer": 0.0},
            "balance": {"attention_max_over_mean": 1.0},
            "turns": 10,
        },
        "over_time": {
            "jct_s": 1.0,
            "over_time": {"window_s": 60.0, "prompt_tokens_per_s": [1e7] * 54, "ttft_s": [2.0] * 54},
            "turns": 40,
        },
        "online": {"arrival_rate": 0.4, "ttft_s": 1.0, "ttst_s": 0.2, "tpot_s": 0.05, "slo_met": True, "turns": 15},
        "forward": {"relative_throughput": {"1": 1.0, "5": 2.0, "10": 2.0, "20": 2.0}, "turns": 36},
        "capacity": {"rate": 1.0, "runs": [], "turns": 30},
        "start": {"attention_max_over_mean": 1.0, "turns": 5},
        "scheduler": {"cores": 1.0, "possible_per_s": 2.0, "needed_per_s": 2.0, "turns": 20},
    }[job.kind]


@pytest.fixture(name="runs")
def _runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    monkeypatch.setattr(pool, "ProcessPoolExecutor", _Here)
    monkeypatch.setattr(pool, "as_completed", list)
    monkeypatch.setattr(pool, "run_job", runs)
    return runs
