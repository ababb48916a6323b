"""The generator against the published table (reference section 9)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import Workload, load, statistics
from dualpath_lab.workload.paper import generate

PUBLISHED = {  # max tokens, turns, append, generated, total, context
    "paper-32k": (32_768, 60, 608, 148, 28_639, 17_183),
    "paper-48k": (49_152, 106, 474, 172, 42_607, 25_120),
    "paper-64k": (65_536, 157, 429, 176, 55_958, 32_721),
}
ARRAYS = ("context", "append", "generate", "gap_s")
names = pytest.mark.parametrize("name", PUBLISHED)


def drawn(name: str, trajectories: int, seed: int = 0) -> Workload:
    return generate(name, trajectories, np.random.default_rng(seed))


def turns_of(workload: Workload) -> np.ndarray:
    return np.diff(workload.first_turn)


@names
@pytest.mark.parametrize(("trajectories", "tolerance"), [(500, 0.04), (2_000, 0.03), (10_000, 0.015)])
@pytest.mark.parametrize("seed", range(5))
def test_all_columns_and_the_loaded_tokens_are_met_at_once(name: str, trajectories: int, tolerance: float, seed: int) -> None:
    _, turns, append, generated, total, context = PUBLISHED[name]
    found = statistics(drawn(name, trajectories, seed))
    expected = {
        "turns": turns,
        "append": append,
        "generated": generated,
        "total": total,
        "context": context,
        "loaded_tokens_per_session": turns * context,
    }
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=tolerance)


@names
@pytest.mark.parametrize("seed", range(3))
def test_lengths_are_possible(name: str, seed: int) -> None:
    workload = drawn(name, 2_000, seed)
    assert workload.max_tokens == PUBLISHED[name][0]
    assert workload.append.min() >= 1
    assert workload.generate.min() >= 1
    assert turns_of(workload).min() >= 1
    assert not workload.gap_s.any()
    assert (workload.context + workload.append + workload.generate).max() <= workload.max_tokens


@names
def test_the_prompt_is_everything_before_and_the_append(name: str) -> None:
    workload = drawn(name, 300)
    expected = np.roll(workload.context + workload.append + workload.generate, 1)
    expected[workload.first_turn[:-1]] = 0
    np.testing.assert_array_equal(workload.context, expected)


@names
def test_long_trajectories_have_short_turns(name: str) -> None:
    workload = drawn(name, 2_000)
    turns = turns_of(workload)
    tokens_per_turn = np.add.reduceat(workload.append + workload.generate, workload.first_turn[:-1]) / turns
    assert np.corrcoef(np.log(turns), np.log(tokens_per_turn))[0, 1] < -0.9
    _, mean_turns, append, generated, total, _ = PUBLISHED[name]
    assert np.log(turns).var() == pytest.approx(np.log(mean_turns * (append + generated) / total), rel=0.05)


@names
def test_the_first_prompt_is_a_fifth_of_the_trajectory(name: str) -> None:
    workload = drawn(name, 2_000)
    first, last = workload.first_turn[:-1], workload.first_turn[1:] - 1
    total = (workload.context + workload.append + workload.generate)[last]
    assert 0.16 < np.mean(workload.append[first] / total) < 0.21


@names
def test_appends_are_heavy_tailed_within_a_trajectory(name: str) -> None:
    workload = drawn(name, 500)
    ratios = []
    for start, end in zip(workload.first_turn[:-1], workload.first_turn[1:], strict=True):
        later = workload.append[start + 1 : end]
        if len(later) >= 50:
            ratios.append(later.mean() / np.median(later))
    assert np.median(ratios) > 2


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(PUBLISHED)), st.integers(1, 350), st.integers(1, 350), st.integers(0, 2**32 - 1))
def test_a_trajectory_does_not_depend_on_how_many_are_drawn(name: str, one: int, other: int, seed: int) -> None:
    fewer, more = sorted((one, other))
    small, large = drawn(name, fewer, seed), drawn(name, more, seed)
    assert small.trajectories == fewer
    np.testing.assert_array_equal(small.first_turn, large.first_turn[: fewer + 1])
    for array in ARRAYS:
        np.testing.assert_array_equal(getattr(small, array), getattr(large, array)[: small.turns])


def test_seeds_differ_and_neighbours_are_independent() -> None:
    assert not np.array_equal(turns_of(drawn("paper-64k", 100, 0)), turns_of(drawn("paper-64k", 100, 1)))
    turns = np.log(turns_of(drawn("paper-64k", 5_000)))
    assert abs(np.corrcoef(turns[:-1], turns[1:])[0, 1]) < 0.06


@names
def test_load_gives_two_thousand_of_seed_zero(name: str) -> None:
    assert statistics(load(name)) == statistics(drawn(name, 2_000, 0))


@pytest.mark.parametrize(("name", "trajectories", "said"), [("paper-8k", 1, "'paper-8k'"), ("paper-64k", 0, "trajectories = 0")])
def test_impossible_requests_are_told(name: str, trajectories: int, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        drawn(name, trajectories)
