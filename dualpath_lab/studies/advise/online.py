"""How many agents a second each system of an advice serves within the objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.advise.search import placed_at
from dualpath_lab.studies.capacity import capacity, online_scenario
from dualpath_lab.studies.intervals import interval
from dualpath_lab.studies.run import Progress

if TYPE_CHECKING:
    from dualpath_lab.studies.advise import Advice


class OnlineQuestion(NamedTuple):
    """A system at its best P:D with one seed, and how soon its agents are done when all start at once."""

    scenario: Scenario
    jct_s: float


def online_questions(advice: Advice) -> list[OnlineQuestion]:
    """What has to be asked of :func:`capacity_of`, for each system and seed."""
    return [
        OnlineQuestion(placed_at(advice.scenario, choice.point).with_values({"seed": advice.scenario.seed + more}), jct_s)
        for choice in advice.choices.values()
        for more, jct_s in enumerate(choice.jcts_s)
    ]


def capacity_of(question: OnlineQuestion, progress: Progress | None = None) -> float:
    """Agents/s within the objective, looked for around what the cluster does when all start at once."""
    return capacity(question.scenario, *_rates(question), progress=progress)[0]


def largest_asked(question: OnlineQuestion) -> Scenario:
    """The run with the most agents that :func:`capacity_of` may try."""
    return online_scenario(question.scenario, _rates(question)[1])


def _rates(question: OnlineQuestion) -> tuple[float, float]:
    offline = question.scenario.workload.agents / question.jct_s
    return offline / 8, offline * 3


def with_capacities(advice: Advice, rates: Sequence[float]) -> Advice:
    """The advice with the answers to :func:`online_questions`, agents/s, in their order."""
    left = iter(rates)
    choices = {
        system: replace(choice, agents_per_s=interval([next(left) for _ in choice.jcts_s])) for system, choice in advice.choices.items()
    }
    return replace(advice, choices=choices)
