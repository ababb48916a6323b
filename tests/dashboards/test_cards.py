"""The headline cards say what their figures rest on."""

from __future__ import annotations

import pytest

from dualpath_lab.dashboards.cards import card
from dualpath_lab.dashboards.frames import SideFrame


def side(recent_turns: int) -> SideFrame:
    return SideFrame("dualpath", 5000, 3, 8, 100.0, 0.5, 2.0, recent_turns, 30.0, "p0.snic", 0.9, None)


@pytest.mark.parametrize(("turns", "few"), [(0, False), (1, True), (999, True), (1000, False), (20_000, False)])
def test_a_p99_of_too_few_turns_says_so(turns: int, few: bool) -> None:
    """Ten turns have to lie beyond it. Mutant: it never does."""
    assert ("few turns" in card("A", side(turns))) is few
