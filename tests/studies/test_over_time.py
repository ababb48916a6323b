"""The course of a run: nothing is lost between its windows, and a plateau is what it is made to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.reproduce.jobs import Job, run_job
from dualpath_lab.studies.reproduce.over_time import (
    PUBLISHED_LENGTH_S,
    over_time,
    peak_ttft_s,
    plateau_prompt_tokens_per_s,
    plateau_s,
    plateau_ttft_s,
)
from dualpath_lab.studies.run import simulate

SMALL = {
    "model": "ds-27b",
    "cluster.prefill_nodes": 1,
    "cluster.decode_nodes": 1,
    "cluster.gpus_per_node": 2,
    "workload.source": "paper-32k",
}


def turns(first_token_s: Any, ttft_s: Any, hit: int = 900, computed: int = 100) -> dict[str, Any]:
    at = np.asarray(first_token_s, float)
    return {
        "first_token": at,
        "ttft": np.broadcast_to(ttft_s, at.shape),
        "hit": np.full(at.shape, hit),
        "computed": np.full(at.shape, computed),
    }


@pytest.mark.parametrize("length_s", [3201.0, 32.01, 7000.0])
def test_a_made_up_course_is_read_off_it(length_s: float) -> None:
    """Closed form: slow at first with a peak, then a plateau, then a tail, whatever the run's length. Mutants: absolute times; the mean."""
    scale = length_s / PUBLISHED_LENGTH_S
    at = np.concatenate([np.arange(5, 900, 10), np.arange(900.5, 2400, 1), np.arange(2405, 3201, 10)])
    ttft_s = np.where(at < 900, 5.0, np.where(at < 2400, 11.0, 2.0))
    ttft_s[(at > 300) & (at < 450)] = 27.0
    outcome = {"over_time": over_time(turns(at * scale, ttft_s), length_s)}
    assert plateau_s(outcome) == pytest.approx((900 * scale, 2400 * scale))
    assert plateau_prompt_tokens_per_s(outcome) == pytest.approx(1000 / scale)
    assert plateau_ttft_s(outcome) == pytest.approx(11)
    assert peak_ttft_s(outcome) == pytest.approx(27)


@given(shares=st.lists(st.floats(0, 1), max_size=60), length_s=st.floats(1, 1e5))
def test_every_turn_counts_in_one_window(shares: list[float], length_s: float) -> None:
    """Conservation, the last moment included. Mutant: the end of the run falls out; an empty window has a TTFT of 0."""
    course = over_time(turns([share * length_s for share in shares], 3.0), length_s)
    assert sum(course["prompt_tokens_per_s"]) * course["window_s"] == pytest.approx(1000 * len(shares))
    assert len(course["ttft_s"]) == len(course["prompt_tokens_per_s"])
    for ttft_s, tokens_per_s in zip(course["ttft_s"], course["prompt_tokens_per_s"], strict=True):
        assert (ttft_s is None) == (tokens_per_s == 0)
        assert ttft_s is None or ttft_s == pytest.approx(3.0)


def test_a_run_without_turns_in_a_part_has_nothing_there() -> None:
    """Mutant: an error about an empty median."""
    outcome = {"over_time": over_time(turns([3200.0], 1.0), 3201.0)}
    assert (plateau_prompt_tokens_per_s(outcome), plateau_ttft_s(outcome), peak_ttft_s(outcome)) == (0, 0, 0)


def test_the_job_keeps_the_course_of_the_run_beside_its_key_figures() -> None:
    """A real run: its tokens are the run's. Mutant: only the last windows; a numpy number in the JSON."""
    job = Job("over_time", (*SMALL.items(), ("workload.agents", 6)))
    outcome, values = run_job(job, 1), simulate(Scenario(seed=1).with_values(dict(job.changes))).to_dict()
    tokens = sum(outcome["over_time"]["prompt_tokens_per_s"]) * outcome["over_time"]["window_s"]
    assert tokens == pytest.approx(values["tokens"]["hit"] + values["tokens"]["computed"])
    assert outcome["jct_s"] == values["jct_s"]
    assert {type(value) for value in outcome["over_time"]["ttft_s"]} <= {float, type(None)}
    assert plateau_prompt_tokens_per_s(outcome) > 0
    assert peak_ttft_s(outcome) >= 0
