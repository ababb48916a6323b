"""The pictures kept for going back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.picture.seen import MOST, Seen


def frame(number: int) -> Any:
    return {"time_s": number}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=200), st.integers(0, 1000))
def test_it_gives_what_was_shown_last_by_then(gaps: list[int], at_bin: int) -> None:
    """Mutant: the frame after, or an error before the first."""
    seen = Seen()
    bins = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    for each in bins:
        seen.add(each, frame(each))
    assert seen.at(at_bin) == frame(max([each for each in bins if each <= at_bin], default=bins[0]))
    assert seen.at() == frame(bins[-1])


def test_a_bin_is_kept_as_it_was_shown_last() -> None:
    seen = Seen()
    seen.add(3, frame(1))
    seen.add(3, frame(2))
    assert seen.at(3) == frame(2)


def test_a_long_run_is_kept_from_end_to_end_in_bounded_memory() -> None:
    """Mutants: the oldest are dropped; nothing is."""
    seen = Seen()
    for each in range(20 * MOST):
        seen.add(each, frame(each))
    assert len(seen._times_s) <= MOST
    assert seen.at(2 * MOST)["time_s"] > MOST
    assert seen.at() == frame(20 * MOST - 1)
