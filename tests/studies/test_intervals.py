"""Confidence intervals hold the true mean as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from dualpath_lab.studies.intervals import interval


@pytest.mark.parametrize("seeds", [2, 3, 5, 15])
def test_nineteen_of_twenty_intervals_hold_the_mean(seeds: int) -> None:
    """Mutants: 1.96 whatever the number of seeds; no square root."""
    rng = np.random.default_rng(seeds)
    drawn = 100.0 * np.exp(rng.normal(0.0, 0.02, (4000, seeds)))
    held = sum(1 for values in drawn.tolist() if (found := interval(values)).low <= 100.02 <= found.high)
    assert held / 4000 == pytest.approx(0.95, abs=0.015)


def test_one_value_says_nothing_about_the_spread() -> None:
    assert interval([3.0]) == (3.0, None, None)


def test_no_rate_is_below_zero() -> None:
    assert interval([0.0, 0.5]).low == 0.0
    assert interval([0.1, 5.0]).low > 0.0
