"""The tour: its links, and that what a step says is what its page shows."""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from dualpath_lab.calibration import COMPUTE_QUOTA_S
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.dashboards.anatomy_state import AnatomyState
from dualpath_lab.dashboards.lane_state import LaneState
from dualpath_lab.dashboards.race import Race
from dualpath_lab.dashboards.shell import href, page_asked_for
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.dashboards.tour import KEY, address, step_asked_for, steps, strip
from dualpath_lab.studies.lanes import lanes

NUMBERS = range(1, len(steps()) + 1)
UNTIL_S = 300.0
"""By then the first prompts are over and what the steps speak of is there to see."""


def raced(title: str) -> Race:
    (state,) = (step.state for step in steps() if step.title == title)
    assert isinstance(state, LabState)
    race = Race(*state.scenarios())
    race.advance(UNTIL_S)
    return race


def mean(race: Race, curve: str) -> float:
    """Of the last third."""
    return float(np.nanmean(race.rows(int(UNTIL_S * 2 / 3))[curve]))


def test_the_wall_is_there() -> None:
    race = raced("The storage wall")
    assert mean(race, "a_prefill_snic") > 0.95
    assert mean(race, "a_decode_snic") == 0
    assert race.frame().a.bottleneck == "prefill SNIC"


def test_the_second_path_opens() -> None:
    """Three storage NICs where A has one."""
    race = raced("The second path opens")
    assert mean(race, "b_decode_snic") > 0.7
    speedup = race.frame().speedup
    assert speedup is not None
    assert 1.8 < speedup <= 3.0


def test_the_choice_of_path_matters() -> None:
    race = raced("Who reads what")
    speedup = race.frame().speedup
    assert speedup is not None
    assert speedup > 1.15
    assert abs(mean(race, "b_prefill_read_tokens") - mean(race, "b_decode_read_tokens")) < abs(
        mean(race, "a_prefill_read_tokens") - mean(race, "a_decode_read_tokens")
    )


def test_the_lanes_keep_the_model_first() -> None:
    (state,) = (step.state for step in steps() if isinstance(step.state, LaneState))
    slowdown = {side: lanes(scenario).to_dict()["burst_s"]["slowdown"] for side, scenario in state.scenarios().items()}
    assert slowdown["a"] < 1.05
    assert slowdown["b"] > 3


def test_the_quota_bounds_every_forward() -> None:
    """And the fixed number of tokens doesn't."""
    (state,) = (step.state for step in steps() if isinstance(step.state, AnatomyState))
    longest_s = {}
    for system in ("dualpath", "roundrobin"):
        simulation = Simulation(state.scenario().with_values({"system": system}))
        simulation.run()
        longest_s[system] = max(group.log.columns()["attention_s"].max() for group in simulation.cluster.prefill_groups)
    assert 0.95 * COMPUTE_QUOTA_S < longest_s["dualpath"] <= COMPUTE_QUOTA_S * (1 + 1e-9)
    assert longest_s["roundrobin"] > 1.5 * COMPUTE_QUOTA_S


def test_it_does_not_always_help() -> None:
    race = raced("When it does not help")
    frame = race.frame()
    assert frame.a.bottleneck == frame.b.bottleneck == "prefill compute"
    assert frame.speedup is not None
    assert frame.speedup < 1.2


@pytest.mark.parametrize("pathname", ["/", "/lanes", "/app"])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_step_is_a_link_of_its_own(number: int, pathname: str) -> None:
    """It leads to the step's page, with its settings and its number, from any page. Mutant: a step forgets a setting."""
    target = urlsplit(address(number, partial(href, pathname=pathname)))
    arguments = {name: [value.encode() for value in values] for name, values in parse_qs(target.query).items()}
    state = steps()[number - 1].state
    assert page_asked_for(target.path or pathname, arguments) == state.PAGE
    assert step_asked_for(arguments) == (number, "")
    received = type(state)()
    assert received.take_query(target.query) == []
    assert received.to_query() == state.to_query()


@pytest.mark.parametrize("number", NUMBERS)
def test_every_step_says_where_to_look_and_leads_to_all_others(number: int) -> None:
    html = strip(number, partial(href, pathname="/"))
    assert "Look here first" in html
    assert html.count(f"{KEY}=") == len(NUMBERS) + (number < len(NUMBERS))
    assert html.count("aria-current") == 1


@pytest.mark.parametrize("text", ["0", "7", "two", "1.5", "-1", "²"])
def test_a_wrong_number_is_answered_in_a_sentence(text: str) -> None:
    number, problem = step_asked_for({KEY: [text.encode()]})
    assert number is None
    assert f"{KEY} = {text!r} in the link is not allowed: it should be a whole number from 1 to {len(NUMBERS)}." == problem
