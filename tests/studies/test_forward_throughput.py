"""A5: what more requests in a forward bring."""

from __future__ import annotations

import pytest

from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.forward_throughput import relative_throughput
from dualpath_lab.studies.reproduce.jobs import REQUESTS, job, run_job


def test_more_requests_share_what_a_forward_costs_besides() -> None:
    """Grows, by less than as many times, and is 1 for one. Mutant: upside down; time in place of tokens a second."""
    relative = [relative_throughput(Scenario(), requests) for requests in REQUESTS]
    assert relative[0] == 1
    assert relative == sorted(relative)
    assert all(1 < more < requests for more, requests in zip(relative[1:], REQUESTS[1:], strict=True))


def test_the_job_has_each_number_of_requests() -> None:
    """Mutant: another scenario's, or keys that are no text, which JSON has not."""
    outcome = run_job(job("forward", model="ds-27b"), 0)
    found = {str(requests): relative_throughput(Scenario(model="ds-27b"), requests) for requests in REQUESTS}
    assert outcome["relative_throughput"] == pytest.approx(found)
    assert outcome["turns"] == sum(REQUESTS)
